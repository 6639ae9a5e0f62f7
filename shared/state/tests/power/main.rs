//! The power is cut after every operation and at every byte of every write; every operation fails
//! once; every byte of every file is flipped. Whatever happens: all that was acknowledged is there,
//! nothing is invented, and a second recovery gives the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail loudly, and the count of cut points is worth seeing"
)]

mod model;
mod simulated;

use std::io::ErrorKind;
use std::ops::Range;

use model::{Life, NOW, OPTIONS, Promise, Step, identity, paths, recover};
use proptest::prelude::*;
use simulated::{CutPoint, Fault, Simulated};
use state::{Condition, Store};

use Step::{
    Append, BreakOff, Close, Commit, Delete, Kill, Lazy, SetAside, Snapshot, Tend, WishReset,
};

/// A life with all there is: batches, lazy writes, rotation, snapshots, pruning, restarts.
const LIFE: &[Step] = &[
    Append(20),
    Commit,
    Append(70),
    Append(1),
    Append(130),
    Commit,
    Tend,
    Tend,
    Lazy,
    Append(33),
    Lazy,
    Append(8),
    Lazy,
    Append(15),
    Commit,
    Append(200),
    Tend,
    Append(90),
    Commit,
    Snapshot,
    Append(60),
    Commit,
    Kill,
    Append(120),
    Append(150),
    Append(170),
    Commit,
    Tend,
    Tend,
    Append(400),
    Append(300),
    Append(350),
    Commit,
    Snapshot,
    Tend,
    Tend,
    Tend,
    Append(44),
    Lazy,
    Kill,
    Append(200),
    Append(210),
    Append(220),
    Lazy,
    Append(230),
    Snapshot,
    Tend,
    Tend,
    Tend,
    Append(9),
    Commit,
    Close,
    Append(61),
    Commit,
    Tend,
];

/// The operator's resets.
const RESETS: &[Step] = &[
    Append(20),
    Commit,
    Append(50),
    Lazy,
    Delete,
    Append(30),
    Commit,
    Snapshot,
    Append(31),
    Commit,
    Delete,
    Append(32),
    Commit,
    SetAside,
    Snapshot,
    Append(33),
    Commit,
    Append(34),
    BreakOff,
    Snapshot,
    Append(35),
    Commit,
    Snapshot,
    Append(36),
    WishReset,
    Append(37),
    Commit,
    Append(38),
    BreakOff,
    SetAside,
    Snapshot,
    Append(39),
    Commit,
    Tend,
    Tend,
];

#[test]
fn the_power_cut_after_every_operation_and_at_every_byte() {
    let mut count = 0;
    for script in [LIFE, RESETS] {
        for cut in cut_points(script) {
            count += all_cuts(&cut, 8);
        }
    }
    println!("power cuts: {count} cut points, every one recovered");
}

#[test]
fn the_power_cut_again_during_the_recovery() {
    let mut count = 0;
    for script in [LIFE, RESETS] {
        for cut in cut_points(script) {
            for image in [
                cut.image.after_cut(|_, n| 0..n / 2, |k| k % 2 == 0),
                // Not a cut: the process was killed.
                cut.image.clone(),
            ] {
                let machine = Simulated::with(image);
                machine.record();
                let mut life = Life::begin(machine.clone(), cut.promise.clone(), 500);
                life.play(&[Append(24), Commit, Snapshot]);
                for again in machine.take_cuts() {
                    count += some_cuts(&again);
                }
            }
        }
    }
    println!("power cuts during recovery: {count} cut points, every one recovered");
}

/// What was read and nothing proves durable counts as durable from the first commit on, not before.
#[test]
fn what_a_start_found_is_durable_with_its_first_commit() {
    let machine = Simulated::default();
    let start = || {
        let fs = Box::new(machine.clone());
        Store::open(fs, &paths(), &identity(), OPTIONS, NOW)
            .unwrap()
            .0
    };
    let mut store = start();
    store.snapshot(NOW, &0).unwrap();
    store.append(NOW, b"committed").unwrap();
    store.commit().unwrap();
    store.append(NOW, b"written").unwrap();
    store.flush_lazily().unwrap();
    drop(store);
    let mut store = start();
    assert_eq!((store.last_seq(), store.durable_seq()), (2, 1));
    store.commit().unwrap();
    assert_eq!((store.last_seq(), store.durable_seq()), (2, 2));
}

