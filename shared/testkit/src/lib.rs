//! Whole harnesses of real processes, for drills, demos and end-to-end tests.
//!
//! What this room is for: start a simulated exchange and a supervised deployment in a directory of
//! their own, play a bot and an operator against them, break them on purpose, and read back what
//! really happened: the simulator's ledger and `logs/trading.log`. What it does not do: judge
//! (scenarios do) or print (`perpsctl` does).

mod binaries;
mod bot;
pub mod drill;
pub mod faults;
mod harness;
mod sim;
pub mod soak;
mod wait;

pub use binaries::Binaries;
pub use bot::{BotPlayer, intent};
pub use harness::{Harness, HarnessSpec};
pub use sim::{Fault, Ledger, LedgerOrder, Sim, SimSpec};
pub use wait::until;

use thiserror::Error;

/// Why a harness could not be played.
#[derive(Debug, Error)]
pub enum PlayError {
    /// A binary of the harness is missing.
    #[error("{name} is not in {dir}; build it first: cargo build --workspace --bins")]
    NoBinary {
        /// Which.
        name: &'static str,
        /// Where it was looked for.
        dir: String,
    },
    /// A file or process could not be handled.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The simulator's admin interface did not answer as it should.
    #[error("the simulator's {path}: {why}")]
    Sim {
        /// Which call.
        path: String,
        /// What was wrong.
        why: String,
    },
    /// A socket of the harness did not answer as it should.
    #[error("{socket}: {why}")]
    Socket {
        /// Which socket.
        socket: String,
        /// What was wrong.
        why: String,
    },
    /// Something awaited did not come.
    #[error("waited {seconds} s for {what}; last seen: {last}")]
    TooLate {
        /// What was awaited.
        what: String,
        /// For how long.
        seconds: u64,
        /// What was there instead.
        last: String,
    },
    /// A process ended when it should not have, or otherwise than it should have.
    #[error("{what}")]
    Ended {
        /// Which process, how, and its last words.
        what: String,
    },
}

impl PlayError {
    /// An [`PlayError::Io`] from what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
