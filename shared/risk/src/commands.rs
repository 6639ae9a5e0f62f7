//! What the gateway is asked to bring about, until the venue has confirmed it.

use protocol::guard::CommandKind;
use protocol::status::CommandStatus;
use protocol::{CommandId, Context, Severity, Symbol, Tag};

use crate::Engine;
use crate::effects::Effects;
use crate::state::{CommandDone, PendingCommand, State};

/// Confirmed commands that are still shown.
const DONE_MOST: usize = 16;

impl Engine {
    /// Asks the gateway for something until it is done; the same thing is not asked for twice.
    pub(crate) fn command(
        &mut self,
        what: CommandKind,
        explicit: bool,
        effects: &mut Effects,
    ) -> CommandId {
        let same = self
            .state
            .commands
            .iter_mut()
            .find(|(_, pending)| pending.what == what);
        if let Some((id, same)) = same {
            let id = *id;
            if explicit && !same.explicit {
                // The gateway may have begun it without the word that lets it pass a freeze.
                same.explicit = true;
                effects.commands.push(protocol::guard::Command {
                    command_id: id,
                    what,
                    explicit,
                });
            }
            return id;
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
                explicit,
            });
        }
        id
    }

    /// Whether a flatten of this symbol has not been confirmed yet.
    pub(crate) fn goes_flat(&self, symbol: Symbol) -> bool {
        let mut pending = self.state.commands.values();
        pending.any(|command| match command.what {
            CommandKind::Flatten { symbol: only, .. } => only.is_none_or(|only| only == symbol),
            CommandKind::CancelOpeners { .. } => false,
        })
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
            self.state.commands_done.push_back(CommandDone {
                id: result.command_id,
                what: done.what.clone(),
                at: self.state.clock.venue,
                message: result.message.clone(),
            });
            while self.state.commands_done.len() > DONE_MOST {
                self.state.commands_done.pop_front();
            }
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

/// What was confirmed last and what is under way, oldest first.
pub(crate) fn status(state: &State) -> Vec<CommandStatus> {
    let done = state.commands_done.iter().map(|done| CommandStatus {
        command_id: done.id,
        what: in_words(&done.what),
        since: done.at,
        progress: Some(done.message.clone()),
        done: true,
    });
    let pending = state.commands.iter().map(|(id, pending)| CommandStatus {
        command_id: *id,
        what: in_words(&pending.what),
        since: pending.since,
        progress: pending.obstacle.clone(),
        done: false,
    });
    let mut all: Vec<CommandStatus> = done.chain(pending).collect();
    all.sort_by_key(|command| command.command_id);
    all
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
