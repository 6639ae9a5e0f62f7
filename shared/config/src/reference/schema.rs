//! The reference for editors: JSON Schema, draft 2020-12. It helps while typing; the check is the
//! judge, and refuses more than a schema can say (keys that contradict one another, for one).

use serde_json::{Map, Value, json};

use crate::catalogue::{Absent, Key, Kind, Range, is_section, key, names_in};
use crate::interval::CandleInterval;

/// The text of `docs/config.schema.json`.
pub fn schema() -> String {
    let mut root = section("");
    if let Value::Object(root) = &mut root {
        root.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        root.insert(
            "title".to_owned(),
            json!("Config of the perps safety harness"),
        );
        root.insert("required".to_owned(), json!(["perps"]));
    }
    format!("{root:#}\n")
}

fn section(path: &str) -> Value {
    let mut properties = Map::new();
    for name in names_in(path) {
        let full = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        let property = match key(&full) {
            Some(key) => property(key),
            None if is_section(&full) => section(&full),
            None => continue,
        };
        properties.insert(name.to_owned(), property);
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "properties": properties,
    })
}

fn property(key: &Key) -> Value {
    let mut property = shape(key.kind);
    property.insert("description".to_owned(), json!(key.doc));
    match key.absent {
        _ if !key.is_used() => {}
        Absent::Off => allow_null(&mut property),
        Absent::Is(text) => {
            property.insert("default".to_owned(), default(key.kind, text));
        }
        Absent::Follows(_) => {}
    }
    Value::Object(property)
}

fn allow_null(property: &mut Map<String, Value>) {
    let widened = match property.get("type") {
        Some(Value::String(only)) => Some(json!([only, "null"])),
        Some(Value::Array(several)) => {
            Some(several.iter().cloned().chain([json!("null")]).collect())
        }
        _ => None,
    };
    if let Some(widened) = widened {
        property.insert("type".to_owned(), widened);
    }
}

/// The default as a file would hold it.
fn default(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Number(..) | Kind::Whole(..) | Kind::Flag => literal(text),
        Kind::Word(_)
        | Kind::Text
        | Kind::Interval
        | Kind::Url
        | Kind::Size
        | Kind::Symbol
        | Kind::Symbols
        | Kind::Command
        | Kind::Texts
        | Kind::Environment
        | Kind::Anything => json!(text),
    }
}

/// A number or flag as JSON; the text itself where it is neither.
fn literal(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

fn shape(kind: Kind) -> Map<String, Value> {
    let shape = match kind {
        Kind::Number(_, range) => bounds("number", range),
        Kind::Whole(_, range) => bounds("integer", range),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Text => json!({ "type": "string", "minLength": 1 }),
        Kind::Interval => {
            let names = CandleInterval::names();
            let numbers = CandleInterval::names().filter_map(|name| name.parse::<u32>().ok());
            let all: Vec<_> = names
                .map(Value::from)
                .chain(numbers.map(Value::from))
                .collect();
            json!({ "enum": all })
        }
        Kind::Url => {
            json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[A-Za-z0-9.:\\[\\]-]+/?$" })
        }
        Kind::Size => json!({ "type": ["integer", "string"] }),
        Kind::Symbol => symbol(),
        Kind::Symbols => json!({ "type": "array", "minItems": 1, "items": symbol() }),
        Kind::Command => json!({ "type": ["array", "string"], "items": argument(), "minItems": 1 }),
        Kind::Texts => json!({ "type": "array", "items": argument() }),
        Kind::Environment => json!({
            "type": "object",
            "propertyNames": { "pattern": "^(?![Zz][Oo][Oo][Mm][Ee][Xx]_)[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": argument(),
        }),
        Kind::Anything => json!({}),
    };
    if let Value::Object(shape) = shape {
        shape
    } else {
        Map::new()
    }
}

fn bounds(number: &str, range: Range) -> Value {
    let low = if range.low_allowed {
        "minimum"
    } else {
        "exclusiveMinimum"
    };
    json!({ "type": number, low: literal(range.low), "maximum": literal(range.high) })
}

fn symbol() -> Value {
    json!({ "type": "string", "pattern": "^[A-Z0-9-]{1,24}$" })
}

fn argument() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}
