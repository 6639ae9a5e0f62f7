//! Where a replay's inputs come from: a journal's story, or plain lines.
//!
//! What this room is for: from whatever path an operator names to inputs in order. What it does not
//! do: change a file, or take a lock: a guard may be writing all the while.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use history::{Base, Story, StoryError};
use state::Disk;
use thiserror::Error;

/// Why there is nothing to replay, or no more of it.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file is not there or cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The journal or a snapshot cannot be read.
    #[error(transparent)]
    Story(#[from] StoryError),
    /// There is no record.
    #[error("{}: no record of a journal is in it", path.display())]
    Empty {
        /// Where.
        path: PathBuf,
    },
    /// A record or a line is no input.
    #[error("{place}: not an input of the engine: {why}")]
    BadInput {
        /// `record 17` or `FILE:17`.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The first input starts no engine, and nothing else says under which limits to run.
    #[error(
        "the first input is no start, so nothing says which limits were in force; name them with --config FILE"
    )]
    NoLimits,
}

/// Inputs in order and where they begin.
#[derive(Debug)]
pub struct Source {
    /// What it is and from where it is replayed, for people.
    pub what: String,
    /// What the operator should know.
    pub notes: Vec<String>,
    pub(crate) records: Records,
    /// Of a journal, the records that are told; those before are stepped and not told.
    pub(crate) told: std::ops::RangeInclusive<u64>,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
pub(crate) enum Records {
    Journal(Story),
    Lines {
        reader: BufReader<File>,
        path: PathBuf,
    },
}

impl Source {
    /// Opens a state file, a journal's directory, an archive, a segment, or a file of plain lines.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let unreadable = |source| SourceError::Unreadable {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            return journal(path, None);
        }
        if path.extension().is_some_and(|extension| extension == "seg") {
            let dir = path.parent().unwrap_or(Path::new("."));
            return journal(dir, Some(path));
        }
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(unreadable)?);
        let begins = reader.fill_buf().map_err(unreadable)?;
        // A snapshot is spread over lines for people, so its first holds no key. Lines may be many
        // and anybody's: what holds for the size and the permissions of a snapshot is not theirs.
        if begins.starts_with(b"{\"") || begins.starts_with(b"#") {
            return Ok(lines(reader, path));
        }
        match state::read_snapshot(&Disk, path).map_err(StoryError::from)? {
            Some(Ok(_)) => journal(path, None),
            Some(Err(why)) => Err(neither(path, &why)),
            None => Err(neither(path, "it is gone")),
        }
    }
}

fn neither(path: &Path, why: &str) -> SourceError {
    SourceError::BadInput {
        place: format!("{}:1", path.display()),
        why: format!(
            "neither a sound state file nor lines of inputs, one JSON object each \
             (docs/replay.md): {why}"
        ),
    }
}

fn lines(reader: BufReader<File>, path: &Path) -> Source {
    Source {
        what: format!("{}: lines of inputs", path.display()),
        notes: Vec::new(),
        records: Records::Lines {
            reader,
            path: path.to_owned(),
        },
        told: 0..=u64::MAX,
    }
}

fn journal(path: &Path, segment: Option<&Path>) -> Result<Source, SourceError> {
    let story = Story::read(&Disk, path)?;
    let mut notes: Vec<String> = story.damage().map(str::to_owned).into_iter().collect();
    notes.extend_from_slice(story.notes());
    let told = match segment {
        None => story.base().seq().saturating_add(1)..=u64::MAX,
        Some(file) => span_of(file, path)?,
    };
    let from = match story.base() {
        Base::Beginning(_) => "the beginning of its history".to_owned(),
        Base::Snapshot(snapshot) => format!(
            "the snapshot {} of {}, record {}",
            snapshot.file.display(),
            snapshot.written_at,
            snapshot.seq
        ),
    };
    let shown = segment.unwrap_or(path).display();
    Ok(Source {
        what: format!("{shown}: from {from}"),
        notes,
        records: Records::Journal(story),
        told,
    })
}

/// The records of one segment.
fn span_of(segment: &Path, dir: &Path) -> Result<std::ops::RangeInclusive<u64>, SourceError> {
    let first_of = |path: &Path| state::first_record_of(&Disk, path).map_err(StoryError::from);
    let first = first_of(segment)?.ok_or_else(|| SourceError::Empty {
        path: segment.to_owned(),
    })?;
    let unreadable = |source| SourceError::Unreadable {
        path: dir.to_owned(),
        source,
    };
    let mut last = u64::MAX;
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let other = entry.map_err(unreadable)?.path();
        if let Some(begins) = first_of(&other)?.filter(|begins| *begins > first) {
            last = last.min(begins.saturating_sub(1));
        }
    }
    Ok(first..=last)
}
