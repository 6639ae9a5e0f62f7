//! What happened, a line each: the lines of `logs/trading.log` and what the operator did.

use std::collections::BTreeMap;

use daemon::logline::LogLine;
use protocol::Tag;

use crate::command::events::coloured;
use crate::screen::{BOLD, PLAIN};

/// How wide a line may be where there is no terminal that says.
const WIDTH: u16 = 140;

/// The story so far.
pub(super) struct Story {
    width: usize,
    pub(super) lines: Vec<String>,
    /// How often each tag was logged; an alert counts with the tag it is about.
    pub(super) tags: BTreeMap<&'static str, usize>,
}

impl Story {
    /// Its lines fit on a terminal of so many columns.
    pub(super) fn as_wide_as(columns: Option<u16>) -> Self {
        Self {
            width: usize::from(columns.unwrap_or(WIDTH)),
            lines: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    /// A line of `logs/trading.log`.
    pub(super) fn tell(&mut self, text: &str) {
        let Ok(line) = text.parse::<LogLine>() else {
            return;
        };
        let brief = brief(&line, self.width);
        let told = match line.tag() {
            Some(tag) => {
                self.count(tag);
                coloured(&brief, tag)
            }
            None => brief,
        };
        self.lines.push(told);
    }

    /// What the operator of the demo does now.
    pub(super) fn act(&mut self, at: &str, what: &str) {
        self.lines
            .push(format!("{BOLD}{at} operator        {what}{PLAIN}"));
    }

    fn count(&mut self, tag: Tag) {
        let seen = self.tags.entry(tag.name()).or_default();
        *seen = seen.saturating_add(1);
    }
}

/// A line of the story on one line of the screen: when, who, what, and of which order.
fn brief(line: &LogLine, width: usize) -> String {
    let text = line.to_string();
    let clock = text.get(11..19).unwrap_or_default();
    let fact = |key: &str| line.context.get(key).unwrap_or("");
    let order = [fact("side"), fact("qty"), fact("symbol")].join(" ");
    let message = line.message.split(" | context=").next().unwrap_or_default();
    let full = format!(
        "{clock} {:<15} {message}  {}",
        line.process.name(),
        order.trim()
    );
    full.chars()
        .take(width)
        .collect::<String>()
        .trim_end()
        .to_owned()
}
