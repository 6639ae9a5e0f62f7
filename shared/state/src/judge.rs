//! The verdict on what was read. Pure.

use crate::chain::{self, Chain, limits};
use crate::condition::{Damage, Note};
use crate::error::OpenError;
use crate::paths::StorePaths;
use crate::segment::{Ending, Scan};
use crate::snapshot::{Found, Snapshot};

/// What reading alone decides.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) base: Option<Snapshot>,
    pub(crate) chain: Chain,
    pub(crate) notes: Vec<Note>,
}

pub(crate) enum Verdict {
    Fresh,
    /// With what was wrong with the snapshot, if the previous one had to be used.
    Restored {
        bad_current: Option<String>,
    },
    Deleted,
    Corrupt(Damage),
}

/// Judges snapshot, previous snapshot and journal together.
///
/// | snapshot | previous | journal | verdict |
/// | --- | --- | --- | --- |
/// | good | any | complete after it | restored |
/// | bad | good | complete after the previous | restored, with a note |
/// | missing | good | complete after it | deleted |
/// | missing | missing | no record | fresh |
/// | missing | missing | complete from record 1 | deleted |
/// | bad | missing | no record | not ours, an error, unless the file says that it is |
/// | anything else | | | corrupt |
pub(crate) fn judge(
    paths: &StorePaths,
    current: Found,
    previous: Found,
    scans: &[Scan],
) -> Result<Judged, OpenError> {
    let used = scans.iter().any(|s| s.ending != Ending::Blank);
    let nothing_else = !used && matches!(previous, Found::Missing);
    let mut notes = Vec::new();
    let (previous, bad_previous) = match previous {
        Found::Good(snapshot) => (Some(snapshot), None),
        Found::Bad { reason, ours: _ } => (None, Some(reason)),
        Found::Missing => (None, None),
    };
    let (base, when_complete, mut lost) = match current {
        Found::Good(snapshot) => {
            if let Some(reason) = bad_previous {
                notes.push(Note::PreviousSnapshotBad { reason });
            }
            (
                Some(snapshot),
                Verdict::Restored { bad_current: None },
                None,
            )
        }
        Found::Bad { reason, ours } => {
            if !ours && nothing_else {
                return Err(OpenError::NotOurs {
                    path: paths.snapshot().to_path_buf(),
                    reason,
                });
            }
            let lost = previous.is_none().then(|| Damage {
                path: paths.snapshot().to_path_buf(),
                reason: format!("{reason}, and there is no sound previous snapshot"),
            });
            (
                previous,
                Verdict::Restored {
                    bad_current: Some(reason),
                },
                lost,
            )
        }
        Found::Missing => {
            let records = scans.iter().any(|s| !s.items.is_empty());
            let verdict = if previous.is_none() && bad_previous.is_none() && !records {
                Verdict::Fresh
            } else {
                Verdict::Deleted
            };
            let lost = bad_previous.map(|reason| Damage {
                path: paths.previous(),
                reason: format!("the snapshot was deleted, and of the previous one: {reason}"),
            });
            (previous, verdict, lost)
        }
    };
    let chain = chain::follow(scans, base.as_ref().map_or(0, |s| s.last_seq));
    if lost.is_none() && base.is_some() && !used {
        let reason = "the journal that belongs to the snapshot is missing".to_owned();
        lost = Some(Damage {
            path: paths.journal(),
            reason,
        });
    }
    if lost.is_none()
        && let Some(gap) = chain.gap()
    {
        lost = Some(Damage {
            path: paths.journal(),
            reason: gap.to_string(),
        });
    }
    let verdict = match lost {
        Some(damage) => Verdict::Corrupt(damage),
        None => when_complete,
    };
    note_bad_places(scans, chain.end, &mut notes);
    Ok(Judged {
        verdict,
        base,
        chain,
        notes,
    })
}

/// Whether a record is missing from a segment that had it, up to `end`.
pub(crate) fn has_hole(scan: &Scan, end: u64) -> bool {
    let Some((_, first)) = &scan.head else {
        return false;
    };
    let mut next = *first;
    for item in scan.items.iter().filter(|i| i.data && i.seq <= end) {
        if item.seq == next {
            next += 1;
        }
    }
    let proven = scan
        .items
        .iter()
        .filter(|i| i.seq <= end)
        .map(|i| i.seq.max(i.synced))
        .max();
    proven.is_some_and(|proven| proven >= next)
}

fn note_bad_places(scans: &[Scan], end: u64, notes: &mut Vec<Note>) {
    let last_used = scans.iter().rposition(|s| s.ending != Ending::Blank);
    for (index, (scan, limit)) in scans.iter().zip(limits(scans)).enumerate() {
        let segment = scan.path.clone();
        if has_hole(scan, end.min(limit.saturating_sub(1))) {
            notes.push(Note::DamageCovered { segment });
        } else if scan.ending == Ending::Dirty && Some(index) == last_used {
            notes.push(Note::TornWriteDropped {
                segment,
                after_seq: end,
            });
        }
    }
}
