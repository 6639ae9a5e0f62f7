//! The simulated exchange as a library: its matching core and its prices run under any clock.
//!
//! What this crate is for: a venue that answers on the same wire as the real one, for tests, demos
//! and drills on a machine that reaches no exchange. What it does not do: anything but linear
//! perpetuals of one account; its README lists what it serves.
//!
//! Arrows point down: `http`, `streams`, `admin` -> `rows` -> `sim` -> `faults`, `prices`, `candles`,
//! `prints`, `matching`.

pub mod admin;
pub mod candles;
pub mod clock;
mod dialect;
pub mod faults;
pub mod http;
pub mod matching;
pub mod prices;
pub mod prints;
mod rows;
pub mod sim;
mod streams;
