//! The store on the real file system: the whole life, bad input, permissions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};
use state::{
    Condition, Disk, Identity, Note, OpenError, Options, Recovered, Store, StoreError, StorePaths,
    UnixMs,
};
use tempfile::TempDir;

const NOW: UnixMs = UnixMs(1_795_517_060_123);
const SMALL: Options = Options {
    segment_bytes: 2048,
    keep_segments: 1,
    buffer_bytes: 64 * 1024,
};

fn identity() -> Identity {
    Identity {
        account: "main".into(),
        mode: "testnet".into(),
        schema: 2,
    }
}

struct House {
    root: TempDir,
    paths: StorePaths,
}

impl House {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = StorePaths::new(root.path().join("data/perps_state.json"));
        Self { root, paths }
    }

    fn open(&self) -> Result<(Store, Recovered), OpenError> {
        Store::open(Box::new(Disk), &self.paths, &identity(), SMALL, NOW)
    }

    fn begun() -> Self {
        let house = Self::new();
        let (mut store, recovered) = house.open().unwrap();
        assert_eq!(recovered.condition, Condition::Fresh);
        store.snapshot(NOW, &json!({"halted": false})).unwrap();
        for n in 1..=5 {
            assert_eq!(
                store.append(NOW, format!("record {n}").as_bytes()).unwrap(),
                n
            );
        }
        store.commit().unwrap();
        assert_eq!(store.durable_seq(), 5);
        house
    }

    fn refusal(&self) -> OpenError {
        self.open().err().expect("the store must refuse")
    }
}

fn payloads(recovered: &Recovered) -> Vec<String> {
    recovered
        .tail
        .iter()
        .map(|r| String::from_utf8(r.payload.to_vec()).unwrap())
        .collect()
}

fn state_of(recovered: &Recovered) -> Value {
    serde_json::from_str(recovered.snapshot.as_ref().unwrap().state.get()).unwrap()
}

#[test]
fn a_life_of_commits_snapshots_rotation_and_restarts() {
    let house = House::begun();
    let mut last = 5;
    for round in 0..20_u64 {
        let (mut store, recovered) = house.open().unwrap();
        assert_eq!(recovered.condition, Condition::Restored);
        assert_eq!(recovered.notes, []);
        assert_eq!(recovered.last_seq, last);
        for n in 0..30 {
            store
                .append(NOW, format!("round {round} record {n}").as_bytes())
                .unwrap();
            if n % 7 == 0 {
                store.commit().unwrap();
            }
        }
        store.commit().unwrap();
        last += 30;
        if round % 3 == 0 {
            store.snapshot(NOW, &json!({"round": round})).unwrap();
        }
        while store.tend(NOW).unwrap().more {}
        assert!(store.is_prepared());
        if round % 2 == 0 {
            store.close().unwrap();
        }
    }
    let segments = fs::read_dir(house.paths.journal()).unwrap().count();
    assert!(
        segments < 20,
        "{segments} segments are left: rotation does not bound the journal"
    );
}

