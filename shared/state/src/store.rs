//! The store as its owner sees it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::archive;
use crate::condition::Recovered;
use crate::error::{OpenError, StoreError};
use crate::filesystem::{FileSystem, Lock, remove_if_there};
use crate::paths::{StorePaths, UnixMs};
use crate::recovery;
use crate::segment::scan_all;
use crate::snapshot::{self, Identity, LIMIT_BYTES};
use crate::standing::{Options, Phase, Snapshots};
use crate::writer::Writer;

/// What an idle step found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tended {
    /// There is more of this work: call again when idle.
    pub more: bool,
    /// The snapshot file is gone although this store is running. Nothing is lost: warn, and write
    /// it again with [`Store::snapshot`].
    pub snapshot_missing: bool,
}

/// A journal and a snapshot, owned by one thread of one process.
pub struct Store {
    fs: Box<dyn FileSystem>,
    paths: StorePaths,
    identity: Identity,
    writer: Writer,
    phase: Phase,
    snapshots: Snapshots,
    /// The highest record number that any file speaks of.
    highest: u64,
    _lock: Box<dyn Lock>,
}

impl Store {
    /// Takes the lock, reads what is there and says in which condition it is.
    ///
    /// Nothing is ever overwritten on an error. After [`crate::Condition::Corrupt`] the store holds
    /// its lock and refuses every write with [`StoreError::Sealed`].
    pub fn open(
        fs: Box<dyn FileSystem>,
        paths: &StorePaths,
        identity: &Identity,
        options: Options,
        now: UnixMs,
    ) -> Result<(Self, Recovered), OpenError> {
        let opened = recovery::open(&*fs, paths, identity, options, now)?;
        let writer = Writer::new(paths.journal(), identity.clone(), options, opened.resume);
        let store = Self {
            fs,
            paths: paths.clone(),
            identity: identity.clone(),
            writer,
            phase: opened.phase,
            snapshots: opened.snapshots,
            highest: opened.highest,
            _lock: opened.lock,
        };
        Ok((store, opened.recovered))
    }

    /// Takes a record into the buffer and gives its number. It is not durable, and after a crash it
    /// may be gone, until a [`commit`](Self::commit) has returned.
    pub fn append(&mut self, at: UnixMs, payload: &[u8]) -> Result<u64, StoreError> {
        self.allowed()?;
        self.writer.append(at, payload)
    }

