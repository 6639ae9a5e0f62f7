//! What a person sees: pure functions from a picture of the harness to lines of text.
//!
//! Nothing here asks a socket or reads a clock. Colour is plain ANSI; the printer strips it where
//! the output is no terminal.

mod bar;
mod clock;
mod fit;
mod limits;
mod next;
mod pnl;
mod processes;
mod replay;
mod span;
mod status;

pub(crate) use bar::bar;
pub(crate) use clock::time_of_day;
pub(crate) use fit::{cut, fitted};
pub(crate) use limits::{limit_line, limits, money};
pub(crate) use pnl::pnl;
pub(crate) use replay::{happened, summary, what_if};
pub(crate) use span::span;
pub(crate) use status::{Detail, risk_lines, status};

/// Bold, for what matters most.
pub(crate) const BOLD: &str = "\x1b[1m";
/// Red, for what blocks.
pub(crate) const RED: &str = "\x1b[31m";
/// Yellow, for what needs attention.
pub(crate) const YELLOW: &str = "\x1b[33m";
/// Green, for what is well.
pub(crate) const GREEN: &str = "\x1b[32m";
/// Dim, for what is off.
pub(crate) const DIM: &str = "\x1b[2m";
/// Back to normal.
pub(crate) const PLAIN: &str = "\x1b[0m";
