//! `perps-gateway`: the only process with exchange keys. Started by the supervisor.

use std::process::ExitCode;

use anyhow::Context as _;
use daemon::inherited::Inherited;
use daemon::sandbox::{self, Rules};
use protocol::Process;

fn main() -> ExitCode {
    exchange::install_crypto_provider();
    daemon::sidecar::main(Process::Gateway, live)
}

fn live(inherited: Inherited) -> anyhow::Result<ExitCode> {
    sandbox::enter(&Rules::of_gateway()).tell();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the event loop")?;
    let tasks = tokio::task::LocalSet::new();
    // A task like the others: what wakes it from among them costs no turn of the event loop.
    let run = tasks.spawn_local(perps_gateway::run::run(inherited));
    tasks.block_on(&runtime, run).context("the main loop")?
}
