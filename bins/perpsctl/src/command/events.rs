//! `events [-f] [--tag T] [--json]`: the `SAFETY_*` story, from `logs/trading.log`.

use std::path::Path;
use std::time::Duration;

use daemon::deployment::Deployment;
use daemon::logline::LogLine;
use protocol::{Severity, Tag};

use crate::cli::Events;
use crate::exit::Exit;
use crate::follow::Follower;
use crate::screen::{DIM, PLAIN, RED, YELLOW};
use crate::{out, pause};

/// Shows every line of `trading.log` that carries a tag, and goes on with `-f`.
pub(crate) fn run(dir: &Path, args: &Events) -> Exit {
    let wanted = match args.tag.as_deref().map(|text| (text, Tag::named(text))) {
        None => None,
        Some((_, Some(tag))) => Some(tag),
        Some((text, None)) => {
            out::problem(&format!("no tag {text:?}; perpsctl explain lists them"));
            return Exit::Usage;
        }
    };
    let path = Deployment::at(dir).trading_log();
    if !path.exists() && !args.follow {
        out::problem(&format!(
            "{}: no such file; has the supervisor run here? (--dir DIR)",
            path.display()
        ));
        return Exit::NotRunning;
    }
    let mut follower = Follower::new(&path);
    loop {
        match follower.news() {
            Ok(lines) => lines.iter().for_each(|line| show(line, wanted, args.json)),
            Err(e) => {
                out::problem(&format!("{}: {e}", path.display()));
                return Exit::Degraded;
            }
        }
        if !args.follow {
            return Exit::Healthy;
        }
        pause::for_a(Duration::from_millis(100));
    }
}

fn show(text: &str, wanted: Option<Tag>, json: bool) {
    let Ok(line) = text.parse::<LogLine>() else {
        return;
    };
    let Some(tag) = line.tag() else { return };
    if wanted.is_some_and(|wanted| wanted != tag) {
        return;
    }
    if json {
        out::json_line(&line);
    } else {
        out::line(&coloured(text, tag));
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
