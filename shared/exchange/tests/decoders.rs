//! Every decoder over the fuzz target's corpus and our own fixtures, whole, cut, bent and spliced:
//! no panic, and nothing said that could not stand in a log line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::fs;
use std::path::Path;

use exchange::decoders::decode;
use proptest::prelude::*;
use protocol::Symbol;

fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

fn harmless(bytes: &[u8]) {
    for said in decode(bytes, symbol("USDT"), symbol("SOLUSDT")) {
        assert!(!said.contains(['\n', '\r', '\u{1b}']), "{said:?}");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    for folder in [
        here.join("tests/fixtures"),
        here.join("../../fuzz/corpus/decoders"),
    ] {
        for file in fs::read_dir(&folder).unwrap() {
            seeds.push(fs::read(file.unwrap().path()).unwrap());
        }
    }
    assert!(seeds.len() > 20);
    seeds
}

#[test]
fn the_corpus_is_read_without_harm() {
    for seed in seeds() {
        harmless(&seed);
        for cut in (0..seed.len()).step_by(41) {
            harmless(&seed[..cut]);
        }
    }
}

/// Bytes that tend to break readers of numbers, texts and structures.
const NASTY: [&[u8]; 14] = [
    b"\"\"",
    b"null",
    b"1e400",
    b"-",
    b"NaN",
    b"[",
    b"{",
    b"\"",
    b"\\u0000",
    b"\xff",
    b"\"\\n\"",
    b"99999999999999999999999999999999999999999",
    b"0.0000000000000000000000000000000001",
    b"-0",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn bent_messages_are_read_without_harm(
        which in any::<prop::sample::Index>(),
        bends in prop::collection::vec((any::<prop::sample::Index>(), 0usize..14, 0usize..9), 1..6),
    ) {
        let seeds = seeds();
        let mut bytes = which.get(&seeds).clone();
        for (at, nasty, over) in bends {
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            let end = (at + over).min(bytes.len());
            bytes.splice(at..end, NASTY[nasty].iter().copied());
        }
        harmless(&bytes);
    }
}
