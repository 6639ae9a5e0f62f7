//! The wallet: equity, its peak, the balance it should have, and the day's result.

use money::{Amount, MoneyError, Ratio};
use protocol::venue::{ClosedTrade, Wallet};
use protocol::{Context, Tag, VenueMs};

use crate::effects::Effects;
use crate::state::{Amount0, BalanceAt, CashAt, MarginAt, WalletRead};
use crate::{DailyLossBasis, Engine, trips};

/// Executions this close to a read may or may not be in it: such a read proves nothing.
const READ_SPAN_MS: u64 = 2_000;

/// A difference this small is rounding, in the settle coin.
const CENT: (i64, u32) = (1, 2);

/// How long a balance may be unexplained before it is a flow.
const FLOW_PATIENCE_MS: u64 = 10_000;

/// Cash results that are kept until a read has proven them.
const RECENT_MOST: usize = 8192;

impl Engine {
    /// Takes a read of the wallet.
    pub(crate) fn note_wallet(&mut self, wallet: &Wallet, begun: VenueMs, elapsed: u64) {
        let book = &mut self.state.wallet;
        if book
            .last
            .as_ref()
            .is_some_and(|last| elapsed < last.elapsed)
        {
            return;
        }
        let read = WalletRead {
            begun,
            elapsed,
            wallet: wallet.clone(),
        };
        if book.anchor.is_none() {
            book.anchor = Some(BalanceAt {
                at: begun,
                balance: wallet.balance,
            });
        }
        if book.peak.is_none() {
            book.peak = Some(wallet.equity);
        }
        let lag = self.state.limits.venue_lag_ms;
        let reservations = &self.state.reservations;
        book.margin_not_seen.retain(|id, taken| {
            taken.elapsed.saturating_add(lag) >= elapsed
                || reservations.get(id).is_some_and(|r| r.order_id.is_none())
        });
        if book.unverified.is_none() {
            book.unverified = Some(read.clone());
        }
        book.last = Some(read);
    }

    /// All executions up to a moment have been told: a read from before it can be proven.
    pub(crate) fn executions_complete(&mut self, until: VenueMs, effects: &mut Effects) {
        self.state.ingested.executions_until =
            self.state.ingested.executions_until.max(Some(until));
        let proven = self
            .state
            .wallet
            .unverified
            .take_if(|read| until > read.begun.after(READ_SPAN_MS));
        if let Some(read) = proven {
            self.prove(&read, effects);
        }
    }

    /// Holds a read against the balance that the executions explain.
    fn prove(&mut self, read: &WalletRead, effects: &mut Effects) {
        let now = self.state.clock.elapsed_ms;
        let book = &mut self.state.wallet;
        let unsure = book.recent_cash.iter().any(|cash| {
            cash.at.after(READ_SPAN_MS) >= read.begun && cash.at <= read.begun.after(READ_SPAN_MS)
        });
        let Some(anchor) = book.anchor.filter(|_| !unsure) else {
            return;
        };
        let explained = book
            .recent_cash
            .iter()
            .filter(|cash| cash.at > anchor.at && cash.at <= read.begun)
            .try_fold(anchor.balance, |sum, cash| sum.plus(cash.cash));
        let Ok(jump) = explained.and_then(|explained| read.wallet.balance.minus(explained)) else {
            self.state.book.fault = Some("the wallet's balance overflows".to_owned());
            return;
        };
        let cent = money::Decimal::new(CENT.0, CENT.1);
        if jump.get().abs() <= cent {
            book.suspicious_since = None;
            book.anchor = Some(BalanceAt {
                at: read.begun,
                balance: read.wallet.balance,
            });
            book.recent_cash.retain(|cash| cash.at > read.begun);
            // Only a proven equity raises the peak: a deposit or a bad read does not.
            book.peak = book.peak.max(Some(read.wallet.equity));
            return;
        }
        let since = *book.suspicious_since.get_or_insert(now);
        if now.saturating_sub(since) < FLOW_PATIENCE_MS {
            return;
        }
        book.suspicious_since = None;
        book.anchor = Some(BalanceAt {
            at: read.begun,
            balance: read.wallet.balance,
        });
        book.recent_cash.retain(|cash| cash.at > read.begun);
        let sum = book.unconfirmed_flow.0.plus(jump).unwrap_or(jump);
        book.unconfirmed_flow = Amount0(sum);
        let message = format!("the balance jumped by {jump} and no execution explains it");
        let context = Context::new()
            .with("jump", jump)
            .with("balance", read.wallet.balance);
        trips::begin(self, Tag::Flow, message, context, None, effects);
    }

    /// Takes in money received (or paid, if negative).
    pub(crate) fn cash(&mut self, at: VenueMs, cash: Amount) -> Result<(), MoneyError> {
        let recent = &mut self.state.wallet.recent_cash;
        recent.push_back(CashAt { at, cash });
        if recent.len() > RECENT_MOST {
            recent.pop_front();
        }
        if at.day() == self.state.day.number {
            self.state.day.cash = self.state.day.cash.plus(cash)?;
        }
        Ok(())
    }

