//! What is said to the guard, in order, by whoever has something to say.
//!
//! A question is written at once by its asker. What nobody waits for goes with the next question,
//! or when the connection's task comes to it; it is stirred for that only if it would sleep too
//! long.

use std::rc::Rc;
use std::time::Duration;

use daemon::clock::boot_now;
use protocol::guard::{GuardNote, GuardReply, GuardRequest, Observe};
use protocol::{Approval, BootMs};
use tokio::sync::{Notify, oneshot};

use super::dialogue::{Dialogue, Report};
use super::wire::Out;

/// How long a repeated report may lie at the guard before it is void.
const REPORT_PATIENCE: Duration = Duration::from_secs(5);

/// The way out, and what waits for an answer.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) dialogue: Dialogue,
    /// `None` unless a connection stands and has been welcomed.
    out: Option<Out>,
    /// Why it must end.
    broken: Option<String>,
    /// The last note was a part of a snapshot, and more parts follow.
    half_told: bool,
    /// When the connection's task wakes by itself; `None`: never.
    wakes: Option<BootMs>,
    stir: Rc<Notify>,
}

impl Line {
    /// Whether a connection stands and has been welcomed.
    pub(super) const fn stands(&self) -> bool {
        self.out.is_some()
    }

    /// What wakes the connection's task.
    pub(super) fn stirred(&self) -> Rc<Notify> {
        Rc::clone(&self.stir)
    }

    /// A connection has been welcomed, with these approvals without an outcome; those that are to
    /// be looked up.
    pub(super) fn begin(&mut self, out: Out, unresolved: Vec<Approval>) -> Vec<Approval> {
        self.out = Some(out);
        self.dialogue.welcomed(unresolved, boot_now())
    }

    /// The connection, or the attempt to make one, has ended; whether one stood.
    pub(super) fn end(&mut self) -> bool {
        self.dialogue.lost();
        self.broken = None;
        self.half_told = false;
        self.out.take().is_some()
    }

    /// Tells what was observed. Without a connection it is dropped: a new one begins with the
    /// whole start-up order.
    pub(super) fn tell(&mut self, observe: Observe) {
        if !self.stands() {
            return;
        }
        let more = observe.more;
        self.say(|line| {
            line.report(true)?;
            line.half_told = more;
            line.out()?.push(&GuardNote::Observe(observe))
        });
        // Parts of a snapshot leave together.
        self.stir.notify_one();
    }

    /// Asks, and says where the answer comes; `None` without a connection.
    pub(super) fn ask(
        &mut self,
        request: &GuardRequest,
        patience: Duration,
    ) -> Option<oneshot::Receiver<GuardReply>> {
        if !self.stands() {
            return None;
        }
        let (tell, hear) = oneshot::channel();
        self.say(|line| {
            line.report(true)?;
            let id = line.dialogue.ask(tell);
            line.out()?.request(id, patience, request)?;
            line.flush()
        });
        Some(hear)
    }

    /// Keeps a report until the guard has it. `taken` hears when it is on its disk; one that is
    /// awaited is said at once.
    pub(super) fn keep(&mut self, report: Report, taken: Option<oneshot::Sender<()>>) {
        let awaited = taken.is_some();
        self.dialogue.keep_and_tell(report, taken, boot_now());
        if awaited && self.stands() {
            self.say(Self::catch_up);
        }
        let due = self.dialogue.deadline();
        if due.is_some_and(|due| self.wakes.is_none_or(|wakes| due < wakes)) {
            self.stir.notify_one();
        }
    }

    /// Says the reports that are due, and writes all that waits; an error ends the connection.
    pub(super) fn catch_up(&mut self) -> Result<(), String> {
        if let Some(why) = self.broken.take() {
            return Err(why);
        }
        self.report(false)?;
        self.flush()
    }

    /// When reports are due next; `None` if none waits.
    pub(super) fn due(&self) -> Option<BootMs> {
        self.dialogue.deadline()
    }

    /// The connection's task sleeps, until then at most.
    pub(super) fn sleeps(&mut self, until: Option<BootMs>) {
        self.wakes = until;
    }

    /// Waits until more can be written; for ever if nothing waits.
    pub(super) fn room(&self) -> impl Future<Output = ()> + use<> {
        let room = self.out.as_ref().map(Out::room);
        async move {
            match room {
                Some(room) => room.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Says something; whatever goes wrong ends the connection, in its task.
    fn say(&mut self, say: impl FnOnce(&mut Self) -> Result<(), String>) {
        if let Err(why) = say(self) {
            self.broken = Some(why);
            self.stir.notify_one();
        }
    }

    /// Says the reports that are due, or all that are new because something else follows.
    fn report(&mut self, rides: bool) -> Result<(), String> {
        // A snapshot is told to its end before anything else is said.
        if self.half_told {
            return Ok(());
        }
        for (id, request) in self.dialogue.due(boot_now(), rides) {
            self.out()?.request(id, REPORT_PATIENCE, &request)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        self.out()?.flush()
    }

    fn out(&mut self) -> Result<&mut Out, String> {
        let out = self.out.as_mut();
        out.ok_or_else(|| "there is no connection to the risk-guard".to_owned())
    }
}
