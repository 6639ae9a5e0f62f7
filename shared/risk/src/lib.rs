//! The engine that decides: which orders may leave, which trips stand, what the gateway must do.
//!
//! What this room is for: one pure step from an input to its effects, on a state that can be
//! written down and read back. What it does not do: clocks, files, sockets, logs, randomness.
//! Time comes in as a value with every input, and the same inputs from the same state always give
//! the same effects, so that a journal of inputs is the whole history.
//!
//! ```text
//!  Input { stamp, kind } --> Engine::step --> Effects { decision, verb, events, commands }
//!                              |   ^
//!                    deadline()|   |Tick
//!                              v   |
//!                        the caller sleeps
//! ```

#![deny(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::indexing_slicing
)]

mod book;
mod checks;
mod clock;
mod closings;
mod commands;
mod continuity;
mod days;
mod effects;
mod engine;
mod flows;
mod input;
mod intents;
mod limits;
mod names;
mod positions;
mod reconcile;
mod reservations;
pub mod state;
mod status;
mod telling;
mod trips;
mod verbs;
mod wallet;

pub use clock::Clock;
pub use effects::{Effects, Event};
pub use engine::Engine;
pub use input::{Genesis, Input, InputKind, NewLimits, Start, StoreCondition};
pub use limits::{DailyLossBasis, Limits, OnTrip};
pub use state::{SCHEMA_VERSION, State};
