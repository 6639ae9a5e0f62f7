//! One question to the guard or the supervisor, and its answer: a refusal is a failure.

use std::path::Path;
use std::time::Duration;

use daemon::deployment::Deployment;
use protocol::frame::Empty;
use protocol::guard::{GuardReply, GuardRequest};
use protocol::status::SupervisorStatus;
use protocol::supervisor::{SupervisorReply, SupervisorRequest};

use crate::failure::Failed;
use crate::picture::{PATIENCE, ask, ask_within};

/// Asks the guard.
pub(crate) fn guard(socket: &Path, request: &GuardRequest) -> Result<GuardReply, Failed> {
    taken(ask(socket, request)?)
}

/// An answer of the guard that is no refusal.
pub(crate) fn taken(reply: GuardReply) -> Result<GuardReply, Failed> {
    if let GuardReply::Error(error) = reply {
        return Err(Failed::refused(error));
    }
    Ok(reply)
}

/// The supervisor's picture.
pub(crate) fn status(dir: &Path) -> Result<SupervisorStatus, Failed> {
    let socket = Deployment::at(dir).supervisor_socket();
    let reply = supervisor(&socket, &SupervisorRequest::Status(Empty {}))?;
    if let SupervisorReply::Status(status) = reply {
        Ok(status)
    } else {
        Err(Failed::astray("the supervisor", &reply))
    }
}

/// Asks the supervisor.
pub(crate) fn supervisor(
    socket: &Path,
    request: &SupervisorRequest,
) -> Result<SupervisorReply, Failed> {
    supervisor_within(socket, request, PATIENCE)
}

/// The same, for an answer that may take longer.
pub(crate) fn supervisor_within(
    socket: &Path,
    request: &SupervisorRequest,
    patience: Duration,
) -> Result<SupervisorReply, Failed> {
    let reply = ask_within(socket, request, patience)?;
    if let SupervisorReply::Error(error) = reply {
        return Err(Failed::refused(error));
    }
    Ok(reply)
}
