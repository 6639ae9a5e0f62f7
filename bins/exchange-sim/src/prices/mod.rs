//! Where prices come from: a seeded generator, or bars replayed from a file, at any speed.
//!
//! What this room is for: saying which prices are due at a wall time that is handed in, keeping
//! pins, and feeding the candles. What it does not do: read a clock, match orders.
//!
//! Market time runs in seconds. A market minute lasts [`Pace::minute_ms`] of wall time and its
//! grid is aligned to the epoch, so that candles start at whole multiples of their length.

mod bars;
mod generator;
mod history;
mod tape;

pub use bars::{Bar, BarsError, read_bars};
pub use generator::Generator;
pub use history::Past;
pub use tape::{Due, Pace, PaceError, Tape};
