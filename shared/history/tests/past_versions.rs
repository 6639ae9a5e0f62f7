//! Files of every schema version there ever was: each is read, and says what it said then.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod facts;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use history::{Base, Recorded, Story, rebuild, record, schema};
use risk::{Effects, Genesis, SCHEMA_VERSION, State};
use serde_json::Value;
use state::{Condition, Disk, Identity, Options, Store, StorePaths, UnixMs};
use tempfile::TempDir;

const HOW: &str =
    "run `cargo run --package history --example write_fixture` and commit what it writes";

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/v{version}"))
}

/// A copy that only its owner may read, as a guard leaves it.
fn copy(version: u32) -> (TempDir, StorePaths) {
    let from = fixture(version);
    assert!(from.exists(), "no files of schema version {version}: {HOW}");
    let dir = TempDir::new().unwrap();
    let to = dir.path().join("data");
    let journal = to.join("perps_state.journal");
    fs::create_dir_all(&journal).unwrap();
    let inside = fs::read_dir(&from)
        .unwrap()
        .chain(fs::read_dir(from.join("perps_state.journal")).unwrap());
    for entry in inside {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_file() && name != "facts.json" {
            let place = if path.extension().is_some_and(|end| end == "seg") {
                &journal
            } else {
                &to
            };
            let copied = place.join(name);
            fs::copy(&path, &copied).unwrap();
            fs::set_permissions(&copied, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    (dir, StorePaths::new(to.join("perps_state.json")))
}

fn genesis(story: &Story) -> Genesis {
    match story.base() {
        Base::Beginning(genesis) => (**genesis).clone(),
        Base::Snapshot(_) => panic!("the fixture is whole"),
    }
}

#[test]
fn every_past_version_is_recovered_with_all_that_it_knew() {
    for version in 1..=SCHEMA_VERSION {
        let expected: Value =
            serde_json::from_slice(&fs::read(fixture(version).join("facts.json")).unwrap())
                .unwrap();
        let (_dir, paths) = copy(version);
        let story = Story::read(&Disk, paths.snapshot()).unwrap();
        let identity = Identity {
            account: "zoomex".into(),
            mode: "testnet".into(),
            schema: SCHEMA_VERSION,
        };
        // Twice: what an older version left is not written anew by reading it.
        for _ in 0..2 {
            let (_store, recovered) = Store::open(
                Box::new(Disk),
                &paths,
                &identity,
                Options::default(),
                UnixMs(0),
            )
            .unwrap();
            assert_eq!(recovered.condition, Condition::Restored);
            let rebuilt = rebuild(&recovered, genesis(&story));
            assert_eq!(rebuilt.damage, None, "version {version}");
            assert_eq!(
                facts::of(rebuilt.engine.state()),
                expected,
                "version {version}"
            );
        }
        // A life under the new version, and the next start.
        let (mut store, recovered) = Store::open(
            Box::new(Disk),
            &paths,
            &identity,
            Options::default(),
            UnixMs(0),
        )
        .unwrap();
        let mut engine = rebuild(&recovered, genesis(&story)).engine;
        let tick = risk::Input {
            stamp: rebuild(&recovered, genesis(&story)).last_stamp.unwrap(),
            kind: risk::InputKind::Tick,
        };
        let mut bytes = Vec::new();
        let effects = engine.step(&tick);
        record::encode(&tick, None, &effects, &mut bytes).unwrap();
        store.append(UnixMs(0), &bytes).unwrap();
        store.commit().unwrap();
        drop(store);
        let (_store, recovered) = Store::open(
            Box::new(Disk),
            &paths,
            &identity,
            Options::default(),
            UnixMs(0),
        )
        .unwrap();
        let again = rebuild(&recovered, genesis(&story));
        assert_eq!(again.engine.state(), engine.state(), "version {version}");
    }
}

#[test]
fn the_journal_alone_leads_to_every_snapshot_and_says_what_was_said() {
    let (_dir, paths) = copy(SCHEMA_VERSION);
    let story = Story::read(&Disk, paths.snapshot()).unwrap();
    assert_eq!((story.damage(), story.notes()), (None, &[][..]));
    assert_eq!(story.checkpoints().len(), 2);
    let mut engine = story.engine();
    let mut passed = 0;
    for (seq, recorded) in story.inputs() {
        let Recorded { input, told } = recorded.unwrap();
        let effects = engine.step(&input);
        assert_eq!(record::told(&effects).unwrap(), told, "record {seq}");
        for checkpoint in story.checkpoints().iter().filter(|c| c.seq == seq) {
            assert_eq!(engine.state(), &*checkpoint.state, "after record {seq}");
            passed += 1;
        }
    }
    assert_eq!(passed, 2);
    let journal = Story::read(&Disk, &paths.journal()).unwrap();
    assert_eq!(journal.inputs().count(), story.inputs().count());
}

#[test]
fn what_todays_version_writes_is_what_its_fixture_holds() {
    // The newest snapshot, word for word: an added field that is filled in silently shows here.
    let (_dir, paths) = copy(SCHEMA_VERSION);
    let text = fs::read_to_string(paths.snapshot()).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    let read: State = serde_json::from_value(written["state"].clone()).unwrap();
    assert_eq!(
        serde_json::to_value(&read).unwrap(),
        written["state"],
        "the shape of the state has changed: raise risk::SCHEMA_VERSION (see history::schema) and {HOW}"
    );
    for found in state::read_journal(&Disk, &paths.journal())
        .unwrap()
        .records
        .iter()
    {
        let recorded = schema::record(found.payload, found.schema).unwrap();
        let mut again = Vec::new();
        record::encode(&recorded.input, None, &Effects::default(), &mut again).unwrap();
        let old: Value = serde_json::from_slice(found.payload).unwrap();
        let new: Value = serde_json::from_slice(&again).unwrap();
        assert_eq!(
            new["kind"], old["kind"],
            "the shape of an input has changed: {HOW}"
        );
    }
}

#[test]
fn the_fixture_holds_something_in_every_place_that_matters() {
    let engine = {
        let (_dir, paths) = copy(SCHEMA_VERSION);
        let story = Story::read(&Disk, paths.snapshot()).unwrap();
        let mut engine = story.engine();
        for (_, recorded) in story.inputs() {
            engine.step(&recorded.unwrap().input);
        }
        engine
    };
    let state = engine.state();
    assert!(state.halted.is_some() && state.loss_streak >= 2 && state.wallet.peak.is_some());
    assert!(!state.trips.is_empty() && !state.commands.is_empty() && !state.outbox.is_empty());
    assert!(state.reservations.len() >= 3 && !state.amends.is_empty());
    assert!(!state.book.positions.is_empty() && !state.book.foreign_orders.is_empty());
    assert!(state.venue.banned_until.is_some() && state.venue.access_denied.is_some());
    assert!(!state.venue.stale_candles.is_empty() && !state.refusals_told.is_empty());
}

#[test]
fn a_version_that_never_was_is_refused() {
    for version in [0, SCHEMA_VERSION + 1] {
        assert!(schema::state("{}", version).is_err());
        assert!(schema::record(b"{}", version).is_err());
    }
}

#[test]
fn every_field_of_the_state_is_documented() {
    let (_dir, paths) = copy(SCHEMA_VERSION);
    let text = fs::read_to_string(paths.snapshot()).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state.md");
    let docs = fs::read_to_string(docs).unwrap();
    let missing: Vec<&String> = written["state"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|key| !docs.contains(&format!("| `{key}` |")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/state.md has no line for {missing:?}"
    );
}
