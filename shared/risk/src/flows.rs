//! Deposits and withdrawals told from PnL: the balance that our executions explain against the one
//! that the wallet shows.
//!
//! ```text
//!  read of the wallet ─▶ waits until all executions up to it have been told
//!        │ the balance is what they explain ─▶ new anchor, the peak may rise
//!        └ it is not ─▶ a fresh read; 10 s after the first: still not ─▶ SAFETY_FLOW, until confirmed
//! ```

use money::{Amount, Decimal, MoneyError};
use protocol::{Context, Severity, Tag, VenueMs};
use serde::{Deserialize, Serialize};

use crate::effects::Effects;
use crate::state::{BalanceAt, CashAt, Jump, WalletBook, WalletRead};
use crate::{Engine, trips};

/// Executions this close to a read may or may not be in it.
const READ_SPAN_MS: u64 = 2_000;

/// How long a balance may be unexplained before it is a flow.
const FLOW_PATIENCE_MS: u64 = 10_000;

/// The same while every read falls in the middle of executions.
const BUSY_PATIENCE_MS: u64 = 60_000;

/// Cash results that are kept apart until a read has proven them.
const RECENT_MOST: usize = 8192;

/// Jumps that one read may allow.
const SUSPECTS_MOST: usize = 256;

/// Jumps that are kept apart until they are confirmed.
const JUMPS_MOST: usize = 32;

/// A difference this small is rounding, in the settle coin.
pub(crate) const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

impl Engine {
    /// Takes in money received (or paid, if negative) by an execution.
    pub(crate) fn cash(&mut self, at: VenueMs, cash: Amount, effects: &mut Effects) -> Sum {
        if let Some(day) = self.day_at(at) {
            day.cash = day.cash.plus(cash)?;
        }
        let book = &mut self.state.wallet;
        if let Some(anchor) = book.anchor {
            let held = at < anchor.at;
            if book.first_unproven {
                book.near_first(at, cash, held, anchor.at);
            }
            if held {
                return self.explain_late(cash, effects);
            }
        }
        book.explained = match book.explained {
            Some(sum) => Some(sum.plus(cash)?),
            None => None,
        };
        let recent = &mut book.recent_cash;
        let later = recent
            .iter()
            .rev()
            .take_while(|known| known.at > at)
            .count();
        recent.insert(recent.len().saturating_sub(later), CashAt { at, cash });
        if recent.len() > RECENT_MOST
            && let Some(oldest) = recent.pop_front()
            && let Some(anchor) = &mut book.anchor
        {
            anchor.balance = anchor.balance.plus(oldest.cash)?;
            anchor.at = anchor.at.max(oldest.at);
        }
        Ok(())
    }

    /// The anchor's balance holds it already. If it looked like a jump there, it was none.
    fn explain_late(&mut self, cash: Amount, effects: &mut Effects) -> Sum {
        let jumps = &mut self.state.wallet.unconfirmed;
        let Some(newest) = jumps.back_mut() else {
            return Ok(());
        };
        newest.amount = newest.amount.minus(cash)?;
        if newest.amount.get().abs() > CENT {
            return Ok(());
        }
        jumps.pop_back();
        if jumps.is_empty() {
            trips::end(
                self,
                Tag::Flow,
                "an execution that came late explains it",
                effects,
            );
        }
        Ok(())
    }

    /// The first read of the wallet: whatever came before is taken to be in it, until the next
    /// read tells better.
    pub(crate) fn anchor_first(&mut self, at: VenueMs, balance: Amount) {
        let book = &mut self.state.wallet;
        book.first_unproven = true;
        for known in book.recent_cash.clone() {
            book.near_first(known.at, known.cash, known.at <= at, at);
        }
        book.recent_cash.retain(|cash| cash.at > at);
        self.anchor(at, balance);
    }

