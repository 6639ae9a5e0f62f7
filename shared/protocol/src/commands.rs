//! How a command of the guard stands, as programs read it.

use serde::{Deserialize, Serialize};

use crate::{CommandId, VenueMs};

/// A command of the guard to the gateway: cancel opening orders, or go flat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandStatus {
    /// Which.
    pub command_id: CommandId,
    /// What it is, in a few words.
    pub what: String,
    /// Since when it is under way; when it was confirmed once it is done. Venue time.
    pub since: VenueMs,
    /// How far it is, what is in its way, or what was done.
    pub progress: Option<String>,
    /// Whether a fresh read of the venue has confirmed it.
    pub done: bool,
    /// It has ended without that, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<GivenUp>,
}

impl CommandStatus {
    /// Whether it is still to be brought about.
    pub const fn pending(&self) -> bool {
        !self.done && self.given_up.is_none()
    }
}

/// How a command ended that the venue has not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenUp {
    /// An operator took it back.
    Withdrawn,
    /// It can never be done.
    Refused,
}
