//! `config check|show|diff|apply|confirm|history`.

mod apply;
mod check;
mod history;
mod in_force;

use std::path::Path;

use crate::cli;
use crate::failure::Done;
use crate::out::Form;

/// Does what the command line says.
pub(crate) fn run(dir: &Path, form: Form, what: &cli::Config) -> Done {
    match what {
        cli::Config::Check { file } => Ok(check::check(file, form)),
        cli::Config::Show => in_force::show(dir, form),
        cli::Config::Diff { file } => in_force::differences(dir, form, file.as_ref()),
        cli::Config::Apply(args) => apply::apply(dir, form, args),
        cli::Config::Confirm(args) => apply::confirm(dir, form, args),
        cli::Config::History(args) => history::run(dir, form, args),
    }
}
