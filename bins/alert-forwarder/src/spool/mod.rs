//! What producers handed over, on disk before they are told so.
//!
//! What this room is for: an append-only list of alerts in numbered NDJSON files, synced once for
//! each batch, without repeats, pruned when every sink is past it. What it does not do: deliver,
//! know a sink, or read a clock.
//!
//! ```text
//! alerts/
//!   spool-0000000000000001.ndjson   {"seq":1,"alert":{...}}   one line for each alert
//!   spool-0000000000000813.ndjson   named for the first number in it
//!   cursor-log.json                 how far the sink `log` is
//!   lock                            held for life
//! ```
//! The newest two files stay even when every sink is past them: the ids in them are how a repeat
//! that comes after a restart is known.

mod cursor;
mod remembered;
mod segment;

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::Alert;
use thiserror::Error;

pub(crate) use cursor::{read_cursor, write_cursor};
pub(crate) use remembered::Remembered;

use segment::Segment;

/// Bytes of alerts that may wait for the slowest sink; beyond it producers keep theirs.
pub(crate) const MOST_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// A file with this many bytes gets a successor.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// Files that stay for the sake of the ids in them.
const KEPT_SEGMENTS: usize = 2;

/// Why the spool could not do it, and what to do.
#[derive(Debug, Error)]
pub(crate) enum SpoolError {
    /// The system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{} is held by another perps-alerts; end that one first", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error("{} has version {found}, this program knows 1; run the newer version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A sink has taken nothing for so long that no more fits.
    #[error(
        "{MOST_WAITING_BYTES} bytes of alerts wait for a sink that takes none; no more are kept here"
    )]
    Full,
    /// An alert cannot be written as JSON.
    #[error("an alert cannot be written as JSON")]
    Encode {
        /// Why.
        source: serde_json::Error,
    },
}

impl SpoolError {
    /// Whether only an operator can mend it; everything else may be gone at the next start.
    pub(crate) fn needs_operator(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ),
            Self::Newer { .. } => true,
            Self::Locked { .. } | Self::Full | Self::Encode { .. } => false,
        }
    }

    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

/// One alert and its place in the line.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Counts up from 1 and is never used twice.
    pub(crate) seq: u64,
    /// The alert.
    pub(crate) alert: Arc<Alert>,
    /// How long its line is.
    pub(crate) bytes: usize,
}

/// The spool.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    segments: VecDeque<Segment>,
    next_seq: u64,
    waiting: VecDeque<Entry>,
    waiting_bytes: usize,
    remembered: Remembered,
    /// The newest file cannot be trusted to end in a whole line.
    suspect: bool,
    _lock: File,
}

/// What a start found that an operator should hear of.
pub(crate) type Findings = Vec<String>;

