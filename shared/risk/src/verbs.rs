//! The operator's words.

use protocol::guard::{CommandKind, OperatorVerb, ResetTarget, Verb, VerbDone};
use protocol::{CommandId, Context, Symbol, Tag};

use crate::effects::Effects;
use crate::{Engine, trips};

impl Engine {
    /// Does what an operator says, and says what it brought about.
    pub(crate) fn operate(&mut self, word: &OperatorVerb, effects: &mut Effects) {
        effects.must_be_durable = true;
        let by = &word.by;
        let mut command = None;
        let message = match &word.verb {
            Verb::Halt { flatten } => {
                let (message, id) = self.halt(by, *flatten, effects);
                command = Some(id);
                message
            }
            Verb::Freeze => self.freeze(by, effects),
            Verb::Resume => self.resume_trading(by, effects),
            Verb::Flatten { symbol } => {
                command = Some(self.flatten(*symbol, effects));
                self.say(by, "going flat", effects);
                "going flat, no entries until the venue has confirmed it".to_owned()
            }
            Verb::FlattenWithdraw { symbol } => self.withdraw(*symbol, by, effects),
            Verb::Reset { what } => self.reset(by, *what, effects),
            Verb::SessionNew => self.new_session(effects),
            Verb::ReconAcknowledge => self.acknowledge(effects),
            Verb::FlowConfirm => self.confirm_flow(effects),
            Verb::StateReset => self.reset_state(by, effects),
        };
        effects.verb = Some(VerbDone {
            command,
            message,
            state: self.trading_state(),
        });
    }

    /// After the conditions have been judged anew: the state now, and what still stands.
    pub(crate) fn explain_verb(&self, effects: &mut Effects) {
        let state = self.trading_state();
        let Some(done) = &mut effects.verb else {
            return;
        };
        done.state = state;
        let standing: Vec<&str> = self.state.trips.keys().map(|tag| tag.name()).collect();
        if !standing.is_empty() {
            done.message.push_str("; entries stay blocked by ");
            done.message.push_str(&standing.join(", "));
        }
    }

    /// An operator's own flatten, which even a freeze lets through.
    fn flatten(&mut self, symbol: Option<Symbol>, effects: &mut Effects) -> CommandId {
        let max_slippage = self.state.limits.flatten_max_slippage;
        let what = CommandKind::Flatten {
            symbol,
            max_slippage,
        };
        self.command(what, true, effects)
    }

    fn halt(&mut self, by: &str, flatten: bool, effects: &mut Effects) -> (String, CommandId) {
        let now = self.state.clock.venue;
        self.state.halted.get_or_insert(now);
        let mut command = self.command(CommandKind::CancelOpeners { symbol: None }, false, effects);
        if flatten {
            command = self.flatten(None, effects);
        }
        let what = if flatten {
            "halted, going flat"
        } else {
            "halted"
        };
        self.say(by, what, effects);
        let message = format!(
            "{what}: no entries, resting opening orders are being cancelled, stops stay; perpsctl resume ends it"
        );
        (message, command)
    }

    fn freeze(&mut self, by: &str, effects: &mut Effects) -> String {
        let now = self.state.clock.venue;
        self.state.frozen.get_or_insert(now);
        self.say(by, "frozen", effects);
        "frozen: nothing is sent at all, exits included; perpsctl resume ends it".to_owned()
    }

    fn resume_trading(&mut self, by: &str, effects: &mut Effects) -> String {
        let was = self.state.halted.take().or(self.state.frozen);
        self.state.frozen = None;
        if was.is_none() {
            return "nothing to resume: neither halted nor frozen".to_owned();
        }
        let context = Context::new().with("by", by);
        let severity = Tag::Resume.severity();
        self.tell(
            Tag::Resume,
            severity,
            format!("resumed by {by}"),
            context,
            true,
            effects,
        );
        "resumed".to_owned()
    }

    fn say(&mut self, by: &str, what: &str, effects: &mut Effects) {
        let context = Context::new().with("by", by);
        let severity = Tag::Halt.severity();
        self.tell(
            Tag::Halt,
            severity,
            format!("{what} by {by}"),
            context,
            true,
            effects,
        );
    }

    fn reset(&mut self, by: &str, what: ResetTarget, effects: &mut Effects) -> String {
        let (tag, said) = match what {
            ResetTarget::CircuitBreaker => {
                self.forget_streak();
                (Tag::CircuitBreaker, "the loss streak is zero")
            }
            ResetTarget::DailyLoss => {
                self.state.day.cash_base = self.state.day.cash;
                self.state.day.closed_base = self.state.day.closed_pnl;
                (Tag::DailyLoss, "a fresh daily allowance counts from now")
            }
            ResetTarget::Drawdown { rebase: true } => match self.fresh_equity() {
                Some(equity) => {
                    self.state.wallet.peak = Some(equity);
                    (Tag::Drawdown, "the peak is the equity of now")
                }
                None => return "not done: equity has not been read recently".to_owned(),
            },
            ResetTarget::Drawdown { rebase: false } => (Tag::Drawdown, "the peak stays as it is"),
            ResetTarget::Liquidation => (Tag::Liquidation, "the liquidation has been looked at"),
        };
        let stood = self.state.trips.contains_key(&tag);
        trips::end(self, tag, &format!("reset by {by}"), effects);
        trips::evaluate(self, effects);
        if self.state.trips.contains_key(&tag) {
            format!("{said}, but the condition still holds: it has tripped again at once")
        } else if stood {
            format!("{said}; the trip has ended")
        } else {
            format!("{said}; there was no trip to end")
        }
    }

    /// Ends the session and begins the next.
    pub(crate) fn new_session(&mut self, effects: &mut Effects) -> String {
        let clock = self.state.clock;
        let session = &mut self.state.session;
        let old = session.id;
        session.id = protocol::SessionId(old.0.saturating_add(1));
        session.started = clock.venue;
        session.started_elapsed = clock.elapsed_ms;
        (session.trades, session.sent, session.refused) = (0, 0, 0);
        let new = session.id;
        for tag in [Tag::SessionTrades, Tag::SessionRuntime] {
            trips::end(self, tag, &format!("session {new} begins"), effects);
        }
        format!("session {old} has ended, {new} begins")
    }
}
