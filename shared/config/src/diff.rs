//! What an edit changes, and whether it loosens a limit.

use std::fmt;

use protocol::Process;
use serde::Serialize;

use crate::Config;
use crate::catalogue::{Key, Kind, TakesEffect, Tighter};
use crate::value::Value;

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is allowed than before.
    Loosening,
    /// Less is allowed than before.
    Tightening,
    /// Neither.
    Neutral,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Loosening => "loosening",
            Self::Tightening => "tightening",
            Self::Neutral => "neutral",
        })
    }
}

/// One key whose value is another than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The key's path.
    pub path: &'static str,
    /// The value before, as an operator reads it.
    pub old: String,
    /// The value now.
    pub new: String,
    /// Which way it goes. A limit that disappears is a loosening.
    pub direction: Direction,
    /// Whether the processes that use it must start again.
    pub needs_restart: bool,
    /// The processes that use it.
    pub processes: &'static [Process],
}

/// The changes from one config to another, in the order of the reference. What follows from
/// defaults counts like what is written.
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let pairs = old.settings().iter().zip(new.settings());
    pairs
        .filter(|(before, after)| before.value != after.value)
        .map(|(before, after)| Change {
            path: after.key.path,
            old: before.shown(),
            new: after.shown(),
            direction: direction(after.key, &before.value, &after.value),
            needs_restart: after.key.takes_effect == TakesEffect::AtRestart,
            processes: after.key.used_by,
        })
        .collect()
}

fn direction(key: &Key, old: &Value, new: &Value) -> Direction {
    let tightens = match key.tighter {
        Tighter::Neither => return Direction::Neutral,
        Tighter::Lower => lower(old, new),
        Tighter::Higher => lower(new, old),
        Tighter::True => *new == Value::Flag(true),
        Tighter::False => *new == Value::Flag(false),
        Tighter::Fewer => fewer(old, new),
        Tighter::LaterWord => later(key.kind, old, new),
        Tighter::OneSide => matches!(old, Value::Text(word) if word == "both"),
    };
    if tightens {
        Direction::Tightening
    } else {
        Direction::Loosening
    }
}

/// Whether `new` is a number below `old`; any number is below off.
fn lower(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Number(old), Value::Number(new)) => new < old,
        (Value::Off, Value::Number(_)) => true,
        _ => false,
    }
}

/// Whether everything in `new` was in `old`; any list is less than off.
fn fewer(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::List(old), Value::List(new)) => new.iter().all(|item| old.contains(item)),
        (Value::Off, Value::List(_)) => true,
        _ => false,
    }
}

/// Whether `new` stands later in the key's list of words.
fn later(kind: Kind, old: &Value, new: &Value) -> bool {
    let (Kind::Word(words), Value::Text(old), Value::Text(new)) = (kind, old, new) else {
        return false;
    };
    let rank = |word: &str| words.iter().position(|known| *known == word);
    rank(new) > rank(old)
}
