//! What a step brings about.

use protocol::guard::{Command, Stands, VerbDone};
use protocol::{Alert, Approval, Context, Decision, Process, Severity, Tag, VenueMs};
use serde::{Deserialize, Serialize};

/// What one step brings about. The caller journals the input first, then acts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// The answer to an authorize or amend.
    pub decision: Option<Decision>,
    /// The answer to an operator's word.
    pub verb: Option<VerbDone>,
    /// The answer to a look-up.
    pub stands: Option<Stands>,
    /// The answer to an exit that went alone: what it is followed as; `None` if it is over.
    pub exit: Option<Approval>,
    /// What is to be logged, oldest first; those with [`Event::alert`] are also in the outbox.
    pub events: Vec<Event>,
    /// What is to be sent to the gateway now. Kept in the state and repeated until done.
    pub commands: Vec<Command>,
    /// Whether the input must be on disk before anything of this is told to anyone. Without it the
    /// input may reach the disk with the next group.
    pub must_be_durable: bool,
}

/// One line for the log, and perhaps for the alert-forwarder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Unique: `guard-<lineage>-<count>`.
    pub id: String,
    /// What happened.
    pub tag: Tag,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence for a person.
    pub message: String,
    /// The facts behind it.
    pub context: Context,
    /// When, venue time.
    pub at: VenueMs,
    /// Whether it is an alert: then the outbox keeps it until `AlertTaken` names its id.
    pub alert: bool,
}

impl Event {
    /// The same as it travels to the alert-forwarder and to bots.
    pub fn into_alert(self) -> Alert {
        Alert {
            id: self.id,
            tag: self.tag,
            severity: self.severity,
            message: self.message,
            context: self.context,
            process: Process::RiskGuard,
            at: self.at,
        }
    }
}
