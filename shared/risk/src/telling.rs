//! Events: what is logged, and what is alerted until the alert-forwarder has it.

use protocol::{Context, Denial, Severity, Symbol, Tag};

use crate::Engine;
use crate::effects::{Effects, Event};

/// Symbols per tag whose last alert of a refusal is remembered.
const SYMBOLS_MOST: usize = 256;

/// Alerts that are kept for the alert-forwarder; beyond it the oldest goes.
const OUTBOX_MOST: usize = 1024;

impl Engine {
    /// Makes an event; an alert stays in the outbox until it has been taken.
    pub(crate) fn tell(
        &mut self,
        tag: Tag,
        severity: Severity,
        message: String,
        context: Context,
        alert: bool,
        effects: &mut Effects,
    ) {
        let state = &mut self.state;
        state.given.events = state.given.events.saturating_add(1);
        let event = Event {
            id: format!("guard-{}-{}", state.lineage, state.given.events),
            tag,
            severity,
            message,
            context,
            at: state.clock.venue,
            alert: alert && severity.alerts(),
        };
        if event.alert {
            state.outbox.push_back(event.clone());
            if state.outbox.len() > OUTBOX_MOST {
                state.outbox.pop_front();
            }
        }
        effects.events.push(event);
    }

    /// Logs a refusal; alerts it the first time for its tag and symbol, then by the reminder.
    pub(crate) fn tell_refusal(&mut self, denial: &Denial, symbol: Symbol, effects: &mut Effects) {
        let now = self.state.clock.elapsed_ms;
        let reminder = self.state.limits.reminder_ms;
        let told = self.state.refusals_told.entry(denial.tag).or_default();
        let due = told
            .get(&symbol)
            .is_none_or(|at| now.saturating_sub(*at) >= reminder);
        if due {
            if told.len() >= SYMBOLS_MOST {
                // A bot can make up any number of symbols.
                told.clear();
            }
            told.insert(symbol, now);
        }
        // A standing trip has been alerted when it began; its refusals need no alert of their own.
        let alert = due && !self.state.trips.contains_key(&denial.tag);
        let message = ["order refused: ", &denial.message].concat();
        let severity = denial.tag.severity().min(Severity::Warning);
        self.tell(
            denial.tag,
            severity,
            message,
            denial.context.clone(),
            alert,
            effects,
        );
    }
}
