//! Journals as a guard writes them, whole, cut, altered and as plain lines, replayed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

#[path = "../../risk/tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use history::{Verdict, record};
use protocol::guard::{ResetTarget, Verb};
use protocol::{Side, Tag};
use replay::{Options, Report, Source, SourceError};
use risk::{Engine, Input, Limits, SCHEMA_VERSION, State};
use state::{Disk, Identity, Options as Sizes, Store, StorePaths, UnixMs};
use support::{World, wide};
use tempfile::TempDir;

/// A guard's day: trades, a streak that trips, a reset, a restart.
fn day() -> (World, Engine) {
    let limits = Limits {
        consecutive_loss_limit: Some(2),
        ..wide()
    };
    let beginning = World::unread(limits.clone());
    let genesis = risk::Genesis {
        stamp: beginning.inputs[0].stamp,
        mode: protocol::Mode::Testnet,
        account: protocol::AccountId::new("acct").ok(),
        generation: protocol::Generation(1),
        limits: limits.clone(),
    };
    let mut world = World::ready(limits);
    for n in 0..30 {
        world.round_trip("1", if n % 7 == 0 { "104" } else { "105" });
        world.round_trip("1", "99");
        world.pass(1_000);
        world.refused_by();
        world.round_trip("1", "103");
    }
    world.closed("-1");
    world.closed("-1");
    assert_eq!(world.refused_by(), Some(Tag::CircuitBreaker));
    world.operate(Verb::Reset {
        what: ResetTarget::CircuitBreaker,
    });
    let buy = world.intent(Side::Buy, "1");
    world.approved(&buy);
    (world, Engine::new(genesis))
}

/// Writes the inputs as the guard does, with a snapshot now and then, perhaps a forged one; gives
/// the state file.
fn written(
    dir: &TempDir,
    inputs: &[Input],
    mut engine: Engine,
    snapshots: &[usize],
    forged: Option<&State>,
) -> PathBuf {
    let file = dir.path().join("perps_state.json");
    let identity = Identity {
        account: "acct".into(),
        mode: "testnet".into(),
        schema: SCHEMA_VERSION,
    };
    let sizes = Sizes {
        segment_bytes: 16 * 1024,
        keep_segments: 1,
        ..Sizes::default()
    };
    let paths = StorePaths::new(&file);
    let (mut store, _) = Store::open(Box::new(Disk), &paths, &identity, sizes, UnixMs(0)).unwrap();
    store.snapshot(UnixMs(0), engine.state()).unwrap();
    let mut bytes = Vec::new();
    for (n, input) in inputs.iter().enumerate() {
        let effects = engine.step(input);
        bytes.clear();
        record::encode(input, None, &effects, &mut bytes).unwrap();
        store.append(UnixMs(input.stamp.venue.0), &bytes).unwrap();
        store.commit().unwrap();
        if snapshots.contains(&n) {
            let state = forged.unwrap_or(engine.state());
            store.snapshot(UnixMs(0), state).unwrap();
            while store.tend(UnixMs(0)).unwrap().more {}
        }
    }
    store.close().unwrap();
    file
}

fn replayed(path: &Path) -> Result<Report, SourceError> {
    let source = Source::open(path)?;
    replay::replay(source, &Options::default(), &mut |_| {})
}

fn assert_identical(report: &Report, world: &World) {
    assert!(report.check.compared > 0);
    assert_eq!(report.check.first_difference, None);
    assert_eq!(report.status.as_ref(), Some(&world.status()));
}

#[test]
fn a_whole_history_comes_out_again() {
    let (world, engine) = day();
    let dir = TempDir::new().unwrap();
    let file = written(&dir, &world.inputs, engine, &[], None);
    let journal = dir.path().join("perps_state.journal");
    for path in [&file, &journal] {
        let report = replayed(path).unwrap();
        assert_identical(&report, &world);
        assert_eq!(report.span.inputs, world.inputs.len() as u64);
        assert!(
            report
                .trips
                .iter()
                .any(|trip| trip.tag == Tag::CircuitBreaker)
        );
        assert!(
            report.trips.iter().all(|trip| trip.ended.is_some()),
            "{:?}",
            report.trips
        );
        assert_eq!(report.decisions.refused[&Tag::CircuitBreaker], 1);
    }
}

