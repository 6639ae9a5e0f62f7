//! The journal as the loop uses it: record, commit once a turn, tend when idle.
//!
//! What this room is for: keeping one simple word on whether the state can be written
//! ([`Journal::fault`]), and the rule that a record which could not be taken leaves a gap that only
//! a whole snapshot can close. What it does not do: read (`recovery` does), or know what a record
//! means.

use std::error::Error;

use history::record;
use protocol::guard::StoreReport;
use protocol::{BootMs, VenueMs};
use risk::{Effects, Input, State};
use serde_json::value::RawValue;
use state::{Store, StoreError, UnixMs};

/// Records after which a snapshot is written in the next idle moment.
const SNAPSHOT_AFTER_RECORDS: u64 = 20_000;

/// Records after which it does not wait for an idle moment any more.
const SNAPSHOT_AT_LAST_RECORDS: u64 = 200_000;

/// Time after which a snapshot is written if there is anything new.
const SNAPSHOT_AFTER_MS: u64 = 60_000;

/// A guard that has just started answers first; its files wait for so long.
const AFTER_START_MS: u64 = 1_000;

/// How long a record may wait in memory; a kill loses no more than that of what nobody was told.
const WRITE_AFTER_MS: u64 = 20;

/// How often the files are looked after when there is nothing to do.
const TEND_MS: u64 = 1_000;

/// How long tending may be put off by traffic.
const TEND_LATE_MS: u64 = 100;

/// The store and what the loop must know of it.
pub(crate) struct Journal {
    store: Store,
    record: Vec<u8>,
    fault: Option<String>,
    /// Something was not recorded: the journal does not lead to the engine's state any more.
    gap: bool,
    /// Nothing is ever written: what was found is damaged and stays as it is.
    sealed: bool,
    /// Records that no snapshot holds.
    new_records: u64,
    /// Until then nothing but records is written.
    settled: BootMs,
    snapshot_due: BootMs,
    tend_due: BootMs,
}

impl Journal {
    /// A store that takes records; `tail` of them are in no snapshot.
    pub(crate) fn new(store: Store, tail: usize, now: BootMs) -> Self {
        let settled = now.after(AFTER_START_MS);
        Self {
            store,
            record: Vec::new(),
            fault: None,
            gap: false,
            sealed: false,
            new_records: u64::try_from(tail).unwrap_or(u64::MAX),
            settled,
            // The first one soon: then two stand there, and one may get lost.
            snapshot_due: settled,
            tend_due: settled,
        }
    }

    /// A store whose files are damaged and stay as they are.
    pub(crate) fn sealed(store: Store, why: String, now: BootMs) -> Self {
        Self {
            fault: Some(why),
            sealed: true,
            ..Self::new(store, 0, now)
        }
    }

    /// Why the state cannot be written; `None` if it can.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Takes an input that the engine has just stepped, and what that brought about. Durable after
    /// the next commit.
    pub(crate) fn record(&mut self, input: &Input, body: Option<&RawValue>, effects: &Effects) {
        if self.sealed || self.gap {
            return;
        }
        self.record.clear();
        let taken = match record::encode(input, body, effects, &mut self.record) {
            Ok(()) => {
                let at = UnixMs(input.stamp.venue.0);
                self.store
                    .append(at, &self.record)
                    .map_err(|error| fault(&error))
            }
            Err(error) => Err(format!("an input cannot be written as JSON: {error}")),
        };
        match taken {
            Ok(_) => {
                self.new_records = self.new_records.saturating_add(1);
                self.tend_due = self.tend_due.min(input.stamp.boot.after(WRITE_AFTER_MS));
            }
            Err(why) => {
                self.store.break_off();
                self.gap = true;
                self.fault = Some(why);
            }
        }
    }

    /// Makes everything recorded so far durable, or leaves a fault.
    pub(crate) fn commit(&mut self) {
        if self.sealed || self.gap {
            return;
        }
        self.fault = self.store.commit().err().map(|error| fault(&error));
    }

