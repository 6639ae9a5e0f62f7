//! Which records of a journal count, and whether any that were durable are missing. Pure.
//!
//! A record counts if it follows the last one without a gap and no later segment has taken over at
//! its number (what a torn write left behind stays in its segment; the next segment's head says
//! where the story goes on). Every frame and every head proves lower numbers durable; a number that
//! is proven and does not count is damage, anything else at the end is a torn write that nobody was
//! ever promised.

use std::fmt;

use crate::frame::HEAD_BYTES;
use crate::paths::UnixMs;
use crate::segment::{Ending, Scan, segment_name};

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number; the first record ever has 1.
    pub seq: u64,
    /// When it was appended, by the caller's clock.
    pub at: UnixMs,
    /// The schema version that it was written under.
    pub schema: u32,
    /// What was appended.
    pub payload: &'a [u8],
}

/// Records in order, over the bytes of the segments that they were read from.
#[derive(Debug, Default)]
pub struct Tail {
    scans: Vec<Scan>,
    picks: Vec<Pick>,
}

/// Where a record that counts lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick {
    segment: usize,
    item: usize,
}

/// The records after `base` and what is known about the end of the journal.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) picks: Vec<Pick>,
    /// The last record that counts; `base` if none does.
    pub(crate) end: u64,
    /// The highest number that some frame proves durable.
    pub(crate) proof: u64,
    /// The highest number that the journal knows of.
    pub(crate) last_known: u64,
    /// The last segment in use is shorter than it should be.
    cut: bool,
    /// The last segment in use ends in bytes that are no frame.
    dirty: bool,
    /// The segment that should stand between the last in use and the prepared one.
    absent: Option<u64>,
    base: u64,
}

/// Why a journal does not hold everything that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gap {
    Missing { first: u64, last: u64 },
    CutShort { after: u64 },
    EndsBefore { end: u64, base: u64 },
    Absent { ordinal: u64 },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { first, last } => {
                write!(
                    f,
                    "records {first} to {last} were acknowledged and cannot be read"
                )
            }
            Self::CutShort { after } => {
                write!(f, "the journal's file was cut short after record {after}")
            }
            Self::Absent { ordinal } => write!(f, "{} is missing", segment_name(*ordinal)),
            Self::EndsBefore { end, base } => {
                write!(
                    f,
                    "the journal ends at record {end}, before the snapshot's {base}"
                )
            }
        }
    }
}

impl Chain {
    /// What is missing, if anything is.
    pub(crate) fn gap(&self) -> Option<Gap> {
        if self.proof > self.end {
            Some(Gap::Missing {
                first: self.end + 1,
                last: self.proof,
            })
        } else if self.cut {
            Some(Gap::CutShort {
                after: self.last_known.min(self.end),
            })
        } else if let Some(ordinal) = self.absent {
            Some(Gap::Absent { ordinal })
        } else if self.last_known < self.base && !self.dirty {
            Some(Gap::EndsBefore {
                end: self.last_known,
                base: self.base,
            })
        } else {
            None
        }
    }
}

/// Follows the records after `base` through the segments, oldest first.
pub(crate) fn follow(scans: &[Scan], base: u64) -> Chain {
    let last_used = scans.iter().rposition(|s| s.ending != Ending::Blank);
    let mut chain = Chain {
        picks: Vec::new(),
        end: base,
        proof: 0,
        last_known: 0,
        cut: last_used.is_some_and(|i| scans[i].is_cut()),
        dirty: last_used.is_some_and(|i| scans[i].ending == Ending::Dirty),
        absent: last_used.and_then(|i| {
            let expected = scans.get(i)?.ordinal + 1;
            (scans.get(i + 1)?.ordinal != expected).then_some(expected)
        }),
        base,
    };
    let limits = limits(scans);
    for (segment, scan) in scans.iter().enumerate() {
        if let Some((_, first)) = &scan.head {
            chain.proof = chain.proof.max(first.saturating_sub(1));
            chain.last_known = chain.last_known.max(first.saturating_sub(1));
        }
        for (index, item) in scan.items.iter().enumerate() {
            chain.proof = chain.proof.max(item.synced);
            // A segment without a head cannot say whose records these are.
            if !item.data || item.seq >= limits[segment] || scan.head.is_none() {
                continue;
            }
            chain.last_known = chain.last_known.max(item.seq);
            if item.seq == chain.end + 1 {
                chain.end = item.seq;
                chain.picks.push(Pick {
                    segment,
                    item: index,
                });
            }
        }
    }
    chain
}

/// For each segment, the first record number that a later one has taken over.
pub(crate) fn limits(scans: &[Scan]) -> Vec<u64> {
    let mut limits = vec![u64::MAX; scans.len()];
    let mut next = u64::MAX;
    for (limit, scan) in limits.iter_mut().zip(scans).rev() {
        *limit = next;
        if let Some((_, first)) = &scan.head {
            next = next.min(*first);
        }
    }
    limits
}

impl Tail {
    pub(crate) fn new(scans: Vec<Scan>, picks: Vec<Pick>) -> Self {
        Self { scans, picks }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.picks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.picks.is_empty()
    }

    /// The records, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.picks.iter().filter_map(|pick| {
            let scan = self.scans.get(pick.segment)?;
            let item = scan.items.get(pick.item)?;
            let start = item.offset + HEAD_BYTES;
            Some(Record {
                seq: item.seq,
                at: item.at,
                schema: scan.head.as_ref().map(|(head, _)| head.schema)?,
                payload: scan.bytes.get(start..start + item.payload_bytes)?,
            })
        })
    }
}
