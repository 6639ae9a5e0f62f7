//! What the guard's files mean: records are inputs, snapshots are engines, whatever version wrote
//! them.
//!
//! What this room is for: the words in which an input stands in the journal ([`record`]), reading
//! what older versions wrote ([`schema`]), the engine that follows from what a start has found
//! ([`rebuild()`]), and a whole journal read without owning it ([`Story`]), for replay and for the
//! operator's eye. What it does not do: files (`state` does), decide (`risk` does), act.
//!
//! ```text
//!   state: bytes, checksums, numbers ─▶ history: inputs and engines ─▶ guard, perpsctl
//! ```

pub mod record;
pub mod schema;

mod rebuild;
mod second;
mod story;
mod unreadable;

pub use rebuild::{Rebuilt, engine_of, genesis_of, rebuild};
pub use record::{Recorded, Told, Verdict};
pub use story::{Base, Checkpoint, Story, StoryError};
pub use unreadable::Unreadable;