    fn anchor(&mut self, at: VenueMs, balance: Amount) {
        let book = &mut self.state.wallet;
        book.anchor = Some(BalanceAt { at, balance });
        let rest = book.recent_cash.iter().map(|cash| cash.cash);
        match rest.into_iter().try_fold(balance, Amount::plus) {
            Ok(sum) => book.explained = Some(sum),
            Err(e) => self.state.book.fault = Some(format!("the wallet's balance: {e}")),
        }
    }

    /// A read waits to be proven. One that shows nothing new gives way to one that does, so that the
    /// time of a jump is that of the first read that shows it; a jump gives way to nothing.
    pub(crate) fn await_proof(&mut self, read: &WalletRead) {
        let jumps = |read: &WalletRead| {
            let explained = self.state.wallet.explained;
            let off = explained.and_then(|sum| read.wallet.balance.minus(sum).ok());
            off.is_some_and(|off| off.get().abs() > CENT)
        };
        let waits = self.state.wallet.unverified.as_ref();
        if waits.is_none_or(|waiting| !jumps(waiting) && jumps(read)) {
            self.state.wallet.unverified = Some(read.clone());
        }
    }

    /// Whether a balance is unexplained and the reads that decide on it are wanted: what was
    /// executed has had its time to be told.
    pub fn balance_in_doubt(&self) -> bool {
        let book = &self.state.wallet;
        let unexplained = |read: &WalletRead| {
            let old = self.state.clock.age_ms(read.elapsed) > READ_SPAN_MS;
            let explains = |offs: Vec<(usize, Amount)>| {
                offs.is_empty() || offs.iter().any(|(_, off)| off.get().abs() <= CENT)
            };
            old && !self.offs(read).is_ok_and(explains)
        };
        book.suspicious_since.is_some() || book.unverified.as_ref().is_some_and(unexplained)
    }

    /// All executions up to a moment have been told: a read from before it can be proven.
    pub(crate) fn executions_complete(&mut self, until: VenueMs, effects: &mut Effects) {
        let told = &mut self.state.ingested.executions_until;
        *told = (*told).max(Some(until));
        let proven = self
            .state
            .wallet
            .unverified
            .take_if(|read| until > read.begun.after(READ_SPAN_MS));
        if let Some(read) = proven
            && let Err(e) = self.prove(&read, effects)
        {
            self.state.book.fault = Some(format!("the wallet's balance: {e}"));
        }
        self.check_closings(effects);
        self.compare_if_awaited(effects);
    }

    /// Holds a read against the balance that the executions explain.
    fn prove(&mut self, read: &WalletRead, effects: &mut Effects) -> Sum {
        let offs = self.offs(read)?;
        let misread = self.state.wallet.first_misread()?;
        let off = |(held, off): &(usize, Amount)| {
            let left = misread.iter().map(|by| off.minus(*by));
            let least = left.flatten().min_by_key(|left| left.get().abs());
            (*held, least.unwrap_or(*off))
        };
        let closest = offs.iter().map(off).min_by_key(|(_, off)| off.get().abs());
        if let Some((held, off)) = closest
            && off.get().abs() <= CENT
        {
            self.state.wallet.recent_cash.drain(..held);
            self.trust(read, None);
            return Ok(());
        }
        let now = self.state.clock.elapsed_ms;
        let book = &mut self.state.wallet;
        // One read may be wrong: it takes a second one to tell a flow.
        let again = book.suspicious_since.is_some();
        let since = *book.suspicious_since.get_or_insert(read.elapsed);
        // Of what the jump may have been, only what this read allows, too.
        let near =
            |one: Amount, other: Amount| (one.minus(other)).is_ok_and(|d| d.get().abs() <= CENT);
        let suspects = &mut book.suspects;
        suspects.retain(|suspect| offs.iter().any(|(_, off)| near(*off, *suspect)));
        if suspects.is_empty() {
            suspects.extend(offs.iter().take(SUSPECTS_MOST).map(|(_, off)| *off));
        }
        let waited = now.saturating_sub(since);
        let sure = suspects.len() == 1;
        if !again || waited < FLOW_PATIENCE_MS || (!sure && waited < BUSY_PATIENCE_MS) {
            return Ok(());
        }
        let Some(jump) = suspects.first().copied() else {
            return Ok(());
        };
        let held = offs.iter().find(|(_, off)| near(*off, jump));
        book.recent_cash.drain(..held.map_or(0, |(held, _)| *held));
        // Sums carry zeros along; a person reads these.
        let plain = |amount: Amount| Amount::new(amount.get().normalize());
        let (jump, explained) = (plain(jump)?, plain(read.wallet.balance.minus(jump)?)?);
        self.trust(read, Some(jump));
        self.tell_jump(read, jump, explained, effects);
        Ok(())
    }

