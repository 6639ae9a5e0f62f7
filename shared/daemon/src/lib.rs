//! What every process of the house needs to live in it: clocks, inherited sockets, the control
//! channel, logging, servers and clients of the Unix sockets.
//!
//! What this room does not do: know what any process decides, spawn processes (the supervisor
//! does) or write log files (the supervisor does).
//!
//! A sidecar on tokio begins like this:
//!
//! ```no_run
//! # use protocol::Process;
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let inherited = daemon::inherited::Inherited::take()?;
//! daemon::logging::begin(Process::Gateway, inherited.log);
//! let mut child = daemon::child::Child::<()>::over(inherited.control)?;
//! // then: child.next(check).await in the main loop, see `child`
//! # Ok(())
//! # }
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
pub mod sandbox;
pub mod server;
