//! What every process of the house needs to live in it: clocks, inherited sockets, the control
//! channel, logging, servers and clients of the Unix sockets.
//!
//! What this room does not do: know what any process decides, spawn processes (the supervisor
//! does) or write log files (the supervisor does).
//!
//! A sidecar on tokio begins like this:
//!
//! ```no_run
//! use std::io;
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     daemon::sidecar::main(protocol::Process::Gateway, |inherited| {
//!         let mut child = daemon::child::Child::<()>::over(inherited.control)?;
//!         // then: child.next(check).await in the main loop, see `child`
//!         Ok::<_, io::Error>(ExitCode::SUCCESS)
//!     })
//! }
//! ```

pub mod alerting;
pub mod child;
pub mod client;
pub mod clock;
pub mod deployment;
pub mod environment;
pub mod inherited;
pub mod lines;
pub mod logging;
pub mod logline;
pub mod precedence;
pub mod sandbox;
pub mod server;
pub mod sidecar;
pub mod stream;
pub mod user;
