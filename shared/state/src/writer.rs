//! The writing end of the journal: a buffer, the segment in use, and the next one made ready.
//!
//! A failed sync or write poisons it: what the disk then holds is not known, and a later sync that
//! succeeds says nothing about what the failed one lost. Only a full disk is waited out: the same
//! bytes are written again at the same place.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use crate::error::{StoreError, is_full};
use crate::filesystem::{File, FileSystem, remove_if_there};
use crate::frame::{self, ALIGN, Frame, HEAD_BYTES, Kind, frame_bytes};
use crate::paths::UnixMs;
use crate::segment::{FOOTER, FORMAT, SegmentHead, segment_name};
use crate::snapshot::Identity;
use crate::standing::Options;

/// Zeros written and synced in one idle step.
const PREPARE_BYTES: usize = 512 * 1024;
const ZEROS: &[u8; PREPARE_BYTES] = &[0; PREPARE_BYTES];

/// The segment in use.
pub(crate) struct Active {
    pub(crate) file: Box<dyn File>,
    pub(crate) path: PathBuf,
    pub(crate) ordinal: u64,
    /// Where the next frame goes; at 0 the head is still to be written.
    pub(crate) offset: usize,
    /// Bytes that frames may take: the length less the footer.
    pub(crate) capacity: usize,
}

/// A segment file that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) ordinal: u64,
    /// The first record number, if its head is sound.
    pub(crate) first: Option<u64>,
    /// It holds damage: it is renamed, not removed, when it is not needed any more.
    pub(crate) damaged: bool,
}

struct Preparing {
    file: Box<dyn File>,
    done: usize,
}

/// Where writing goes on after a start.
pub(crate) struct Resume {
    pub(crate) active: Option<Active>,
    pub(crate) prepared: Option<Active>,
    pub(crate) next_ordinal: u64,
    pub(crate) kept: VecDeque<Kept>,
    /// Every record up to this one is written.
    pub(crate) last_seq: u64,
    /// Every record up to this one is durable.
    pub(crate) durable: u64,
    /// The directories whose names are to be made durable with the first commit.
    pub(crate) unsynced: Vec<PathBuf>,
}

pub(crate) struct Writer {
    dir: PathBuf,
    identity: Identity,
    options: Options,
    active: Option<Active>,
    prepared: Option<Active>,
    preparing: Option<Preparing>,
    next_ordinal: u64,
    kept: VecDeque<Kept>,
    buffer: Vec<u8>,
    /// Time of the newest record.
    latest: UnixMs,
    last: u64,
    written: u64,
    durable: u64,
    /// Directories that an earlier life may have failed to sync.
    unsynced: Vec<PathBuf>,
    fenced: u64,
    /// The next segment does not follow from the one before.
    anew: bool,
    poison: Option<String>,
}

impl Writer {
    pub(crate) fn new(dir: PathBuf, identity: Identity, options: Options, from: Resume) -> Self {
        Self {
            dir,
            identity,
            options,
            active: from.active,
            prepared: from.prepared,
            preparing: None,
            next_ordinal: from.next_ordinal,
            kept: from.kept,
            buffer: Vec::new(),
            latest: UnixMs(0),
            last: from.last_seq,
            written: from.last_seq,
            durable: from.durable,
            unsynced: from.unsynced,
            fenced: 0,
            anew: false,
            poison: None,
        }
    }

    pub(crate) const fn last_seq(&self) -> u64 {
        self.last
    }

    pub(crate) const fn durable_seq(&self) -> u64 {
        self.durable
    }

    pub(crate) const fn is_prepared(&self) -> bool {
        self.prepared.is_some()
    }

    /// An error if nothing may be written any more.
    pub(crate) fn usable(&self) -> Result<(), StoreError> {
        match &self.poison {
            None => Ok(()),
            Some(cause) => Err(StoreError::Poisoned {
                cause: cause.clone(),
            }),
        }
    }

    /// Puts a record into the buffer.
    pub(crate) fn append(&mut self, at: UnixMs, payload: &[u8]) -> Result<u64, StoreError> {
        self.usable()?;
        let limit = self.longest_record();
        if payload.len() > limit {
            return Err(StoreError::RecordTooLong {
                bytes: payload.len(),
                limit,
            });
        }
        if self.buffer.len() + frame_bytes(payload.len()) > self.options.buffer_bytes {
            return Err(StoreError::BufferFull {
                waiting: self.buffer.len(),
            });
        }
        self.last += 1;
        self.latest = at;
        let (seq, synced) = (self.last, self.durable);
        frame::encode(
            &mut self.buffer,
            &Frame {
                kind: Kind::Data,
                seq,
                synced,
                at,
                payload,
            },
        );
        Ok(seq)
    }