impl Spool {
    /// Makes the directory if need be and takes its lock.
    pub(crate) fn prepare(dir: &Path) -> Result<File, SpoolError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(SpoolError::io("make the directory", dir))?;
        let path = dir.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(SpoolError::io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(SpoolError::Locked { path }),
            Err(TryLockError::Error(e)) => Err(SpoolError::io("lock", &path)(e)),
        }
    }

    /// Reads what is there. `cursors` are those of all sinks: what lies behind the last of them is
    /// only remembered, what lies before the first is never numbered again.
    pub(crate) fn open(
        dir: &Path,
        lock: File,
        cursors: &[u64],
    ) -> Result<(Self, Findings), SpoolError> {
        let behind = cursors.iter().copied().min().unwrap_or(0);
        let mut spool = Self {
            dir: dir.to_owned(),
            segments: VecDeque::new(),
            next_seq: cursors.iter().copied().max().unwrap_or(0).saturating_add(1),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            remembered: Remembered::default(),
            suspect: false,
            _lock: lock,
        };
        let mut findings = Findings::new();
        let paths = segment::paths(dir)?;
        for (n, path) in paths.iter().enumerate() {
            // Lines that reach into the next file's numbers were never acknowledged: a failed sync
            // left them, and the next file was begun in their place.
            let end = paths
                .get(n.saturating_add(1))
                .and_then(|next| segment::number(next));
            let (segment, entries) = Segment::read(path, end, &mut findings)?;
            for entry in entries {
                spool.remembered.insert(&entry.alert.id);
                spool.next_seq = spool.next_seq.max(entry.seq.saturating_add(1));
                if entry.seq > behind {
                    spool.wait(entry);
                }
            }
            spool.next_seq = spool.next_seq.max(segment.first);
            spool.segments.push_back(segment);
        }
        if let Some(newest) = spool.segments.back_mut() {
            newest.trim()?;
        }
        Ok((spool, findings))
    }

    /// How many alerts lie after `cursor`.
    pub(crate) fn count_after(&self, cursor: u64) -> u64 {
        let from = self.waiting.partition_point(|entry| entry.seq <= cursor);
        u64::try_from(self.waiting.len().saturating_sub(from)).unwrap_or(u64::MAX)
    }

    /// The first alert after `cursor`.
    pub(crate) fn after(&self, cursor: u64) -> Option<&Entry> {
        self.waiting
            .get(self.waiting.partition_point(|entry| entry.seq <= cursor))
    }

    /// Whether an alert of this id is on disk or was not long ago.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.remembered.contains(id)
    }

    /// Puts a batch on disk; when this returns `Ok` all of it is durable, otherwise none of it is
    /// kept. What is already known is left out. What an earlier life wrote is durable with the first
    /// batch: until then nobody is told that it is.
    pub(crate) fn append(&mut self, batch: &[Alert]) -> Result<(), SpoolError> {
        let mut fresh: Vec<&Alert> = Vec::with_capacity(batch.len());
        for alert in batch {
            let repeated = fresh.iter().any(|one| one.id == alert.id);
            if !repeated && !self.knows(&alert.id) {
                fresh.push(alert);
            }
        }
        if fresh.is_empty() {
            // Known from a file that was only read, perhaps: no word before it is durable.
            return self.segments.back_mut().map_or(Ok(()), Segment::prove);
        }
        self.choose_file()?;
        let (lines, entries) = segment::encode(self.next_seq, &fresh)?;
        if self.waiting_bytes.saturating_add(lines.len()) > MOST_WAITING_BYTES {
            return Err(SpoolError::Full);
        }
        let Some(newest) = self.segments.back_mut() else {
            let missing = io::ErrorKind::NotFound.into();
            return Err(SpoolError::io("find the newest file in", &self.dir)(
                missing,
            ));
        };
        if let Err(error) = newest.append(&lines, &entries) {
            // What a failed sync left in the file is not known: the next batch starts a new one.
            self.suspect = true;
            return Err(error);
        }
        for entry in entries {
            self.remembered.insert(&entry.alert.id);
            self.next_seq = entry.seq.saturating_add(1);
            self.wait(entry);
        }
        Ok(())
    }

    /// Forgets what every sink has taken.
    pub(crate) fn prune(&mut self, passed: u64) -> Result<(), SpoolError> {
        while self
            .waiting
            .front()
            .is_some_and(|entry| entry.seq <= passed)
        {
            let taken = self.waiting.pop_front();
            let bytes = taken.map_or(0, |entry| entry.bytes);
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        }
        while self.segments.len() > KEPT_SEGMENTS
            && let Some(oldest) = self.segments.front()
            && oldest.last <= passed
        {
            fs::remove_file(&oldest.path).map_err(SpoolError::io("remove", &oldest.path))?;
            self.segments.pop_front();
        }
        Ok(())
    }

    fn wait(&mut self, entry: Entry) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(entry.bytes);
        self.waiting.push_back(entry);
    }

    /// Begins a new file if the newest is full or not to be trusted.
    fn choose_file(&mut self) -> Result<(), SpoolError> {
        let fits = self
            .segments
            .back()
            .is_some_and(|newest| newest.bytes < SEGMENT_BYTES);
        if fits && !self.suspect {
            return Ok(());
        }
        if let Some(newest) = self.segments.back_mut() {
            newest.prove()?;
        }
        // A name that no file has, sorted after all that are there.
        let named = self.segments.back().map_or(0, |newest| newest.first);
        let first = self.next_seq.max(named.saturating_add(1));
        self.segments.push_back(Segment::create(&self.dir, first)?);
        self.next_seq = first;
        self.suspect = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
