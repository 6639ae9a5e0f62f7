//! `replay FILE [--config FILE] [--until TIME]`: a journal stepped through the engine
//! again, as it was or under other limits.

use std::io::IsTerminal as _;

use protocol::VenueMs;
use replay::{Happened, Judged, Options, Report, Source};
use serde::Serialize;

use crate::cli::Replay;
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::{self, Form};
use crate::screen::{happened, summary, what_if};

/// The whole of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    file: &'a std::path::Path,
    what: &'a str,
    notes: &'a [String],
    identical: Option<bool>,
    judged: Vec<Judged>,
    #[serde(flatten)]
    report: &'a Report,
}

/// Replays, and says whether every decision came out as it was recorded.
pub(crate) fn run(form: Form, args: &Replay) -> Done {
    let until = match args.until.as_deref().map(moment) {
        None => None,
        Some(Some(until)) => Some(until),
        Some(None) => {
            return Err(Failed::usage(
                "--until: a time is written 2026-11-25T12:00:00Z, or as milliseconds since 1970",
            ));
        }
    };
    let limits = match args.config.as_deref().map(config::load) {
        None => None,
        Some(config) => Some(config?.limits),
    };
    let source = Source::open(&args.file)?;
    let (what, notes) = (source.what.clone(), source.notes.clone());
    if !form.is_json() {
        out::line(&what);
        for note in &notes {
            out::problem(note);
        }
    }
    let shows_progress = std::io::stderr().is_terminal();
    let mut judged = Vec::new();
    // People read along; programs get one document at the end.
    let mut tell = |news: Happened<'_>| match news {
        Happened::Judged(_) if args.summary => {}
        Happened::Judged(decision) if form.is_json() => judged.push(decision.clone()),
        Happened::Progress(inputs) => {
            if shows_progress {
                out::progress(&format!("{inputs} inputs"));
            }
        }
        Happened::Judged(_) | Happened::Tripped(_) | Happened::Ended(_) => {
            if !form.is_json() {
                out::lines(&happened(news));
            }
        }
    };
    let options = Options { until, limits };
    let report = replay::replay(source, &options, &mut tell)?;
    let check = &report.check;
    let result = Document {
        file: &args.file,
        what: &what,
        notes: &notes,
        identical: (!check.is_empty()).then_some(!check.differs()),
        judged,
        report: &report,
    };
    form.tell(&result, || {
        let mut lines = summary(&report);
        if let (Some(other), Some(file)) = (&report.what_if, &args.config) {
            lines.extend(what_if(other, &report, file, args.summary));
        }
        lines
    });
    Ok(if check.differs() {
        Exit::Degraded
    } else {
        Exit::Healthy
    })
}

/// A time as an operator writes it.
fn moment(text: &str) -> Option<VenueMs> {
    if let Ok(ms) = text.parse::<i64>() {
        return Some(VenueMs(ms));
    }
    let parsed = text.parse::<jiff::Timestamp>().ok()?;
    Some(VenueMs(parsed.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_or_milliseconds() {
        assert_eq!(moment("1700000000000"), Some(VenueMs(1_700_000_000_000)));
        assert_eq!(
            moment("2023-11-14T22:13:20Z"),
            Some(VenueMs(1_700_000_000_000))
        );
        assert_eq!(moment("yesterday"), None);
    }
}
