//! A journal read from outside: where it begins, every input after that, and the states that it
//! must lead to. Takes no lock and changes nothing; the owner may be running.

use std::path::{Path, PathBuf};

use protocol::AccountId;
use risk::{Engine, Genesis, InputKind, State};
use state::{EntryKind, FileSystem, Journal, OpenError, Snapshot, StorePaths};
use thiserror::Error;

use crate::genesis_of;
use crate::record::Recorded;
use crate::schema;
use crate::unreadable::Unreadable;

/// What a guard was told, in order.
#[derive(Debug)]
pub struct Story {
    base: Base,
    journal: Journal,
    checkpoints: Vec<Checkpoint>,
    notes: Vec<String>,
}

/// What the first input meets.
#[derive(Debug)]
pub enum Base {
    /// A new engine: the journal holds everything from the first input on.
    Beginning(Box<Genesis>),
    /// The state of a snapshot; the inputs before it are not kept any more.
    Snapshot(Checkpoint),
}

/// The state after a record, by a snapshot's word.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The last record whose effect is in it.
    pub seq: u64,
    /// When it was written, UTC.
    pub written_at: String,
    /// It.
    pub state: Box<State>,
    /// The snapshot's file.
    pub file: PathBuf,
}

/// Why there is no story.
#[derive(Debug, Error)]
pub enum StoryError {
    /// The files cannot be read.
    #[error(transparent)]
    Files(#[from] OpenError),
    /// The journal does not go back to any state that can be read.
    #[error(
        "{} does not lead on from any state that can be read: it begins with record {first}",
        path.display()
    )]
    NoBase {
        /// The journal.
        path: PathBuf,
        /// Its first record.
        first: u64,
    },
    /// There is neither a snapshot nor a record.
    #[error("{} holds no state: neither a snapshot nor a journal", path.display())]
    Nothing {
        /// What was looked at.
        path: PathBuf,
    },
}

/// The files of one story.
struct Places {
    snapshots: Vec<PathBuf>,
    journal: PathBuf,
}

impl Story {
    /// Reads the story at `path`: a snapshot file with its journal beside it, a journal's directory
    /// with its snapshot beside it, or an archive that holds both.
    pub fn read(fs: &dyn FileSystem, path: &Path) -> Result<Self, StoryError> {
        let places = places(fs, path)?;
        let mut notes = Vec::new();
        // The snapshots first: the journal that is read after them reaches at least as far.
        let mut checkpoints = Vec::new();
        for file in &places.snapshots {
            match state::read_snapshot(fs, file)? {
                None => {}
                Some(Ok(snapshot)) => match checkpoint(&snapshot, file) {
                    Ok(checkpoint) => checkpoints.push(checkpoint),
                    Err(why) => notes.push(format!("{}: {why}", file.display())),
                },
                Some(Err(why)) => notes.push(format!("{}: {why}", file.display())),
            }
        }
        checkpoints.sort_by_key(|checkpoint| checkpoint.seq);
        checkpoints.dedup_by_key(|checkpoint| checkpoint.seq);
        let journal = state::read_journal(fs, &places.journal)?;
        let base = base(&journal, &checkpoints).ok_or_else(|| match journal.first_seq {
            Some(first) => StoryError::NoBase {
                path: places.journal.clone(),
                first,
            },
            None => StoryError::Nothing {
                path: path.to_owned(),
            },
        })?;
        Ok(Self {
            base,
            journal,
            checkpoints,
            notes,
        })
    }

    /// What the first input meets.
    pub const fn base(&self) -> &Base {
        &self.base
    }

    /// The engine that the first input meets.
    pub fn engine(&self) -> Engine {
        match &self.base {
            Base::Beginning(genesis) => Engine::new((**genesis).clone()),
            Base::Snapshot(checkpoint) => Engine::resume((*checkpoint.state).clone()),
        }
    }

    /// Every input after the base, oldest first, with its record's number.
    pub fn inputs(&self) -> impl Iterator<Item = (u64, Result<Recorded, Unreadable>)> + '_ {
        self.inputs_after(self.base.seq())
    }

    /// Every input that is kept after this record, oldest first, whether or not it follows from the
    /// base: for whoever has read the journal before.
    pub fn inputs_after(
        &self,
        after: u64,
    ) -> impl Iterator<Item = (u64, Result<Recorded, Unreadable>)> + '_ {
        let records = self.journal.records.iter();
        records
            .filter(move |found| found.seq > after)
            .map(|found| (found.seq, schema::record(found.payload, found.schema)))
    }

    /// The oldest record that is kept, if there is one.
    pub const fn first(&self) -> Option<u64> {
        self.journal.first_seq
    }

    /// The states that the inputs must lead to, oldest first.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// What is wrong with the journal, in words; a torn end is not.
    pub fn damage(&self) -> Option<&str> {
        self.journal.damage.as_deref()
    }

    /// What else is worth knowing: snapshots that cannot be read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Base {
    /// The last record whose effect is in it.
    pub const fn seq(&self) -> u64 {
        match self {
            Self::Beginning(_) => 0,
            Self::Snapshot(checkpoint) => checkpoint.seq,
        }
    }
}

fn places(fs: &dyn FileSystem, path: &Path) -> Result<Places, StoryError> {
    let nothing = || StoryError::Nothing {
        path: path.to_owned(),
    };
    let entry = fs.look(path).ok().flatten().ok_or_else(nothing)?;
    let beside = |paths: &StorePaths| Places {
        snapshots: vec![paths.snapshot().to_path_buf(), paths.previous()],
        journal: paths.journal(),
    };
    if entry.kind != EntryKind::Directory {
        return Ok(beside(&StorePaths::new(path)));
    }
    if path.extension().is_some_and(|end| end == "journal") {
        return Ok(beside(&StorePaths::new(path.with_extension("json"))));
    }
    let names = fs.list(path).unwrap_or_default();
    let is_snapshot = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "json")
            || path.to_string_lossy().ends_with(".json.prev")
    };
    Ok(Places {
        snapshots: names
            .iter()
            .map(|name| path.join(name))
            .filter(is_snapshot)
            .collect(),
        journal: path.to_owned(),
    })
}

fn checkpoint(snapshot: &Snapshot, file: &Path) -> Result<Checkpoint, Unreadable> {
    let state = schema::state(snapshot.state.get(), snapshot.identity.schema)?;
    Ok(Checkpoint {
        seq: snapshot.last_seq,
        written_at: snapshot.written_at.clone(),
        state: Box::new(state),
        file: file.to_owned(),
    })
}

/// The earliest that everything after it follows from.
fn base(journal: &Journal, checkpoints: &[Checkpoint]) -> Option<Base> {
    let first = journal.records.iter().next();
    if let Some(first) = first
        && first.seq == 1
        && let Ok(Recorded { input, told: _ }) = schema::record(first.payload, first.schema)
        && let InputKind::Start(start) = &input.kind
    {
        let account = journal
            .account
            .as_deref()
            .and_then(|name| AccountId::new(name).ok());
        return Some(Base::Beginning(Box::new(genesis_of(
            start,
            account,
            input.stamp,
        ))));
    }
    let reached = |c: &&Checkpoint| first.is_none_or(|first| c.seq + 1 >= first.seq);
    checkpoints
        .iter()
        .find(reached)
        .cloned()
        .map(Base::Snapshot)
}
