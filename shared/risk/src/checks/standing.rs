//! What blocks every entry, whatever the order: faults, the kill switch, trips, stale reads.

use protocol::{Denial, Intent, Tag};

use super::denial;
use crate::Engine;

/// The order in which standing trips answer, worst first.
pub(crate) const PRECEDENCE: [Tag; 11] = [
    Tag::StateCorrupt,
    Tag::ReconBlock,
    Tag::Liquidation,
    Tag::Flow,
    Tag::DailyLoss,
    Tag::Drawdown,
    Tag::CircuitBreaker,
    Tag::SessionRuntime,
    Tag::SessionTrades,
    Tag::TimeDrift,
    Tag::StaleData,
];

impl Engine {
    /// Whether entries are blocked at all.
    pub(super) fn nothing_stands_in_the_way(&self, intent: &Intent) -> Result<(), Denial> {
        if let Some(fault) = &self.state.store_fault {
            let message =
                format!("the state cannot be written, so no approval would survive: {fault}");
            return Err(denial(Tag::StateCorrupt, message));
        }
        if self.state.halted.is_some() {
            return Err(denial(
                Tag::Halt,
                "halted by the operator; perpsctl resume ends it",
            ));
        }
        if self.goes_flat(intent.symbol) {
            return Err(denial(
                Tag::Halt,
                "a flatten is under way; no entries until the venue has confirmed it",
            ));
        }
        for tag in PRECEDENCE {
            if let Some(trip) = self.state.trips.get(&tag) {
                return Err(Denial {
                    tag,
                    message: trip.message.clone(),
                    context: trip.context.clone(),
                });
            }
        }
        if let Some(reason) = self.waiting_for().into_iter().next() {
            return Err(denial(Tag::StaleData, format!("waiting for {reason}")));
        }
        if let Some(why) = self.state.venue.stale_candles.get(&intent.symbol) {
            return Err(denial(Tag::StaleData, format!("{}: {why}", intent.symbol)));
        }
        Ok(())
    }

    /// What entries wait for beyond the trips, for people; most important first.
    pub(crate) fn waiting_for(&self) -> Vec<String> {
        let state = &self.state;
        let mut reasons = Vec::new();
        if !state.venue.gateway {
            reasons.push("the gateway to connect".to_owned());
        } else if !state.venue.synced {
            reasons.push("the venue to be read and the books to be compared".to_owned());
        }
        if state.venue.synced && !state.venue.compared {
            let symbols = state.book.disagreeing.keys();
            let symbols: Vec<String> = symbols.map(ToString::to_string).collect();
            let what = symbols.join(" ");
            reasons.push(format!(
                "the executions that explain the position in {what}"
            ));
        }
        if state.wallet.unproven && !state.trips.contains_key(&Tag::Flow) {
            let last = state.wallet.last.as_ref().map(|read| read.wallet.balance);
            if let Some((venue, book)) = last.zip(state.wallet.explained) {
                reasons.push(format!(
                    "the balance to be explained: the venue has {venue}, the executions make it {book}"
                ));
            }
        }
        if let Some(why) = &state.venue.access_denied {
            reasons.push(format!("access to the venue: {why}"));
        }
        if let Some(until) = state
            .venue
            .banned_until
            .filter(|until| *until > state.clock.venue)
        {
            let seconds = until.since(state.clock.venue) / 1_000;
            reasons.push(format!(
                "the venue's ban of this address to end, in {seconds} s"
            ));
        }
        if state.clock.behind_ms > state.limits.time_sync_max_skew_ms {
            let seconds = state.clock.behind_ms / 1_000;
            reasons.push(format!(
                "the venue's clock to come back: it went {seconds} s backwards"
            ));
        }
        if let Some(fault) = &state.book.fault {
            reasons.push(format!(
                "an operator: the book could not be computed ({fault}); perpsctl recon acknowledge"
            ));
        }
        if state.venue.synced {
            let most = state.limits.max_data_staleness_ms;
            let outdated = |elapsed: Option<u64>| {
                elapsed.is_none_or(|elapsed| state.clock.age_ms(elapsed) > most)
            };
            if outdated(state.wallet.last.as_ref().map(|read| read.elapsed)) {
                reasons.push("a fresh read of the wallet".to_owned());
            }
            if outdated(state.venue.positions_elapsed) {
                reasons.push("a fresh read of the positions".to_owned());
            }
            if outdated(state.venue.orders_elapsed) {
                reasons.push("a fresh read of the open orders".to_owned());
            }
            if state.wallet.last.is_some() && self.daily_loss().is_none() {
                reasons.push("a balance above zero, to know the day's loss by".to_owned());
            }
            if state.wallet.last.is_some() && self.drawdown().is_none() {
                let what = if state.wallet.peak.is_some() {
                    "an equity above zero, to know the drawdown by"
                } else {
                    "the next read of the wallet, which the peak begins with"
                };
                reasons.push(what.to_owned());
            }
        }
        reasons
    }
}