#[test]
fn every_operation_fails_once_or_from_then_on() {
    let mut count = 0;
    for script in [LIFE, RESETS] {
        let operations = {
            let mut life = Life::begin(Simulated::default(), Promise::default(), 0);
            life.play(script);
            life.machine.operations()
        };
        for at in 0..operations {
            for error in [ErrorKind::StorageFull, ErrorKind::Other] {
                for (quarters, sticky) in [(0, false), (2, false), (4, false), (1, true)] {
                    let machine = Simulated::default();
                    machine.fail(Fault {
                        at,
                        error,
                        quarters,
                        sticky,
                    });
                    let mut life = Life::begin(machine, Promise::default(), 0);
                    life.play(script);
                    recover(
                        &life.machine.image().after_cut(|_, _| 0..0, |_| false),
                        &life.promise,
                    );
                    life.settle();
                    for names in [false, true] {
                        let cut = life.machine.image().after_cut(|_, _| 0..0, |_| names);
                        recover(&cut, &life.promise);
                    }
                    count += 1;
                }
            }
        }
    }
    println!("failing operations: {count} runs, nothing acknowledged was lost");
}

#[test]
fn every_flipped_byte_and_every_shortened_file_is_found() {
    let mut life = Life::begin(Simulated::default(), Promise::default(), 0);
    life.play(LIFE);
    let (image, promise) = (life.machine.image(), life.promise.clone());
    drop(life);
    let (mut exact, mut corrupt, mut refused) = (0, 0, 0);
    let mut judge = |image: simulated::Image, what: &str| {
        let machine = Simulated::with(image);
        match Store::open(Box::new(machine), &paths(), &identity(), OPTIONS, NOW) {
            Err(_) => refused += 1,
            Ok((_, recovered)) => match recovered.condition {
                Condition::Corrupt(_) => corrupt += 1,
                Condition::Restored => {
                    let notes = recovered.notes.clone();
                    let quiet = state::Recovered {
                        notes: Vec::new(),
                        ..recovered
                    };

                    assert_eq!(promise.check(&quiet), promise.acked, "{what}: {notes:?}");
                    exact += 1;
                }
                other @ (Condition::Fresh | Condition::SnapshotDeleted { .. }) => {
                    panic!("{what}: {other:?}")
                }
            },
        }
    };
    for path in image.files() {
        for at in 0..image.length(&path) {
            for bits in [0x01, 0x80, 0xff] {
                let mut flipped = image.clone();
                flipped.spoil(&path, |bytes| bytes[at] ^= bits);
                judge(
                    flipped,
                    &format!("{} byte {at} bits {bits:#x}", path.display()),
                );
            }
            let mut short = image.clone();
            short.spoil(&path, |bytes| bytes.truncate(at));
            judge(short, &format!("{} cut at {at}", path.display()));
        }
    }
    println!(
        "spoilt files: {exact} harmless and exact, {corrupt} found corrupt, {refused} refused"
    );
    assert!(corrupt > 0 && exact > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_life_cut_anywhere_recovers(
        script in proptest::collection::vec(any_step(), 1..60),
        seed in any::<u64>(),
    ) {
        let cuts = cut_points(&script);
        let mut seed = seed | 1;
        for _ in 0..30 {
            let cut = &cuts[usize::try_from(random(&mut seed) % cuts.len() as u64).unwrap()];
            random_cut(cut, &mut seed);
        }
    }

    #[test]
    fn any_life_with_any_failure_keeps_its_promises(
        script in proptest::collection::vec(any_step(), 1..60),
        at in 0..120_u64,
        full in any::<bool>(),
        quarters in 0..5_usize,
        sticky in any::<bool>(),
    ) {
        let error = if full { ErrorKind::StorageFull } else { ErrorKind::Other };
        let machine = Simulated::default();
        machine.fail(Fault { at, error, quarters, sticky });
        let mut life = Life::begin(machine, Promise::default(), 0);
        life.play(&script);
        life.settle();
        recover(&life.machine.image().after_cut(|_, _| 0..0, |_| false), &life.promise);
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..300_usize).prop_map(Append),
        4 => Just(Commit),
        2 => Just(Lazy),
        3 => Just(Tend),
        2 => Just(Snapshot),
        1 => Just(Close),
        1 => Just(Kill),
        1 => Just(Delete),
        1 => Just(SetAside),
        1 => Just(BreakOff),
        1 => Just(WishReset),
    ]
}

