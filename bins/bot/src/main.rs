//! `perps-bot`: the reference bot. Long-only trend following on closed candles, with a bracket on
//! every entry. It talks to the gateway's socket and to nothing else; it is an example, made to be
//! replaced.

mod market;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use daemon::environment;

/// A small long-only trend follower on the gateway's socket.
#[derive(Debug, Parser)]
#[command(name = "perps-bot", version)]
struct Cli {
    /// The gateway's socket; `PERPS_GATEWAY_SOCKET` if absent.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// The harness's config, for the strategy keys under `perps`; `PERPS_CONFIG` if absent.
    #[arg(long)]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    match start(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            anstream::eprintln!("perps-bot: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: &Cli) -> anyhow::Result<()> {
    let path =
        |given: &Option<PathBuf>, name: &str| given.clone().or_else(|| environment::path(name));
    let socket = path(&cli.socket, "PERPS_GATEWAY_SOCKET")
        .context("where is the gateway? give --socket run/gateway.sock")?;
    let config = path(&cli.config, "PERPS_CONFIG").context("which config? give --config FILE")?;
    let settings = config::load(&config)?.strategy;
    market::trade(&socket, &settings)?;
    Ok(())
}
