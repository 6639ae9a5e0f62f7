//! `perps-supervisor`: spawns and watches the processes of the harness, owns their sockets, their
//! config and their log files. It never trades and knows nothing of risk.

mod bot_user;
mod child;
mod config_edit;
mod config_flow;
mod house;
mod lifecycle;
mod logs;
mod notify;
mod reap;
mod run;
mod sockets;
mod spare;
mod spawn;
mod start;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use protocol::Mode;
use protocol::control::{EXIT_CONFIG, EXIT_FAILURE, EXIT_USAGE};

use crate::house::GivenUp;

/// How whoever is new here begins.
const BEGINNING: &str = "To see the harness at work: make demo
A config of your own begins with: cp configs/zoomex_example.yaml zoomex.yaml";

/// Runs the perps safety harness in one directory.
///
/// Exit codes: 0 stopped as told, 1 failed, 2 usage, 78 a config or environment that no restart
/// will mend.
#[derive(Debug, Parser)]
#[command(
    name = "perps-supervisor",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = BEGINNING
)]
struct Cli {
    /// Which world: a config that contradicts it is refused.
    #[arg(long, value_enum)]
    mode: ModeArgument,
    /// The config; watched while running.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The deployment: holds run/, logs/, data/, alerts/ and accepted/. Where it is the state
    /// directory of a systemd service, run/ and logs/ lead to the service's runtime and logs
    /// directories.
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// End the session that is kept in the state and begin the next.
    #[arg(long)]
    new_session: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ModeArgument {
    Testnet,
    Mainnet,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == "--become-bot") {
        // Our own words, which are text.
        let command: Result<Vec<String>, _> = arguments.map(OsString::into_string).collect();
        return failed(
            &format!(
                "the bot: {}",
                spawn::become_bot(&command.unwrap_or_default())
            ),
            EXIT_FAILURE,
        );
    }
    let cli = match Cli::try_parse() {
        Err(problem) if problem.kind() == ErrorKind::MissingRequiredArgument => {
            drop(problem.print());
            return failed(BEGINNING, EXIT_USAGE);
        }
        parsed => parsed.unwrap_or_else(|problem| problem.exit()),
    };
    if let Err(problem) = spawn::keep_what_was_left_open() {
        return failed(&format!("/proc/self/fd: {problem}"), EXIT_FAILURE);
    }
    let mode = match cli.mode {
        ModeArgument::Testnet => Mode::Testnet,
        ModeArgument::Mainnet => Mode::Mainnet,
    };
    let beginning = match start::begin(mode, &cli.config, &cli.dir) {
        Ok(beginning) => beginning,
        Err(problem) => {
            let code = if problem.is_config() {
                EXIT_CONFIG
            } else {
                EXIT_FAILURE
            };
            return failed(&format!("{:#}", anyhow::Error::from(problem)), code);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run::run(beginning, cli.new_session)),
        Err(problem) => Err(problem.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let given_up = problem.downcast_ref::<GivenUp>();
            let code = given_up.map_or(EXIT_FAILURE, |given_up| given_up.code);
            failed(&format!("{problem:#}"), code)
        }
    }
}

fn failed(why: &str, code: u8) -> ExitCode {
    use std::io::Write as _;
    // With stderr gone there is nobody left to tell.
    drop(writeln!(std::io::stderr(), "perps-supervisor: {why}"));
    ExitCode::from(code)
}
