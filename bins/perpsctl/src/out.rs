//! The one place that prints: data to stdout, trouble to stderr. Colours vanish where the output
//! is no terminal; a closed pipe ends the output without a panic.

use std::io::Write as _;

use serde::Serialize;

/// One line of data.
pub(crate) fn line(text: &str) {
    // A reader that has gone (`| head`) is no failure of ours.
    drop(writeln!(anstream::stdout().lock(), "{text}"));
}

/// Lines of data.
pub(crate) fn lines(texts: &[String]) {
    for text in texts {
        line(text);
    }
}

/// A JSON document, and nothing else, on stdout.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(e) => problem(&format!("cannot be written as JSON: {e}")),
    }
}

/// A sentence about what is wrong.
pub(crate) fn problem(text: &str) {
    drop(writeln!(anstream::stderr().lock(), "perpsctl: {text}"));
}

/// Progress of something long, on stderr.
pub(crate) fn progress(text: &str) {
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}

/// A JSON object on one line of stdout.
pub(crate) fn json_line(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(&text),
        Err(e) => problem(&format!("cannot be written as JSON: {e}")),
    }
}
