//! `logs [-f] [PROCESS]`: the log of one process, or `trading.log`.

use std::path::Path;
use std::time::Duration;

use daemon::deployment::Deployment;
use daemon::logline::LogLine;
use serde_json::json;

use crate::cli::Logs;
use crate::exit::Exit;
use crate::failure::Done;
use crate::follow::{Follower, is_empty_yet, tail, unreadable};
use crate::out::Form;
use crate::{out, pause};

/// Shows the end of a log, and goes on with `-f`.
pub(crate) fn run(dir: &Path, form: Form, args: &Logs) -> Done {
    let deployment = Deployment::at(dir);
    let path = match args.process {
        None => deployment.trading_log(),
        Some(process) => deployment.log(process),
    };
    if args.follow {
        return follow(&path, form, args.lines);
    }
    if is_empty_yet(&path) {
        out::progress(&format!("{}: nothing was logged there yet", path.display()));
        return Ok(Exit::Healthy);
    }
    let lines = tail(&path, args.lines).map_err(|e| unreadable(&path, &e))?;
    show(form, &lines);
    Ok(Exit::Healthy)
}

/// Shows the end of what there is and everything that comes: read by one reader, so that no line
/// falls between the two.
fn follow(path: &Path, form: Form, last: usize) -> Done {
    let mut follower = Follower::new(path);
    let mut most = Some(last);
    while !out::reader_is_gone() {
        let lines = follower.news().map_err(|e| unreadable(path, &e))?;
        let skipped = most
            .take()
            .map_or(0, |most| lines.len().saturating_sub(most));
        show(form, lines.get(skipped..).unwrap_or_default());
        pause::for_a(Duration::from_millis(100));
    }
    Ok(Exit::Healthy)
}

fn show(form: Form, lines: &[String]) {
    for text in lines {
        let words = || vec![text.clone()];
        match text.parse::<LogLine>() {
            Ok(line) => form.tell_one(&line, words),
            // Nobody but the supervisor writes here, so only a hand can have put it there.
            Err(_) => form.tell_one(&json!({ "text": text }), words),
        }
    }
}
