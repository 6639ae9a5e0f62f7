//! `perps-guard`: decides what may be sent, and remembers everything it decided. It opens no
//! network connection and never sees a key.
//!
//! One thread, one loop: receive, stamp the time, step the engine, journal, act.

mod alerts_out;
mod config;
mod connections;
mod dialogue;
mod door;
mod gateway_seat;
mod guard;
mod hearing;
mod journal;
mod recovery;
mod run;
mod snapshot_parts;
mod start;
mod venue_time;
mod wire;

use std::io::Write as _;
use std::process::ExitCode;

use daemon::inherited::Inherited;
use daemon::logging;
use protocol::Process;
use protocol::control::EXIT_FAILURE;

fn main() -> ExitCode {
    let new_session = std::env::args().any(|argument| argument == "--new-session");
    let mut inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(problem) => {
            // With stderr gone there is nobody left to tell.
            writeln!(std::io::stderr(), "perps-guard: {problem}").ok();
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    logging::begin(Process::RiskGuard, inherited.log.take());
    daemon::inherited::end_with_supervisor();
    match start::live(inherited, new_session) {
        Ok(code) => code,
        Err(problem) => {
            tracing::error!("{problem:#}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}
