//! The config on its way from the operator's editor into every process.

mod generations;
mod reload;
mod watch;

pub(crate) use generations::{Generations, GenerationsError};
pub(crate) use reload::{Next, Reload};
pub(crate) use watch::{Hint, Watch};
