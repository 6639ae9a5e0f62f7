//! A short soak; `make soak SECONDS=600` is a long one.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write;

use testkit::Binaries;
use testkit::soak::{SoakSpec, soak};

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