    /// Counts a closed trade once: the streak, and the day's sum of rows.
    pub(crate) fn count_close(&mut self, trade: &ClosedTrade, effects: &mut Effects) {
        if !self.state.ingested.closed.insert(trade.order_id) {
            return;
        }
        let ingested = &mut self.state.ingested;
        ingested.closed_until = ingested.closed_until.max(Some(trade.created));
        if trade.created.day() == self.state.day.number {
            let day = &mut self.state.day;
            match day.closed_pnl.plus(trade.pnl) {
                Ok(sum) => day.closed_pnl = sum,
                Err(e) => {
                    self.state.book.fault = Some(format!("closed trade {}: {e}", trade.order_id));
                }
            }
        }
        if trade.created < self.state.began {
            // Of what was before, the day's loss is known by the rows alone.
            if let Err(e) = self.cash_before(trade) {
                self.state.book.fault = Some(format!("closed trade {}: {e}", trade.order_id));
            }
            return;
        }
        if trade.pnl.get().is_sign_negative() && !trade.pnl.is_zero() {
            self.state.loss_streak = self.state.loss_streak.saturating_add(1);
        } else {
            self.state.loss_streak = 0;
            trips::end(self, Tag::CircuitBreaker, "a close without a loss", effects);
        }
    }

    fn cash_before(&mut self, trade: &ClosedTrade) -> Result<(), MoneyError> {
        if trade.created.day() == self.state.day.number {
            self.state.day.cash = self.state.day.cash.plus(trade.pnl)?;
        }
        Ok(())
    }

    /// Equity, if it was read recently enough to go by.
    pub(crate) fn fresh_equity(&self) -> Option<Amount> {
        let last = self.state.wallet.last.as_ref()?;
        let age = self.state.clock.age_ms(last.elapsed);
        (age <= self.state.limits.max_data_staleness_ms).then_some(last.wallet.equity)
    }

    /// The balance at the day's open, derived: balance now, less what the day brought and what
    /// came from outside. A start at noon knows it, too.
    pub(crate) fn day_open(&self) -> Option<Amount> {
        let balance = self.state.wallet.last.as_ref()?.wallet.balance;
        let day = &self.state.day;
        let unconfirmed = self.state.wallet.unconfirmed_flow.0;
        balance
            .minus(day.cash)
            .ok()?
            .minus(day.flows)
            .ok()?
            .minus(unconfirmed)
            .ok()
    }

    /// The day's loss as a fraction, positive when money was lost; `None` if it cannot be known.
    pub(crate) fn daily_loss(&self) -> Option<Ratio> {
        let day = &self.state.day;
        // A fall that nobody has explained counts as a loss until it is confirmed.
        let unexplained = self.state.wallet.unconfirmed_flow.0.min(Amount::ZERO);
        let (lost, whole) = match self.state.limits.daily_loss_basis {
            DailyLossBasis::OpeningBalance => {
                (day.cash_base.minus(day.cash).ok()?, self.day_open()?)
            }
            DailyLossBasis::CurrentEquity => {
                let equity = self.state.wallet.last.as_ref()?.wallet.equity;
                (day.closed_base.minus(day.closed_pnl).ok()?, equity)
            }
        };
        let lost = lost.minus(unexplained).ok()?;
        if whole.get().is_sign_negative() || whole.is_zero() {
            return None;
        }
        lost.over(whole).ok()
    }

    /// How far equity lies below its peak, as a fraction; `None` if it cannot be known.
    pub(crate) fn drawdown(&self) -> Option<Ratio> {
        let peak = self.state.wallet.peak?;
        let equity = self.state.wallet.last.as_ref()?.wallet.equity;
        if peak.get().is_sign_negative() || peak.is_zero() {
            return None;
        }
        let below = peak.minus(equity).ok()?.max(Amount::ZERO);
        below.over(peak).ok()
    }

    /// Initial margin over equity, with `more` added; `None` if it cannot be known.
    pub(crate) fn margin_ratio(&self, more: Amount) -> Option<Ratio> {
        let wallet = &self.state.wallet.last.as_ref()?.wallet;
        let equity = self.fresh_equity()?;
        if equity.get().is_sign_negative() || equity.is_zero() {
            return None;
        }
        let held = match wallet.account_margin_rate {
            Some(rate) => equity.times(rate).ok()?,
            None => wallet.position_margin?.plus(wallet.order_margin?).ok()?,
        };
        let unseen = self.state.wallet.margin_not_seen.values();
        let sum = unseen.map(|taken: &MarginAt| taken.margin);
        let sum = sum.chain([more]).try_fold(held, Amount::plus).ok()?;
        sum.over(equity).ok()
    }
}
