//! What the guard says, and what follows from it.

use std::cell::Cell;
use std::rc::Rc;

use daemon::clock::boot_now;
use protocol::guard::{Command, CommandKind, CommandResult, GuardWelcome};
use protocol::{BootMs, CommandId, Context, Severity, Symbol, Tag};

use super::watch::Change;
use super::{Gateway, Standing, Walk};
use crate::event::Event;
use crate::flatten::{self, NotDone};
use crate::guard::GuardEvent;
use crate::openers;

/// Commands remembered after they are done, in case the guard asks again.
const COMMANDS_KEPT: usize = 256;

impl Gateway {
    /// Takes what the guard, or the connection to it, has to say.
    pub fn on_guard(&mut self, event: GuardEvent) {
        match event {
            GuardEvent::Joined(welcome) => self.joined(*welcome),
            GuardEvent::Lost(why) => {
                tracing::warn!("the connection to the risk-guard ended: {why}");
                self.health.synced = false;
                if let Some(task) = self.walk.take().and_then(|walk| walk.task) {
                    task.abort();
                }
            }
            GuardEvent::Leave {
                commands,
                balance_in_doubt,
            } => {
                self.withdraw_all_but(&commands);
                if balance_in_doubt {
                    self.guard_doubts(boot_now());
                }
                self.watch_lease(boot_now());
            }
            GuardEvent::Stands(stands) => self.stands(stands),
            GuardEvent::ExitTaken(approval) => self.exit_taken(&approval),
            GuardEvent::Command(command) => self.command(command),
            GuardEvent::Safety(alert) => self.listeners.safety(&alert),
        }
    }

    fn joined(&mut self, welcome: GuardWelcome) {
        tracing::info!(
            "connected to the risk-guard: {}, {} approvals without outcome",
            welcome.state,
            welcome.unresolved.len()
        );
        let now = boot_now();
        self.since.executions = welcome.executions_since;
        self.since.closed = welcome.closed_since;
        if let Some(until) = welcome.banned_until {
            let begun = self.hands.venue.begun();
            let left = until.since(begun.venue);
            if left > 0 {
                self.hands.venue.banned_until(now.after(left));
            }
        }
        self.health.synced = false;
        self.guard_awaited_until = now;
        self.commands
            .retain(|_, standing| matches!(standing, Standing::UnderWay(_)));
        if let Some(task) = self.walk.take().and_then(|walk| walk.task) {
            task.abort();
        }
        self.walk = Some(Walk {
            welcome: Rc::new(welcome),
            task: None,
            again: now,
            tries: 0,
        });
    }

    /// Looks at the lease; what it means when it goes.
    pub(super) fn watch_lease(&mut self, now: BootMs) {
        let leave = self.hands.guard.leave();
        match self.lease.look(now, leave.until()) {
            Some(Change::Lost) => {
                let message = "no word from the risk-guard: openings are refused and our resting \
                               opening orders are cancelled, stops stay";
                let lasts_ms = self.settings.config.limits.lease_ms;
                let context = Context::new().with("lease_ms", lasts_ms);
                self.alerting.raise(Tag::GuardLost, message, context);
            }
            Some(Change::Back) => {
                let message = "the risk-guard answers again";
                self.alerting
                    .raise_as(Tag::GuardLost, Severity::Info, message, Context::new());
            }
            None => {}
        }
        // Under a freeze nothing at all is sent, not even this.
        if !leave.frozen() && self.lease.cancel_now(now) {
            let hands = self.hands.clone();
            tokio::task::spawn_local(async move {
                let gone = openers::cancel(&hands, None, false).await;
                if let Ok(done) = &gone {
                    tracing::info!("without a lease: {done}");
                }
                hands.owner.tell(Event::OpenersGone(gone.map(drop)));
            });
        }
    }

    fn command(&mut self, command: Command) {
        let id = command.command_id;
        match self.commands.get(&id) {
            Some(Standing::UnderWay(_)) => return,
            Some(Standing::Done(message)) => {
                let message = message.clone();
                self.hands.guard.command_result(CommandResult {
                    command_id: id,
                    done: true,
                    message,
                    refused: false,
                });
                return;
            }
            None => {}
        }
        tracing::info!(
            "command {id} of the risk-guard: {}",
            in_words(&command.what)
        );
        let withdrawn = Rc::new(Cell::new(false));
        self.commands
            .insert(id, Standing::UnderWay(Rc::clone(&withdrawn)));
        let hands = self.hands.clone();
        let lag_ms = self.settings.config.limits.venue_lag_ms;
        tokio::task::spawn_local(async move {
            let ended = match command.what {
                CommandKind::CancelOpeners { symbol } => {
                    let gone = openers::cancel(&hands, symbol, command.explicit).await;
                    gone.map_err(NotDone::Yet)
                }
                CommandKind::Flatten {
                    symbol,
                    max_slippage,
                } => {
                    let task = flatten::Task {
                        command_id: id,
                        symbol,
                        max_slippage,
                        lag_ms,
                        explicit: command.explicit,
                        withdrawn,
                    };
                    flatten::flatten(&hands, task).await
                }
            };
            hands.owner.tell(Event::CommandEnded(id, ended));
        });
    }

    /// What is under way and does not stand any more was withdrawn: nothing more is sent for it.
    fn withdraw_all_but(&mut self, standing: &[CommandId]) {
        for (id, known) in &self.commands {
            if let Standing::UnderWay(withdrawn) = known
                && !standing.contains(id)
                && !withdrawn.replace(true)
            {
                tracing::warn!("command {id} is withdrawn");
            }
        }
    }

    pub(super) fn command_ended(&mut self, id: CommandId, ended: Result<String, NotDone>) {
        let (done, refused, message) = match ended {
            Ok(message) => (true, false, message),
            Err(NotDone::Yet(why)) => (false, false, why),
            Err(NotDone::Ever(why)) => (false, true, why),
        };
        let word = if done { "done" } else { "not done" };
        tracing::info!("command {id} is {word}: {message}");
        if done {
            self.commands.insert(id, Standing::Done(message.clone()));
            while self.commands.len() > COMMANDS_KEPT {
                self.commands.pop_first();
            }
        } else {
            // The guard asks again.
            self.commands.remove(&id);
        }
        self.hands.guard.command_result(CommandResult {
            command_id: id,
            done,
            message,
            refused,
        });
        self.look_soon();
    }
}

fn in_words(what: &CommandKind) -> String {
    let of = |symbol: &Option<Symbol>| symbol.map_or(String::new(), |only| format!(" of {only}"));
    match what {
        CommandKind::CancelOpeners { symbol } => {
            format!("cancel our resting opening orders{}", of(symbol))
        }
        CommandKind::Flatten {
            symbol,
            max_slippage,
        } => {
            format!(
                "go flat{}, at most {} from the mark",
                of(symbol),
                max_slippage.percent()
            )
        }
    }
}
