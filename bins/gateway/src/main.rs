//! `perps-gateway`: the only process with exchange keys. Started by the supervisor.

use std::process::ExitCode;

use anyhow::Context as _;
use daemon::sandbox::{self, Rules};
use protocol::Process;
use protocol::control::EXIT_FAILURE;

fn main() -> ExitCode {
    exchange::install_crypto_provider();
    match start() {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            // Without a log pipe the line above goes nowhere if logging never began.
            eprintln!("perps-gateway: {error:#}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn start() -> anyhow::Result<ExitCode> {
    let mut inherited = daemon::inherited::Inherited::take()?;
    daemon::logging::begin(Process::Gateway, inherited.log.take());
    sandbox::enter(&Rules::of_gateway()).tell();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the event loop")?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, perps_gateway::run::run(inherited))
}
