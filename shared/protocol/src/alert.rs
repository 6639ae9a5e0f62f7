//! One alert, from the process that raised it to the line an operator greps.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::{Process, Severity, Tag, VenueMs};

/// The facts behind a message, in a stable order, numbers as exact text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Context(pub BTreeMap<String, String>);

impl Context {
    /// No facts.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// These facts and one more.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.0.insert(key.to_owned(), value.to_string());
        self
    }

    /// These facts, and one more if it is known.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

/// `key=value key=value`; a value with blanks, quotes or `=` is a JSON string.
impl Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (key, value)) in self.0.iter().enumerate() {
            let gap = if n == 0 { "" } else { " " };
            let plain = !value.is_empty()
                && !value.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | '\\'));
            if plain {
                write!(f, "{gap}{key}={value}")?;
            } else {
                let quoted = serde_json::to_string(value).map_err(|_| fmt::Error)?;
                write!(f, "{gap}{key}={quoted}")?;
            }
        }
        Ok(())
    }
}

/// Something an operator must hear of. Delivered at least once; `id` tells repeats apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique: process, boot and count, or the guard's journal sequence.
    pub id: String,
    /// What happened.
    pub tag: Tag,
    /// How bad it is; the tag's own severity unless the case is milder (a trip that ends).
    pub severity: Severity,
    /// One sentence for a person.
    pub message: String,
    /// The facts behind it.
    #[serde(default)]
    pub context: Context,
    /// Who raised it.
    pub process: Process,
    /// When, UTC milliseconds.
    pub at: VenueMs,
}

/// The line of the log sink, without time stamp and level:
/// `ALERT[safety_daily_loss]: Daily loss 6.20 % exceeded limit 5.00 % | context={...}`.
impl Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = serde_json::to_string(&self.context).map_err(|_| fmt::Error)?;
        write!(
            f,
            "ALERT[{}]: {} | context={context}",
            self.tag.category(),
            self.message
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_exact() {
        let alert = Alert {
            id: "guard-17".into(),
            tag: Tag::DailyLoss,
            severity: Severity::Critical,
            message: "Daily loss 6.20% exceeded limit 5.00%".into(),
            context: Context::new()
                .with("limit", "0.05")
                .with("daily_loss", "0.062"),
            process: Process::RiskGuard,
            at: VenueMs(0),
        };
        assert_eq!(
            alert.to_string(),
            r#"ALERT[safety_daily_loss]: Daily loss 6.20% exceeded limit 5.00% | context={"daily_loss":"0.062","limit":"0.05"}"#
        );
    }

    #[test]
    fn awkward_values_are_quoted() {
        let context = Context::new()
            .with("a", "1")
            .with("b", "two words")
            .with("c", "");
        assert_eq!(context.to_string(), r#"a=1 b="two words" c="""#);
    }
}
