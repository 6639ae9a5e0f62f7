//! The words the processes speak: tags, orders, observations, requests, replies, framing.
//!
//! What this room is for: every type that crosses a socket, a log line or the journal stands here
//! once. What it does not do: input and output (`daemon`), the venue's own JSON (`exchange`),
//! judging (`risk`).
//!
//! A frame is one JSON object on one line; [`frame`] has its shape. Bodies that a bot sends refuse
//! unknown keys, so that a misspelt `stop_loss` is an error and not an order without a stop.

pub mod alert;
pub mod alerts;
mod commands;
pub mod control;
pub mod frame;
pub mod gateway;
pub mod guard;
mod ids;
pub mod order;
mod process;
pub mod status;
pub mod supervisor;
pub mod tag;
mod time;
pub mod venue;

pub use alert::{Alert, Context};
pub use ids::{
    AccountId, ApprovalId, CommandId, ExecId, Generation, IdError, IntentId, OrderId, OrderLinkId,
    SessionId, Symbol,
};
pub use order::{
    Approval, Decision, Denial, Intent, OpeningSides, OrderType, Outcome, Side, TimeInForce,
};
pub use process::{Mode, Process};
pub use tag::{Severity, Tag};
pub use time::{BootId, BootMs, Stamp, VenueMs};
