//! What a start tells its caller: the verdict, what to begin from, and what the operator should know.

use std::fmt;
use std::path::PathBuf;

use crate::chain::Tail;
use crate::snapshot::Snapshot;

/// What a start found.
#[derive(Debug)]
pub struct Recovered {
    /// The verdict.
    pub condition: Condition,
    /// The snapshot to begin from, if there is one. After [`Condition::SnapshotDeleted`] it is the
    /// previous one: take from it only what a reset leaves in force. After [`Condition::Corrupt`]
    /// it is the best that could be read.
    pub snapshot: Option<Snapshot>,
    /// The records after it, in order.
    pub tail: Tail,
    /// The number of the last record in snapshot and tail.
    pub last_seq: u64,
    /// What else the operator should know.
    pub notes: Vec<Note>,
}

/// In which condition the state was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There was none.
    Fresh,
    /// Complete: snapshot and tail hold everything that was ever acknowledged.
    Restored,
    /// Somebody deleted the snapshot, which asks for a reset. The journal is complete and was
    /// archived.
    SnapshotDeleted {
        /// The archive.
        archived_to: PathBuf,
    },
    /// Something that was acknowledged cannot be read. The files were left as they are.
    Corrupt(Damage),
}

/// What is damaged, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}. Nothing was changed. Restore a backup (perpsctl state restore FILE), or \
             archive what is there and begin anew (perpsctl state reset) once the account is flat \
             or its positions are known",
            self.path.display(),
            self.reason
        )
    }
}

/// Something a start found that does not stop it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The journal ends in an unfinished write that was never acknowledged; it was dropped.
    TornWriteDropped {
        /// The segment.
        segment: PathBuf,
        /// The last record before it.
        after_seq: u64,
    },
    /// A record is damaged, but the snapshot holds its effect.
    DamageCovered {
        /// The segment.
        segment: PathBuf,
    },
    /// The snapshot was bad; the previous one and the journal gave the same state.
    PreviousSnapshotUsed {
        /// What was wrong.
        reason: String,
        /// A second name for the bad file.
        quarantined_as: PathBuf,
    },
    /// The previous snapshot is bad; it was not needed.
    PreviousSnapshotBad {
        /// What is wrong.
        reason: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornWriteDropped { segment, after_seq } => write!(
                f,
                "{}: an unfinished write after record {after_seq} was dropped; it was never acknowledged",
                segment.display()
            ),
            Self::DamageCovered { segment } => write!(
                f,
                "{}: a record is damaged; nothing is lost, the snapshot holds its effect; check the disk",
                segment.display()
            ),
            Self::PreviousSnapshotUsed {
                reason,
                quarantined_as,
            } => write!(
                f,
                "the snapshot is bad ({reason}) and was kept as {}; the previous one and the journal gave the same state; check the disk",
                quarantined_as.display()
            ),
            Self::PreviousSnapshotBad { reason } => write!(
                f,
                "the previous snapshot is bad ({reason}); it was not needed; check the disk"
            ),
        }
    }
}
