//! Writes the files of a guard of today's schema version below `fixtures/v<N>/`: a day with a trip,
//! a halt, an order that nobody knows the fate of, and most of what a state can hold. Tests of all
//! later versions read them (`tests/past_versions.rs`).
//!
//! `cargo run --package history --example write_fixture`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool for whoever changes the schema; it may fail loudly"
)]

#[path = "../tests/eventful/mod.rs"]
mod eventful;
#[path = "../tests/facts/mod.rs"]
mod facts;
#[path = "../../risk/tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use history::{genesis_of, record};
use protocol::AccountId;
use risk::{Engine, InputKind, SCHEMA_VERSION};
use state::{Disk, Identity, Options, Store, StorePaths, UnixMs};

const ACCOUNT: &str = "zoomex";

fn main() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/v{SCHEMA_VERSION}"));
    fs::remove_dir_all(&dir).ok();
    fs::create_dir_all(&dir).unwrap();
    let inputs = eventful::day();
    let InputKind::Start(start) = &inputs[0].kind else {
        panic!("a day begins with a start")
    };
    let mut engine = Engine::new(genesis_of(
        start,
        AccountId::new(ACCOUNT).ok(),
        inputs[0].stamp,
    ));
    let identity = Identity {
        account: ACCOUNT.into(),
        mode: "testnet".into(),
        schema: SCHEMA_VERSION,
    };
    let options = Options {
        segment_bytes: 16 * 1024,
        ..Options::default()
    };
    let paths = StorePaths::new(dir.join("perps_state.json"));
    let at = |n: usize| UnixMs(inputs[n].stamp.venue.0);
    let (mut store, _) = Store::open(Box::new(Disk), &paths, &identity, options, at(0)).unwrap();
    store.snapshot(at(0), engine.state()).unwrap();
    // Two snapshots on the way, so that neither the newest alone nor the journal alone tells all.
    let snapshots = [inputs.len() / 3, inputs.len() * 2 / 3];
    for (n, input) in inputs.iter().enumerate() {
        let effects = engine.step(input);
        let mut bytes = Vec::new();
        record::encode(input, None, &effects, &mut bytes).unwrap();
        store.append(at(n), &bytes).unwrap();
        store.commit().unwrap();
        if snapshots.contains(&n) {
            store.snapshot(at(n), engine.state()).unwrap();
        }
    }
    store.close().unwrap();
    fs::remove_file(paths.lock()).unwrap();
    let facts = serde_json::to_string_pretty(&facts::of(engine.state())).unwrap();
    fs::write(dir.join("facts.json"), facts + "\n").unwrap();
    println!("written: {} ({} records)", dir.display(), inputs.len());
}
