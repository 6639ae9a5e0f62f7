//! Reading one segment file.
//!
//! A segment is one file of a fixed length, all zeros when it is made. Its first frame is the head:
//! who it belongs to and which record number may come first. Frames follow without gaps; zeros are
//! the end. Reading never stops at the first bad place: what is sound behind it decides whether the
//! bad place is a torn write or damage.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::OpenError;
use crate::filesystem::{EntryKind, FileSystem};
use crate::frame::{self, ALIGN, Kind, frame_bytes};
use crate::paths::UnixMs;
use crate::sparse::{Sparse, is_zero};

/// The journal format that this program writes.
pub(crate) const FORMAT: u32 = 1;
/// The last bytes of every segment, so that a file cut short is told from one never used.
pub(crate) const FOOTER: [u8; 8] = *b"PJR end\n";
/// No segment of ours is longer.
pub(crate) const LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// What the head of a segment says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentHead {
    pub(crate) format: u32,
    pub(crate) account: String,
    pub(crate) mode: String,
    pub(crate) schema: u32,
    pub(crate) ordinal: u64,
    pub(crate) bytes: u64,
    /// What stands before does not lead to what follows: a snapshot came in between that was made
    /// otherwise.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) anew: bool,
}

/// A sound data frame or fence, where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) offset: usize,
    pub(crate) payload_bytes: usize,
    pub(crate) data: bool,
    pub(crate) seq: u64,
    pub(crate) synced: u64,
    pub(crate) at: UnixMs,
}

/// How the run of frames from the start of a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The file is all zeros: prepared, never used.
    Blank,
    /// Zeros, or the end of the file.
    Clean,
    /// Bytes that are no sound frame.
    Dirty,
}

/// Everything that is sound in one segment.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) ordinal: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// Bytes that are known to be zero.
    zeros: Range<usize>,
    /// The head and the first record number, if the head is sound.
    pub(crate) head: Option<(SegmentHead, u64)>,
    /// In the order of the file; behind a bad place too.
    pub(crate) items: Vec<Item>,
    /// Where the sound run from the start ends.
    pub(crate) end: usize,
    pub(crate) ending: Ending,
}

impl Item {
    pub(crate) const fn end(&self) -> usize {
        self.offset + frame_bytes(self.payload_bytes)
    }
}

impl Scan {
    /// The file was cut short: it does not end as every segment does, or not where its head says.
    pub(crate) fn is_cut(&self) -> bool {
        let length = u64::try_from(self.bytes.len());
        let told = self.head.as_ref().map(|(head, _)| head.bytes);
        !self.bytes.ends_with(&FOOTER) || told.is_some_and(|told| length != Ok(told))
    }

    /// The bytes that frames may take.
    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.strip_suffix(&FOOTER).unwrap_or(&self.bytes)
    }

    /// Whether nothing but zeros stands from there to the footer.
    fn is_zero_from(&self, at: usize) -> bool {
        let body = self.body();
        let known = |edge: usize| edge.min(body.len()).max(at);
        let (begins, ends) = (known(self.zeros.start), known(self.zeros.end));
        let look = |place: Range<usize>| is_zero(body.get(place).unwrap_or_default());
        look(at..begins) && look(ends..body.len())
    }

    pub(crate) fn of(ordinal: u64, path: PathBuf, read: Sparse) -> Self {
        let Sparse { bytes, zeros } = read;
        let mut scan = Self {
            ordinal,
            path,
            bytes,
            zeros,
            head: None,
            items: Vec::new(),
            end: 0,
            ending: Ending::Blank,
        };
        scan.read();
        scan
    }

    fn read(&mut self) {
        let length = self.body().len();
        if self.is_zero_from(0) && !self.is_cut() {
            return;
        }
        let mut at = 0;
        let mut sound_so_far = true;
        self.ending = Ending::Clean;
        while at < length {
            let rest = self.body().get(at..).unwrap_or_default();
            let decoded = frame::decode(rest).filter(|f| {
                // A head belongs at the start and nowhere else.
                (f.kind == Kind::SegmentHead) == (at == 0) || !sound_so_far
            });
            let Some(found) = decoded else {
                if sound_so_far {
                    if self.is_zero_from(at) {
                        break;
                    }
                    sound_so_far = false;
                    self.ending = Ending::Dirty;
                }
                at += ALIGN;
                continue;
            };
            let (seq, kind) = (found.seq, found.kind);
            let bytes = frame_bytes(found.payload.len());
            match kind {
                Kind::SegmentHead => {
                    let head = serde_json::from_slice::<SegmentHead>(found.payload).ok();
                    self.head = head
                        .filter(|h| at == 0 && h.ordinal == self.ordinal)
                        .map(|h| (h, seq));
                }
                Kind::Data | Kind::Fence => self.items.push(Item {
                    offset: at,
                    payload_bytes: found.payload.len(),
                    data: kind == Kind::Data,
                    seq,
                    synced: found.synced,
                    at: found.at,
                }),
            }
            at += bytes;
            if sound_so_far {
                self.end = at;
            }
        }
        if self.head.is_none() {
            self.ending = Ending::Dirty;
        }
    }
}