    /// Makes every record so far durable: one write, one `fdatasync`. After
    /// [`StoreError::NoRoom`] the records are still here and the next commit tries again; after any
    /// other error the store is poisoned.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.allowed()?;
        self.writer.commit(&*self.fs)
    }

    /// Writes every record so far without waiting for the disk, so that a crash of this process
    /// does not lose them; a power cut may.
    pub fn flush_lazily(&mut self) -> Result<(), StoreError> {
        self.allowed()?;
        self.writer.write_out(&*self.fs)
    }

    /// Replaces the snapshot with this state, which must contain the effect of every record
    /// appended so far and of no other. The one before is kept.
    pub fn snapshot<T: Serialize>(&mut self, now: UnixMs, state: &T) -> Result<(), StoreError> {
        match self.phase {
            Phase::Sealed => return Err(StoreError::Sealed),
            Phase::NeedsSnapshot => {
                // From here the journal goes on at a number that nothing older can contradict.
                self.writer.begin_segment(&*self.fs)?;
            }
            Phase::Running => self.writer.commit(&*self.fs)?,
        }
        let seq = self.writer.last_seq();
        let bytes = snapshot::encode(&self.identity, now, seq, state)
            .map_err(|source| StoreError::Encode { source })?;
        self.write_temporary(&bytes)?;
        let (from, to) = (self.paths.temporary(), self.paths.snapshot().to_path_buf());
        let begins = self.phase == Phase::NeedsSnapshot;
        let mut previous = if begins { None } else { self.keep_previous()? };
        self.fs
            .rename(&from, &to)
            .map_err(|e| StoreError::mild("replace", &to, e))?;
        self.sync_dir()?;
        if begins {
            // A previous one from before the beginning must not be fallen back to. If the power
            // goes right here it still can be: what it then brings back is stricter, not looser.
            self.second_name(&to)?;
            self.sync_dir()?;
            previous = Some(seq);
        }
        self.snapshots.previous = previous.or(self.snapshots.previous);
        let entry = self
            .fs
            .look(&to)
            .map_err(|e| StoreError::mild("look at", &to, e))?;
        self.snapshots.current = entry.map(|e| (e.inode, e.len, seq));
        self.phase = Phase::Running;
        Ok(())
    }

    /// Work for idle moments, a bounded piece of it: writes what waits, makes the next segment
    /// ready, removes one that no snapshot needs, looks whether the snapshot is still there.
    pub fn tend(&mut self, now: UnixMs) -> Result<Tended, StoreError> {
        if self.phase != Phase::Running {
            return Ok(Tended::default());
        }
        self.writer.write_out(&*self.fs)?;
        self.writer.fence()?;
        let path = self.paths.snapshot();
        let there = self
            .fs
            .look(path)
            .map_err(|e| StoreError::mild("look at", path, e))?;
        let mut more = self.writer.prepare_step(&*self.fs)?;
        if !more && let Some(previous) = self.snapshots.previous {
            more = self.writer.prune_one(&*self.fs, previous, now)?;
        }
        Ok(Tended {
            more,
            snapshot_missing: there.is_none(),
        })
    }

    /// Commits, and marks the journal's end as intended.
    pub fn close(mut self) -> Result<(), StoreError> {
        if self.phase == Phase::Running {
            self.writer.commit(&*self.fs)?;
            self.writer.fence()?;
            self.writer.sync_active(&*self.fs)?;
        }
        Ok(())
    }

    /// Gives up what is stored, by the word of the operator: everything is archived beside itself
    /// and the next call must be [`snapshot`](Self::snapshot) with the state to begin from. Works on
    /// a sealed store too, not on a poisoned one. Gives the archive's directory.
    pub fn set_aside(&mut self, now: UnixMs) -> Result<PathBuf, StoreError> {
        let last = match self.phase {
            Phase::Sealed => self.highest,
            Phase::NeedsSnapshot | Phase::Running => {
                self.writer.commit(&*self.fs)?;
                self.writer.last_seq()
            }
        };
        let dir = scan_all(&*self.fs, &self.paths.journal())
            .and_then(|scans| archive::archive(&*self.fs, &self.paths, &scans, now))
            .map_err(|source| StoreError::SetAside { source })?;
        self.writer.start_over_after(last);
        self.phase = Phase::NeedsSnapshot;
        self.snapshots = Snapshots::default();
        Ok(dir)
    }

    /// Deletes the snapshot, which is the wish that the next start resets the limits, and gives the
    /// store up. Everything stays in the previous snapshot and the journal.
    pub fn wish_reset(mut self) -> Result<(), StoreError> {
        self.allowed()?;
        self.writer.commit(&*self.fs)?;
        if self.snapshots.previous.is_none() {
            // Without one the journal alone would have to tell everything.
            let path = self.paths.snapshot().to_path_buf();
            self.second_name(&path)?;
            self.sync_dir()?;
        }
        remove_if_there(&*self.fs, self.paths.snapshot())?;
        self.sync_dir()
    }

    /// Something was not appended that should have been: what is here does not lead to the state of
    /// now. The next call must be [`snapshot`](Self::snapshot), whose state does not follow from
    /// the records before it; until then nothing is taken.
    pub fn break_off(&mut self) {
        if self.phase == Phase::Running {
            self.phase = Phase::NeedsSnapshot;
        }
        self.writer.break_off();
    }

    /// The number of the newest record.
    pub const fn last_seq(&self) -> u64 {
        self.writer.last_seq()
    }

    /// Every record up to this number is durable.
    pub const fn durable_seq(&self) -> u64 {
        self.writer.durable_seq()
    }

    /// The last record in the snapshot that stands there; `None` if there is no sound one.
    pub fn snapshot_seq(&self) -> Option<u64> {
        self.snapshots.current.map(|(_, _, seq)| seq)
    }

    /// Whether the next segment is ready, so that no commit has to make it.
    pub const fn is_prepared(&self) -> bool {
        self.writer.is_prepared()
    }

    /// The files of this store.
    pub const fn paths(&self) -> &StorePaths {
        &self.paths
    }

    fn allowed(&self) -> Result<(), StoreError> {
        match self.phase {
            Phase::Running => Ok(()),
            Phase::NeedsSnapshot => Err(StoreError::NoSnapshotYet),
            Phase::Sealed => Err(StoreError::Sealed),
        }
    }

    fn write_temporary(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > LIMIT_BYTES {
            return Err(StoreError::SnapshotTooBig {
                bytes: length,
                limit: LIMIT_BYTES,
            });
        }
        let path = self.paths.temporary();
        remove_if_there(&*self.fs, &path)?;
        let mut file = self
            .fs
            .create(&path)
            .map_err(|e| StoreError::mild("make", &path, e))?;
        file.write_at(bytes, 0)
            .map_err(|e| StoreError::mild("write", &path, e))?;
        file.sync()
            .map_err(|e| self.writer.poisoned("sync", path, e))
    }

    /// Gives the snapshot that stands there its second name, if it is still the one we know to be
    /// sound; the last record in it.
    fn keep_previous(&mut self) -> Result<Option<u64>, StoreError> {
        let path = self.paths.snapshot();
        let entry = self
            .fs
            .look(path)
            .map_err(|e| StoreError::mild("look at", path, e))?;
        let (Some(entry), Some((inode, length, seq))) = (entry, self.snapshots.current) else {
            return Ok(None);
        };
        if (entry.inode, entry.len) != (inode, length) {
            return Ok(None);
        }
        self.second_name(path)?;
        Ok(Some(seq))
    }

    /// Makes a file the previous snapshot too.
    fn second_name(&self, path: &Path) -> Result<(), StoreError> {
        let (between, to) = (self.paths.previous_temporary(), self.paths.previous());
        remove_if_there(&*self.fs, &between)?;
        self.fs
            .link(path, &between)
            .map_err(|e| StoreError::mild("link", path, e))?;
        self.fs
            .rename(&between, &to)
            .map_err(|e| StoreError::mild("replace", &to, e))?;
        // Two names of one file are not renamed: then the extra one is still there.
        remove_if_there(&*self.fs, &between)
    }

    fn sync_dir(&mut self) -> Result<(), StoreError> {
        let dir: &Path = self.paths.dir();
        self.fs
            .sync_dir(dir)
            .map_err(|e| self.writer.poisoned("sync", dir.to_path_buf(), e))
    }
}