    /// How the files stand.
    pub(crate) fn report(&self) -> StoreReport {
        StoreReport {
            pid: std::process::id(),
            file: self.store.paths().snapshot().display().to_string(),
            last_seq: self.store.last_seq(),
            durable_seq: self.store.durable_seq(),
            snapshot_seq: self.store.snapshot_seq(),
            fault: self.fault.clone(),
            sealed: self.sealed,
        }
    }

    /// Archives what is damaged, so that the next snapshot begins anew; nothing if nothing is. The
    /// fault stays until that snapshot is written.
    pub(crate) fn unseal(&mut self, wall: VenueMs) -> Result<(), String> {
        if !self.sealed {
            return Ok(());
        }
        let archive = self.store.set_aside(UnixMs(wall.0));
        let archive = archive.map_err(|error| fault(&error))?;
        tracing::warn!(archive = %archive.display(), "the damaged state is archived");
        self.sealed = false;
        self.gap = true;
        Ok(())
    }

    /// Writes a snapshot now; leaves a fault if that fails.
    pub(crate) fn save(&mut self, state: &State, wall: VenueMs, now: BootMs) {
        if !self.sealed {
            self.snapshot(state, wall, now);
        }
    }

    /// When to be tended although nothing has come.
    pub(crate) fn deadline(&self) -> Option<BootMs> {
        (!self.sealed).then_some(self.tend_due)
    }

    /// Work for the end of a turn. `idle`: nothing has come in it.
    pub(crate) fn tend(&mut self, state: &State, wall: VenueMs, now: BootMs, idle: bool) {
        if self.sealed || now < self.tend_due {
            return;
        }
        if self.fault.is_some() {
            self.tend_due = now.after(TEND_MS);
            self.mend(state, wall, now);
            return;
        }
        if !idle && now.since(self.tend_due) < TEND_LATE_MS {
            return;
        }
        match self.store.tend(UnixMs(wall.0)) {
            Ok(tended) => {
                self.tend_due = if tended.more { now } else { now.after(TEND_MS) };
                if tended.snapshot_missing {
                    let file = self.store.paths().snapshot().display().to_string();
                    tracing::warn!(
                        file,
                        "the state file was deleted while the guard runs: nothing is reset, it is written again"
                    );
                    self.snapshot(state, wall, now);
                } else if self.is_snapshot_due(now, idle) {
                    self.snapshot(state, wall, now);
                }
            }
            Err(error) => {
                self.tend_due = now.after(TEND_MS);
                self.fault = Some(fault(&error));
            }
        }
    }

    /// Leaves everything durable and a fresh snapshot, as far as the disk allows.
    pub(crate) fn close(mut self, state: &State, wall: VenueMs, now: BootMs) {
        if self.sealed {
            return;
        }
        if self.gap || self.new_records > 0 {
            self.snapshot(state, wall, now);
        }
        if let Err(error) = self.store.close() {
            tracing::error!(why = chain(&error), "the journal could not be closed");
        }
    }

    /// Tries again what did not work.
    fn mend(&mut self, state: &State, wall: VenueMs, now: BootMs) {
        if self.gap {
            self.snapshot(state, wall, now);
        } else {
            self.commit();
        }
        if self.fault.is_none() {
            tracing::info!("the state can be written again");
        }
    }

    fn is_snapshot_due(&self, now: BootMs, idle: bool) -> bool {
        let many = self.new_records >= SNAPSHOT_AFTER_RECORDS;
        let late = self.new_records > 0 && now >= self.snapshot_due;
        let calm = idle && now >= self.settled;
        self.new_records >= SNAPSHOT_AT_LAST_RECORDS || (calm && (many || late))
    }

    fn snapshot(&mut self, state: &State, wall: VenueMs, now: BootMs) {
        match self.store.snapshot(UnixMs(wall.0), state) {
            Ok(()) => {
                self.gap = false;
                self.fault = None;
                self.new_records = 0;
                self.snapshot_due = now.after(SNAPSHOT_AFTER_MS);
            }
            Err(error) => self.fault = Some(fault(&error)),
        }
    }
}

/// An error with everything behind it.
/// A failure in words, and whether it needs a hand.
fn fault(error: &StoreError) -> String {
    let mut text = chain(error);
    if matches!(error, StoreError::NoRoom { .. }) {
        text.push_str("; it goes on by itself then");
    }
    text
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
