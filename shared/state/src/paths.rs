//! Where the files of a store stand, and what they are called.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Milliseconds since 1970-01-01 UTC, as the caller's clock has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The time for a file name: `20261124T104420.123Z`.
    pub(crate) fn stamp(self) -> String {
        Timestamp::from_millisecond(self.0).map_or_else(
            |_| self.0.to_string(),
            |t| t.strftime("%Y%m%dT%H%M%S%.3fZ").to_string(),
        )
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{}", t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

/// The paths of one store; all of them follow from the snapshot's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorePaths {
    snapshot: PathBuf,
    dir: PathBuf,
}

impl StorePaths {
    /// The store whose snapshot is this file, e.g. `data/perps_state.json`.
    pub fn new(snapshot: impl Into<PathBuf>) -> Self {
        let snapshot = snapshot.into();
        let dir = match snapshot.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            Some(_) | None => PathBuf::from("."),
        };
        Self { snapshot, dir }
    }

    /// The directory that everything stands in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Path {
        &self.snapshot
    }

    /// The snapshot before it.
    pub fn previous(&self) -> PathBuf {
        self.beside(".prev")
    }

    /// The directory of the journal's segments.
    pub fn journal(&self) -> PathBuf {
        self.snapshot.with_extension("journal")
    }

    /// The file whose lock makes the store one process's own.
    pub fn lock(&self) -> PathBuf {
        self.beside(".lock")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.beside(".tmp")
    }

    pub(crate) fn previous_temporary(&self) -> PathBuf {
        self.beside(".prev.tmp")
    }

    pub(crate) fn quarantined(&self, now: UnixMs) -> PathBuf {
        self.beside(&format!(".corrupt-{}", now.stamp()))
    }

    pub(crate) fn archive(&self, now: UnixMs, attempt: u32) -> PathBuf {
        let again = if attempt == 0 {
            String::new()
        } else {
            format!("-{attempt}")
        };
        let stamp = format!("archived-{}{again}", now.stamp());
        let mut name = self
            .snapshot
            .file_stem()
            .map_or_else(OsString::new, OsString::from);
        name.push(".");
        name.push(stamp);
        self.snapshot.with_file_name(name)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self
            .snapshot
            .file_name()
            .map_or_else(OsString::new, OsString::from);
        name.push(suffix);
        self.snapshot.with_file_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_follows_from_the_snapshots() {
        let paths = StorePaths::new("data/perps_state.json");
        assert_eq!(paths.dir(), Path::new("data"));
        assert_eq!(paths.previous(), Path::new("data/perps_state.json.prev"));
        assert_eq!(paths.journal(), Path::new("data/perps_state.journal"));
        assert_eq!(paths.lock(), Path::new("data/perps_state.json.lock"));
        let now = UnixMs(1_795_517_060_123);
        assert_eq!(
            paths.archive(now, 0),
            Path::new("data/perps_state.archived-20261124T104420.123Z")
        );
        assert_eq!(StorePaths::new("state.json").dir(), Path::new("."));
    }

    #[test]
    fn a_time_is_readable_and_never_fails() {
        assert_eq!(UnixMs(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(UnixMs(i64::MAX).to_string(), i64::MAX.to_string());
    }
}
