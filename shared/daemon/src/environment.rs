//! The one room that reads environment variables.

use std::path::PathBuf;

/// A variable's text; `None` if it is unset, empty or not UTF-8.
#[expect(clippy::disallowed_methods, reason = "this is the one room")]
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable's text as a path; `None` if it is unset or empty.
pub fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// A variable's text as a number; `None` if it is unset or no number.
pub fn number(name: &str) -> Option<i32> {
    text(name)?.parse().ok()
}
