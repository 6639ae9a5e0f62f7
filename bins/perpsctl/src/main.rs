//! `perpsctl`: the operator's hand. Parses the command line and hands it to the command's room.

mod cli;
mod command;
mod exit;
mod failure;
mod follow;
mod out;
mod pause;
mod picture;
mod screen;
mod talk;
mod verdict;

use std::process::ExitCode;

use clap::Parser;
use daemon::deployment::Deployment;
use protocol::guard::Verb;

use cli::{Cli, Command, Flow, Recon};
use exit::Exit;
use failure::{Done, Failed};
use out::Form;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) if !help.use_stderr() => {
            out::line(&help.render().ansi().to_string());
            return Exit::Healthy.into();
        }
        Err(error) => {
            let asked = std::env::args_os().any(|argument| argument == "--json");
            return Form::of(asked).misread(&error).into();
        }
    };
    let form = Form::of(cli.json);
    run(&cli, form)
        .unwrap_or_else(|failed| form.failed(&failed))
        .into()
}

fn run(cli: &Cli, form: Form) -> Done {
    let instance = cli.instance.as_deref().map(Deployment::dir_of_instance);
    let dir = match instance.transpose() {
        Ok(dir) => &dir.unwrap_or_else(|| cli.dir.clone()),
        Err(problem) => return Err(Failed::usage(problem.to_string())),
    };
    match &cli.command {
        Command::Status(args) => command::status::run(dir, form, args),
        Command::Limits => command::limits::run(dir, form),
        Command::Pnl => command::pnl::run(dir, form),
        Command::Events(args) => command::events::run(dir, form, args),
        Command::Logs(args) => command::logs::run(dir, form, args),
        Command::Halt(args) => command::verb::say(
            dir,
            form,
            Verb::Halt {
                flatten: args.flatten,
            },
        ),
        Command::Flatten(args) => command::flatten::run(dir, form, args),
        Command::Freeze => command::verb::say(dir, form, Verb::Freeze),
        Command::Resume => command::verb::say(dir, form, Verb::Resume),
        Command::Restart(args) => command::restart::run(dir, form, args),
        Command::Reset(args) => command::verb::say(dir, form, command::verb::reset(args)),
        Command::Recon {
            what: Recon::Acknowledge,
        } => command::verb::say(dir, form, Verb::ReconAcknowledge),
        Command::Flow {
            what: Flow::Confirm,
        } => command::verb::say(dir, form, Verb::FlowConfirm),
        Command::Explain(args) => command::explain::run(form, args),
        Command::Wait(args) => command::wait::run(dir, form, args),
        Command::Session { what } => command::session::run(dir, form, what),
        Command::State(args) => command::state::run(dir, form, args),
        Command::Config { what } => command::config::run(dir, form, what),
        Command::Replay(args) => command::replay::run(form, args),
        Command::Drill(args) => command::drill::run(form, args),
        Command::Faults(args) => command::faults::run(form, args),
        Command::Demo(args) => command::demo::run(form, args),
    }
}
