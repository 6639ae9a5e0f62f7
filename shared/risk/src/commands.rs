//! What the gateway is asked to bring about, until the venue has confirmed it.

use protocol::guard::CommandKind;
use protocol::status::{CommandStatus, GivenUp};
use protocol::{CommandId, Context, Severity, Symbol, Tag};

use crate::Engine;
use crate::effects::Effects;
use crate::state::{CommandDone, PendingCommand, State};

/// Commands that are over and still shown.
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
        if result.refused {
            let given_up = Some(GivenUp::Refused);
            if let Some(what) = self.command_ended(result.command_id, &result.message, given_up) {
                let context = Context::new().with("command", result.command_id);
                let message = format!("{what}: refused: {}", result.message);
                self.tell(
                    Tag::Halt,
                    Severity::Warning,
                    message,
                    context,
                    true,
                    effects,
                );
            }
            return;
        }
        if !result.done {
            if let Some(pending) = self.state.commands.get_mut(&result.command_id) {
                pending.obstacle = Some(result.message.clone());
            }
            return;
        }
        if let Some(what) = self.command_ended(result.command_id, &result.message, None) {
            let context = Context::new().with("command", result.command_id);
            let message = format!("{what}: {}", result.message);
            self.tell(Tag::Halt, Severity::Info, message, context, false, effects);
        }
    }

    /// Takes flattens back that the venue has not confirmed: those of this symbol, or all.
    pub(crate) fn withdraw(
        &mut self,
        symbol: Option<Symbol>,
        by: &str,
        effects: &mut Effects,
    ) -> String {
        let of = |(id, pending): (&CommandId, &PendingCommand)| match pending.what {
            CommandKind::Flatten { symbol: only, .. } => Some((*id, only)),
            CommandKind::CancelOpeners { .. } => None,
        };
        let stand: Vec<(CommandId, Option<Symbol>)> =
            self.state.commands.iter().filter_map(of).collect();
        let whole = stand.iter().any(|(_, only)| only.is_none());
        let mut said = Vec::new();
        for (id, only) in stand {
            if symbol.is_some() && only != symbol {
                continue;
            }
            let message = format!("withdrawn by {by}; what is open stays as it is");
            if let Some(what) = self.command_ended(id, &message, Some(GivenUp::Withdrawn)) {
                let context = Context::new().with("command", id).with("by", by);
                let severity = Tag::Halt.severity();
                let message = format!("{what}: {message}");
                self.tell(Tag::Halt, severity, message, context, true, effects);
                said.push(what);
            }
        }
        match (said.is_empty(), symbol, whole) {
            (false, _, _) => {
                let what = said.join(", ");
                let stays = "positions and stops stay as they are; what was sent already may still \
                             fill";
                match symbol.filter(|_| whole) {
                    None => format!("{what} withdrawn: {stays}"),
                    Some(_) => format!(
                        "{what} withdrawn: {stays}; a flatten of everything still goes on: \
                         perpsctl flatten --withdraw"
                    ),
                }
            }
            (true, Some(symbol), true) => format!(
                "no flatten of {symbol} alone to withdraw; one of everything goes on: perpsctl \
                 flatten --withdraw"
            ),
            (true, Some(symbol), false) => format!("no flatten of {symbol} to withdraw"),
            (true, None, _) => "no flatten to withdraw".to_owned(),
        }
    }

    /// Keeps what became of a command; what it was, if it stood.
    fn command_ended(
        &mut self,
        id: CommandId,
        message: &str,
        given_up: Option<GivenUp>,
    ) -> Option<String> {
        let ended = self.state.commands.remove(&id)?;
        let words = in_words(&ended.what);
        let done = &mut self.state.commands_done;
        done.push_back(CommandDone {
            id,
            what: ended.what,
            at: self.state.clock.venue,
            message: message.to_owned(),
            given_up,
        });
        while done.len() > DONE_MOST {
            done.pop_front();
        }
        Some(words)
    }
}

/// What ended last and what is under way, oldest first.
pub(crate) fn status(state: &State) -> Vec<CommandStatus> {
    let done = state.commands_done.iter().map(|done| CommandStatus {
        command_id: done.id,
        what: in_words(&done.what),
        since: done.at,
        progress: Some(done.message.clone()),
        done: done.given_up.is_none(),
        given_up: done.given_up,
    });
    let pending = state.commands.iter().map(|(id, pending)| CommandStatus {
        command_id: *id,
        what: in_words(&pending.what),
        since: pending.since,
        progress: pending.obstacle.clone(),
        done: false,
        given_up: None,
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
