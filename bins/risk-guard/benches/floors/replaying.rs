//! A session's inputs stepped again, against reading the same records and stepping none.

use std::fmt::Write as _;

use history::{record, schema};
use protocol::guard::Observation;
use protocol::{Intent, Side};
use replay::{Options, Source};
use risk::{Engine, Genesis, SCHEMA_VERSION};

use crate::measure::{Row, against, now_ns, pin};
use crate::support::{World, wide};

/// Inputs of the session that is replayed.
const INPUTS: usize = 250_000;

pub(crate) fn cases(rows: &mut Vec<Row>, scale: usize) {
    pin(None, &[]);
    let text = session(INPUTS / scale);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("session.jsonl");
    std::fs::write(&file, &text).unwrap();
    let count = text.lines().count() as u64;
    let case = || {
        let source = Source::open(&file).unwrap();
        let begun = now_ns();
        let report = replay::replay(source, &Options::default(), &mut |_| {}).unwrap();
        let took = now_ns() - begun;
        assert_eq!((report.span.inputs, report.check.differences), (count, 0));
        assert!(report.check.compared > 0);
        vec![took / count]
    };
    let floor = || {
        let begun = now_ns();
        for line in text.lines() {
            schema::record(line.as_bytes(), SCHEMA_VERSION).unwrap();
        }
        vec![(now_ns() - begun) / count]
    };
    let row = against(
        "replay, an input of a session",
        "<= 2,000 ns",
        7,
        case,
        floor,
    );
    let a_second = 1_000_000_000 / row.p50.max(1);
    rows.push(row.noted(format!("{a_second} inputs/s; floor: reading them alone")));
}

/// A session as the journal holds it: reads all the time, and now and then a trade.
fn session(inputs: usize) -> String {
    let mut world = World::ready(wide());
    let genesis = Genesis {
        stamp: world.inputs[0].stamp,
        mode: protocol::Mode::Testnet,
        account: None,
        generation: protocol::Generation(1),
        limits: wide(),
    };
    let mut engine = Engine::new(genesis);
    let mut text = String::new();
    let mut bytes = Vec::new();
    let mut written = 0;
    let mut rounds = 0_u32;
    while written < inputs {
        rounds += 1;
        world.pass(1_000);
        world.positions(&[]);
        world.see(Observation::OpenOrders(Vec::new()));
        world.see(Observation::ExecutionsComplete(world.venue_now()));
        match rounds % 4 {
            0 => {
                world.round_trip("1", "103");
            }
            1 => {
                let strange = Intent {
                    symbol: protocol::Symbol::new("NOPE").unwrap(),
                    ..world.intent(Side::Buy, "1")
                };
                world.denied(&strange);
            }
            _ => {}
        }
        for input in world.inputs.drain(..) {
            let effects = engine.step(&input);
            bytes.clear();
            record::encode(&input, None, &effects, &mut bytes).unwrap();
            writeln!(text, "{}", std::str::from_utf8(&bytes).unwrap()).unwrap();
            written += 1;
        }
    }
    text
}