    /// Writes the buffer without waiting for the disk.
    pub(crate) fn write_out(&mut self, fs: &dyn FileSystem) -> Result<(), StoreError> {
        self.usable()?;
        while !self.buffer.is_empty() {
            self.need_active(fs)?;
            let head = self.head_if_new()?;
            let Some(active) = &mut self.active else {
                continue;
            };
            let room = active.capacity.saturating_sub(active.offset + head.len());
            let (fit, last) = frames_that_fit(&self.buffer, room);
            if fit == 0 {
                self.leave_active(fs)?;
                continue;
            }
            let is_new = !head.is_empty();
            let wrote = if is_new {
                let mut bytes = head;
                bytes.extend_from_slice(&self.buffer[..fit]);
                active.write(&bytes)
            } else {
                active.write(&self.buffer[..fit])
            };
            let path = active.path.clone();
            wrote.map_err(|e| self.write_failed(path, e))?;
            if is_new {
                self.keep_active();
            }
            self.written = self.written.max(last);
            if fit == self.buffer.len() {
                self.buffer.clear();
            } else {
                self.buffer.drain(..fit);
            }
        }
        Ok(())
    }

    /// Writes the buffer and makes everything durable with one sync.
    pub(crate) fn commit(&mut self, fs: &dyn FileSystem) -> Result<(), StoreError> {
        self.write_out(fs)?;
        if self.written > self.durable || !self.unsynced.is_empty() {
            self.sync_active(fs)
        } else {
            Ok(())
        }
    }

    /// Begins a new segment and makes its head durable.
    pub(crate) fn begin_segment(&mut self, fs: &dyn FileSystem) -> Result<(), StoreError> {
        self.commit(fs)?;
        self.active = None;
        self.need_active(fs)?;
        let head = self.head_if_new()?;
        if let Some(active) = &mut self.active {
            let path = active.path.clone();
            active
                .write(&head)
                .map_err(|e| self.write_failed(path, e))?;
            self.keep_active();
        }
        self.sync_active(fs)
    }

