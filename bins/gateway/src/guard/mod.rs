//! The guard as the gateway knows it: its word to send, its leave to open, its connection.

mod dialogue;
mod lease;
mod line;
mod link;
mod permit;
mod wire;

pub use lease::Leave;
pub use link::{Address, Guard, GuardEvent, Verdict};
pub(crate) use permit::is_ours;
pub use permit::{Approved, Reducing};
