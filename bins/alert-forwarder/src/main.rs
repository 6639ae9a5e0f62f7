//! `perps-alerts`: takes alerts from every process and delivers each at least once.
//!
//! ```text
//!  producers ──deliver──▶ forwarder ──append + fsync──▶ spool     data/alerts/
//!       ◀─────done───────────┘  │
//!                               └──▶ each sink, one alert at a time, its own cursor
//! ```
//! It never blocks anyone: producers keep what is not acknowledged.

mod delivery;
mod forwarder;
mod run;
mod sinks;
mod spool;

use std::process::ExitCode;

use anyhow::Context as _;
use daemon::inherited::Inherited;
use daemon::logging;
use protocol::Process;

fn main() -> anyhow::Result<ExitCode> {
    let mut inherited = Inherited::take()?;
    logging::begin(Process::AlertForwarder, inherited.log.take());
    daemon::inherited::end_with_supervisor();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(run::run(inherited))
}
