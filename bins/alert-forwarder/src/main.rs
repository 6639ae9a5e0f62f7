//! `perps-alerts`: takes alerts from every process and delivers each at least once.
//!
//! ```text
//!  producers ──deliver──▶ forwarder ──append + fsync──▶ spool     alerts/
//!       ◀─────done───────────┘  │
//!                               └──▶ each sink, one alert at a time, its own cursor
//! ```
//! It never blocks anyone: producers keep what is not acknowledged.

mod delivery;
mod forwarder;
mod run;
mod sinks;
mod spool;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::ExitCode;

use anyhow::Context as _;
use daemon::deployment::Deployment;
use daemon::inherited::Inherited;
use daemon::sandbox::{self, Rules};
use protocol::Process;

fn main() -> ExitCode {
    daemon::sidecar::main(Process::AlertForwarder, live)
}

fn live(inherited: Inherited) -> anyhow::Result<ExitCode> {
    daemon::inherited::end_with_supervisor();
    let deployment = Deployment::at(&inherited.dir);
    // Only a directory that is there can be granted; the spool itself says what is wrong with it.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(deployment.alerts_dir())
        .ok();
    sandbox::enter(&Rules::of_alerts(&deployment)).tell();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(run::run(inherited))
}
