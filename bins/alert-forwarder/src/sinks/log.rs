//! The log: one `ALERT[...]` line for each alert, at its severity. Always there.

use daemon::logging;
use protocol::Alert;

use super::{Attempt, Sink};

/// The log as a sink.
#[derive(Debug)]
pub(crate) struct LogSink;

impl LogSink {
    /// Its name.
    pub(crate) const NAME: &'static str = "log";

    /// Writes the line now; an error if the log pipe had no room for it.
    pub(crate) fn tell(alert: &Alert) -> Result<(), String> {
        let before = logging::dropped();
        logging::alert(alert);
        if logging::dropped() == before {
            Ok(())
        } else {
            Err("the log pipe is full: the supervisor does not read it".to_owned())
        }
    }
}

impl Sink for LogSink {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn deliver<'a>(&'a mut self, alert: &'a Alert) -> Attempt<'a> {
        Box::pin(std::future::ready(Self::tell(alert)))
    }
}
