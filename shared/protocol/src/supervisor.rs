//! `supervisor.sock`: what the operator says to the supervisor.

use serde::{Deserialize, Serialize};

use crate::frame::{Empty, ErrorBody};
use crate::status::SupervisorStatus;
use crate::{Generation, messages};

messages! {
    /// Asked of the supervisor; each is answered once.
    pub enum SupervisorRequest {
        /// How things stand. Answered by `status`.
        Status(Empty) = "status",
        /// Read the config file now, and answer when it is in force or refused, by `config_result`.
        ConfigApply(Empty) = "config_apply",
        /// Reopen the log files (after a rotation by others). Answered by `done`.
        ReopenLogs(Empty) = "reopen_logs",
        /// Stop everything in order. Answered by `done` before it begins.
        Stop(Empty) = "stop",
    }
}

messages! {
    /// The supervisor's answers.
    pub enum SupervisorReply {
        /// To `status`.
        Status(SupervisorStatus) = "status",
        /// To `config_apply`.
        ConfigResult(ConfigResult) = "config_result",
        /// To what only needs an acknowledgement.
        Done(Empty) = "done",
        /// To anything that could not be done.
        Error(ErrorBody) = "error",
    }
}

/// How an attempt to apply a config ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigResult {
    /// The generation in force now.
    pub applied: Generation,
    /// Why the file was refused; `None` if it is in force (or was unchanged).
    pub refused: Option<String>,
    /// Whether the file differed from what was in force.
    pub changed: bool,
}
