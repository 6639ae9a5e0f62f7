//! `status [--watch]`: everything in one look.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::cli::Status;
use crate::failure::{Done, Failed, Trouble};
use crate::out::Form;
use crate::picture::Picture;
use crate::screen::Detail;
use crate::verdict::verdict;
use crate::{out, pause, screen};

/// The picture without a supervisor: programs find the same object as in any other failure.
#[derive(Serialize)]
struct Absent<'a> {
    #[serde(flatten)]
    picture: &'a Picture,
    #[serde(flatten)]
    trouble: Trouble,
}

/// Shows the picture once, or every second until Ctrl-C.
pub(crate) fn run(dir: &Path, form: Form, args: &Status) -> Done {
    loop {
        let picture = Picture::take(dir);
        let exit = verdict(&picture);
        match &picture.supervisor_problem {
            None if args.watch => out::screen(&watched(&picture)),
            None => form.tell(&picture, || screen::status(&picture, Detail::All)),
            Some(problem) if args.watch => out::screen(&[format!("perpsctl: {problem}")]),
            Some(problem) => {
                let absent = Absent {
                    picture: &picture,
                    trouble: Failed::with(exit, problem).trouble(),
                };
                form.tell(&absent, Vec::new);
                out::problem(problem);
            }
        }
        if !args.watch || out::reader_is_gone() {
            return Ok(exit);
        }
        pause::for_a(Duration::from_secs(1));
    }
}

/// The picture as it fits the terminal; all of it where there is none.
fn watched(picture: &Picture) -> Vec<String> {
    match terminal_size::terminal_size() {
        // The cursor has a row of its own.
        Some((columns, rows)) => {
            let rows = usize::from(rows.0).saturating_sub(1);
            screen::fitted(picture, rows, usize::from(columns.0))
        }
        None => screen::status(picture, Detail::All),
    }
}
