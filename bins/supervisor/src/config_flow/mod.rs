//! The config on its way from the operator's editor into every process.

mod generations;
mod history;
mod reload;
mod saved;
mod settle;
mod watch;

pub(crate) use generations::{Generations, GenerationsError};
pub(crate) use history::History;
pub(crate) use reload::{Next, Reload};
pub(crate) use saved::{by_whom, look};
pub(crate) use settle::{Hint, Look, Seen, Settling};
pub(crate) use watch::Watch;
