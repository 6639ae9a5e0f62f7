//! How a process that the supervisor starts begins and ends: the one `main` of all of them.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use protocol::Process;
use protocol::control::EXIT_FAILURE;

use crate::inherited::Inherited;
use crate::logging;

/// Takes what the supervisor passed on, begins to log, and lives. Whoever starts the program by
/// hand is told who starts it; `--version` is answered. What ends a life goes into the log, with
/// its causes, and the process ends with [`EXIT_FAILURE`].
pub fn main<E: Display>(
    process: Process,
    live: impl FnOnce(Inherited) -> Result<ExitCode, E>,
) -> ExitCode {
    let program = process.program();
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "--version")
    {
        let version = env!("CARGO_PKG_VERSION");
        writeln!(std::io::stdout(), "{program} {version}").ok();
        return ExitCode::SUCCESS;
    }
    let mut inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(problem) => {
            // With stderr gone there is nobody left to tell.
            writeln!(std::io::stderr(), "{program}: {problem}").ok();
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    logging::begin(process, inherited.log.take());
    if let Err(problem) = std::env::set_current_dir(&inherited.dir) {
        tracing::warn!("the working directory stays: {problem}");
    }
    live(inherited).unwrap_or_else(|problem| {
        tracing::error!("{problem:#}");
        ExitCode::from(EXIT_FAILURE)
    })
}
