//! `status [--json] [--watch]`: everything in one look.

use std::path::Path;
use std::time::Duration;

use crate::cli::Status;
use crate::exit::{Exit, verdict};
use crate::picture::Picture;
use crate::{out, pause, screen};

/// Shows the picture once, or every second until Ctrl-C.
pub(crate) fn run(dir: &Path, args: &Status) -> Exit {
    loop {
        let picture = Picture::take(dir);
        let exit = verdict(&picture);
        if args.json {
            out::json(&picture);
            return exit;
        }
        if !args.watch {
            show(&picture);
            return exit;
        }
        out::line("\x1b[2J\x1b[H");
        show(&picture);
        pause::for_a(Duration::from_secs(1));
    }
}

fn show(picture: &Picture) {
    if picture.supervisor.is_none() {
        out::problem(
            picture
                .supervisor_problem
                .as_deref()
                .unwrap_or("no supervisor answers"),
        );
    } else {
        out::lines(&screen::status(picture));
    }
}
