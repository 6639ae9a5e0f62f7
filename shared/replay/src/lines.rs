//! Plain lines: one input a line, as a person or a script writes them.
//!
//! A line is a record of the journal as it stands, or the same in short: `at` in place of both
//! clocks, and `see` in place of an observation with its own times. Empty lines and lines that
//! begin with `#` are skipped. An unknown key is an error: a misspelt one must not be ignored.

use history::Told;
use protocol::guard::{Observation, Observe};
use protocol::{BootId, BootMs, Stamp, VenueMs};
use risk::{Input, InputKind};
use serde::Deserialize;

use crate::taken::{Answer, Taken};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    stamp: Option<Stamp>,
    at: Option<VenueMs>,
    kind: Option<InputKind>,
    see: Option<Observation>,
    told: Option<Told>,
}

/// Reads lines one after the other.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    first: Option<VenueMs>,
}

impl Lines {
    /// The record of a line; `None` for one that says nothing.
    pub(crate) fn read(&mut self, text: &str) -> Result<Option<Taken>, String> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let line: Line = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let stamp = match (line.stamp, line.at) {
            (Some(stamp), None) => stamp,
            (None, Some(at)) => self.stamp(at),
            (Some(_), Some(_)) => return Err("either \"stamp\" or \"at\", not both".to_owned()),
            (None, None) => return Err("a line needs \"at\", milliseconds since 1970".to_owned()),
        };
        let kind = match (line.kind, line.see) {
            (Some(kind), None) => kind,
            (None, Some(what)) => InputKind::Observe(Observe {
                begun: stamp.venue,
                begun_boot: stamp.boot,
                more: false,
                what,
            }),
            (Some(_), Some(_)) => return Err("either \"kind\" or \"see\", not both".to_owned()),
            (None, None) => return Err("a line needs \"kind\" or \"see\"".to_owned()),
        };
        Ok(Some(Taken {
            input: Input { stamp, kind },
            // A line that says nothing of an answer may have had any.
            answer: line
                .told
                .map_or(Answer::Unknown, |told| Answer::Known(Some(told))),
        }))
    }

    /// One boot, in which both clocks go alike; it began a second before the first line.
    fn stamp(&mut self, at: VenueMs) -> Stamp {
        let first = *self.first.get_or_insert(at);
        Stamp {
            venue: at,
            boot: BootMs(at.since(first).saturating_add(1_000)),
            boot_id: BootId::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_short_is_the_same_input() {
        let mut lines = Lines::default();
        let short = lines
            .read(r#"{"at":5000,"see":{"clock_skew":3}}"#)
            .unwrap()
            .unwrap();
        let whole = r#"{"stamp":{"venue":5000,"boot":1000,"boot_id":""},"kind":{"observe":{"begun":5000,"begun_boot":1000,"what":{"clock_skew":3}}}}"#;
        assert_eq!(lines.read(whole).unwrap().unwrap(), short);
        let later = lines.read(r#"{"at":6500,"kind":"tick"}"#).unwrap().unwrap();
        assert_eq!(later.input.stamp.boot, BootMs(2_500));
        assert_eq!(lines.read("  # a word").unwrap(), None);
    }

    #[test]
    fn what_is_misspelt_or_said_twice_is_an_error() {
        for (text, word) in [
            (r#"{"at":1,"kind":"tick","tolld":1}"#, "tolld"),
            (r#"{"kind":"tick"}"#, "at"),
            (r#"{"at":1}"#, "kind"),
            (r#"{"at":1,"kind":"tick","see":"synced"}"#, "both"),
            (r#"{"at":1,"kind":"tock"}"#, "tock"),
        ] {
            let refused = Lines::default().read(text).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
    }
}
