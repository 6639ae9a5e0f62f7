//! A journal of inputs, stepped again: what was decided, and whether it comes out again.
//!
//! What this room is for: finding the inputs behind a path ([`Source`]), stepping every one of them
//! through an engine of its own, and holding each step, and each snapshot on the way, against what
//! was recorded ([`replay()`]). What it does not do: know how a record is written (`history` does),
//! print, read a clock, or decide anything: the engine does.
//!
//! ```text
//!  journal, archive ──┐                       ┌─▶ the same answers and states: identical
//!  plain lines ───────┴─▶ inputs ─▶ engine ───┤
//!                                             └─▶ the first difference
//!                          under other limits ──▶ what they would have refused, and its money
//! ```
//! The plain lines, with an example: `docs/replay.md`.

mod lane;
mod lines;
mod reader;
mod report;
mod run;
mod source;
mod taken;
mod what_if;

pub use report::{
    Averted, Check, Counts, Difference, Happened, Judged, Judgement, Money, Report, Span, Trip,
    TripEnd, WhatIfReport,
};
pub use run::{Options, replay};
pub use source::{Source, SourceError};
pub use what_if::ASSUMPTIONS;