    /// Writes down, without waiting for the disk, that everything so far is durable: a flipped byte
    /// in the last record is then damage, and not taken for a torn write.
    pub(crate) fn fence(&mut self) -> Result<(), StoreError> {
        self.usable()?;
        let (seq, at) = (self.durable, self.latest);
        let fits = self
            .active
            .as_ref()
            .is_some_and(|a| a.offset > 0 && a.capacity.saturating_sub(a.offset) >= frame_bytes(0));
        if !fits || !self.buffer.is_empty() || self.written != seq || self.fenced >= seq {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(frame_bytes(0));
        let fence = Frame {
            kind: Kind::Fence,
            seq,
            synced: seq,
            at,
            payload: &[],
        };
        frame::encode(&mut bytes, &fence);
        if let Some(active) = &mut self.active {
            let path = active.path.clone();
            active
                .write(&bytes)
                .map_err(|e| self.write_failed(path, e))?;
            self.fenced = seq;
        }
        Ok(())
    }

    /// Syncs the segment in use, and before it the directories that are owed.
    pub(crate) fn sync_active(&mut self, fs: &dyn FileSystem) -> Result<(), StoreError> {
        while let Some(dir) = self.unsynced.pop() {
            if let Err(source) = fs.sync_dir(&dir) {
                return Err(self.poisoned("sync", dir, source));
            }
        }
        if let Some(active) = &mut self.active
            && let Err(source) = active.file.sync()
        {
            let path = active.path.clone();
            return Err(self.poisoned("sync", path, source));
        }
        self.durable = self.written;
        Ok(())
    }

    /// One bounded step of making the next segment ready; whether more are needed.
    pub(crate) fn prepare_step(&mut self, fs: &dyn FileSystem) -> Result<bool, StoreError> {
        self.usable()?;
        if self.prepared.is_some() {
            return Ok(false);
        }
        let temporary = self.dir.join("next.tmp");
        let Some(mut work) = self.preparing.take() else {
            remove_if_there(fs, &temporary)?;
            let file = fs
                .create(&temporary)
                .map_err(|e| StoreError::mild("make the next segment", &temporary, e))?;
            self.preparing = Some(Preparing { file, done: 0 });
            return Ok(true);
        };
        let capacity = self.options.segment_bytes.saturating_sub(FOOTER.len());
        let step = PREPARE_BYTES.min(capacity.saturating_sub(work.done));
        let (bytes, offset): (&[u8], _) = if step > 0 {
            (&ZEROS[..step], work.done)
        } else {
            (&FOOTER, capacity)
        };
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        work.file
            .write_at(bytes, offset)
            .map_err(|e| StoreError::mild("make the next segment", &temporary, e))?;
        if let Err(source) = work.file.sync() {
            return Err(self.poisoned("sync", temporary, source));
        }
        work.done += step;
        if step > 0 {
            self.preparing = Some(work);
            return Ok(true);
        }
        let ordinal = self.next_ordinal;
        let path = self.dir.join(segment_name(ordinal));
        fs.rename(&temporary, &path)
            .map_err(|e| StoreError::mild("name the next segment", &path, e))?;
        if let Err(source) = fs.sync_dir(&self.dir) {
            let dir = self.dir.clone();
            return Err(self.poisoned("sync", dir, source));
        }
        self.next_ordinal += 1;
        self.prepared = Some(Active {
            file: work.file,
            path,
            ordinal,
            offset: 0,
            capacity,
        });
        Ok(false)
    }

    /// Removes the oldest segment if a later one begins at or before `bound + 1` and more than
    /// `keep_segments` are there; whether it did.
    pub(crate) fn prune_one(
        &mut self,
        fs: &dyn FileSystem,
        bound: u64,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let covered = self
            .kept
            .iter()
            .skip(1)
            .find_map(|k| k.first)
            .is_some_and(|f| f <= bound + 1);
        let enough = self.kept.len() > self.options.keep_segments.max(1);
        let Some(oldest) = self.kept.front().copied().filter(|_| covered && enough) else {
            return Ok(false);
        };
        let path = self.dir.join(segment_name(oldest.ordinal));
        if oldest.damaged {
            let aside = format!("{}.corrupt-{}", segment_name(oldest.ordinal), now.stamp());
            fs.rename(&path, &self.dir.join(aside))
                .map_err(|e| StoreError::mild("set aside", &path, e))?;
        } else {
            remove_if_there(fs, &path)?;
        }
        self.kept.pop_front();
        Ok(true)
    }

    /// Nothing may be written after this.
    pub(crate) fn poisoned(
        &mut self,
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    ) -> StoreError {
        let cause = format!("could not {doing} {}: {source}", path.display());
        self.poison.get_or_insert(cause);
        StoreError::Fatal {
            doing,
            path,
            source,
        }
    }

    /// Goes on after everything that was ever known, in a new segment.
    pub(crate) fn start_over_after(&mut self, seq: u64) {
        self.active = None;
        self.buffer.clear();
        self.last = seq;
        self.written = seq;
        self.durable = seq;
        self.anew = true;
    }

    /// The next segment begins anew, with the next record.
    pub(crate) const fn break_off(&mut self) {
        self.anew = true;
    }

    fn longest_record(&self) -> usize {
        // The head's frame repeats the names of account and mode, JSON-escaped at the worst.
        let names = self.identity.account.len() + self.identity.mode.len();
        let head = frame_bytes(176 + 6 * names);
        self.options
            .segment_bytes
            .saturating_sub(head + HEAD_BYTES + ALIGN + FOOTER.len())
    }

    fn need_active(&mut self, fs: &dyn FileSystem) -> Result<(), StoreError> {
        if self.active.is_none() {
            while self.prepare_step(fs)? {}
            self.active = self.prepared.take();
        }
        Ok(())
    }

    fn leave_active(&mut self, fs: &dyn FileSystem) -> Result<(), StoreError> {
        if self.written > self.durable {
            self.sync_active(fs)?;
        }
        self.active = None;
        Ok(())
    }

    /// The head frame if the segment in use has none yet; nothing otherwise.
    fn head_if_new(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let Some(active) = self.active.as_ref().filter(|a| a.offset == 0) else {
            return Ok(bytes);
        };
        let head = SegmentHead {
            format: FORMAT,
            account: self.identity.account.clone(),
            mode: self.identity.mode.clone(),
            schema: self.identity.schema,
            ordinal: active.ordinal,
            bytes: u64::try_from(active.capacity + FOOTER.len()).unwrap_or(u64::MAX),
            anew: self.anew,
        };
        let payload = serde_json::to_vec(&head).map_err(|source| StoreError::Encode { source })?;
        let frame = Frame {
            kind: Kind::SegmentHead,
            seq: self.written + 1,
            synced: self.durable,
            at: self.latest,
            payload: &payload,
        };
        frame::encode(&mut bytes, &frame);
        Ok(bytes)
    }

    fn keep_active(&mut self) {
        self.anew = false;
        if let Some(active) = &self.active {
            let first = Some(self.written + 1);
            self.kept.push_back(Kept {
                ordinal: active.ordinal,
                first,
                damaged: false,
            });
        }
    }

    fn write_failed(&mut self, path: PathBuf, source: io::Error) -> StoreError {
        if is_full(&source) {
            StoreError::mild("write", path, source)
        } else {
            self.poisoned("write", path, source)
        }
    }
}

impl Active {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let offset = u64::try_from(self.offset).unwrap_or(u64::MAX);
        self.file.write_at(bytes, offset)?;
        self.offset += bytes.len();
        Ok(())
    }
}

/// How many bytes of whole frames fit into `room`, and the number of the last of them.
fn frames_that_fit(buffer: &[u8], room: usize) -> (usize, u64) {
    let (mut fit, mut last) = (0, 0);
    while let Some(found) = buffer.get(fit..).and_then(frame_outline)
        && fit + found.0 <= room
    {
        fit += found.0;
        last = found.1;
    }
    (fit, last)
}

/// Size and number of the frame at the start of bytes that we encoded ourselves.
fn frame_outline(bytes: &[u8]) -> Option<(usize, u64)> {
    let length = u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?);
    let seq = u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?);
    Some((frame_bytes(usize::try_from(length).ok()?), seq))
}
