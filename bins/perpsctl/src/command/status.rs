//! `status [--watch]`: everything in one look.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::cli::Status;
use crate::exit::verdict;
use crate::failure::{Done, Failed, Trouble};
use crate::out::Form;
use crate::picture::Picture;
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
        if args.watch {
            out::line("\x1b[2J\x1b[H");
        }
        match &picture.supervisor_problem {
            None => form.tell(&picture, || screen::status(&picture)),
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
