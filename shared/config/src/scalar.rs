//! How a single word or text becomes a value.

use rust_decimal::Decimal;

use crate::catalogue::{Key, Range, Unit};
use crate::number::{plain_number, shown};
use crate::suggest;
use crate::value::{Refusal, Value, refuse, refuse_hint};

/// A number in its range.
pub(crate) fn number(text: &str, plain: bool, unit: Unit, range: Range) -> Result<Value, Refusal> {
    let number = plain_number(text, plain)?;
    if range.contains(number) {
        return Ok(Value::Number(number.normalize()));
    }
    let what = format!(
        "{} is out of range: it must be {}",
        shown(text),
        range.words()
    );
    if unit == Unit::Fraction && number > Decimal::ONE {
        let fraction = number
            .checked_div(Decimal::ONE_HUNDRED)
            .unwrap_or(Decimal::ONE)
            .normalize();
        return refuse_hint(what, format!("{number} per cent is written {fraction}"));
    }
    if number.is_zero() {
        return refuse_hint(
            what,
            "to switch an optional limit off, write `null`; to stop entries, `perpsctl halt`",
        );
    }
    refuse(what)
}

/// A whole number in its range.
pub(crate) fn whole(text: &str, plain: bool, unit: Unit, range: Range) -> Result<Value, Refusal> {
    if !plain_number(text, plain)?.fract().is_zero() || text.contains('.') {
        return refuse_hint(
            format!("{} is not a whole number", shown(text)),
            "write it without a point",
        );
    }
    number(text, plain, unit, range)
}

/// `true` or `false`; `yes`, `on` and `1` are refused.
pub(crate) fn flag(text: &str, plain: bool) -> Result<Value, Refusal> {
    match (text, plain) {
        ("true" | "True" | "TRUE", true) => Ok(Value::Flag(true)),
        ("false" | "False" | "FALSE", true) => Ok(Value::Flag(false)),
        ("true" | "false", false) => refuse_hint(
            format!("\"{text}\" in quotes is a text"),
            format!("write {text} without quotes"),
        ),
        _ => refuse_hint(
            format!("{} is neither true nor false", shown(text)),
            "write true or false",
        ),
    }
}

/// One of the words, whatever its case.
pub(crate) fn one_of(
    key: &Key,
    text: &str,
    words: &'static [&'static str],
) -> Result<Value, Refusal> {
    if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(Value::Text((*word).to_owned()));
    }
    let what = format!("{} is not one of: {}", shown(text), words.join(", "));
    if key.path == "perps.mode" && text.eq_ignore_ascii_case("hedge") {
        return refuse_hint(
            "hedge mode is refused",
            "the guard counts one position a symbol: write oneway",
        );
    }
    match suggest::nearest(text, words.iter().copied()) {
        Some(word) => refuse_hint(what, format!("did you mean {word}?")),
        None => refuse(what),
    }
}

/// One line of text without control characters.
pub(crate) fn line(text: &str) -> Result<String, Refusal> {
    if text.trim().is_empty() {
        return refuse("is an empty text");
    }
    if text.chars().any(char::is_control) || text.len() > 4096 {
        return refuse(format!("{} is not one short line of text", shown(text)));
    }
    Ok(text.to_owned())
}

/// Bytes, with a unit if wanted.
pub(crate) fn size(text: &str) -> Result<Value, Refusal> {
    let upper = text.trim().to_ascii_uppercase();
    let split = upper
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(upper.len());
    let (digits, unit) = upper.split_at(split);
    let scale = match unit.trim() {
        "" | "B" => Some(1_u64),
        "K" | "KB" | "KIB" => Some(1024),
        "M" | "MB" | "MIB" => Some(1024 * 1024),
        "G" | "GB" | "GIB" => Some(1024 * 1024 * 1024),
        _ => None,
    };
    let bytes = digits
        .parse::<u64>()
        .ok()
        .zip(scale)
        .and_then(|(n, scale)| n.checked_mul(scale));
    match bytes {
        Some(bytes) if (4096..=1 << 40).contains(&bytes) => Ok(Value::Number(Decimal::from(bytes))),
        Some(_) => refuse(format!(
            "{} is out of range: it must be 4KB to 1024GB",
            shown(text)
        )),
        None => refuse_hint(
            format!("{} is not a size", shown(text)),
            "write it like 10MB",
        ),
    }
}

/// One instrument.
pub(crate) fn symbol(text: &str) -> Result<String, Refusal> {
    if protocol::Symbol::new(text).is_ok() {
        return Ok(text.to_owned());
    }
    let what = format!("{} is not a symbol", shown(text));
    let upper: String = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_uppercase();
    if upper.is_empty() || upper.len() > 24 {
        return refuse_hint(what, "write it as the venue does, like SOLUSDT");
    }
    refuse_hint(what, format!("did you mean {upper}?"))
}

/// Splits a command at blanks; what would need a shell is refused.
pub(crate) fn command(text: &str) -> Result<Value, Refusal> {
    let text = line(text)?;
    if text.contains([
        '"', '\'', '\\', '$', '`', '|', '&', ';', '<', '>', '*', '?', '(', ')',
    ]) {
        return refuse_hint(
            format!("{} needs a shell, and none is used", shown(&text)),
            "write a list: [program, first argument, second argument]",
        );
    }
    Ok(Value::List(
        text.split_whitespace().map(str::to_owned).collect(),
    ))
}
