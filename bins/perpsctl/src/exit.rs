//! The exit codes of `perpsctl`, and which of them a picture of the harness deserves.

use protocol::status::{ChildState, TradingState};

use crate::picture::Picture;

/// What the exit code tells a script. Documented in `docs/runbook.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything is up and entries are allowed.
    Healthy = 0,
    /// It runs, but something needs attention; or the command failed.
    Degraded = 1,
    /// The command line was wrong.
    Usage = 2,
    /// No supervisor answers in this directory.
    NotRunning = 3,
    /// It runs, but did not answer in time.
    NoAnswer = 4,
    /// Entries are blocked.
    Blocked = 5,
}

impl Exit {
    /// The word for it in the JSON of a failure.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "failed",
            Self::Usage => "usage",
            Self::NotRunning => "not_running",
            Self::NoAnswer => "no_answer",
            Self::Blocked => "blocked",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The exit code that this picture deserves.
pub(crate) fn verdict(picture: &Picture) -> Exit {
    let Some(supervisor) = &picture.supervisor else {
        return picture.supervisor_exit.unwrap_or(Exit::Degraded);
    };
    let Some(risk) = &picture.risk else {
        return Exit::Blocked;
    };
    if risk.state != TradingState::Active || !risk.synced {
        return Exit::Blocked;
    }
    let all_ready = supervisor
        .children
        .iter()
        .all(|child| child.state == ChildState::Ready);
    let clean = all_ready
        && supervisor.config.rejected.is_none()
        && supervisor.config.held.is_none()
        && supervisor.log_fault.is_none()
        && risk.waiting_for.is_empty()
        && risk.state_fault.is_none()
        && risk.unresolved == 0
        && picture
            .gateway
            .as_ref()
            .is_some_and(|gateway| gateway.synced && gateway.lease)
        && (picture.alerts.is_some() || picture.alerts_closed);
    if clean { Exit::Healthy } else { Exit::Degraded }
}
