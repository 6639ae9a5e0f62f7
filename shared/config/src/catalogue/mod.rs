//! Every key there is, once. The check, the defaults, the reference, the schema and the diff all
//! read this list; nothing else names a range or a default.

mod key;
mod limits;
mod service;
mod trading;
mod unused;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use key::{Absent, Key, Kind, Range, TakesEffect, Tighter, Unit};

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let used = [limits::KEYS, trading::KEYS, service::KEYS].concat();
    used.into_iter()
        .chain(unused::PATHS.iter().map(|path| Key::unused(path)))
        .collect()
});

static BY_PATH: LazyLock<BTreeMap<&'static str, &'static Key>> =
    LazyLock::new(|| KEYS.iter().map(|key| (key.path, key)).collect());

/// All keys: limits first, then trading, then the harness itself, then what is known and unused.
pub fn keys() -> &'static [Key] {
    &KEYS
}

/// The key of that full path.
pub fn key(path: &str) -> Option<&'static Key> {
    BY_PATH.get(path).copied()
}

/// The names that may stand in a section (`""` is the file itself), sorted, each once.
pub(crate) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<_> = keys()
        .iter()
        .filter_map(|key| first_name(key.path, section))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether keys stand below this path.
pub(crate) fn is_section(path: &str) -> bool {
    keys()
        .iter()
        .any(|key| first_name(key.path, path).is_some())
}

/// The first name of a path below a section.
fn first_name(path: &'static str, section: &str) -> Option<&'static str> {
    let rest = if section.is_empty() {
        path
    } else {
        path.strip_prefix(section)?.strip_prefix('.')?
    };
    rest.split('.').next()
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::{Kind, is_section, keys};
    use crate::kinds;

    #[test]
    fn every_entry_is_complete() {
        let mut paths: Vec<_> = keys().iter().map(|key| key.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), keys().len(), "a path stands twice");
        for key in keys() {
            assert!(!is_section(key.path), "{} is a key and a section", key.path);
            assert!(
                key.doc.ends_with('.') && !key.doc.contains('|'),
                "{}",
                key.path
            );
            assert_eq!(key.is_used(), key.kind != Kind::Anything, "{}", key.path);
            assert!(
                kinds::absent(key).is_ok(),
                "{}: its default is refused",
                key.path
            );
            if let Kind::Number(_, range) | Kind::Whole(_, range) = key.kind {
                let bound = |text| Decimal::from_str_exact(text).unwrap();
                assert!(bound(range.low) <= bound(range.high), "{}", key.path);
                assert!(bound(range.low) >= Decimal::ZERO, "{}", key.path);
            }
        }
    }
}
