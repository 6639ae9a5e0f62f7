//! One file a command; each returns the exit code it deserves.

pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod drill;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod faults;
pub(crate) mod flatten;
pub(crate) mod limits;
pub(crate) mod logs;
pub(crate) mod pnl;
pub(crate) mod replay;
pub(crate) mod restart;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod verb;
pub(crate) mod wait;
