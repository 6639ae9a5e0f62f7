//! How lists and tables of variables become values.

use std::collections::BTreeMap;

use crate::number::shown;
use crate::read::{Entry, Node, Placed};
use crate::scalar::symbol;
use crate::value::{Refusal, Value, refuse, refuse_hint};
use crate::venues::VenueName;

/// A list of instruments, sorted, each once.
pub(crate) fn symbols(items: &[Placed]) -> Result<Value, Refusal> {
    if items.is_empty() {
        return refuse_hint(
            "an empty list would refuse every order",
            "name a symbol, or leave the key out",
        );
    }
    let mut symbols = items
        .iter()
        .map(|i| symbol(single(i)?))
        .collect::<Result<Vec<_>, _>>()?;
    symbols.sort_unstable();
    symbols.dedup();
    Ok(Value::List(symbols))
}

/// A program with its arguments.
pub(crate) fn program(items: &[Placed]) -> Result<Value, Refusal> {
    if items.is_empty() {
        return refuse_hint(
            "an empty list is no command",
            "leave the key out to start no bot",
        );
    }
    texts(items)
}

/// A list of texts, in their order.
pub(crate) fn texts(items: &[Placed]) -> Result<Value, Refusal> {
    let texts = items.iter().map(|item| argument(single(item)?));
    texts.collect::<Result<_, _>>().map(Value::List)
}

/// Names and values of environment variables.
pub(crate) fn environment(entries: &[Entry]) -> Result<Value, Refusal> {
    let rows = entries.iter().map(|entry| {
        let name = variable(&entry.key)?;
        Ok((name, argument(single(&entry.value)?)?))
    });
    rows.collect::<Result<BTreeMap<_, _>, _>>()
        .map(Value::Table)
}

fn variable(name: &str) -> Result<String, Refusal> {
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    if !fits {
        return refuse(format!("{} is no name of a variable", shown(name)));
    }
    if VenueName::holds_a_key(name) {
        return refuse_hint(
            format!("{} would hand the bot an exchange key", shown(name)),
            "only the gateway holds keys: set it in the service's own environment",
        );
    }
    Ok(name.to_owned())
}

/// The text of a list's item.
fn single(item: &Placed) -> Result<&str, Refusal> {
    match &item.node {
        Node::Word { text, plain: true } if matches!(text.as_str(), "" | "null" | "~") => {
            refuse(format!("the entry at {} has no value", item.place))
        }
        Node::Word { text, .. } => Ok(text),
        Node::List(_) | Node::Section(_) => {
            refuse(format!("the entry at {} is not a single text", item.place))
        }
    }
}

/// Any text that can be passed to a program, even an empty one.
fn argument(text: &str) -> Result<String, Refusal> {
    if text.contains('\0') || text.len() > 4096 {
        return refuse(format!("{} cannot be passed to a program", shown(text)));
    }
    Ok(text.to_owned())
}
