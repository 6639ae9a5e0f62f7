//! One line of a log, written and read in one place.
//!
//! ```text
//! 2026-11-24T12:03:11.123Z WARN  risk-guard SAFETY_DAILY_LOSS: Daily loss ...  limit=0.05 loss=0.062
//! ```
//! UTC time, level, process, message, then two blanks and the context as `key=value`. A message
//! never holds a line break or two blanks in a row, so the line can be read back.

use std::fmt;
use std::str::FromStr;

use protocol::{Context, Process, Severity, Tag, VenueMs};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// For the curious.
    Debug,
    /// Good to know.
    Info,
    /// Someone should look.
    Warn,
    /// Someone must act.
    Error,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }

    /// The level of that name, whatever its case.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warn, Self::Error]
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(name))
    }
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Debug => Self::Debug,
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warn,
            Severity::Critical => Self::Error,
        }
    }
}

/// One log record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, UTC.
    pub at: VenueMs,
    /// How much it matters.
    pub level: Level,
    /// Who says it.
    pub process: Process,
    /// What is said.
    pub message: String,
    /// The facts behind it.
    #[serde(default)]
    pub context: Context,
    /// Whether it belongs into `trading.log` as well: safety events, alerts, orders.
    #[serde(default)]
    pub story: bool,
}

/// Why a text is no log line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a log line: {0}")]
pub struct NotALogLine(&'static str);

impl LogLine {
    /// The tag that the line is about: of a `SAFETY_X: ...` or an `ALERT[safety_x]: ...` message.
    pub fn tag(&self) -> Option<Tag> {
        let word = match self.message.strip_prefix("ALERT[") {
            Some(rest) => rest.split(']').next()?,
            None => self.message.split(':').next()?,
        };
        Tag::named(word)
    }

    /// Whether it is the log sink's line of an alert.
    pub fn is_alert(&self) -> bool {
        self.message.starts_with("ALERT[")
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.at.0).map_err(|_| fmt::Error)?;
        let at = at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        write!(
            f,
            "{at} {:<5} {} {}",
            self.level.name(),
            self.process,
            one_line(&self.message)
        )?;
        if !self.context.is_empty() {
            write!(f, "  {}", self.context)?;
        }
        Ok(())
    }
}

impl FromStr for LogLine {
    type Err = NotALogLine;

    /// Reads a line as [`fmt::Display`] writes it, or as JSON (`logging.json`).
    fn from_str(text: &str) -> Result<Self, NotALogLine> {
        if text.starts_with('{') {
            return serde_json::from_str(text).map_err(|_| NotALogLine("no JSON of ours"));
        }
        let (at, rest) = text.split_once(' ').ok_or(NotALogLine("no time"))?;
        let at: jiff::Timestamp = at.parse().map_err(|_| NotALogLine("no time"))?;
        let (level, rest) = rest.split_once(' ').ok_or(NotALogLine("no level"))?;
        let level = Level::named(level).ok_or(NotALogLine("no level"))?;
        let (process, rest) = rest
            .trim_start()
            .split_once(' ')
            .ok_or(NotALogLine("no process"))?;
        let process = Process::named(process).ok_or(NotALogLine("no process"))?;
        let (message, context) = rest.split_once("  ").unwrap_or((rest, ""));
        let line = Self {
            at: VenueMs(at.as_millisecond()),
            level,
            process,
            message: message.to_owned(),
            context: facts(context),
            story: false,
        };
        Ok(Self {
            story: line.tag().is_some(),
            ..line
        })
    }
}

/// The message on one line, with no two blanks in a row.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads `key=value key="quoted value"`; stops at what is neither.
fn facts(mut text: &str) -> Context {
    let mut context = Context::new();
    while let Some((key, rest)) = text.trim_start().split_once('=') {
        let (value, after) = if rest.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let Some(Ok(value)) = values.next() else {
                break;
            };
            (value, rest.get(values.byte_offset()..).unwrap_or(""))
        } else {
            let (value, after) = rest.split_once(' ').unwrap_or((rest, ""));
            (value.to_owned(), after)
        };
        context = context.with(key.to_owned(), value);
        text = after;
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(message: &str, context: Context) -> LogLine {
        LogLine {
            at: VenueMs(1_795_521_791_123),
            level: Level::Warn,
            process: Process::RiskGuard,
            message: message.to_owned(),
            context,
            story: false,
        }
    }

    #[test]
    fn the_line_is_as_documented() {
        let context = Context::new()
            .with("limit", "0.05")
            .with("why", "two words");
        assert_eq!(
            line("SAFETY_DAILY_LOSS: Daily\nloss", context).to_string(),
            "2026-11-24T12:03:11.123Z WARN  risk-guard SAFETY_DAILY_LOSS: Daily loss  limit=0.05 why=\"two words\""
        );
    }

    #[test]
    fn json_is_read_as_well() {
        let original = line("SAFETY_HALT: by me", Context::new().with("a", "b"));
        let text = serde_json::to_string(&original).unwrap();
        assert_eq!(text.parse::<LogLine>(), Ok(original));
        assert!("{}".parse::<LogLine>().is_err());
    }

    #[test]
    fn tags_are_found_in_events_and_alerts() {
        assert_eq!(
            line("SAFETY_HALT: by me", Context::new()).tag(),
            Some(Tag::Halt)
        );
        assert_eq!(
            line("ALERT[safety_halt]: by me | context={}", Context::new()).tag(),
            Some(Tag::Halt)
        );
        assert_eq!(line("order accepted", Context::new()).tag(), None);
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "",
            "hello",
            "2026-11-24T12:03:11.123Z LOUD gateway x",
            "now INFO gateway x",
        ] {
            assert!(text.parse::<LogLine>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(
            message in "[!-~]{1,12}( [!-~]{1,12}){0,5}",
            facts in prop::collection::btree_map("[a-z_]{1,8}", ".{0,20}", 0..4),
        ) {
            let original = line(&message, facts.into_iter().collect());
            let text = original.to_string();
            prop_assume!(!text.contains('\n'));
            let read: LogLine = text.parse().unwrap();
            prop_assert_eq!(read.message, original.message);
            prop_assert_eq!(read.context, original.context);
        }
    }
}
