//! Looking at the files of a store without owning it: what a start would find now.
//!
//! Nothing is changed and no lock is taken, so the owner may be writing at the same time; what it
//! has not finished looks like a torn write. A look that finds damage while somebody writes may
//! have been overtaken: look again.

use std::path::PathBuf;

use crate::chain::Tail;
use crate::condition::{Damage, Note};
use crate::error::OpenError;
use crate::filesystem::FileSystem;
use crate::judge::{self, Judged, Verdict};
use crate::paths::StorePaths;
use crate::recovery::{admit_segments, admit_snapshot};
use crate::segment::{Ending, Scan, scan_all};
use crate::snapshot::{self, Found, Identity, Snapshot};

/// What a start would find.
#[derive(Debug)]
pub struct Inspection {
    /// The verdict.
    pub outlook: Outlook,
    /// Whose state it is; `None` if nothing there says so.
    pub identity: Option<Identity>,
    /// The snapshot file: `None` if it is missing, or what is wrong with it.
    pub current: Option<Result<SnapshotFacts, String>>,
    /// The one before it.
    pub previous: Option<Result<SnapshotFacts, String>>,
    /// The segments of the journal, oldest first.
    pub segments: Vec<SegmentFacts>,
    /// What a start would begin from.
    pub base: Option<Snapshot>,
    /// The records after it.
    pub tail: Tail,
    /// The number of the last record in base and tail.
    pub last_seq: u64,
    /// What else the operator should know.
    pub notes: Vec<Note>,
    /// What stands in the lock file: who holds it, or held it last.
    pub holder: Option<String>,
}

/// In which condition a start would find the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook {
    /// There is none.
    Fresh,
    /// Complete.
    Sound,
    /// The snapshot was deleted: the next start resets.
    Deleted,
    /// Something that was acknowledged cannot be read.
    Corrupt(Damage),
}

/// A snapshot file that is sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFacts {
    /// The file.
    pub path: PathBuf,
    /// When it was written, UTC.
    pub written_at: String,
    /// The last record whose effect is in it.
    pub last_seq: u64,
    /// The schema version of its state.
    pub schema: u32,
}

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFacts {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: usize,
    /// The number that its first record has or will have; `None` if it was never used, or if its
    /// head cannot be read.
    pub first_seq: Option<u64>,
    /// Records that can be read.
    pub records: usize,
    /// How it ends: `unused`, `clean` or `torn`.
    pub ending: &'static str,
}

/// Looks at the files of a store. `schema` is the newest that the caller understands.
pub fn inspect(
    fs: &dyn FileSystem,
    paths: &StorePaths,
    schema: u32,
) -> Result<Inspection, OpenError> {
    // The snapshots first: the journal that is read after them reaches at least as far.
    let current = snapshot::read(fs, paths.snapshot())?;
    let previous = snapshot::read(fs, &paths.previous())?;
    let scans = scan_all(fs, &paths.journal())?;
    let identity = whose(&current, &previous, &scans);
    if let Some(identity) = &identity {
        let wanted = Identity {
            schema,
            ..identity.clone()
        };
        admit_snapshot(&current, &wanted, paths.snapshot())?;
        admit_snapshot(&previous, &wanted, &paths.previous())?;
        admit_segments(&scans, &wanted)?;
    }
    let facts = |found: &Found, path: PathBuf| match found {
        Found::Missing => None,
        Found::Bad { reason, ours: _ } => Some(Err(reason.clone())),
        Found::Good(snapshot) => Some(Ok(SnapshotFacts {
            path,
            written_at: snapshot.written_at.clone(),
            last_seq: snapshot.last_seq,
            schema: snapshot.identity.schema,
        })),
    };
    let current_facts = facts(&current, paths.snapshot().to_path_buf());
    let previous_facts = facts(&previous, paths.previous());
    let segments = scans.iter().map(segment_facts).collect();
    let Judged {
        verdict,
        base,
        chain,
        notes,
    } = judge::judge(paths, current, previous, &scans)?;
    let outlook = match verdict {
        Verdict::Fresh => Outlook::Fresh,
        Verdict::Restored { bad_current: _ } => Outlook::Sound,
        Verdict::Deleted => Outlook::Deleted,
        Verdict::Corrupt(damage) => Outlook::Corrupt(damage),
    };
    Ok(Inspection {
        outlook,
        identity,
        current: current_facts,
        previous: previous_facts,
        segments,
        base,
        last_seq: chain.end,
        tail: Tail::new(scans, chain.picks),
        notes,
        holder: holder(fs, paths),
    })
}

fn whose(current: &Found, previous: &Found, scans: &[Scan]) -> Option<Identity> {
    let of_snapshot = |found: &Found| match found {
        Found::Good(snapshot) => Some(snapshot.identity.clone()),
        Found::Missing | Found::Bad { .. } => None,
    };
    let of_journal = || {
        let (head, _) = scans.iter().rev().find_map(|scan| scan.head.as_ref())?;
        Some(Identity {
            account: head.account.clone(),
            mode: head.mode.clone(),
            schema: head.schema,
        })
    };
    of_snapshot(current)
        .or_else(|| of_snapshot(previous))
        .or_else(of_journal)
}

fn segment_facts(scan: &Scan) -> SegmentFacts {
    SegmentFacts {
        path: scan.path.clone(),
        bytes: scan.bytes.len(),
        first_seq: scan.head.as_ref().map(|(_, first)| *first),
        records: scan.items.iter().filter(|item| item.data).count(),
        ending: match scan.ending {
            Ending::Blank => "unused",
            Ending::Clean => "clean",
            Ending::Dirty => "torn",
        },
    }
}

fn holder(fs: &dyn FileSystem, paths: &StorePaths) -> Option<String> {
    let bytes = fs.read(&paths.lock(), 200).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