    /// By how much the read is off what is explained, for each number of cash results that it may
    /// hold: of those around its moment nobody knows.
    fn offs(&self, read: &WalletRead) -> Result<Vec<(usize, Amount)>, MoneyError> {
        let book = &self.state.wallet;
        let Some(anchor) = book.anchor else {
            return Ok(Vec::new());
        };
        let mut sum = anchor.balance;
        let mut offs = Vec::new();
        for (held, cash) in book.recent_cash.iter().enumerate() {
            if cash.at.after(READ_SPAN_MS) > read.begun {
                offs.push((held, read.wallet.balance.minus(sum)?));
                if cash.at > read.begun.after(READ_SPAN_MS) {
                    return Ok(offs);
                }
            }
            sum = sum.plus(cash.cash)?;
        }
        offs.push((book.recent_cash.len(), read.wallet.balance.minus(sum)?));
        Ok(offs)
    }

    /// The read becomes the balance to count from.
    fn trust(&mut self, read: &WalletRead, jump: Option<Amount>) {
        let equity = read.wallet.equity;
        let book = &mut self.state.wallet;
        book.suspicious_since = None;
        book.suspects.clear();
        book.unproven = false;
        if book.anchor.is_none_or(|anchor| anchor.at < read.begun) {
            // The first read proves itself: that says nothing of what it held.
            book.first_unproven = false;
            book.near_first.clear();
        }
        if let Some(amount) = jump {
            let at = read.begun;
            book.unconfirmed.push_back(Jump { at, amount, equity });
            if book.unconfirmed.len() > JUMPS_MOST
                && let Some(oldest) = book.unconfirmed.pop_front()
                && let Some(next) = book.unconfirmed.front_mut()
            {
                next.amount = next.amount.plus(oldest.amount).unwrap_or(next.amount);
            }
        }
        self.anchor(read.begun, read.wallet.balance);
        if jump.is_none() {
            // Only a proven equity raises the peak: a deposit or a bad read does not.
            let counted = equity.minus(self.unconfirmed_rise()).unwrap_or(equity);
            let book = &mut self.state.wallet;
            book.peak = book.peak.max(Some(counted));
        }
    }

    fn tell_jump(
        &mut self,
        read: &WalletRead,
        jump: Amount,
        explained: Amount,
        effects: &mut Effects,
    ) {
        let balance = read.wallet.balance;
        let message = format!(
            "the balance jumped by {jump}: the venue has {balance}, the executions explain {explained}"
        );
        let context = Context::new()
            .with("jump", jump)
            .with("venue", balance)
            .with("book", explained);
        if self.state.trips.contains_key(&Tag::Flow) {
            let severity = Tag::Flow.severity();
            return self.tell(Tag::Flow, severity, message, context, true, effects);
        }
        trips::begin(self, Tag::Flow, message, context, None, effects);
    }

    /// By how much the last read of the balance lies above (or below) what is explained.
    pub(crate) fn unexplained(&self) -> Option<Amount> {
        let book = &self.state.wallet;
        let last = book.last.as_ref()?.wallet.balance;
        last.minus(book.explained?).ok()
    }

    /// Deposits that nobody has confirmed: they count nowhere.
    pub(crate) fn unconfirmed_rise(&self) -> Amount {
        self.unconfirmed(|jump| jump.amount.max(Amount::ZERO))
    }

