//! `alerts.sock`: what every process says to the alert-forwarder.

use serde::{Deserialize, Serialize};

use crate::frame::{Empty, ErrorBody};
use crate::{Alert, VenueMs, messages};

messages! {
    /// Asked of the alert-forwarder; each is answered once.
    pub enum AlertsRequest {
        /// Deliver this. Answered by `done` once it is on disk; the producer keeps it until then.
        Deliver(Alert) = "deliver",
        /// How things stand. Answered by `status`.
        Status(Empty) = "status",
    }
}

messages! {
    /// The alert-forwarder's answers.
    pub enum AlertsReply {
        /// To `deliver`.
        Done(Empty) = "done",
        /// To `status`.
        Status(AlertsStatus) = "status",
        /// To anything that could not be done.
        Error(ErrorBody) = "error",
    }
}

/// How the alert-forwarder stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertsStatus {
    /// Alerts on disk that some sink has not taken yet.
    pub spooled: u64,
    /// Each sink.
    pub sinks: Vec<SinkStatus>,
}

/// How one sink stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Its name; `log` is always there.
    pub name: String,
    /// Alerts it has taken since the start.
    pub delivered: u64,
    /// Alerts that wait for it.
    pub waiting: u64,
    /// When it last took one, UTC milliseconds.
    pub last_delivered: Option<VenueMs>,
    /// Why it does not take them now.
    pub failing: Option<String>,
}
