//! What must be true, kept beside the store: every record ever appended, how far it was promised,
//! and the state that follows. A script is played against both.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use state::{
    Condition, FileSystem, Identity, Note, Options, Recovered, Store, StoreError, StorePaths,
    UnixMs,
};

use crate::simulated::{Image, Simulated};

pub(crate) const NOW: UnixMs = UnixMs(1_795_517_060_123);
pub(crate) const OPTIONS: Options = Options {
    segment_bytes: 1024,
    keep_segments: 1,
    buffer_bytes: 64 * 1024,
};

/// What has been promised at a moment.
#[derive(Clone, Default, Debug)]
pub(crate) struct Promise {
    /// Every record appended, acknowledged or not.
    pub(crate) history: Arc<Vec<String>>,
    /// How many of them were acknowledged.
    pub(crate) acked: u64,
    /// For each reset, the number after which it began; the first entry is the beginning.
    pub(crate) resets: Arc<Vec<u64>>,
    /// How many resets are acknowledged by a snapshot: 0 before the first snapshot ever.
    pub(crate) begun: usize,
    /// The operator has deleted the snapshot and no new one is acknowledged.
    pub(crate) deleted: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Append(usize),
    Commit,
    Lazy,
    Tend,
    Snapshot,
    /// An orderly end and a new start.
    Close,
    /// `kill -9` and a new start.
    Kill,
    /// The operator deletes the snapshot between two starts.
    Delete,
    SetAside,
    /// The operator's tool deletes it, and gives the store up.
    WishReset,
    /// Something happened that was not appended.
    BreakOff,
}

pub(crate) struct Life {
    pub(crate) machine: Simulated,
    pub(crate) promise: Promise,
    store: Option<Store>,
    salt: u64,
}

pub(crate) fn paths() -> StorePaths {
    StorePaths::new("/data/state.json")
}

pub(crate) fn identity() -> Identity {
    Identity {
        account: "main".into(),
        mode: "testnet".into(),
        schema: 1,
    }
}

impl Promise {
    /// The state after record `seq`, counted from reset number `epoch`.
    fn state(&self, epoch: usize, seq: u64) -> Value {
        let from = usize::try_from(self.resets[epoch]).unwrap();
        let mut hash = epoch as u64;
        for payload in &self.history[from..usize::try_from(seq).unwrap()] {
            hash = fold(hash, payload.as_bytes());
        }
        json!({"epoch": epoch, "seq": seq, "hash": hash})
    }

    /// Checks what a start found against everything that was promised; the last record.
    pub(crate) fn check(&self, recovered: &Recovered) -> u64 {
        if let Condition::Corrupt(damage) = &recovered.condition {
            panic!("{damage}");
        }
        let end = recovered.last_seq;
        let appended = self.history.len() as u64;
        assert!(
            end >= self.acked,
            "acknowledged up to {}, found {end}",
            self.acked
        );
        assert!(end <= appended, "appended up to {appended}, found {end}");
        for note in &recovered.notes {
            assert!(matches!(note, Note::TornWriteDropped { .. }), "{note}");
        }
        let base = match &recovered.snapshot {
            None => 0,
            Some(snapshot) => {
                let found: Value = serde_json::from_str(snapshot.state.get()).unwrap();
                let epoch = usize::try_from(found["epoch"].as_u64().unwrap()).unwrap();
                assert!(
                    epoch + 1 >= self.begun || self.deleted,
                    "a reset was undone"
                );
                assert_eq!(
                    found,
                    self.state(epoch, snapshot.last_seq),
                    "the state differs"
                );
                snapshot.last_seq
            }
        };
        let mut next = base;
        for record in recovered.tail.iter() {
            next += 1;
            assert_eq!(record.seq, next, "records out of order");
            let at = usize::try_from(next - 1).unwrap();
            assert_eq!(
                record.payload,
                self.history[at].as_bytes(),
                "record {next} differs"
            );
        }
        assert_eq!(next, end);
        match &recovered.condition {
            Condition::Fresh => assert!(
                self.begun == 0 || (self.deleted && self.acked == 0),
                "a state that was begun is gone"
            ),
            Condition::Restored => assert!(recovered.snapshot.is_some()),
            Condition::SnapshotDeleted { .. } => assert!(self.deleted, "nobody deleted it"),
            Condition::Corrupt(damage) => panic!("{damage}"),
        }
        end
    }
}

