//! `supervisor.sock`: what the operator says to the supervisor.

use serde::{Deserialize, Serialize};

use crate::frame::{Empty, ErrorBody};
use crate::status::{ChildState, ConfigChange, HeldEdit, SupervisorStatus};
use crate::{Generation, Process, VenueMs, messages};

messages! {
    /// Asked of the supervisor; each is answered once.
    pub enum SupervisorRequest {
        /// How things stand. Answered by `status`.
        Status(Empty) = "status",
        /// Read the config file now. Answered by `config_result`.
        ConfigApply(ConfigApply) = "config_apply",
        /// Put a held edit in force. Answered by `config_result` when it is, or is refused.
        ConfigConfirm(ConfigConfirm) = "config_confirm",
        /// Run one process anew, whatever it died of before. Answered by `restarting`.
        Restart(RestartProcess) = "restart",
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
        /// To `config_apply` and `config_confirm`.
        ConfigResult(ConfigResult) = "config_result",
        /// To `restart`; `status` tells how it goes on.
        Restarting(Restarting) = "restarting",
        /// To what only needs an acknowledgement.
        Done(Empty) = "done",
        /// To anything that could not be done.
        Error(ErrorBody) = "error",
    }
}

/// The config file is to be read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigApply {
    /// Answer only when the edit is in force everywhere, refused or held; otherwise as soon as the
    /// file has been read.
    pub wait: bool,
}

/// A held edit is to be put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigConfirm {
    /// [`HeldEdit::number`] of the edit that was looked at.
    pub number: u64,
}

/// One process is to run anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartProcess {
    /// Which; never the supervisor itself.
    pub process: Process,
}

/// One process is on its way to run anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarting {
    /// Which.
    pub process: Process,
    /// What it was when the word came.
    pub was: ChildState,
    /// Process id of what ran then, if anything did; the new one has another.
    pub pid: Option<u32>,
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
    /// The file waits for `config_confirm`.
    pub held: Option<HeldEdit>,
    /// The file is sound and on its way; only to a question that did not want to wait.
    pub under_way: bool,
}

/// What became of one edit: a line of `accepted/history.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigHistory {
    /// When, by the machine's clock.
    pub at: VenueMs,
    /// What became of it.
    pub fate: EditFate,
    /// Its generation, or the one that stayed.
    pub generation: Generation,
    /// What is known of who saved the file.
    pub saved_by: String,
    /// What it changes.
    pub changes: Vec<ConfigChange>,
    /// Why it was refused, or who confirmed it.
    pub note: Option<String>,
}

/// What became of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditFate {
    /// In force when the supervisor started.
    Started,
    /// In force everywhere.
    Applied,
    /// Not in force: somebody refused it.
    Refused,
    /// Not in force until it is confirmed.
    Held,
}
