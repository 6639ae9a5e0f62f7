//! What a store is told at its start, and what it knows of itself from then on.

/// Sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Length of a journal segment, in bytes; from 1 KiB to 256 MiB.
    pub segment_bytes: usize,
    /// How many segments are kept although no snapshot needs them, for replay.
    pub keep_segments: usize,
    /// The most that may wait to be written, in bytes.
    pub buffer_bytes: usize,
}

impl Default for Options {
    /// 1 MiB segments, 32 of them kept, 8 MiB may wait. A start looks at every byte of what may be
    /// written into next: the longer a segment, the longer that takes.
    fn default() -> Self {
        Self {
            segment_bytes: 1024 * 1024,
            keep_segments: 32,
            buffer_bytes: 8 * 1024 * 1024,
        }
    }
}

/// Whether records may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first snapshot must come first.
    NeedsSnapshot,
    /// Everything is allowed.
    Running,
    /// The state is damaged: nothing is written.
    Sealed,
}

/// What is known about the snapshot files.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Snapshots {
    /// The file that stands there, if it is sound: its inode, its length, the last record in it.
    pub(crate) current: Option<(u64, u64, u64)>,
    /// The last record in the one before.
    pub(crate) previous: Option<u64>,
}
