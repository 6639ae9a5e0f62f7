//! `events [-f] [--tag T]`: the `SAFETY_*` story, from `logs/trading.log`.

use std::path::Path;
use std::time::Duration;

use daemon::deployment::Deployment;
use daemon::logline::LogLine;
use protocol::{Severity, Tag};

use crate::cli::Events;
use crate::command::explain::unknown;
use crate::exit::Exit;
use crate::failure::Done;
use crate::follow::{Follower, is_empty_yet, unreadable};
use crate::out::Form;
use crate::screen::{DIM, PLAIN, RED, YELLOW};
use crate::{out, pause};

/// Shows every line of `trading.log` that carries a tag, and goes on with `-f`.
pub(crate) fn run(dir: &Path, form: Form, args: &Events) -> Done {
    let wanted = match args.tag.as_deref().map(|text| (text, Tag::named(text))) {
        None => None,
        Some((_, Some(tag))) => Some(tag),
        Some((text, None)) => {
            return Err(unknown(text));
        }
    };
    let path = Deployment::at(dir).trading_log();
    if !args.follow && is_empty_yet(&path) {
        out::progress("no event yet");
        return Ok(Exit::Healthy);
    }
    if !args.follow {
        path.metadata().map_err(|e| unreadable(&path, &e))?;
    }
    let mut follower = Follower::new(&path);
    loop {
        let news = follower.news().map_err(|e| unreadable(&path, &e))?;
        for line in &news {
            show(line, wanted, form);
        }
        if !args.follow || out::reader_is_gone() {
            return Ok(Exit::Healthy);
        }
        pause::for_a(Duration::from_millis(100));
    }
}

fn show(text: &str, wanted: Option<Tag>, form: Form) {
    let Ok(line) = text.parse::<LogLine>() else {
        return;
    };
    let Some(tag) = line.tag() else { return };
    if wanted.is_none_or(|wanted| wanted == tag) {
        form.tell_one(&line, || vec![coloured(text, tag)]);
    }
}

/// The line in the colour of its tag's severity.
pub(crate) fn coloured(text: &str, tag: Tag) -> String {
    let colour = match tag.severity() {
        Severity::Debug | Severity::Info => DIM,
        Severity::Warning => YELLOW,
        Severity::Critical => RED,
    };
    format!("{colour}{text}{PLAIN}")
}
