//! What the gateway is asked to bring about, until the venue has confirmed it.

use protocol::guard::CommandKind;
use protocol::{Context, Severity, Tag};

use crate::Engine;
use crate::effects::Effects;
use crate::state::PendingCommand;

impl Engine {
    /// Asks the gateway for something until it is done; the same thing is not asked for twice.
    pub(crate) fn command(&mut self, what: CommandKind, explicit: bool, effects: &mut Effects) {
        if let Some(same) = self
            .state
            .commands
            .values_mut()
            .find(|pending| pending.what == what)
        {
            same.explicit |= explicit;
            return;
        }
        let state = &mut self.state;
        state.given.commands = state.given.commands.saturating_add(1);
        let id = protocol::CommandId(state.given.commands);
        let since = state.clock.venue;
        state.commands.insert(
            id,
            PendingCommand {
                what: what.clone(),
                explicit,
                since,
                obstacle: None,
            },
        );
        effects.must_be_durable = true;
        if explicit || state.frozen.is_none() {
            effects.commands.push(protocol::guard::Command {
                command_id: id,
                what,
            });
        }
    }

    pub(crate) fn command_result(
        &mut self,
        result: &protocol::guard::CommandResult,
        effects: &mut Effects,
    ) {
        effects.must_be_durable = true;
        if !result.done {
            if let Some(pending) = self.state.commands.get_mut(&result.command_id) {
                pending.obstacle = Some(result.message.clone());
            }
            return;
        }
        if let Some(done) = self.state.commands.remove(&result.command_id) {
            let context = Context::new().with("command", result.command_id);
            let what = in_words(&done.what);
            self.tell(
                Tag::Halt,
                Severity::Info,
                format!("{what}: {}", result.message),
                context,
                false,
                effects,
            );
        }
    }
}

/// A command in a few words.
pub(crate) fn in_words(what: &CommandKind) -> String {
    match what {
        CommandKind::CancelOpeners { symbol: None } => "cancel opening orders".to_owned(),
        CommandKind::CancelOpeners {
            symbol: Some(symbol),
        } => format!("cancel opening orders of {symbol}"),
        CommandKind::Flatten { symbol: None, .. } => "flatten".to_owned(),
        CommandKind::Flatten {
            symbol: Some(symbol),
            ..
        } => format!("flatten {symbol}"),
    }
}