/// Reads every segment of a journal, oldest first. A directory that is not there has none.
pub(crate) fn scan_all(fs: &dyn FileSystem, dir: &Path) -> Result<Vec<Scan>, OpenError> {
    let mut scans = Vec::new();
    for (ordinal, path) in list(fs, dir)? {
        let entry = fs
            .look(&path)
            .map_err(|e| OpenError::io("look at", &path, e))?;
        let Some(entry) = entry else { continue };
        if entry.kind != EntryKind::File {
            let what = in_words(entry.kind);
            return Err(OpenError::NotAFile { path, what });
        }
        if entry.len > LIMIT_BYTES {
            return Err(OpenError::TooBig {
                path,
                bytes: entry.len,
                limit: LIMIT_BYTES,
            });
        }
        let bytes = fs
            .read_sparse(&path, LIMIT_BYTES)
            .map_err(|e| OpenError::io("read", &path, e))?;
        scans.push(Scan::of(ordinal, path, bytes));
    }
    Ok(scans)
}

/// The segments in a directory, oldest first.
fn list(fs: &dyn FileSystem, dir: &Path) -> Result<Vec<(u64, PathBuf)>, OpenError> {
    match fs.look(dir).map_err(|e| OpenError::io("look at", dir, e))? {
        None => return Ok(Vec::new()),
        Some(entry) if entry.kind == EntryKind::Directory => {}
        Some(entry) => {
            let what = in_words(entry.kind);
            return Err(OpenError::NotADirectory {
                path: dir.to_path_buf(),
                what,
            });
        }
    }
    let names = fs.list(dir).map_err(|e| OpenError::io("list", dir, e))?;
    let mut found: Vec<(u64, PathBuf)> = names
        .iter()
        .filter_map(|name| {
            let ordinal = name.strip_suffix(".seg")?.parse::<u64>().ok()?;
            (segment_name(ordinal) == *name).then(|| (ordinal, dir.join(name)))
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// The file name of a segment.
pub(crate) fn segment_name(ordinal: u64) -> String {
    format!("{ordinal:08}.seg")
}

/// What stands there, for an error.
pub(crate) const fn in_words(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "a regular file",
        EntryKind::Directory => "a directory",
        EntryKind::Symlink => "a symbolic link",
        EntryKind::Other => "a socket, a pipe or a device",
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference to it"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    /// Zeros with a byte here and there: what is known about a run of them changes no answer.
    #[test]
    fn zeros_that_are_known_are_zeros_that_are_there() {
        let length = 6 * PAGE;
        let edges: Vec<usize> = (0..6)
            .flat_map(|n| [n * PAGE, n * PAGE + 8, n * PAGE + 4080])
            .collect();
        for &first in &edges {
            for &second in &edges {
                for footer in [false, true] {
                    let mut file = vec![0; length];
                    file[first] = 1;
                    file[second] = 1;
                    if footer {
                        file[length - FOOTER.len()..].copy_from_slice(&FOOTER);
                    }
                    let read = Sparse::read(&file[..], length).unwrap();
                    let scan = Scan::of(1, PathBuf::new(), read);
                    assert_eq!(scan.ending, Ending::Dirty);
                    for &at in edges.iter().filter(|at| **at <= scan.body().len()) {
                        let naive = scan.body()[at..].iter().all(|b| *b == 0);
                        assert_eq!(scan.is_zero_from(at), naive, "{first} {second} from {at}");
                    }
                }
            }
        }
    }

    /// A frame far behind zeros is still found.
    #[test]
    fn what_stands_behind_zeros_is_seen() {
        let mut file = vec![0; 64 * PAGE];
        let fence = frame::Frame {
            kind: Kind::Fence,
            seq: 7,
            synced: 7,
            at: UnixMs(1),
            payload: &[],
        };
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, &fence);
        file[40 * PAGE..40 * PAGE + bytes.len()].copy_from_slice(&bytes);
        let length = file.len();
        file[length - FOOTER.len()..].copy_from_slice(&FOOTER);
        let scan = Scan::of(1, PathBuf::new(), Sparse::read(&file[..], length).unwrap());
        assert_eq!(scan.ending, Ending::Dirty);
        let seen: Vec<_> = scan.items.iter().map(|i| (i.offset, i.synced)).collect();
        assert_eq!(seen, [(40 * PAGE, 7)]);
        assert!(!scan.is_cut());
    }
}
