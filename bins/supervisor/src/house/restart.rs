//! An operator's word that one child is to run anew.

use daemon::clock;
use protocol::frame::{ErrorBody, ErrorCode};
use protocol::status::ChildState;
use protocol::supervisor::Restarting;
use protocol::{Context, Process, Severity, Tag};

use super::House;
use crate::lifecycle::Event;

impl House {
    /// Starts a child that has ended, at once and with its whole budget; stops one that runs, and
    /// starts it when it has ended. `by` goes into the log.
    pub(crate) fn restart(&mut self, process: Process, by: &str) -> Result<Restarting, ErrorBody> {
        let refused = |why: String| Err(ErrorBody::new(ErrorCode::NotReady, why));
        if process == Process::Supervisor {
            return refused(
                "the supervisor restarts everything but itself: stop and start the service"
                    .to_owned(),
            );
        }
        let found = self.children.iter().position(|c| c.process == process);
        let Some(n) = found else {
            let why = "no bot runs here: bot.enabled and bot.command name one, after a restart";
            return refused(why.to_owned());
        };
        if self.stopping {
            return refused("everything is being stopped".to_owned());
        }
        let Some(child) = self.children.get(n) else {
            return refused(format!("{process} is not there"));
        };
        let restarting = Restarting {
            process,
            was: child.lifecycle.state(),
            pid: child.life.as_ref().map(|life| life.pid),
        };
        match restarting.was {
            ChildState::Waiting => {
                return refused(format!(
                    "{process} has not been started yet; it is when those before it are ready"
                ));
            }
            ChildState::Stopping => return refused(format!("{process} is being restarted")),
            ChildState::Starting
            | ChildState::Ready
            | ChildState::Backoff
            | ChildState::Stopped
            | ChildState::Latched => {}
        }
        let was = restarting.was;
        let message = format!("{process} ({was}) is restarted by {by}; its budget is fresh");
        let context = Context::new().with("process", process).with("by", by);
        self.alerting
            .raise_as(Tag::ProcessDown, Severity::Info, &message, context);
        self.advance(n, Event::Restart, clock::boot_now());
        Ok(restarting)
    }
}
