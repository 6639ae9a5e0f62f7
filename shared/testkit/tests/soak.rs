//! A short soak; `make soak SECONDS=600` is a long one. What a long one needs beyond it: a journal
//! that drops its oldest segments while it is judged.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "../../risk/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use history::record;
use protocol::{Decision, Side};
use risk::{Engine, SCHEMA_VERSION};
use state::{Disk, Identity, Options, Store, StorePaths, UnixMs};
use support::{World, wide};
use testkit::Binaries;
use testkit::soak::{Approvals, SoakSpec, soak};

/// A guard's store whose journal keeps as little as it can.
fn small_store(dir: &Path, engine: &Engine) -> Store {
    let identity = Identity {
        account: "acct".into(),
        mode: "testnet".into(),
        schema: SCHEMA_VERSION,
    };
    let sizes = Options {
        segment_bytes: 16 * 1024,
        keep_segments: 1,
        ..Options::default()
    };
    std::fs::create_dir(dir.join("data")).unwrap();
    let paths = StorePaths::new(dir.join("data/perps_state.json"));
    let (mut store, _) = Store::open(Box::new(Disk), &paths, &identity, sizes, UnixMs(0)).unwrap();
    store.snapshot(UnixMs(0), engine.state()).unwrap();
    store
}

#[test]
fn an_approval_counts_after_its_segment_is_gone() {
    let mut world = World::ready(wide());
    for _ in 0..60 {
        world.round_trip("1", "101");
        let buy = world.intent(Side::Buy, "1");
        world.approved(&buy);
    }
    let first = &world.inputs[0];
    let mut engine = Engine::new(risk::Genesis {
        stamp: first.stamp,
        mode: protocol::Mode::Testnet,
        account: protocol::AccountId::new("acct").ok(),
        generation: protocol::Generation(1),
        limits: wide(),
    });
    let dir = tempfile::tempdir().unwrap();
    let mut store = small_store(dir.path(), &engine);
    let mut reader = None;
    let mut sleeper = None;
    let mut all = BTreeMap::new();
    for (n, input) in world.inputs.iter().enumerate() {
        let effects = engine.step(input);
        let mut bytes = Vec::new();
        record::encode(input, None, &effects, &mut bytes).unwrap();
        store.append(UnixMs(input.stamp.venue.0), &bytes).unwrap();
        store.commit().unwrap();
        if let Some(Decision::Approved(approval)) = effects.decision {
            let intent = approval.intent.intent_id.to_string();
            all.insert(approval.link_id.to_string(), intent);
        }
        if n % 20 == 0 {
            let mut new = || Approvals::begin(dir.path()).unwrap();
            let reader = reader.get_or_insert_with(&mut new);
            sleeper.get_or_insert_with(new);
            reader.catch_up(dir.path()).unwrap();
        }
        if n % 50 == 0 {
            store.snapshot(UnixMs(0), engine.state()).unwrap();
            while store.tend(UnixMs(0)).unwrap().more {}
        }
    }
    let mut reader = reader.unwrap();
    reader.catch_up(dir.path()).unwrap();
    assert_eq!(*reader.found(), all);
    assert!(all.len() >= 120, "{}", all.len());

    // Whoever begins at the end sees fewer, and whoever slept says that it cannot know.
    assert!(reader.kept_from() > 1, "the journal has dropped nothing");
    let late = Approvals::begin(dir.path()).unwrap();
    assert!(late.found().len() < all.len(), "{}", late.found().len());
    let why = sleeper.unwrap().catch_up(dir.path()).unwrap_err();
    assert!(why.to_string().contains("dropped unread"), "{why}");
}

#[test]
fn the_books_agree_after_twenty_seconds_of_blows() {
    let dir = tempfile::Builder::new().prefix("soak-").tempdir().unwrap();
    let seed = daemon::clock::wall_now().0.unsigned_abs();
    let mut out = std::io::stdout();
    // Past the captured output: what a failure elsewhere needs to be played again.
    writeln!(out, "soak of 20 s: make soak SECONDS=20 SEED={seed}").unwrap();
    let spec = SoakSpec {
        seconds: 20,
        seed,
        dir: dir.path().to_owned(),
    };
    let binaries = Binaries::beside_this_program().unwrap();
    let verdict = soak(&binaries, &spec, |progress| {
        writeln!(std::io::stdout(), "{progress}").unwrap();
    })
    .unwrap();
    assert!(verdict.faults.is_empty(), "seed {seed}: {verdict:#?}");
    assert!(verdict.blows >= 8 && verdict.openings > 0, "{verdict:#?}");
}
