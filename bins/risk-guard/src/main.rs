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
mod watch;
mod wire;

use std::process::ExitCode;

use protocol::Process;

fn main() -> ExitCode {
    let said = |word: &str| std::env::args_os().any(|argument| argument == word);
    let words = start::Words {
        new_session: said("--new-session"),
        first: said("--first"),
    };
    daemon::sidecar::main(Process::RiskGuard, |inherited| {
        daemon::inherited::end_with_supervisor();
        start::live(inherited, words)
    })
}