    /// Falls that nobody has confirmed: they count as losses. Zero or below.
    pub(crate) fn unconfirmed_fall(&self) -> Amount {
        self.unconfirmed(|jump| jump.amount.min(Amount::ZERO))
    }

    fn unconfirmed(&self, part: impl Fn(&Jump) -> Amount) -> Amount {
        let jumps = self.state.wallet.unconfirmed.iter();
        jumps.fold(Amount::ZERO, |sum, jump| {
            sum.plus(part(jump)).unwrap_or(sum)
        })
    }

    /// What came or went unconfirmed on the day it is.
    pub(crate) fn unconfirmed_today(&self) -> Amount {
        let today = self.state.day.number;
        self.unconfirmed(|jump| {
            if jump.at.day() == today {
                jump.amount
            } else {
                Amount::ZERO
            }
        })
    }

    /// The operator says that the jumps were deposits and withdrawals.
    pub(crate) fn confirm_flow(&mut self, effects: &mut Effects) -> String {
        let jumps = std::mem::take(&mut self.state.wallet.unconfirmed);
        trips::end(self, Tag::Flow, "confirmed by the operator", effects);
        if jumps.is_empty() {
            return "nothing to confirm: every change of the balance is explained".to_owned();
        }
        let mut said = Vec::new();
        for jump in jumps {
            let amount = jump.amount;
            if let Some(day) = self.day_at(jump.at) {
                day.flows = day.flows.plus(amount).unwrap_or(day.flows);
            }
            let out = amount.get().is_sign_negative();
            if out {
                self.scale_peak(&jump);
            }
            let kind = if out { "withdrawal" } else { "deposit" };
            said.push(format!("{kind} of {}", amount.get().abs()));
            let context = Context::new().with("amount", amount);
            let message = format!("confirmed: {amount} came from outside");
            self.tell(Tag::Flow, Severity::Info, message, context, false, effects);
        }
        format!("{} confirmed", said.join(", "))
    }

    /// A withdrawal takes its share of the peak along, so that it is no drawdown: the share that it
    /// had of the equity when it went.
    fn scale_peak(&mut self, jump: &Jump) {
        let Some(peak) = self.state.wallet.peak else {
            return;
        };
        let scaled = jump
            .equity
            .minus(jump.amount)
            .and_then(|before| jump.equity.max(Amount::ZERO).over(before))
            .and_then(|part| peak.times(part))
            .and_then(|scaled| Amount::new(scaled.get().round_dp(12)));
        if let Ok(scaled) = scaled {
            self.state.wallet.peak = Some(scaled);
        }
    }
}

/// A cash result near the first read of the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearFirst {
    /// Venue time.
    pub at: VenueMs,
    /// What it brought.
    pub cash: Amount,
    /// Whether the first read is taken to hold it.
    pub held: bool,
}

impl WalletBook {
    /// Keeps a cash result if the first read may hold it or not.
    fn near_first(&mut self, at: VenueMs, cash: Amount, held: bool, read: VenueMs) {
        let near = at.after(READ_SPAN_MS) >= read && at <= read.after(READ_SPAN_MS);
        if near && self.near_first.len() < SUSPECTS_MOST {
            let later = self.near_first.iter().rev();
            let later = later.take_while(|known| known.at > at).count();
            let place = self.near_first.len().saturating_sub(later);
            self.near_first.insert(place, NearFirst { at, cash, held });
        }
    }

    /// By how much what is explained may be off because the first read held more or fewer of the
    /// cash results around it than it was taken to; nothing is among the possibilities.
    fn first_misread(&self) -> Result<Vec<Amount>, MoneyError> {
        let near = &self.near_first;
        // With none of them in the read, those that were taken to be in it are missing.
        let mut sum = Amount::ZERO;
        for one in near.iter().filter(|one| one.held) {
            sum = sum.plus(one.cash)?;
        }
        let mut all = vec![Amount::ZERO, sum];
        for one in near {
            sum = sum.minus(one.cash)?;
            all.push(sum);
        }
        Ok(all)
    }
}

type Sum = Result<(), MoneyError>;