impl Life {
    /// A life that begins on this machine, which has this behind it.
    pub(crate) fn begin(machine: Simulated, promise: Promise, salt: u64) -> Self {
        let mut life = Self {
            machine,
            promise,
            store: None,
            salt,
        };
        life.publish();
        life.start();
        life
    }

    pub(crate) fn play(&mut self, script: &[Step]) {
        for step in script {
            self.step(*step);
        }
    }

    /// Everything appended is acknowledged, once nothing fails any more.
    pub(crate) fn settle(&mut self) {
        self.machine.heal();
        if self.store.is_none() {
            self.start();
        }
        self.step(Step::Append(30));
        self.step(Step::Commit);
        if self.promise.acked < self.promise.history.len() as u64 {
            self.restart();
            self.step(Step::Append(30));
            self.step(Step::Commit);
        }
        assert_eq!(self.promise.acked, self.promise.history.len() as u64);
    }

    fn step(&mut self, step: Step) {
        let Some(store) = &mut self.store else {
            self.start();
            return;
        };
        let outcome = match step {
            Step::Append(bytes) => {
                let n = self.promise.history.len() + 1;
                let payload = format!("{}/{n}/{}", self.salt, "x".repeat(bytes));
                let appended = store.append(NOW, payload.as_bytes());
                if let Ok(seq) = &appended {
                    assert_eq!(*seq, n as u64);
                    Arc::make_mut(&mut self.promise.history).push(payload);
                    self.publish();
                }
                appended.map(|_| ())
            }
            Step::Commit => {
                let committed = store.commit();
                if committed.is_ok() {
                    self.acknowledge();
                }
                committed
            }
            Step::Lazy => store.flush_lazily(),
            Step::Tend => store.tend(NOW).map(|_| ()),
            Step::Snapshot => {
                let epoch = self.promise.resets.len() - 1;
                let state = self.promise.state(epoch, store.last_seq());
                let written = store.snapshot(NOW, &state);
                if written.is_ok() {
                    self.promise.begun = epoch + 1;
                    self.promise.deleted = false;
                    self.acknowledge();
                }
                written
            }
            Step::Close => {
                let closed = self.store.take().map_or(Ok(()), Store::close);
                // Closing before the first snapshot after a reset promises nothing.
                if closed.is_ok() && self.promise.begun == self.promise.resets.len() {
                    self.acknowledge();
                }
                self.restart();
                Ok(())
            }
            Step::Kill => {
                self.restart();
                Ok(())
            }
            Step::Delete => {
                self.delete();
                Ok(())
            }
            Step::SetAside => {
                let archived = store.set_aside(NOW);
                if archived.is_ok() {
                    let last = store.last_seq();
                    assert_eq!(last, self.promise.history.len() as u64);
                    self.reset(last);
                }
                archived.map(|_| ())
            }
            Step::WishReset => {
                self.promise.deleted = true;
                self.publish();
                // Whether or not it went through: a start finds the wish, or the state as it was.
                drop(self.store.take().map(Store::wish_reset));
                self.restart();
                Ok(())
            }
            Step::BreakOff => {
                store.break_off();
                let last = store.last_seq();
                self.reset(last);
                Ok(())
            }
        };
        self.after(outcome);
    }

    /// A store that is poisoned takes nothing more, and its process starts again.
    fn after(&mut self, outcome: Result<(), StoreError>) {
        match outcome {
            Err(StoreError::Fatal { .. } | StoreError::Poisoned { .. }) => {
                let store = self.store.as_mut().unwrap();
                let refused = store.commit();
                assert!(
                    matches!(
                        refused,
                        Err(StoreError::Poisoned { .. } | StoreError::NoSnapshotYet)
                    ),
                    "{refused:?}"
                );
                self.restart();
            }
            Ok(())
            | Err(
                StoreError::NoSnapshotYet
                | StoreError::NoRoom { .. }
                | StoreError::Failed { .. }
                | StoreError::SetAside { .. }
                | StoreError::BufferFull { .. },
            ) => {}
            Err(
                other @ (StoreError::Sealed
                | StoreError::RecordTooLong { .. }
                | StoreError::Encode { .. }
                | StoreError::SnapshotTooBig { .. }),
            ) => panic!("{other}"),
        }
    }

