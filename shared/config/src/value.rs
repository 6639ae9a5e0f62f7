//! One checked value, and why a text is none. How each kind of key reads its own: `kinds`.

use std::collections::BTreeMap;
use std::fmt;

use rust_decimal::Decimal;

/// A value in its one canonical form, so that `0.80` equals `0.8` and `debug` equals `DEBUG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the limit or feature is off, or the value follows from elsewhere.
    Off,
    /// Yes or no.
    Flag(bool),
    /// A number, exact.
    Number(Decimal),
    /// A word or text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Names with texts.
    Table(BTreeMap<String, String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => write!(f, "[{}]", items.join(", ")),
            Self::Table(rows) => {
                let rows: Vec<_> = rows.iter().map(|(k, v)| format!("{k}: {v}")).collect();
                write!(f, "{{{}}}", rows.join(", "))
            }
        }
    }
}

/// Why a value was refused, before it has a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
}

/// A refusal without a hint.
pub(crate) fn refuse<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        what: what.into(),
        hint: None,
    })
}

/// A refusal with what was probably meant.
pub(crate) fn refuse_hint<T>(
    what: impl Into<String>,
    hint: impl Into<String>,
) -> Result<T, Refusal> {
    Err(Refusal {
        what: what.into(),
        hint: Some(hint.into()),
    })
}
