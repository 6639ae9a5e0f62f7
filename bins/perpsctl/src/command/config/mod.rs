//! `config check|show|diff|apply|confirm|history`.

mod apply;
mod check;
mod history;
mod in_force;

use std::path::Path;

use daemon::deployment::Deployment;
use protocol::frame::Empty;
use protocol::status::SupervisorStatus;
use protocol::supervisor::{SupervisorReply, SupervisorRequest};

use crate::cli;
use crate::command::verb::refused;
use crate::exit::Exit;
use crate::out;
use crate::picture::ask;

/// The version of the `--json` shapes.
const SCHEMA_VERSION: u32 = 1;

/// Does what the command line says.
pub(crate) fn run(dir: &Path, what: &cli::Config) -> Exit {
    match what {
        cli::Config::Check { file, json } => check::check(file, *json),
        cli::Config::Show(args) => in_force::show(dir, args.json),
        cli::Config::Diff { file, json } => in_force::differences(dir, file.as_ref(), *json),
        cli::Config::Apply(args) => apply::apply(dir, args),
        cli::Config::Confirm(args) => apply::confirm(dir, args),
        cli::Config::History(args) => history::run(dir, args),
    }
}

/// The supervisor's picture, or the exit code of not having it.
fn supervisor(dir: &Path) -> Result<SupervisorStatus, Exit> {
    match ask(
        &Deployment::at(dir).supervisor_socket(),
        &SupervisorRequest::Status(Empty {}),
    ) {
        Ok(SupervisorReply::Status(status)) => Ok(status),
        Ok(other) => {
            out::problem(&format!("the supervisor answered {other:?}"));
            Err(Exit::Degraded)
        }
        Err(problem) => Err(refused(&problem)),
    }
}
