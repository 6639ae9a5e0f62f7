//! The control channel between the supervisor and each child: a socket pair, inherited.
//!
//! ```text
//!  supervisor                         child
//!     | -- prepare{g, text} ----------> |   checks it, changes nothing
//!     | <- prepared{g} / refused{g} --- |
//!     | -- commit{g} -----------------> |   now it is in force
//!     | <- applied{g} ----------------- |
//!     | <- ready ---------------------- |   once, after the first commit and its state are there
//!     | <- heartbeat{progress} -------- |   from the main loop, every second
//!     | -- stop ----------------------> |   end in order; end of file means the same, at once
//! ```
//! A start is the first prepare and commit; there is no other way to get a config. Between the two
//! a process may wait for as long as it likes to: it is the spare of one that runs, and what that one
//! holds (the state, the spool, who knocks at the socket) is not its own before the commit.

use serde::{Deserialize, Serialize};

use crate::frame::Empty;
use crate::status::TradingState;
use crate::{Generation, Mode, Tag, messages};

messages! {
    /// From the supervisor to a child.
    pub enum Order {
        /// Check this config; change nothing yet.
        Prepare(Prepare) = "prepare",
        /// Put the prepared generation in force.
        Commit(Generation) = "commit",
        /// Forget the prepared generation.
        Abort(Generation) = "abort",
        /// End in order.
        Stop(Empty) = "stop",
    }
}

messages! {
    /// From a child to the supervisor.
    pub enum Report {
        /// The generation could be put in force.
        Prepared(Generation) = "prepared",
        /// The generation cannot be put in force.
        Refused(Refused) = "refused",
        /// The generation is in force.
        Applied(Generation) = "applied",
        /// State loaded, config applied, sockets served.
        Ready(Empty) = "ready",
        /// The main loop turns.
        Heartbeat(Heartbeat) = "heartbeat",
        /// It cannot run, and why; it ends with a documented exit code right after.
        Failing(String) = "failing",
    }
}

/// A config to check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepare {
    /// Its number.
    pub generation: Generation,
    /// The file it came from, for messages.
    pub file: String,
    /// Where the generation is written down; the child reads it from there. A file never changes
    /// once it has a number.
    pub path: String,
    /// The mode of the command line.
    pub mode: Mode,
}

/// Why a config cannot be put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its number.
    pub generation: Generation,
    /// For people, with file, line and column where there is one.
    pub reason: String,
}

/// A sign of life from the main loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Grows with every turn that did work or looked for some; one that stands still is stuck.
    pub progress: u64,
    /// What it waits for, for people; empty if nothing.
    pub waiting_for: String,
    /// It has had everything it needs at least once in this life: the gateway has read the venue
    /// through. What it waits for later is no sign of a deployment that never worked.
    pub settled: bool,
    /// Log lines that were dropped because the pipe was full.
    pub dropped_lines: u64,
    /// How trading stands; from the guard alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

/// How trading stands, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What may be sent.
    pub state: TradingState,
    /// What blocks entries, worst first.
    pub trips: Vec<Tag>,
    /// What entries wait for beyond the trips, for people.
    pub waiting_for: Vec<String>,
}

/// Exit codes of every process of the harness. 0 is a wanted end, 1 a failure worth a restart.
pub const EXIT_FAILURE: u8 = 1;

/// A command line that cannot be understood; clap's own code for it.
pub const EXIT_USAGE: u8 = 2;

/// A config, key or environment that no restart will mend (`EX_CONFIG` of sysexits).
pub const EXIT_CONFIG: u8 = 78;

/// The names of the inherited file descriptors' environment variables.
pub mod inherited {
    /// The control channel's descriptor number.
    pub const CONTROL_FD: &str = "PERPS_CONTROL_FD";
    /// The listening socket's descriptor number.
    pub const LISTEN_FD: &str = "PERPS_LISTEN_FD";
    /// The log pipe's descriptor number.
    pub const LOG_FD: &str = "PERPS_LOG_FD";
    /// The deployment's directory (run/, logs/, data/), absolute.
    pub const DIR: &str = "PERPS_DIR";
}
