//! What can go wrong, and what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a store was not opened. Nothing was overwritten.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process owns this state.
    #[error("{} is held by {holder}; stop it first, or use another perps.stateFile", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote into it.
        holder: String,
    },
    /// Something that is no regular file stands where a file belongs.
    #[error("{} is {what}, not a file; move it away, or set perps.stateFile to another path", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
        /// What it is, in words.
        what: &'static str,
    },
    /// Something that is no directory stands where a directory belongs.
    #[error("{} is {what}, not a directory; move it away, or set perps.stateFile to another path", path.display())]
    NotADirectory {
        /// Where.
        path: PathBuf,
        /// What it is, in words.
        what: &'static str,
    },
    /// The directory is not there and neither is the one above it.
    #[error("the directory {} does not exist; create it, or set perps.stateFile to another path", path.display())]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Others may write it, so nobody knows who did.
    #[error("{} may be written by other users (mode {mode:04o}); check its contents, then chmod 600 it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// This user may not read or write it.
    #[error("no permission for {}; give it to the user that runs this process", path.display())]
    NotPermitted {
        /// The file or directory.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file system cannot be written.
    #[error("{} is on a read-only file system; remount it, or set perps.stateFile to another path", path.display())]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Far bigger than anything this program writes.
    #[error("{} has {bytes} bytes, more than the {limit} that a sound one can have; move it away", path.display())]
    TooBig {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most it may have.
        limit: u64,
    },
    /// Not a snapshot, and nothing beside it says that it ever was one.
    #[error("{} was not written by this program ({reason}); move it away, or set perps.stateFile to another path", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A state of another account or mode.
    #[error("{} belongs to {what} {found:?}, this run is for {wanted:?}; use another perps.stateFile for each", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// `account` or `mode`.
        what: &'static str,
        /// What the file says.
        found: String,
        /// What this run says.
        wanted: String,
    },
    /// Written by a later version of this program.
    #[error("{} has {what} {found}, this program knows up to {known}; run the newer version, or restore an older backup", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// `schema` or `format`.
        what: &'static str,
        /// The number in the file.
        found: u32,
        /// The newest that is understood.
        known: u32,
    },
    /// Anything else the system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Why something was not stored.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A sync or a write failed in this life of the store; what the disk holds is not known any
    /// more. Only opening it again, which reads and writes the tail anew, makes it usable.
    #[error("the journal cannot be trusted since: {cause}; restart to read it again")]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// The state on disk is damaged; see [`crate::Condition::Corrupt`]. Nothing is written.
    #[error("the stored state is damaged, nothing is written; restore a backup or reset the state")]
    Sealed,
    /// The first call after a fresh start or a deleted snapshot must be `snapshot`.
    #[error("no snapshot yet: write one before the first record")]
    NoSnapshotYet,
    /// No room on the disk. Nothing is lost: the records are kept and the next commit tries again.
    #[error("no room to {doing} {}; free some space", path.display())]
    NoRoom {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A failure that poisons the store.
    #[error("cannot {doing} {}; the store takes nothing more until it is opened again", path.display())]
    Fatal {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A failure that leaves everything as it was.
    #[error("cannot {doing} {}", path.display())]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// One record is too long for a segment.
    #[error("a record of {bytes} bytes does not fit: the longest has {limit}")]
    RecordTooLong {
        /// Its length.
        bytes: usize,
        /// The longest.
        limit: usize,
    },
    /// Too much waits to be written: the disk has been full for too long.
    #[error("{waiting} bytes wait to be written, no more are taken; commit or free some space")]
    BufferFull {
        /// Bytes in the buffer.
        waiting: usize,
    },
    /// The state cannot be written as JSON.
    #[error("the state cannot be written as JSON")]
    Encode {
        /// Why.
        source: serde_json::Error,
    },
    /// The old state could not be archived; nothing was given up.
    #[error("cannot set the old state aside; it stays as it is")]
    SetAside {
        /// Why.
        source: OpenError,
    },
    /// The snapshot would be longer than what is read back.
    #[error("a snapshot of {bytes} bytes is too big: the biggest has {limit}")]
    SnapshotTooBig {
        /// Its size.
        bytes: u64,
        /// The biggest.
        limit: u64,
    },
}

impl OpenError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        let kind = source.kind();
        if kind == io::ErrorKind::PermissionDenied {
            Self::NotPermitted { path, source }
        } else if kind == io::ErrorKind::ReadOnlyFilesystem {
            Self::ReadOnly { path, source }
        } else {
            Self::Io {
                doing,
                path,
                source,
            }
        }
    }
}

impl StoreError {
    /// A failure that changed nothing: no room if that is what it is.
    pub(crate) fn mild(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        if is_full(&source) {
            Self::NoRoom {
                doing,
                path,
                source,
            }
        } else {
            Self::Failed {
                doing,
                path,
                source,
            }
        }
    }
}

/// Whether the disk, or the share of it that this user may have, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
