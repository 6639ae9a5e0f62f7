//! Opening: what is there, in which condition it is, and where writing goes on.
//!
//! Reading decides; the only writes are these. The directories are made. Records that were read but
//! that nothing proves durable are written again in place, because a failed sync in an earlier life
//! may have left them in memory alone. Where writing goes on in their segment, the first commit
//! syncs them with what it brings itself, and the directories, whose syncs may have failed as well;
//! until then nothing read here counts as durable. Else all that is synced at once. A bad snapshot gets a second name for the
//! operator to look at. An archive is made of second names. No byte that was there is changed.

use std::path::{Path, PathBuf};

use crate::archive;
use crate::chain::Tail;
use crate::condition::{Condition, Note, Recovered};
use crate::error::OpenError;
use crate::filesystem::{EntryKind, FileSystem, Lock, LockRefused};
use crate::judge::{self, Judged, Verdict};
use crate::paths::{StorePaths, UnixMs};
use crate::segment::{Ending, FORMAT, Item, Scan, in_words, scan_all};
use crate::snapshot::{self, Found, Identity};
use crate::standing::{Options, Phase, Snapshots};
use crate::writer::{Active, Kept, Resume};

/// Everything that the store is made from.
pub(crate) struct Opened {
    pub(crate) lock: Box<dyn Lock>,
    pub(crate) recovered: Recovered,
    pub(crate) resume: Resume,
    pub(crate) phase: Phase,
    pub(crate) snapshots: Snapshots,
    pub(crate) highest: u64,
}

pub(crate) fn open(
    fs: &dyn FileSystem,
    paths: &StorePaths,
    identity: &Identity,
    options: Options,
    now: UnixMs,
) -> Result<Opened, OpenError> {
    need_dir(fs, paths.dir())?;
    sync_name_of(fs, paths.dir())?;
    let lock = take_lock(fs, paths, now)?;
    let current = snapshot::read(fs, paths.snapshot())?;
    let previous = snapshot::read(fs, &paths.previous())?;
    let scans = scan_all(fs, &paths.journal())?;
    admit_snapshot(&current, identity, paths.snapshot())?;
    admit_snapshot(&previous, identity, &paths.previous())?;
    admit_segments(&scans, identity)?;
    let snapshots = known_snapshots(fs, paths, &current, &previous)?;
    let Judged {
        verdict,
        base,
        chain,
        mut notes,
    } = judge::judge(paths, current, previous, &scans)?;
    let highest = [chain.end, chain.proof, chain.last_known]
        .into_iter()
        .chain(snapshots.previous)
        .chain(snapshots.current.map(|c| c.2))
        .max()
        .unwrap_or(0);

    let (phase, condition) = match verdict {
        Verdict::Fresh => (Phase::NeedsSnapshot, Condition::Fresh),
        Verdict::Restored { bad_current } => {
            if let Some(reason) = bad_current {
                let quarantined_as = quarantine(fs, paths, now)?;
                notes.push(Note::PreviousSnapshotUsed {
                    reason,
                    quarantined_as,
                });
            }
            (Phase::Running, Condition::Restored)
        }
        Verdict::Deleted => {
            let archived_to = archive::archive(fs, paths, &scans, now)?;
            (
                Phase::NeedsSnapshot,
                Condition::SnapshotDeleted { archived_to },
            )
        }
        Verdict::Corrupt(damage) => (Phase::Sealed, Condition::Corrupt(damage)),
    };
    let resume = if phase == Phase::Sealed {
        Resume::after(highest, &scans)
    } else {
        need_dir(fs, &paths.journal())?;
        let resume = resume(fs, identity, options, phase, &scans, chain.end)?;
        make_durable(fs, paths, &scans, chain.proof, resume)?
    };
    let last_seq = chain.end;
    let tail = Tail::new(scans, chain.picks);
    let recovered = Recovered {
        condition,
        snapshot: base,
        tail,
        last_seq,
        notes,
    };
    Ok(Opened {
        lock,
        recovered,
        resume,
        phase,
        snapshots,
        highest,
    })
}