    fn delete(&mut self) {
        self.store = None;
        self.promise.deleted = true;
        self.publish();
        if self.machine.remove(paths().snapshot()).is_ok() {
            self.machine
                .sync_dir(Path::new("/data"))
                .unwrap_or_default();
        }
        self.restart();
    }

    fn restart(&mut self) {
        self.store = None;
        self.start();
    }

    /// A start on the same boot: what was written is still seen, what was only appended is gone.
    fn start(&mut self) {
        let opened = Store::open(
            Box::new(self.machine.clone()),
            &paths(),
            &identity(),
            OPTIONS,
            NOW,
        );
        let Ok((store, recovered)) = opened else {
            return;
        };
        let end = self.promise.check(&recovered);
        self.salt += 1;
        Arc::make_mut(&mut self.promise.history).truncate(usize::try_from(end).unwrap());
        self.publish();
        self.store = Some(store);
        match recovered.condition {
            Condition::Fresh | Condition::SnapshotDeleted { .. } => {
                self.reset(end);
                self.step(Step::Snapshot);
            }
            Condition::Restored => {
                // A reset whose snapshot was never acknowledged may or may not have happened.
                let state = recovered.snapshot.unwrap().state;
                let found: Value = serde_json::from_str(state.get()).unwrap();
                let epoch = usize::try_from(found["epoch"].as_u64().unwrap()).unwrap();
                Arc::make_mut(&mut self.promise.resets).truncate(epoch + 1);
                self.promise.begun = epoch + 1;
                self.promise.deleted = false;
                match self.store.as_mut().unwrap().commit() {
                    Ok(()) => self.acknowledge(),
                    Err(StoreError::Fatal { .. }) => self.store = None,
                    Err(StoreError::NoRoom { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            Condition::Corrupt(damage) => panic!("{damage}"),
        }
    }

    fn reset(&mut self, after: u64) {
        let resets = Arc::make_mut(&mut self.promise.resets);
        resets.push(after);
        self.publish();
    }

    /// Whatever a commit has returned for, what its start found included, is promised from then on.
    fn acknowledge(&mut self) {
        self.promise.acked = self.promise.history.len() as u64;
        self.publish();
    }

    fn publish(&self) {
        self.machine.promise(&self.promise);
    }
}

/// Starts on an image, checks it, starts again, and lives on for a moment.
pub(crate) fn recover(image: &Image, promise: &Promise) {
    let machine = Simulated::with(image.clone());
    let first = look(&machine, promise);
    let second = look(&machine, promise);
    assert_eq!(first, second, "a second recovery differs");
    // What a recovery has found is promised from its first commit on, even if the power then goes.
    let cut = machine.image().after_cut(|_, _| 0..0, |_| false);
    let third = look(&Simulated::with(cut.clone()), promise);
    assert_eq!(first, third, "what a recovery found was not made durable");
    let mut life = Life::begin(Simulated::with(cut), promise.clone(), 900);
    life.play(&[Step::Append(25), Step::Append(40), Step::Commit]);
    assert_eq!(life.promise.acked, life.promise.history.len() as u64);
    let cut = life.machine.image().after_cut(|_, _| 0..0, |_| false);
    look(&Simulated::with(cut), &life.promise);
}

fn look(machine: &Simulated, promise: &Promise) -> (u64, Option<String>) {
    let (mut store, recovered) = Store::open(
        Box::new(machine.clone()),
        &paths(),
        &identity(),
        OPTIONS,
        NOW,
    )
    .unwrap();
    let end = promise.check(&recovered);
    if recovered.condition == Condition::Restored {
        store.commit().unwrap();
    }
    (end, recovered.snapshot.map(|s| s.state.get().to_owned()))
}

fn fold(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}
