//! The one owner of every log file: pipes in, files out, on a thread of its own, so that a slow or
//! full disk holds up nothing but log lines.

mod file;
mod journal;
mod pipes;
mod writer;

pub(crate) use pipes::{read_output, read_records};
pub(crate) use writer::{Plan, Writer};