#[test]
fn a_history_whose_beginning_is_gone_goes_on_from_the_oldest_snapshot_that_fits() {
    let (world, engine) = day();
    let dir = TempDir::new().unwrap();
    let (half, later) = (world.inputs.len() / 2, world.inputs.len() * 2 / 3);
    let file = written(&dir, &world.inputs, engine, &[half, later], None);
    let journal = dir.path().join("perps_state.journal");
    assert!(!journal.join("00000001.seg").exists(), "it was pruned");
    let report = replayed(&file).unwrap();
    assert_identical(&report, &world);
    assert_eq!(report.span.inputs, (world.inputs.len() - half - 1) as u64);

    // One segment of it: only what is in it is told.
    let mut segments: Vec<PathBuf> = fs::read_dir(&journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    segments.sort();
    let told: u64 = segments
        .iter()
        .filter_map(|segment| replayed(segment).ok())
        .map(|report| report.span.inputs)
        .sum();
    assert!(told >= report.span.inputs, "{told}");

    fs::remove_file(&file).unwrap();
    fs::remove_file(dir.path().join("perps_state.json.prev")).unwrap();
    let refused = replayed(&journal).unwrap_err().to_string();
    assert!(
        refused.contains("does not lead on from any state"),
        "{refused}"
    );
}

#[test]
fn a_step_that_was_recorded_otherwise_is_found() {
    let (world, mut engine) = day();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("inputs");
    let mut lines = Vec::new();
    let approval = world
        .inputs
        .iter()
        .position(|input| matches!(input.kind, risk::InputKind::Authorize(_)))
        .unwrap();
    for input in &world.inputs {
        let effects = engine.step(input);
        record::encode(input, None, &effects, &mut lines).unwrap();
        lines.push(b'\n');
    }
    let text = String::from_utf8(lines).unwrap();
    let sound = "\"verdict\":\"approved\"";
    let altered = "\"verdict\":\"repeated\"";
    fs::write(&file, text.replacen(sound, altered, 1)).unwrap();
    let check = replayed(&file).unwrap().check;
    assert_eq!(check.differences, 1);
    let first = check.first_difference.unwrap();
    assert_eq!(first.record, approval as u64 + 1);
    let verdict = |told: Option<history::Told>| told.unwrap().verdict;
    assert_eq!(verdict(first.recorded), Some(Verdict::Repeated));
    assert_eq!(verdict(first.replayed), Some(Verdict::Approved));

    fs::write(&file, text).unwrap();
    assert_identical(&replayed(&file).unwrap(), &world);
}

#[test]
fn a_snapshot_that_holds_another_state_is_found() {
    let (world, engine) = day();
    let at = world.inputs.len() / 4;
    let dir = TempDir::new().unwrap();
    let file = written(&dir, &world.inputs, engine.clone(), &[at], None);
    let sound = replayed(&file).unwrap().check;
    assert_eq!((sound.snapshots, sound.first_wrong_snapshot), (1, None));

    let mut other = engine.clone();
    other.step(&world.inputs[0]);
    let dir = TempDir::new().unwrap();
    let file = written(&dir, &world.inputs, engine, &[at], Some(other.state()));
    let check = replayed(&file).unwrap().check;
    assert_eq!(
        (check.differences, check.first_wrong_snapshot),
        (0, Some(at as u64 + 1))
    );
}

#[test]
fn lines_may_be_many_and_anybodys() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("inputs");
    // More than a snapshot may have.
    let mut text = vec![b'#'; 65 * 1024 * 1024];
    let (world, mut engine) = day();
    for input in &world.inputs {
        text.push(b'\n');
        let effects = engine.step(input);
        record::encode(input, None, &effects, &mut text).unwrap();
    }
    fs::write(&file, &text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_identical(&replayed(&file).unwrap(), &world);
}
