//! `replay FILE [--config FILE] [--until TIME] [--json]`: a journal stepped through the engine
//! again, as it was or under other limits.

use std::io::IsTerminal as _;

use protocol::VenueMs;
use replay::{Happened, Judged, Options, Report, Source};
use serde::Serialize;

use crate::cli::Replay;
use crate::exit::Exit;
use crate::out;
use crate::screen::{happened, summary, what_if};

/// The version of the `--json` shape.
const SCHEMA_VERSION: u32 = 1;

/// The whole of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    file: &'a std::path::Path,
    what: &'a str,
    notes: &'a [String],
    identical: Option<bool>,
    judged: Vec<Judged>,
    #[serde(flatten)]
    report: &'a Report,
}

/// Replays, and says whether every decision came out as it was recorded.
pub(crate) fn run(args: &Replay) -> Exit {
    let until = match args.until.as_deref().map(moment) {
        None => None,
        Some(Some(until)) => Some(until),
        Some(None) => {
            out::problem(
                "--until: a time is written 2026-11-25T12:00:00Z, or as milliseconds since 1970",
            );
            return Exit::Usage;
        }
    };
    let limits = match args.config.as_deref().map(config::load) {
        None => None,
        Some(Ok(config)) => Some(config.limits),
        Some(Err(problem)) => {
            out::problem(&problem.to_string());
            return Exit::Degraded;
        }
    };
    let source = match Source::open(&args.file) {
        Ok(source) => source,
        Err(error) => return failed(&error),
    };
    let (what, notes) = (source.what.clone(), source.notes.clone());
    if !args.json {
        out::line(&what);
        for note in &notes {
            out::problem(note);
        }
    }
    let shows_progress = std::io::stderr().is_terminal();
    let mut judged = Vec::new();
    let mut tell = |news: Happened<'_>| match news {
        Happened::Judged(decision) if args.json => {
            if !args.summary {
                judged.push(decision.clone());
            }
        }
        Happened::Judged(_) if args.summary => {}
        Happened::Progress(inputs) => {
            if shows_progress {
                out::progress(&format!("{inputs} inputs"));
            }
        }
        Happened::Judged(_) | Happened::Tripped(_) | Happened::Ended(_) => {
            if !args.json {
                out::lines(&happened(news));
            }
        }
    };
    let options = Options { until, limits };
    let report = match replay::replay(source, &options, &mut tell) {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    let check = &report.check;
    if args.json {
        out::json(&Document {
            schema_version: SCHEMA_VERSION,
            file: &args.file,
            what: &what,
            notes: &notes,
            identical: (!check.is_empty()).then_some(!check.differs()),
            judged,
            report: &report,
        });
    } else {
        out::lines(&summary(&report));
        if let (Some(other), Some(file)) = (&report.what_if, &args.config) {
            out::lines(&what_if(other, &report, file, args.summary));
        }
    }
    if check.differs() {
        Exit::Degraded
    } else {
        Exit::Healthy
    }
}

fn failed(error: &replay::SourceError) -> Exit {
    out::problem(&error.to_string());
    Exit::Degraded
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
