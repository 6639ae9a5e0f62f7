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
use crate::failure::Done;
use crate::out::Form;

/// Does what is asked about the state of the deployment in `dir`.
pub(crate) fn run(dir: &Path, form: Form, args: &State) -> Done {
    let place = place::Place::find(dir, args.file.as_deref());
    match &args.what {
        StateCommand::Show => show::run(&place, form),
        StateCommand::Verify => verify::run(&place, form),
        StateCommand::Backup { to } => backup::run(&place, form, to),
        StateCommand::Restore { from } => restore::run(&place, form, from),
        StateCommand::Reset { yes } => reset::run(&place, form, *yes),
    }
}