#[test]
fn only_the_owner_may_read_any_of_it() {
    let house = House::begun();
    let (mut store, _) = house.open().unwrap();
    store.snapshot(NOW, &json!({})).unwrap();
    while store.tend(NOW).unwrap().more {}
    let mut dirs = vec![house.paths.dir().to_path_buf()];
    while let Some(dir) = dirs.pop() {
        assert_eq!(
            fs::metadata(&dir).unwrap().mode() & 0o777,
            0o700,
            "{}",
            dir.display()
        );
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                assert_eq!(
                    path.metadata().unwrap().mode() & 0o777,
                    0o600,
                    "{}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_snapshot_is_readable_json() {
    let house = House::begun();
    let text = fs::read_to_string(house.paths.snapshot()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["account"], "main");
    assert_eq!(value["mode"], "testnet");
    assert_eq!(value["schema_version"], 2);
    assert_eq!(value["last_seq"], 0);
    assert_eq!(value["written_at"], "2026-11-24T10:44:20.123Z");
    assert_eq!(value["state"], json!({"halted": false}));
    assert!(text.lines().count() > 8, "it is one thing a line");
}

#[test]
fn the_second_owner_is_told_who_holds_it() {
    let house = House::begun();
    let (_store, _) = house.open().unwrap();
    let refusal = house.refusal();
    assert!(matches!(refusal, OpenError::Locked { .. }));
    let pid = format!("pid {}", std::process::id());
    assert!(refusal.to_string().contains(&pid), "{refusal}");
}

#[test]
fn a_deleted_snapshot_archives_the_journal_and_hands_everything_over() {
    let house = House::begun();
    fs::remove_file(house.paths.snapshot()).unwrap();
    for _ in 0..2 {
        // Twice: until the first snapshot is written, the wish stands.
        let (mut store, recovered) = house.open().unwrap();
        let Condition::SnapshotDeleted { archived_to } = &recovered.condition else {
            panic!("{:?}", recovered.condition);
        };
        assert!(archived_to.join("00000001.seg").exists());
        assert_eq!(state_of(&recovered), json!({"halted": false}));
        assert_eq!(payloads(&recovered).len(), 5);
        assert!(matches!(
            store.append(NOW, b"x"),
            Err(StoreError::NoSnapshotYet)
        ));
    }
    let (mut store, _) = house.open().unwrap();
    store.snapshot(NOW, &json!({"carried": "halt"})).unwrap();
    assert_eq!(store.append(NOW, b"after the reset").unwrap(), 6);
    store.commit().unwrap();
    drop(store);
    let (_store, recovered) = house.open().unwrap();
    assert_eq!(recovered.condition, Condition::Restored);
    assert_eq!(state_of(&recovered), json!({"carried": "halt"}));
    assert_eq!(payloads(&recovered), ["after the reset"]);
}

#[test]
fn deleting_the_snapshot_of_a_running_store_resets_nothing() {
    let house = House::begun();
    let (mut store, _) = house.open().unwrap();
    assert!(!store.tend(NOW).unwrap().snapshot_missing);
    fs::remove_file(house.paths.snapshot()).unwrap();
    assert!(store.tend(NOW).unwrap().snapshot_missing);
    store.snapshot(NOW, &json!({"again": true})).unwrap();
    assert!(!store.tend(NOW).unwrap().snapshot_missing);
    drop(store);
    let (_store, recovered) = house.open().unwrap();
    assert_eq!(recovered.condition, Condition::Restored);
    assert_eq!(state_of(&recovered), json!({"again": true}));
}

#[test]
fn a_bad_snapshot_falls_back_to_the_previous_one_and_the_journal() {
    let house = House::begun();
    let (mut store, _) = house.open().unwrap();
    store.snapshot(NOW, &json!({"second": true})).unwrap();
    store.append(NOW, b"record 6").unwrap();
    store.commit().unwrap();
    drop(store);
    for bad in [&b""[..], b"{", b"not json at all"] {
        fs::write(house.paths.snapshot(), bad).unwrap();
        let (_store, recovered) = house.open().unwrap();
        assert_eq!(recovered.condition, Condition::Restored);
        assert!(
            matches!(&recovered.notes[..], [Note::PreviousSnapshotUsed { quarantined_as, .. }]
            if fs::read(quarantined_as).unwrap() == bad)
        );
        assert_eq!(state_of(&recovered), json!({"halted": false}));
        assert_eq!(payloads(&recovered).len(), 6);
    }
    // The bad one is replaced and does not become the previous one.
    let (mut store, _) = house.open().unwrap();
    store.snapshot(NOW, &json!({"third": true})).unwrap();
    drop(store);
    let (_store, recovered) = house.open().unwrap();
    assert_eq!(recovered.notes, []);
    assert_eq!(state_of(&recovered), json!({"third": true}));
}

#[test]
fn a_damaged_state_is_sealed_until_it_is_set_aside() {
    let house = House::begun();
    fs::remove_file(house.paths.previous()).unwrap();
    fs::write(house.paths.snapshot(), b"{\"what\": \"perps guard state\"").unwrap();
    let before = listing(house.paths.dir());
    let (mut store, recovered) = house.open().unwrap();
    let Condition::Corrupt(damage) = &recovered.condition else {
        panic!()
    };
    assert!(
        damage.to_string().contains("perpsctl state reset"),
        "{damage}"
    );
    assert_eq!(
        payloads(&recovered).len(),
        5,
        "what could be read is handed over"
    );
    assert!(matches!(store.append(NOW, b"x"), Err(StoreError::Sealed)));
    assert!(matches!(
        store.snapshot(NOW, &json!({})),
        Err(StoreError::Sealed)
    ));
    store.tend(NOW).unwrap();
    assert_eq!(listing(house.paths.dir()), before, "nothing was changed");
    let archive = store.set_aside(NOW).unwrap();
    assert!(archive.join("perps_state.json").exists());
    store.snapshot(NOW, &json!({"anew": true})).unwrap();
    assert_eq!(store.append(NOW, b"x").unwrap(), 6);
    store.commit().unwrap();
    drop(store);
    let (_store, recovered) = house.open().unwrap();
    assert_eq!(recovered.condition, Condition::Restored);
    assert_eq!(recovered.notes, []);
}

#[test]
fn a_state_without_its_journal_is_damage() {
    let house = House::begun();
    fs::remove_dir_all(house.paths.journal()).unwrap();
    let (_store, recovered) = house.open().unwrap();
    assert!(matches!(recovered.condition, Condition::Corrupt(_)));
}

#[test]
fn a_state_of_another_account_mode_or_newer_schema_is_refused() {
    let house = House::begun();
    let open_as = |account: &str, mode: &str, schema| {
        let identity = Identity {
            account: account.into(),
            mode: mode.into(),
            schema,
        };
        Store::open(Box::new(Disk), &house.paths, &identity, SMALL, NOW).map(|(_, r)| r)
    };
    let foreign = open_as("other", "testnet", 2).unwrap_err();
    assert!(
        matches!(
            foreign,
            OpenError::Foreign {
                what: "account",
                ..
            }
        ),
        "{foreign}"
    );
    let foreign = open_as("main", "live", 2).unwrap_err();
    assert!(
        matches!(foreign, OpenError::Foreign { what: "mode", .. }),
        "{foreign}"
    );
    let newer = open_as("main", "testnet", 1).unwrap_err();
    assert!(matches!(
        newer,
        OpenError::Newer {
            what: "schema",
            found: 2,
            known: 1,
            ..
        }
    ));
    // An older one is the caller's to migrate; a new segment keeps the schemas apart.
    let recovered = open_as("main", "testnet", 3).unwrap();
    assert_eq!(recovered.snapshot.unwrap().identity.schema, 2);
    assert!(recovered.tail.iter().all(|r| r.schema == 2));
    // The journal alone is refused too.
    fs::remove_file(house.paths.snapshot()).unwrap();
    assert!(matches!(
        open_as("other", "testnet", 2),
        Err(OpenError::Foreign { .. })
    ));
}

#[test]
fn bad_input_gets_one_sentence_and_stays_as_it_was() {
    type Spoil = fn(&Path);
    let table: [(&str, Spoil, &str); 9] = [
        (
            "directory",
            |p| fs::create_dir(p).unwrap(),
            "is a directory, not a file",
        ),
        (
            "symlink",
            |p| symlink("elsewhere", p).unwrap(),
            "is a symbolic link, not a file",
        ),
        (
            "empty",
            |p| write(p, b""),
            "was not written by this program (it is empty)",
        ),
        (
            "python bot",
            |p| write(p, b"{\"peak\": 1}"),
            "was not written by this program",
        ),
        (
            "binary",
            |p| write(p, &[0xff; 5000]),
            "was not written by this program",
        ),
        ("1 GB", |p| sparse(p, 1 << 30), "more than the"),
        (
            "writable",
            exposed,
            "may be written by other users (mode 0666)",
        ),
        (
            "segment is a directory",
            |p| segment(p, |s| fs::create_dir(s).unwrap()),
            "not a file",
        ),
        (
            "1 GB segment",
            |p| segment(p, |s| sparse(s, 1 << 30)),
            "more than the",
        ),
    ];
    for (what, spoil, sentence) in table {
        let house = House::new();
        fs::create_dir(house.paths.dir()).unwrap();
        spoil(house.paths.snapshot());
        let before = listing(house.paths.dir());
        let refusal = house.refusal().to_string();
        assert!(refusal.contains(sentence), "{what}: {refusal}");
        assert!(!refusal.contains('\n'), "{what}: {refusal}");
        fs::remove_file(house.paths.lock()).unwrap();
        assert_eq!(listing(house.paths.dir()), before, "{what}");
    }
}

#[test]
fn a_place_that_cannot_hold_a_state_gets_one_sentence() {
    let house = House::new();
    let deep = StorePaths::new(house.root.path().join("a/b/state.json"));
    let refusal = Store::open(Box::new(Disk), &deep, &identity(), SMALL, NOW)
        .err()
        .unwrap();
    assert!(
        matches!(refusal, OpenError::NoDirectory { .. }),
        "{refusal}"
    );
    write(
        &house.root.path().join("data"),
        b"a file where the directory belongs",
    );
    assert!(matches!(house.refusal(), OpenError::NotADirectory { .. }));
}

#[test]
fn a_journal_directory_that_is_a_file_or_a_link_is_refused() {
    for link in [false, true] {
        let house = House::new();
        fs::create_dir(house.paths.dir()).unwrap();
        if link {
            symlink("/", house.paths.journal()).unwrap();
        } else {
            write(&house.paths.journal(), b"");
        }
        assert!(matches!(house.refusal(), OpenError::NotADirectory { .. }));
    }
}

#[test]
fn a_record_too_long_and_a_full_buffer_are_errors_and_no_more() {
    let house = House::begun();
    let (mut store, _) = house.open().unwrap();
    assert!(matches!(
        store.append(NOW, &[b'x'; 4096]),
        Err(StoreError::RecordTooLong { .. })
    ));
    let mut taken = 0;
    while store.append(NOW, &[b'x'; 1000]).is_ok() {
        taken += 1;
    }
    assert!(matches!(
        store.append(NOW, &[b'x'; 1000]),
        Err(StoreError::BufferFull { .. })
    ));
    store.commit().unwrap();
    store.append(NOW, b"y").unwrap();
    store.commit().unwrap();
    drop(store);
    let (_store, recovered) = house.open().unwrap();
    assert_eq!(recovered.tail.len(), 5 + taken + 1);
}

#[test]
fn an_offline_reader_sees_the_journal_of_a_running_store_and_of_an_archive() {
    let house = House::begun();
    let (mut store, _) = house.open().unwrap();
    let journal = state::read_journal(&Disk, &house.paths.journal()).unwrap();
    assert_eq!(
        (journal.records.len(), journal.first_seq, journal.damage),
        (5, Some(1), None)
    );
    let archive = store.set_aside(NOW).unwrap();
    let journal = state::read_journal(&Disk, &archive).unwrap();
    assert_eq!((journal.records.len(), journal.damage), (5, None));
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn exposed(path: &Path) {
    write(path, b"{}");
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
}

fn sparse(path: &Path, bytes: u64) {
    write(path, b"");
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(bytes)
        .unwrap();
}

fn segment(snapshot: &Path, make: fn(&Path)) {
    let journal = StorePaths::new(snapshot).journal();
    fs::create_dir(&journal).unwrap();
    make(&journal.join("00000001.seg"));
}

/// Every name under `dir`, with length and inode.
fn listing(dir: &Path) -> Vec<(String, u64, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        let length = if meta.is_dir() { 0 } else { meta.len() };
        found.push((path.display().to_string(), length, meta.ino()));
        if meta.is_dir() {
            found.extend(listing(&path));
        }
    }
    found.sort();
    found
}
