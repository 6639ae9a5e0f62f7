//! Taking note of the ends of processes: of those that were started here, and of those that they
//! left behind, which the kernel gives to us (`PR_SET_CHILD_SUBREAPER`).
//!
//! One place waits for all of them, so that nobody takes another's end. A child is entered while
//! the lock is held that a look also takes: an end is never seen before the child is known.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use tokio::sync::oneshot;

use crate::lifecycle::Exit;

/// Whose end is waited for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reaper {
    known: Arc<Mutex<BTreeMap<i32, oneshot::Sender<Exit>>>>,
}

impl Reaper {
    /// Makes us the one that orphans below us are given to.
    pub(crate) fn adopt_orphans() {
        if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
            tracing::warn!("processes that a bot leaves behind cannot be ended: {error}");
        }
    }

    /// Starts a process whose end comes once on the receiver.
    pub(crate) fn start<T>(
        &self,
        start: impl FnOnce() -> io::Result<(u32, T)>,
    ) -> io::Result<((u32, T), oneshot::Receiver<Exit>)> {
        let mut known = self.known();
        let (pid, more) = start()?;
        let (ended, exit) = oneshot::channel();
        known.insert(i32::try_from(pid).unwrap_or(0), ended);
        Ok(((pid, more), exit))
    }

    /// Whether a process that was started here has not ended, as far as anybody has looked.
    pub(crate) fn holds(&self, pid: u32) -> bool {
        i32::try_from(pid).is_ok_and(|pid| self.known().contains_key(&pid))
    }

    /// Takes note of every end there is, without waiting. Call it at every SIGCHLD.
    pub(crate) fn look(&self) {
        let mut known = self.known();
        while let Some((pid, exit)) = next_end() {
            let ended = known.remove(&pid.as_raw());
            if ended.is_some() {
                // What it started and left in its group goes with it. Its number still belongs to
                // it, since nobody has taken its end yet.
                killpg(pid, Signal::SIGKILL).ok();
            }
            waitpid(pid, Some(WaitPidFlag::WNOHANG)).ok();
            if let Some(ended) = ended {
                // At the very end nobody asks any more.
                ended.send(exit).ok();
            } else {
                tracing::debug!("process {pid}, left behind by a bot, ended: {exit}");
            }
        }
    }

    /// Ends what is still below us when everything else is over.
    pub(crate) fn end_orphans(&self) {
        self.look();
        let known = self.known();
        for pid in below_us().filter(|pid| !known.contains_key(&pid.as_raw())) {
            tracing::warn!("process {pid} was left behind by a bot; it is killed");
            kill(pid, Signal::SIGKILL).ok();
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<i32, oneshot::Sender<Exit>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that has ended and was not waited for yet; it stays so.
fn next_end() -> Option<(Pid, Exit)> {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::All, look) {
            Ok(WaitStatus::Exited(pid, code)) => return Some((pid, Exit::Code(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                return Some((pid, Exit::Signal(signal as i32)));
            }
            Err(Errno::EINTR) => {}
            Ok(
                WaitStatus::StillAlive
                | WaitStatus::Stopped(..)
                | WaitStatus::Continued(_)
                | WaitStatus::PtraceEvent(..)
                | WaitStatus::PtraceSyscall(_),
            )
            | Err(_) => return None,
        }
    }
}

/// The processes whose parent we are, adopted ones included.
fn below_us() -> impl Iterator<Item = Pid> {
    let threads = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| {
            let pids: Vec<Pid> = text
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok().map(Pid::from_raw))
                .collect();
            pids
        })
}
