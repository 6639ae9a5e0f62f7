//! A journal and a snapshot: what was acknowledged is still there after any crash.
//!
//! What this room is for: opaque records appended to a checksummed journal, many of them made
//! durable by one `fdatasync`; a readable snapshot that bounds what must be replayed; and a start
//! that says exactly in which condition it found both. What it does not do: know what a record
//! means, read a clock (every time is passed in), use threads or locks between threads. One
//! [`Store`] belongs to one thread.
//!
//! ```text
//! append ─▶ buffer ─▶ commit: one pwrite + one fdatasync ─▶ acknowledged
//!                                   │
//!   data/perps_state.journal/00000001.seg, 00000002.seg, ... (pre-zeroed)
//!   data/perps_state.json         snapshot: temp, fsync, rename, directory fsync
//!   data/perps_state.json.prev    the one before it; the journal always reaches back to it
//!   data/perps_state.json.lock    held for life
//! ```
//!
//! The life of a store:
//! 1. [`Store::open`] takes the lock, reads everything and reports a [`Condition`].
//! 2. After [`Condition::Fresh`] and [`Condition::SnapshotDeleted`] the first call must be
//!    [`Store::snapshot`]; so a journal with records always has, or had, a snapshot beside it, and
//!    a missing snapshot can only mean that somebody deleted it.
//! 3. [`Store::append`] and [`Store::commit`] on the decision path, [`Store::tend`] when idle,
//!    [`Store::snapshot`] now and then, [`Store::close`] at the end.
//!
//! The formats, byte by byte, and the rules of recovery: `docs/state.md`.

mod archive;
mod chain;
mod condition;
mod disk;
mod error;
mod filesystem;
mod frame;
mod inspection;
mod journal;
mod judge;
mod paths;
mod recovery;
mod segment;
mod snapshot;
mod sparse;
mod standing;
mod store;
mod writer;

pub use chain::{Record, Tail};
pub use condition::{Condition, Damage, Note, Recovered};
pub use disk::Disk;
pub use error::{OpenError, StoreError};
pub use filesystem::{Entry, EntryKind, File, FileSystem, Lock, LockRefused};
pub use inspection::{Inspection, Outlook, SegmentFacts, SnapshotFacts, inspect};
pub use journal::{Journal, first_record_of, read_journal};
pub use paths::{StorePaths, UnixMs};
pub use snapshot::{Identity, Snapshot, admit, read_snapshot, write_snapshot};
pub use sparse::Sparse;
pub use standing::Options;
pub use store::{Store, Tended};