fn parent_of(dir: &Path) -> &Path {
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Makes a directory's name durable: an earlier start may have made it and failed to sync. Whoever
/// made a directory in one that we may not read has seen to that.
fn sync_name_of(fs: &dyn FileSystem, dir: &Path) -> Result<(), OpenError> {
    let parent = parent_of(dir);
    match fs.sync_dir(parent) {
        Err(e) if e.kind() != std::io::ErrorKind::PermissionDenied => {
            Err(OpenError::io("sync", parent, e))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a directory if it is missing, and the new name durable; an error if something else has it.
fn need_dir(fs: &dyn FileSystem, dir: &Path) -> Result<(), OpenError> {
    let parent = parent_of(dir);
    match fs.look(dir).map_err(|e| OpenError::io("look at", dir, e))? {
        // The directory of the state may be a link to another disk; it is never replaced.
        Some(entry) if entry.kind == EntryKind::Symlink && fs.list(dir).is_ok() => Ok(()),
        Some(entry) if entry.kind == EntryKind::Directory => Ok(()),
        Some(entry) => {
            let what = in_words(entry.kind);
            Err(OpenError::NotADirectory {
                path: dir.to_path_buf(),
                what,
            })
        }
        None => {
            fs.create_dir(dir).map_err(|e| {
                if e.kind() == std::io::ErrorKind::NotFound {
                    OpenError::NoDirectory {
                        path: dir.to_path_buf(),
                    }
                } else {
                    OpenError::io("make the directory", dir, e)
                }
            })?;
            fs.sync_dir(parent)
                .map_err(|e| OpenError::io("sync", parent, e))
        }
    }
}

fn take_lock(
    fs: &dyn FileSystem,
    paths: &StorePaths,
    now: UnixMs,
) -> Result<Box<dyn Lock>, OpenError> {
    let path = paths.lock();
    if let Some(entry) = fs
        .look(&path)
        .map_err(|e| OpenError::io("look at", &path, e))?
        && entry.kind != EntryKind::File
    {
        return Err(OpenError::NotAFile {
            path,
            what: in_words(entry.kind),
        });
    }
    let holder = format!("pid {} since {now}", std::process::id());
    fs.lock(&path, &holder).map_err(|refused| match refused {
        LockRefused::Held(holder) => OpenError::Locked { path, holder },
        LockRefused::Io(e) => OpenError::io("lock", path, e),
    })
}

pub(crate) fn admit_snapshot(
    found: &Found,
    wanted: &Identity,
    path: &Path,
) -> Result<(), OpenError> {
    match found {
        Found::Good(found) => snapshot::admit(&found.identity, wanted, path),
        Found::Missing | Found::Bad { .. } => Ok(()),
    }
}

pub(crate) fn admit_segments(scans: &[Scan], wanted: &Identity) -> Result<(), OpenError> {
    for scan in scans {
        let Some((head, _)) = &scan.head else {
            continue;
        };
        if head.format > FORMAT {
            let (found, known) = (head.format, FORMAT);
            return Err(OpenError::Newer {
                path: scan.path.clone(),
                what: "format",
                found,
                known,
            });
        }
        let found = Identity {
            account: head.account.clone(),
            mode: head.mode.clone(),
            schema: head.schema,
        };
        snapshot::admit(&found, wanted, &scan.path)?;
    }
    Ok(())
}

fn known_snapshots(
    fs: &dyn FileSystem,
    paths: &StorePaths,
    current: &Found,
    previous: &Found,
) -> Result<Snapshots, OpenError> {
    let mut known = Snapshots::default();
    if let Found::Good(snapshot) = current {
        let path = paths.snapshot();
        let entry = fs
            .look(path)
            .map_err(|e| OpenError::io("look at", path, e))?;
        known.current = entry.map(|e| (e.inode, e.len, snapshot.last_seq));
    }
    if let Found::Good(snapshot) = previous {
        known.previous = Some(snapshot.last_seq);
    }
    Ok(known)
}

/// Gives the bad snapshot a second name. It keeps its own until the next snapshot replaces it: a
/// missing one would look like the operator's wish for a reset.
fn quarantine(fs: &dyn FileSystem, paths: &StorePaths, now: UnixMs) -> Result<PathBuf, OpenError> {
    let to = paths.quarantined(now);
    let path = paths.snapshot();
    match fs.link(path, &to) {
        Ok(()) => Ok(to),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(to),
        Err(e) => Err(OpenError::io("quarantine", path, e)),
    }
}

/// Writes what nothing proves durable once more, in place. The sync is left to the first commit
/// where that syncs this file.
fn make_durable(
    fs: &dyn FileSystem,
    paths: &StorePaths,
    scans: &[Scan],
    proof: u64,
    mut resume: Resume,
) -> Result<Resume, OpenError> {
    let end = resume.last_seq;
    if let Some((scan, first)) = scans
        .iter()
        .rev()
        .find_map(|s| s.head.as_ref().map(|(_, first)| (s, *first)))
    {
        let counts = |i: &&Item| i.data && i.seq > proof && i.seq <= end;
        let until = scan.items.iter().rfind(counts).map_or(0, Item::end);
        let (from, until) = if proof < first {
            // Nothing in this segment is proven, its head neither.
            (0, until.max(scan.end))
        } else {
            (
                scan.items.iter().find(counts).map_or(0, |i| i.offset),
                until,
            )
        };
        let bytes = scan.bytes.get(from..until).unwrap_or_default();
        let offset = u64::try_from(from).unwrap_or(u64::MAX);
        let failed = |e| OpenError::io("write again", &scan.path, e);
        match &mut resume.active {
            Some(active) if active.ordinal == scan.ordinal => {
                if !bytes.is_empty() {
                    active.file.write_at(bytes, offset).map_err(failed)?;
                }
                resume.durable = proof.min(end);
                resume.unsynced = vec![paths.journal(), paths.dir().to_owned()];
                return Ok(resume);
            }
            _ if bytes.is_empty() => {}
            Some(_) | None => {
                let mut file = fs.open(&scan.path).map_err(failed)?;
                file.write_at(bytes, offset).map_err(failed)?;
                file.sync().map_err(failed)?;
            }
        }
    }
    for dir in [&*paths.journal(), paths.dir()] {
        fs.sync_dir(dir)
            .map_err(|e| OpenError::io("sync", dir, e))?;
    }
    Ok(resume)
}

/// Where writing goes on: in the last segment if it ends cleanly and is wholly ours, else in a new
/// one.
fn resume(
    fs: &dyn FileSystem,
    identity: &Identity,
    options: Options,
    phase: Phase,
    scans: &[Scan],
    last_seq: u64,
) -> Result<Resume, OpenError> {
    let mut resume = Resume::after(last_seq, scans);
    let used = scans.iter().rposition(|s| s.ending != Ending::Blank);
    let open = |scan: &Scan, offset: usize| {
        let file = fs
            .open(&scan.path)
            .map_err(|e| OpenError::io("open", &scan.path, e))?;
        Ok::<_, OpenError>(Active {
            file,
            path: scan.path.clone(),
            ordinal: scan.ordinal,
            offset,
            capacity: scan.body().len(),
        })
    };
    if let Some(scan) = used.and_then(|i| scans.get(i))
        && phase == Phase::Running
        && scan.ending == Ending::Clean
        && !scan.is_cut()
        && scan
            .head
            .as_ref()
            .is_some_and(|(head, _)| head.schema == identity.schema)
    {
        resume.active = Some(open(scan, scan.end)?);
    }
    let blank = scans.get(used.map_or(0, |i| i + 1)..).unwrap_or_default();
    // Numbers have no gaps, so that a segment that somebody deleted is missed.
    resume.next_ordinal = blank.first().map_or(resume.next_ordinal, |s| s.ordinal);
    for scan in blank {
        if resume.prepared.is_none() && scan.bytes.len() == options.segment_bytes {
            resume.prepared = Some(open(scan, 0)?);
            resume.next_ordinal = scan.ordinal + 1;
        } else {
            // All zeros, and of no use: of another length, or one too many.
            fs.remove(&scan.path)
                .map_err(|e| OpenError::io("remove", &scan.path, e))?;
        }
    }
    Ok(resume)
}

impl Resume {
    /// In a new segment after every one that is there.
    fn after(last_seq: u64, scans: &[Scan]) -> Self {
        let kept = scans
            .iter()
            .filter(|s| s.ending != Ending::Blank)
            .map(|s| Kept {
                ordinal: s.ordinal,
                first: s.head.as_ref().map(|(_, first)| *first),
                damaged: judge::has_hole(s, last_seq),
            })
            .collect();
        Self {
            active: None,
            prepared: None,
            next_ordinal: scans.last().map_or(1, |s| s.ordinal + 1),
            kept,
            last_seq,
            durable: last_seq,
            unsynced: Vec::new(),
        }
    }
}
