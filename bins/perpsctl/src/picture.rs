//! One look at the whole harness: every process is asked once, and what did not answer says why.

use std::io;
use std::path::Path;
use std::time::Duration;

use daemon::client::{Client, ClientError};
use daemon::deployment::Deployment;
use protocol::alerts::{AlertsReply, AlertsRequest, AlertsStatus};
use protocol::frame::{Empty, ErrorCode, Message};
use protocol::gateway::{GatewayReply, GatewayRequest};
use protocol::guard::{GuardReply, GuardRequest};
use protocol::status::{GatewayStatus, RiskStatus, SupervisorStatus};
use protocol::supervisor::{SupervisorReply, SupervisorRequest};
use serde::Serialize;

use crate::exit::Exit;

/// How long one process may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// The answers of all processes; `None` where there was none.
#[derive(Debug, Serialize)]
pub(crate) struct Picture {
    pub(crate) supervisor: Option<SupervisorStatus>,
    pub(crate) supervisor_problem: Option<String>,
    #[serde(skip)]
    pub(crate) supervisor_exit: Option<Exit>,
    pub(crate) risk: Option<RiskStatus>,
    pub(crate) risk_problem: Option<String>,
    pub(crate) gateway: Option<GatewayStatus>,
    pub(crate) gateway_problem: Option<String>,
    pub(crate) alerts: Option<AlertsStatus>,
    /// The operators' group does not come in at `alerts.sock`: that says nothing about its health.
    pub(crate) alerts_closed: bool,
}

impl Picture {
    /// Asks every process of the deployment in `dir`.
    pub(crate) fn take(dir: &Path) -> Self {
        let deployment = Deployment::at(dir);
        let mut picture = Self {
            supervisor: None,
            supervisor_problem: None,
            supervisor_exit: None,
            risk: None,
            risk_problem: None,
            gateway: None,
            gateway_problem: None,
            alerts: None,
            alerts_closed: false,
        };
        match ask(
            &deployment.supervisor_socket(),
            &SupervisorRequest::Status(Empty {}),
        ) {
            Ok(SupervisorReply::Status(status)) => picture.supervisor = Some(status),
            Ok(other) => picture.supervisor_problem = Some(format!("answered {other:?}")),
            Err(problem) => {
                picture.supervisor_exit = Some(problem.exit);
                picture.supervisor_problem = Some(problem.text);
                return picture;
            }
        }
        match ask(&deployment.guard_socket(), &GuardRequest::Status(Empty {})) {
            Ok(GuardReply::Status(status)) => picture.risk = Some(status),
            Ok(other) => picture.risk_problem = Some(format!("answered {other:?}")),
            Err(problem) => picture.risk_problem = Some(problem.text),
        }
        match ask(
            &deployment.gateway_socket(),
            &GatewayRequest::Status(Empty {}),
        ) {
            Ok(GatewayReply::Status(status)) => picture.gateway = Some(status),
            Ok(other) => picture.gateway_problem = Some(format!("answered {other:?}")),
            Err(problem) => picture.gateway_problem = Some(problem.text),
        }
        match ask(
            &deployment.alerts_socket(),
            &AlertsRequest::Status(Empty {}),
        ) {
            Ok(AlertsReply::Status(status)) => picture.alerts = Some(status),
            Ok(AlertsReply::Done(_) | AlertsReply::Error(_)) => {}
            Err(problem) => picture.alerts_closed = problem.exit == Exit::Degraded,
        }
        picture
    }

    /// Why the guard is not in the picture.
    pub(crate) fn risk_problem(&self) -> &str {
        self.risk_problem.as_deref().unwrap_or("no answer")
    }

    /// Why the gateway is not in the picture.
    pub(crate) fn gateway_problem(&self) -> &str {
        self.gateway_problem.as_deref().unwrap_or("no answer")
    }
}

/// Why a process could not be asked.
#[derive(Debug)]
pub(crate) struct Problem {
    /// For people.
    pub(crate) text: String,
    /// The exit code of it.
    pub(crate) exit: Exit,
    /// What the process that refused calls it.
    pub(crate) code: Option<ErrorCode>,
}

impl Problem {
    fn of(socket: &Path, error: &ClientError) -> Self {
        let name = served_by(socket);
        let (exit, text, code) = match error {
            ClientError::NotConnected(error) => {
                let (exit, text) = not_connected(socket, error);
                (exit, text, None)
            }
            ClientError::OutcomeUnknown { why } => {
                let text = format!("{name} does not answer: {why}");
                (Exit::NoAnswer, text, None)
            }
            ClientError::Protocol(error) => {
                let text = format!("{name}: {error}");
                (Exit::Degraded, text, Some(error.code))
            }
        };
        Self { text, exit, code }
    }

    /// It is there, but does not answer in time.
    pub(crate) fn is_silence(&self) -> bool {
        self.exit == Exit::NoAnswer
    }
}

/// Nobody is at the socket, or we may not come in.
fn not_connected(socket: &Path, error: &io::Error) -> (Exit, String) {
    // The socket stands in run/ of the deployment.
    let dir = socket.ancestors().nth(2).unwrap_or(socket);
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let shown = dir.display();
    let (gone, stranger) = (
        [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&error.kind()),
        error.kind() == io::ErrorKind::PermissionDenied,
    );
    if gone && !dir.is_dir() {
        return (Exit::NotRunning, format!("there is no directory {shown}"));
    }
    if gone {
        let why = format!(
            "no supervisor runs in {shown}: start it, or name another deployment with --dir or \
             --instance"
        );
        return (Exit::NotRunning, why);
    }
    let socket = socket.display();
    let why = if stranger {
        format!(
            "{socket}: permission denied; ask as root, as the user that the harness runs as, or as \
             a member of supervisor.operatorGroup"
        )
    } else {
        format!("{socket}: {error}")
    };
    (Exit::Degraded, why)
}

/// Who serves this socket, for people.
fn served_by(socket: &Path) -> &'static str {
    match socket.file_stem().and_then(|name| name.to_str()) {
        Some("supervisor") => "the supervisor",
        Some("guard") => "the guard",
        Some("gateway") => "the gateway",
        Some("alerts") => "the alert-forwarder",
        Some(_) | None => "the other side",
    }
}

/// Asks one process one thing on a connection of its own.
pub(crate) fn ask<Q: Message, R: Message>(socket: &Path, request: &Q) -> Result<R, Problem> {
    ask_within(socket, request, PATIENCE)
}

/// The same, for an answer that may take longer.
pub(crate) fn ask_within<Q: Message, R: Message>(
    socket: &Path,
    request: &Q,
    patience: Duration,
) -> Result<R, Problem> {
    let problem = |error: &ClientError| Problem::of(socket, error);
    let mut client = Client::connect(socket, PATIENCE).map_err(|e| problem(&e))?;
    client.request(request, patience).map_err(|e| problem(&e))
}
