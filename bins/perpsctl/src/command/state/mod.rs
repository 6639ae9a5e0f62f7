//! `state show|verify|backup|restore|reset`: the guard's files, while it runs and while it does not.
//!
//! Looking takes no lock and changes nothing. What changes something goes through the guard where
//! it runs; otherwise the store's own lock makes sure that none starts meanwhile.

mod backup;
mod look;
mod place;
mod reset;
mod restore;
mod show;
mod verify;

use std::path::Path;

use crate::cli::{State, StateCommand};
use crate::exit::Exit;
use crate::out;

/// The version of the `--json` shapes.
const SCHEMA_VERSION: u32 = 1;

/// Does what is asked about the state of the deployment in `dir`.
pub(crate) fn run(dir: &Path, args: &State) -> Exit {
    let place = place::Place::find(dir, args.file.as_deref());
    let done = match &args.what {
        StateCommand::Show(args) => show::run(&place, args.json),
        StateCommand::Verify(args) => verify::run(&place, args.json),
        StateCommand::Backup { to, json } => backup::run(&place, to, *json),
        StateCommand::Restore { from, json } => restore::run(&place, from, *json),
        StateCommand::Reset { yes, json } => reset::run(&place, *yes, *json),
    };
    done.unwrap_or_else(|Failed { why, exit }| {
        out::problem(&why);
        exit
    })
}

/// Why a command did not do what it was asked.
struct Failed {
    why: String,
    exit: Exit,
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            why.push_str(": ");
            why.push_str(&cause.to_string());
            source = cause.source();
        }
        Self {
            why,
            exit: Exit::Degraded,
        }
    }
}

fn failed(why: impl Into<String>) -> Failed {
    Failed {
        why: why.into(),
        exit: Exit::Degraded,
    }
}

/// What every command gives: an exit code, or why it has none of its own.
type Done = Result<Exit, Failed>;
