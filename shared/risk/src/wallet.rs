//! The wallet: equity and its peak, and what they say about the day's loss, drawdown and margin.

use money::{Amount, Ratio};
use protocol::VenueMs;
use protocol::venue::Wallet;

use crate::state::{MarginAt, WalletRead};
use crate::{DailyLossBasis, Engine};

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
        if book.peak.is_none() {
            book.peak = Some(wallet.equity);
        }
        let lag = self.state.limits.venue_lag_ms;
        let reservations = &self.state.reservations;
        book.margin_not_seen.retain(|id, taken| {
            taken.elapsed.saturating_add(lag) >= elapsed
                || reservations.get(id).is_some_and(|r| r.order_id.is_none())
        });
        self.await_proof(&read);
        let book = &mut self.state.wallet;
        book.last = Some(read);
        if book.anchor.is_none() {
            self.anchor_first(begun, wallet.balance);
        }
    }

    /// Equity, if it was read recently enough to go by.
    pub(crate) fn fresh_equity(&self) -> Option<Amount> {
        let last = self.state.wallet.last.as_ref()?;
        let age = self.state.clock.age_ms(last.elapsed);
        (age <= self.state.limits.max_data_staleness_ms).then_some(last.wallet.equity)
    }

    /// The balance at the day's open, derived: the balance that is explained, less what the day
    /// brought and what came from outside. A start at noon knows it, too.
    pub(crate) fn day_open(&self) -> Option<Amount> {
        let day = &self.state.day;
        let parts = [day.cash, day.flows, self.unconfirmed_today()];
        let explained = self.state.wallet.explained?;
        parts.into_iter().try_fold(explained, Amount::minus).ok()
    }

    /// The day's loss as a fraction, positive when money was lost; `None` if it cannot be known.
    pub(crate) fn daily_loss(&self) -> Option<Ratio> {
        let day = &self.state.day;
        // A fall that nobody has explained counts as a loss until it is confirmed.
        let unexplained = self.unconfirmed_fall();
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

    /// How far equity lies below its peak, as a fraction; `None` if it cannot be known. A deposit
    /// that nobody has confirmed does not count.
    pub(crate) fn drawdown(&self) -> Option<Ratio> {
        self.drawdown_without(self.unconfirmed_rise())
    }

    /// The same for the end of a trip: a balance that has just risen without an explanation ends
    /// none.
    pub(crate) fn drawdown_at_worst(&self) -> Option<Ratio> {
        let sudden = self.unexplained()?.max(Amount::ZERO);
        self.drawdown_without(self.unconfirmed_rise().plus(sudden).ok()?)
    }

    fn drawdown_without(&self, rise: Amount) -> Option<Ratio> {
        let peak = self.state.wallet.peak?;
        let equity = self.state.wallet.last.as_ref()?.wallet.equity;
        let equity = equity.minus(rise).ok()?;
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
