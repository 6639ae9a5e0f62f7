//! A short fault run (`make faults INTENTS=3000` is the long one).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly and tells its counts"
)]

use testkit::Binaries;
use testkit::faults::{FaultRun, play};

#[test]
fn one_intent_is_one_order_while_everything_goes_wrong() {
    let binaries = Binaries::beside_this_program().unwrap();
    let dir = tempfile::Builder::new()
        .prefix("faults-")
        .tempdir()
        .unwrap();
    let run = FaultRun {
        intents: 60,
        lanes: 2,
        seed: 3,
        dir: dir.path().to_owned(),
    };
    let counts = play(&binaries, &run, &|_| ());
    println!("{counts}");
    assert!(counts.sound(), "{counts}");
    let struck: usize = counts.faults.values().sum();
    let killed: usize = counts.kills.values().sum();
    assert!(
        counts.intents == 60 && struck >= 30 && killed >= 2 && counts.accepted >= 20,
        "nothing much happened:\n{counts}"
    );
}
