//! What outlives a state: when it is reset, damaged, or replaced by a backup.
//!
//! What would let an order be doubled, a stop be lifted or a ban be ignored is never let go of;
//! what only counts (peak, day, streak, session) is, when an operator resets.

use protocol::{Context, SessionId, Tag, VenueMs};

use crate::Engine;
use crate::effects::Effects;

/// Names left out after a loss: more than any guard gives between two backups that are of use.
const SKIPPED_NAMES: u64 = 1_000_000;

impl Engine {
    /// What a reset of the state lets go of: peak, daily loss, streak and session.
    pub(crate) fn let_go(&mut self, why: &str, effects: &mut Effects) {
        let clock = self.state.clock;
        self.state.wallet.peak = None;
        self.state.day.cash_base = self.state.day.cash;
        self.state.day.closed_base = self.state.day.closed_pnl;
        self.forget_streak();
        for tag in [
            Tag::CircuitBreaker,
            Tag::DailyLoss,
            Tag::Drawdown,
            Tag::SessionTrades,
            Tag::SessionRuntime,
        ] {
            self.state.trips.remove(&tag);
        }
        let session = &mut self.state.session;
        session.id = SessionId(session.id.0.saturating_add(1));
        session.started = clock.venue;
        session.started_elapsed = clock.elapsed_ms;
        (session.trades, session.sent, session.refused) = (0, 0, 0);
        let message = format!(
            "{why}: peak, daily loss, streak and session start fresh; halt, freeze, unresolved \
             approvals, watermarks and bans were kept"
        );
        let severity = Tag::StateReset.severity();
        self.tell(
            Tag::StateReset,
            severity,
            message,
            Context::new(),
            true,
            effects,
        );
    }

    /// An operator resets the state of a running guard; also one that was found damaged.
    pub(crate) fn reset_state(&mut self, by: &str, effects: &mut Effects) -> String {
        let damaged = self.state.corrupt.take().is_some();
        if damaged {
            let now = self.state.clock.venue;
            self.bridge_gap(now);
        }
        self.let_go(&format!("the state was reset by {by}"), effects);
        // What was read just now is as good as the next read, which may be far off.
        self.state.wallet.peak = self.fresh_equity();
        let rest = if damaged {
            "; what was damaged is archived, and what could be read of it goes on"
        } else {
            ""
        };
        format!("the state is reset: peak, daily loss, streak and session start fresh{rest}")
    }

    /// Goes on although something that happened up to `now` may not be in this state: no name is
    /// given twice, and an intent that was made before counts as forgotten, so that a repeat sends
    /// nothing.
    pub fn bridge_gap(&mut self, now: VenueMs) {
        let state = &mut self.state;
        let now = now.max(state.clock.venue);
        state.intents.horizon = state.intents.horizon.max(Some(now));
        for count in [
            &mut state.given.approvals,
            &mut state.given.events,
            &mut state.given.commands,
        ] {
            *count = count.saturating_add(SKIPPED_NAMES);
        }
        state.corrupt = None;
        state.store_fault = None;
    }

    /// Takes from the state that this one replaces what must not be forgotten: halt, freeze, bans,
    /// approvals that are not over, intents, names. `self` is a backup of the same lineage, or of
    /// another one.
    pub fn succeed(&mut self, replaced: &Self) {
        let (state, old) = (&mut self.state, &replaced.state);
        state.halted = state.halted.or(old.halted);
        state.frozen = state.frozen.or(old.frozen);
        state.venue.banned_until = state.venue.banned_until.max(old.venue.banned_until);
        if state.lineage != old.lineage {
            return;
        }
        for (id, reservation) in &old.reservations {
            if id.0 > state.given.approvals {
                state.reservations.insert(*id, reservation.clone());
            }
        }
        for (id, amend) in &old.amends {
            if id.0 > state.given.approvals {
                state.amends.insert(*id, amend.clone());
            }
        }
        for id in &old.intents.order {
            if let Some(known) = old.intents.known.get(id)
                && state.intents.known.insert(*id, known.clone()).is_none()
            {
                state.intents.order.push_back(*id);
            }
        }
        state.intents.horizon = state.intents.horizon.max(old.intents.horizon);
        state.intents.forget_oldest();
        let (given, before) = (&mut state.given, old.given);
        given.approvals = given.approvals.max(before.approvals);
        given.events = given.events.max(before.events);
        given.commands = given.commands.max(before.commands);
    }
}
