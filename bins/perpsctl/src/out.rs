//! The one place that prints: results to stdout, as words or as JSON; trouble and progress to
//! stderr. Colours vanish where the output is no terminal; a closed pipe ends the output without a
//! panic.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failed;

/// The version of every shape that `--json` prints.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Nobody reads stdout any more (`| head`).
static READER_GONE: AtomicBool = AtomicBool::new(false);

/// How results are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Words,
    /// For programs: JSON with a schema version, and nothing else on stdout.
    Json,
}

/// A result under its schema version.
#[derive(Serialize)]
struct Document<'a, T> {
    schema_version: u32,
    #[serde(flatten)]
    what: &'a T,
}

impl Form {
    /// The form that `--json` chooses.
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Words }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(self) -> bool {
        self == Self::Json
    }

    /// A result: a JSON document (an object), or these lines.
    pub(crate) fn tell(self, result: &impl Serialize, words: impl FnOnce() -> Vec<String>) {
        match self {
            Self::Words => lines(&words()),
            Self::Json => document(serde_json::to_string_pretty(&under_version(result))),
        }
    }

    /// One of many results: a JSON object on one line, or these lines.
    pub(crate) fn tell_one(self, result: &impl Serialize, words: impl FnOnce() -> Vec<String>) {
        match self {
            Self::Words => lines(&words()),
            Self::Json => document(serde_json::to_string(&under_version(result))),
        }
    }

    /// A result that is a refusal: a document like any other for programs, trouble for people.
    pub(crate) fn tell_refusal(self, result: &impl Serialize, why: &str) -> Exit {
        match self {
            Self::Words => problem(why),
            Self::Json => document(serde_json::to_string_pretty(&under_version(result))),
        }
        Exit::Degraded
    }

    /// There is no result. The sentence goes to stderr in either form.
    pub(crate) fn failed(self, failed: &Failed) -> Exit {
        problem(&failed.why);
        self.error_object(failed);
        failed.exit
    }

    /// The command line was not understood: clap's words, which are several lines.
    pub(crate) fn misread(self, error: &clap::Error) -> Exit {
        progress(&error.render().ansi().to_string());
        let text = error.to_string();
        let sentence = text.split("\n\n").next().unwrap_or_default();
        let sentence = sentence.trim_start_matches("error: ").trim();
        self.error_object(&Failed::usage(sentence));
        Exit::Usage
    }

    fn error_object(self, failed: &Failed) {
        match self {
            Self::Words => {}
            // On one line, so that it can end a stream of objects.
            Self::Json => document(serde_json::to_string(&under_version(&failed.trouble()))),
        }
    }
}

fn under_version<T>(what: &T) -> Document<'_, T> {
    Document {
        schema_version: SCHEMA_VERSION,
        what,
    }
}

fn document(text: serde_json::Result<String>) {
    match text {
        Ok(text) => line(&text),
        Err(e) => problem(&format!("cannot be written as JSON: {e}")),
    }
}

/// One line of words.
pub(crate) fn line(text: &str) {
    // A reader that has gone is no failure of ours, but a reason to end what has no end.
    if writeln!(anstream::stdout().lock(), "{text}").is_err() {
        READER_GONE.store(true, Ordering::Relaxed);
    }
}

/// Whether the last words fell on nobody: what follows and watches ends then.
pub(crate) fn reader_is_gone() -> bool {
    READER_GONE.load(Ordering::Relaxed)
}

/// Lines of words.
pub(crate) fn lines(texts: &[String]) {
    for text in texts {
        line(text);
    }
}

/// A screenful in the place of the one before.
pub(crate) fn screen(texts: &[String]) {
    // What was there is written over, and only the rest is cleared: nothing flickers.
    let rows: Vec<String> = texts.iter().map(|text| format!("{text}\x1b[K")).collect();
    line(&format!("\x1b[H{}\x1b[J", rows.join("\n")));
}

/// A sentence about what is wrong.
pub(crate) fn problem(text: &str) {
    drop(writeln!(anstream::stderr().lock(), "perpsctl: {text}"));
}

/// Progress of something long, on stderr.
pub(crate) fn progress(text: &str) {
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}
