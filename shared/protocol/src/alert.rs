//! One alert, from the process that raised it to the line an operator greps.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Process, Severity, Tag, VenueMs};

/// The facts behind a message, in the order of their names, numbers as exact text.
///
/// A refusal's facts are answered, remembered, logged and told as an event: copies share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(Option<Arc<Vec<Fact>>>);

type Fact = (Cow<'static, str>, String);

/// What most facts fit in: a name, a number.
const USUAL_BYTES: usize = 24;

impl Context {
    /// No facts.
    pub const fn new() -> Self {
        Self(None)
    }

    /// These facts and one more; a fact of that name is replaced.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Display) -> Self {
        let mut text = String::with_capacity(USUAL_BYTES);
        // Writing into memory cannot fail.
        write!(text, "{value}").ok();
        let (key, value) = (key.into(), text);
        let facts = Arc::make_mut(self.0.get_or_insert_default());
        match place(facts, &key) {
            Ok(at) => drop(facts.splice(at..=at, [(key, value)])),
            Err(at) => facts.insert(at, (key, value)),
        }
        self
    }

    /// These facts, and one more if it is known.
    #[must_use]
    pub fn with_some(self, key: impl Into<Cow<'static, str>>, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The fact of that name.
    pub fn get(&self, key: &str) -> Option<&str> {
        let facts = self.facts();
        let at = place(facts, key).ok()?;
        facts.get(at).map(|(_, value)| value.as_str())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.facts().is_empty()
    }

    /// Every name with its fact.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        let facts = self.facts().iter();
        facts.map(|(key, value)| (key.as_ref(), value.as_str()))
    }

    fn facts(&self) -> &[Fact] {
        self.0.as_ref().map_or(&[], |facts| facts.as_slice())
    }
}

/// Where the fact of that name stands, or is to be put.
fn place(facts: &[Fact], key: &str) -> Result<usize, usize> {
    facts.binary_search_by(|(name, _)| name.as_ref().cmp(key))
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let facts = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(facts.into_iter().collect())
    }
}

impl FromIterator<(String, String)> for Context {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(facts: I) -> Self {
        let facts = facts.into_iter();
        facts.fold(Self::new(), |all, (key, value)| all.with(key, value))
    }
}

/// `key=value key=value`; a value with blanks, quotes or `=` is a JSON string.
impl Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (key, value)) in self.iter().enumerate() {
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
    fn facts_stand_in_order_once_each_and_copies_are_their_own() {
        let one = Context::new().with("b", 1).with("c", 2).with("a", 3);
        let other = one.clone().with("b", "new").with("d", 4);
        let text = |context: &Context| serde_json::to_string(context).unwrap();
        assert_eq!(text(&one), r#"{"a":"3","b":"1","c":"2"}"#);
        assert_eq!(text(&other), r#"{"a":"3","b":"new","c":"2","d":"4"}"#);
        assert_eq!((one.get("b"), one.get("d")), (Some("1"), None));
        for context in [Context::new(), one, other] {
            let read: Context = serde_json::from_str(&text(&context)).unwrap();
            assert_eq!(read, context);
        }
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
