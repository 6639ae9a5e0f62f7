//! What a child was given at birth: its control channel, its listening socket, its log pipe.
//!
//! The supervisor binds every socket and passes it on, so that clients queue while a child is
//! restarted. The variables' names stand in `protocol::control::inherited`; they are never passed
//! on, since only the supervisor spawns and it clears the environment first.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use protocol::control::inherited::{CONTROL_FD, DIR, LISTEN_FD, LOG_FD};
use thiserror::Error;

use crate::environment;

/// A child's inheritance.
#[derive(Debug)]
pub struct Inherited {
    /// The channel to the supervisor; its end of file ends the child.
    pub control: UnixStream,
    /// The socket to serve; absent for a child that serves none.
    pub listener: Option<UnixListener>,
    /// Where log records go.
    pub log: Option<OwnedFd>,
    /// The deployment's directory.
    pub dir: PathBuf,
}

/// Why there is no inheritance.
#[derive(Debug, Error)]
pub enum InheritedError {
    /// Started by hand.
    #[error("this program is started by perps-supervisor; start that instead ({name} is not set)")]
    NotGiven {
        /// The variable that is missing.
        name: &'static str,
    },
    /// A variable names a descriptor that is not open.
    #[error("{name}={fd}: no such open descriptor")]
    NotOpen {
        /// The variable.
        name: &'static str,
        /// What it says.
        fd: i32,
    },
    /// Asked for twice.
    #[error("the inheritance has been taken already")]
    Taken,
}

/// Asks the kernel to end this process with the supervisor, even when it is stopped or stuck and
/// sees no end of its channel. For those whose state is safe at any moment: a guard that lives on
/// would keep the state from the next one. The supervisor spawns from a thread that never ends,
/// since the signal is bound to that thread.
pub fn end_with_supervisor() {
    use nix::sys::{prctl, signal::Signal};
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        tracing::warn!("this process may outlive its supervisor: {error}");
    }
}

impl Inherited {
    /// Takes what the supervisor has passed on; once in a process's life.
    pub fn take() -> Result<Self, InheritedError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(InheritedError::Taken);
        }
        let dir = environment::path(DIR).ok_or(InheritedError::NotGiven { name: DIR })?;
        let control = adopt(CONTROL_FD)?.ok_or(InheritedError::NotGiven { name: CONTROL_FD })?;
        Ok(Self {
            control: UnixStream::from(control),
            listener: adopt(LISTEN_FD)?.map(UnixListener::from),
            log: adopt(LOG_FD)?,
            dir,
        })
    }
}

/// Makes the descriptor that a variable names our own, closed in any process we might start.
fn adopt(name: &'static str) -> Result<Option<OwnedFd>, InheritedError> {
    let Some(fd) = environment::number(name) else {
        return Ok(None);
    };
    let open = fd > 2 && std::path::Path::new(&format!("/proc/self/fd/{fd}")).exists();
    if !open {
        return Err(InheritedError::NotOpen { name, fd });
    }
    // SAFETY: the descriptor is open (checked above), was opened for this process by its
    // supervisor, and is taken once (`take` runs once, and each variable names its own).
    #[expect(
        unsafe_code,
        reason = "an inherited descriptor has no owner until someone takes it"
    )]
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl(&owned, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
        .map_err(|_| InheritedError::NotOpen { name, fd })?;
    Ok(Some(owned))
}
