//! How each kind of key reads its own value from the file.

use crate::address::BaseUrl;
use crate::catalogue::{Absent, Key, Kind, Range, Unit};
use crate::interval::CandleInterval;
use crate::lists;
use crate::number::shown;
use crate::read::{Node, Placed};
use crate::scalar::{command, flag, line, number, one_of, size, symbol, whole};
use crate::value::{Refusal, Value, refuse_hint};

/// What holds when the key is absent.
pub(crate) fn absent(key: &Key) -> Result<Value, Refusal> {
    match key.absent {
        Absent::Off | Absent::Follows(_) => Ok(Value::Off),
        Absent::Is(text) => word(key, text, true),
    }
}

/// Reads what stands at the key.
pub(crate) fn read(key: &Key, at: &Placed) -> Result<Value, Refusal> {
    if let Node::Word { text, plain: true } = &at.node {
        if text.is_empty() {
            return refuse_hint("has no value", no_value_hint(key));
        }
        if matches!(text.as_str(), "null" | "~" | "off") {
            return switched_off(key, text);
        }
    }
    match (&at.node, key.kind) {
        (Node::List(items), Kind::Symbols) => lists::symbols(items),
        (Node::List(items), Kind::Command) => lists::program(items),
        (Node::List(items), Kind::Texts) => lists::texts(items),
        (Node::Section(entries), Kind::Environment) => lists::environment(entries),
        (Node::Word { text, plain }, _) => word(key, text, *plain),
        (Node::List(_), _) => refuse_hint("is a list", format!("write {}", wanted(key.kind))),
        (Node::Section(_), _) => refuse_hint(
            "is a section with keys below it",
            format!("write {}", wanted(key.kind)),
        ),
    }
}

fn no_value_hint(key: &Key) -> String {
    match key.absent {
        Absent::Off => "write `null` to switch it off; was the file cut short?".to_owned(),
        Absent::Is(_) | Absent::Follows(_) => {
            format!(
                "write {}, or leave the key out; was the file cut short?",
                wanted(key.kind)
            )
        }
    }
}

fn switched_off(key: &Key, text: &str) -> Result<Value, Refusal> {
    match key.absent {
        Absent::Off => Ok(Value::Off),
        Absent::Is(default) => refuse_hint(
            format!("cannot be switched off with `{text}`"),
            format!(
                "write {}, or leave the key out for {default}",
                wanted(key.kind)
            ),
        ),
        Absent::Follows(what) => refuse_hint(
            format!("cannot be `{text}`"),
            format!("leave the key out to follow {what}"),
        ),
    }
}

/// Reads a single word or text.
fn word(key: &Key, text: &str, plain: bool) -> Result<Value, Refusal> {
    match key.kind {
        Kind::Number(unit, range) => number(text, plain, unit, range),
        Kind::Whole(unit, range) => whole(text, plain, unit, range),
        Kind::Flag => flag(text, plain),
        Kind::Word(words) => one_of(key, text, words),
        Kind::Text => line(text).map(Value::Text),
        Kind::Interval => CandleInterval::parse(text).map(|i| Value::Text(i.wire().to_owned())),
        Kind::Url => BaseUrl::parse(text).map(|url| Value::Text(url.as_str().to_owned())),
        Kind::Size => size(text),
        Kind::Symbol => symbol(text).map(Value::Text),
        Kind::Command => command(text),
        Kind::Symbols | Kind::Texts | Kind::Environment => refuse_hint(
            format!("is the single text {}", shown(text)),
            format!("write {}", wanted(key.kind)),
        ),
        Kind::Anything => Ok(Value::Off),
    }
}

/// What a kind takes, in words that follow "write".
pub(crate) fn wanted(kind: Kind) -> String {
    match kind {
        Kind::Number(unit, range) => number_wanted("a number", unit, range),
        Kind::Whole(unit, range) => number_wanted("a whole number", unit, range),
        Kind::Flag => "true or false".to_owned(),
        Kind::Word(words) => format!("one of {}", words.join(", ")),
        Kind::Text => "a text".to_owned(),
        Kind::Interval => "minutes like 5, or D, or W".to_owned(),
        Kind::Url => "an address like https://host".to_owned(),
        Kind::Size => "a size like 10MB".to_owned(),
        Kind::Symbol => "a symbol like SOLUSDT".to_owned(),
        Kind::Symbols => "a list like [BTCUSDT, SOLUSDT]".to_owned(),
        Kind::Command => "a list like [program, argument]".to_owned(),
        Kind::Texts => "a list of texts".to_owned(),
        Kind::Environment => "names with texts below it".to_owned(),
        Kind::Anything => "anything".to_owned(),
    }
}

fn number_wanted(what: &str, unit: Unit, range: Range) -> String {
    let of = if unit.name().is_empty() {
        String::new()
    } else {
        format!(" ({})", unit.name())
    };
    format!("{what}{of} {}", range.words())
}
