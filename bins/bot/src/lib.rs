//! The reference bot's thinking as a library: when to be long, how much, and where the bracket goes.
//! Pure, so that it also runs under a virtual clock. The conversation with the gateway is the
//! binary's.

pub mod sizing;
pub mod strategy;
