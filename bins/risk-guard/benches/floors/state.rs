//! What the state costs: a start on a long journal against decoding and stepping the same records in
//! memory, and a memory that a million trades do not fill.

use std::fs;
use std::path::Path;

use ::state::{Disk, Identity, Options, Store, StorePaths, UnixMs, read_journal};
use history::{genesis_of, record, schema};
use protocol::frame::Empty;
use protocol::guard::{GuardReply, GuardRequest, Observation};
use protocol::{AccountId, Outcome, Side};
use risk::{Engine, Genesis, InputKind, SCHEMA_VERSION};
use tempfile::TempDir;

use crate::measure::{Row, against, now_ns, pin};
use crate::player::{CONFIG, Supervisor};
use crate::support::{World, flat, wide};

const ACCOUNT: &str = "zoomex";

pub(crate) fn cases(rows: &mut Vec<Row>, scale: usize) {
    pin(None, &[]);
    rows.push(start(scale));
    rows.extend(a_million_trades(scale));
}

/// A guard's files after a life of so many records, and where its engine began.
fn written(dir: &Path, records: usize) -> Genesis {
    let mut world = World::ready(wide());
    let InputKind::Start(start) = &world.inputs[0].kind else {
        panic!("a life begins with a start")
    };
    let genesis = genesis_of(start, AccountId::new(ACCOUNT).ok(), world.inputs[0].stamp);
    let mut engine = Engine::new(genesis.clone());
    let identity = Identity {
        account: ACCOUNT.into(),
        mode: "testnet".into(),
        schema: SCHEMA_VERSION,
    };
    let paths = StorePaths::new(dir.join("perps_state.json"));
    let (mut store, _) = Store::open(
        Box::new(Disk),
        &paths,
        &identity,
        Options::default(),
        UnixMs(0),
    )
    .unwrap();
    store.snapshot(UnixMs(0), engine.state()).unwrap();
    let mut bytes = Vec::new();
    let mut done = 0;
    world.round_trip("2", "101");
    while done < records {
        for input in std::mem::take(&mut world.inputs) {
            let effects = engine.step(&input);
            bytes.clear();
            record::encode(&input, None, &effects, &mut bytes).unwrap();
            store.append(UnixMs(input.stamp.venue.0), &bytes).unwrap();
            done += 1;
        }
        store.commit().unwrap();
        // Two of three are orders and their ends, the third is a read of the venue.
        for _ in 0..100 {
            let intent = world.intent(Side::Buy, "1");
            let approval = world.approved(&intent);
            let why = "a trial".into();
            world.report(&approval, Outcome::NotSent { why });
            world.wallet();
        }
        read_anew(&mut world, 1_000);
    }
    store.close().unwrap();
    genesis
}

/// Time passes, and the venue is read once more.
fn read_anew(world: &mut World, ms: u64) {
    world.pass(ms);
    world.positions(&[flat()]);
    world.see(Observation::OpenOrders(vec![]));
}

fn start(scale: usize) -> Row {
    let template = TempDir::new().unwrap();
    let genesis = written(template.path(), 100_000 / scale);
    let journal = read_journal(&Disk, &template.path().join("perps_state.journal")).unwrap();
    let records: Vec<Vec<u8>> = journal.records.iter().map(|r| r.payload.to_vec()).collect();
    drop(journal);
    let count = records.len();
    let row = against(
        "start on a journal of 100,000 records / in memory",
        "<= 1.5 x",
        5,
        || {
            let mut guard = Supervisor::new();
            copy(template.path(), &guard.dir().join("data"));
            let begun = now_ns();
            guard.start(CONFIG, &[]);
            let answer = guard.connect().ask(&GuardRequest::Status(Empty {}));
            let took = now_ns() - begun;
            assert!(matches!(answer, GuardReply::Status(status) if status.session.trades == 1));
            vec![took]
        },
        || {
            let begun = now_ns();
            let mut engine = Engine::new(genesis.clone());
            for payload in &records {
                let recorded = schema::record(payload, SCHEMA_VERSION).unwrap();
                drop(engine.step(&recorded.input));
            }
            let took = now_ns() - begun;
            assert!(engine.state().given.approvals > 0);
            vec![took]
        },
    );
    let each = row.p50 / u64::try_from(count).unwrap();
    row.noted(format!("{count} records, {each} ns each"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &place);
        } else {
            fs::copy(&path, &place).unwrap();
            fs::File::open(&place).unwrap().sync_all().unwrap();
        }
    }
    // A guard's own files are on the disk when it starts; these are not to be its first sync's load.
    fs::File::open(to).unwrap().sync_all().unwrap();
}

/// What a state weighs early and late in a long life, as JSON and in this process.
fn a_million_trades(scale: usize) -> Vec<Row> {
    let mut world = World::ready(wide());
    let mut rows = Vec::new();
    let mut done = 0;
    for (name, until) in [
        ("state after 10,000 trades, bytes as JSON", 10_000),
        ("state after 1,000,000 trades, bytes as JSON", 1_000_000),
    ] {
        while done < until / scale {
            // Two of size two at one more: what is won pays the fees.
            world.round_trip("2", "101");
            if done.is_multiple_of(50) {
                read_anew(&mut world, 10_000);
            }
            world.inputs.truncate(1);
            done += 1;
        }
        let bytes = serde_json::to_vec(world.engine.state()).unwrap().len() as u64;
        let row = Row::alone(name, "flat", &mut [bytes]);
        rows.push(row.noted(format!("{} KiB resident", resident_kib())));
    }
    rows
}

fn resident_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4
}