/// Plays a script from nothing and gives the moment before each of its operations, and the end.
fn cut_points(script: &[Step]) -> Vec<CutPoint> {
    let machine = Simulated::default();
    machine.record();
    let mut life = Life::begin(machine.clone(), Promise::default(), 0);
    life.play(script);
    let mut cuts = machine.take_cuts();
    cuts.push(CutPoint {
        image: machine.image(),
        in_flight: None,
        promise: life.promise,
    });
    cuts
}

/// Every choice of names, many of writes, and the write under way torn at every byte.
fn all_cuts(cut: &CutPoint, randoms: u32) -> u32 {
    let mut count = some_cuts(cut);
    let names = cut.image.pending_names();
    if names <= 6 {
        for choice in 0..1_u32 << names {
            for whole in [false, true] {
                let image = cut
                    .image
                    .after_cut(|_, n| part(whole, n), |k| choice >> k & 1 == 1);
                recover(&image, &cut.promise);
                count += 1;
            }
        }
    }
    for kept in 0..cut.image.pending_writes() {
        for alone in [false, true] {
            let image = cut
                .image
                .after_cut(|k, n| part((k == kept) == alone, n), |_| true);
            recover(&image, &cut.promise);
            count += 1;
        }
    }
    if let Some(in_flight) = &cut.in_flight {
        let image = cut.image.with_in_flight(in_flight);
        let index = image.in_flight_index(in_flight);
        let length = in_flight.2.len();
        // Of zeros that prepare a segment one end is enough: the file has no name of its own yet.
        let prepares = in_flight.2.iter().all(|b| *b == 0);
        for at in 0..=length {
            let ways = [(true, 0..at), (false, 0..at), (true, at..length)];
            for (others, torn) in ways.into_iter().take(if prepares { 1 } else { 3 }) {
                let torn = |k: usize, n: usize| {
                    if k == index {
                        torn.clone()
                    } else {
                        part(others, n)
                    }
                };
                recover(&image.after_cut(torn, |_| true), &cut.promise);
                count += 1;
            }
        }
    }
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..randoms {
        random_cut(cut, &mut seed);
        count += 1;
    }
    count
}

/// Nothing reached the disk, everything did, or only names, or only contents.
fn some_cuts(cut: &CutPoint) -> u32 {
    for (writes, names) in [(false, false), (true, true), (false, true), (true, false)] {
        recover(
            &cut.image.after_cut(|_, n| part(writes, n), |_| names),
            &cut.promise,
        );
    }
    4
}

fn random_cut(cut: &CutPoint, seed: &mut u64) {
    let image = match &cut.in_flight {
        Some(in_flight) => cut.image.with_in_flight(in_flight),
        None => cut.image.clone(),
    };
    let mut names = *seed;
    let image = image.after_cut(
        |_, n| {
            let n = n as u64 + 1;
            let (a, b) = (random(seed) % n, random(seed) % n);
            usize::try_from(a.min(b)).unwrap()..usize::try_from(a.max(b)).unwrap()
        },
        |_| random(&mut names).is_multiple_of(2),
    );
    recover(&image, &cut.promise);
}

fn part(whole: bool, n: usize) -> Range<usize> {
    if whole { 0..n } else { 0..0 }
}

/// xorshift64*: the same cuts in every run.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
}
