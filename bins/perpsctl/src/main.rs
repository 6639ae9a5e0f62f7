//! `perpsctl`: the operator's hand. Parses the command line and hands it to the command's room.

mod cli;
mod command;
mod exit;
mod follow;
mod out;
mod pause;
mod picture;
mod screen;

use std::process::ExitCode;

use clap::Parser;
use daemon::deployment::Deployment;
use protocol::guard::Verb;

use cli::{Cli, Command, Flow, Recon};
use exit::Exit;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) if !help.use_stderr() => {
            out::line(&help.render().ansi().to_string());
            return Exit::Healthy.into();
        }
        Err(error) => {
            out::progress(&error.render().ansi().to_string());
            return Exit::Usage.into();
        }
    };
    run(&cli).into()
}

fn run(cli: &Cli) -> Exit {
    let instance = cli.instance.as_deref().map(Deployment::dir_of_instance);
    let dir = match instance.transpose() {
        Ok(dir) => &dir.unwrap_or_else(|| cli.dir.clone()),
        Err(problem) => {
            out::problem(&problem.to_string());
            return Exit::Usage;
        }
    };
    match &cli.command {
        Command::Status(args) => command::status::run(dir, args),
        Command::Limits(args) => command::limits::run(dir, args),
        Command::Pnl(args) => command::pnl::run(dir, args),
        Command::Events(args) => command::events::run(dir, args),
        Command::Logs(args) => command::logs::run(dir, args),
        Command::Halt(args) => command::verb::say(
            dir,
            Verb::Halt {
                flatten: args.flatten,
            },
        ),
        Command::Flatten(args) => command::flatten::run(dir, args),
        Command::Freeze => command::verb::say(dir, Verb::Freeze),
        Command::Resume => command::verb::say(dir, Verb::Resume),
        Command::Reset(args) => command::verb::say(dir, command::verb::reset(args)),
        Command::Recon {
            what: Recon::Acknowledge,
        } => command::verb::say(dir, Verb::ReconAcknowledge),
        Command::Flow {
            what: Flow::Confirm,
        } => command::verb::say(dir, Verb::FlowConfirm),
        Command::Explain(args) => command::explain::run(args),
        Command::Wait(args) => command::wait::run(dir, args),
        Command::Session { what } => command::session::run(dir, what),
        Command::State(args) => command::state::run(dir, args),
        Command::Config { what } => command::config::run(dir, what),
        Command::Replay(args) => command::replay::run(args),
        Command::Drill(args) => command::drill::run(args),
        Command::Faults(args) => command::faults::run(args),
        Command::Demo(args) => command::demo::run(args),
    }
}
