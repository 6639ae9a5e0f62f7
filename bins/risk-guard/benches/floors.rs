//! `make bench`: what a decision costs, each case beside its floor in the same run.
//!
//! Absolute times drift with the machine and its neighbours, so what counts is the ratio: rounds of
//! the case and of its floor alternate, and the ratio is the median of the rounds' p50 ratios.
//! `--quick` runs a tenth.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark may fail loudly, and its times are no money"
)]

#[path = "../tests/player/mod.rs"]
mod player;
#[path = "../../../shared/risk/tests/support/mod.rs"]
mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use player::{Peer, Supervisor};
use protocol::frame::{self, Envelope, Head};
use protocol::guard::{GuardReply, GuardRequest, OutcomeReport, Verb};
use protocol::{BootMs, Decision, Intent, Outcome, Side, Symbol};
use risk::{Input, InputKind};
use serde_json::{Value, json};
use support::{World, wide};
use testkit::{Binaries, BotPlayer, Harness, HarnessSpec, Sim, SimSpec};

const CONFIG: &str = "trading:\n  max_daily_risk: 0.5\nperps:\n  useTestnet: true\n";

struct Row {
    name: &'static str,
    goal: &'static str,
    p50: u64,
    p99: u64,
    floor: Option<u64>,
    ratio: Option<f64>,
    note: String,
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let scale = if quick { 10 } else { 1 };
    let mut rows = Vec::new();
    engine(&mut rows, scale);
    for pinned in [true, false] {
        refused(&mut rows, scale, pinned);
        durable(&mut rows, scale, pinned);
    }
    pin(None, &[]);
    in_flight(&mut rows, scale);
    memory(&mut rows, scale);
    show(&rows);
}

fn show(rows: &[Row]) {
    println!(
        "{:<52} {:>10} {:>10} {:>10} {:>7}  goal",
        "case", "p50 ns", "p99 ns", "floor ns", "ratio"
    );
    for row in rows {
        let floor = row
            .floor
            .map_or_else(|| "-".to_owned(), |ns| ns.to_string());
        let ratio = row
            .ratio
            .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        println!(
            "{:<52} {:>10} {:>10} {floor:>10} {ratio:>7}  {} {}",
            row.name, row.p50, row.p99, row.goal, row.note
        );
    }
    let cases: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "case": row.name, "goal": row.goal, "p50_ns": row.p50, "p99_ns": row.p99, "floor_p50_ns": row.floor, "ratio": row.ratio, "note": row.note }))
        .collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench.json");
    std::fs::write(
        &file,
        serde_json::to_string_pretty(&json!({ "schema_version": 1, "cases": cases })).unwrap(),
    )
    .unwrap();
    println!("written: target/bench.json");
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    u64::try_from(now.tv_sec()).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap()
}

fn percentile(times: &mut [u64], per_mille: usize) -> u64 {
    times.sort_unstable();
    times[(times.len() - 1) * per_mille / 1000]
}

/// Alternates rounds of a case and its floor; p50 and p99 over all, the ratio as the median of the
/// rounds' own ratios.
fn against(
    rounds: usize,
    mut case: impl FnMut() -> Vec<u64>,
    mut floor: impl FnMut() -> Vec<u64>,
) -> (u64, u64, u64, f64) {
    let (mut all, mut all_floor, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut beneath = floor();
        let mut above = case();
        ratios.push(percentile(&mut above, 500) as f64 / percentile(&mut beneath, 500) as f64);
        all.extend(above);
        all_floor.extend(beneath);
    }
    ratios.sort_by(f64::total_cmp);
    (
        percentile(&mut all, 500),
        percentile(&mut all, 990),
        percentile(&mut all_floor, 500),
        ratios[ratios.len() / 2],
    )
}

/// Holds this process, and others, on one core; `None` lets them run anywhere.
fn pin(core: Option<usize>, others: &[u32]) {
    let mut set = CpuSet::new();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match core {
        Some(core) => set.set(core).unwrap(),
        None => (0..cores).for_each(|core| set.set(core).unwrap()),
    }
    let others = others
        .iter()
        .map(|pid| Pid::from_raw(i32::try_from(*pid).unwrap()));
    for pid in std::iter::once(Pid::from_raw(0)).chain(others) {
        sched_setaffinity(pid, &set).ok();
    }
}

fn engine(rows: &mut Vec<Row>, scale: usize) {
    pin(Some(0), &[]);
    let steps = 20_000 / scale;
    let mut world = World::ready(wide());
    rows.push(one_order(
        "engine, an order refused",
        &mut world,
        steps,
        false,
    ));
    rows.push(one_order(
        "engine, an order allowed",
        &mut world,
        steps,
        true,
    ));
    let mut old = World::ready(wide());
    for _ in 0..100_000 / scale {
        step_one(&mut old, true);
    }
    rows.push(one_order(
        "engine, allowed, after 100,000 orders",
        &mut old,
        steps,
        true,
    ));
    let mut broad = World::ready(wide());
    let all = (0..50)
        .map(|n| support::instrument(&format!("S{n}USDT")))
        .chain([support::instrument("SOLUSDT")]);
    broad.see(protocol::guard::Observation::Instruments(all.collect()));
    rows.push(one_order(
        "engine, allowed, with 50 symbols",
        &mut broad,
        steps,
        true,
    ));
}

fn one_order(name: &'static str, world: &mut World, steps: usize, allowed: bool) -> Row {
    let mut times: Vec<u64> = (0..steps).map(|_| step_one(world, allowed)).collect();
    let (p50, p99) = (percentile(&mut times, 500), percentile(&mut times, 990));
    Row {
        name,
        goal: "<= 1 us",
        p50,
        p99,
        floor: None,
        ratio: None,
        note: String::new(),
    }
}

fn step_one(world: &mut World, allowed: bool) -> u64 {
    let mut intent = world.intent(Side::Buy, "1");
    if !allowed {
        intent.symbol = Symbol::new("NOPE").unwrap();
    }
    let stamp = world.inputs.last().unwrap().stamp;
    let input = Input {
        stamp,
        kind: InputKind::Authorize(intent),
    };
    let begun = now_ns();
    let effects = world.engine.step(&input);
    let took = now_ns() - begun;
    match effects.decision.unwrap() {
        Decision::Approved(approval) => {
            assert!(allowed);
            world.report(
                &approval,
                Outcome::NotSent {
                    why: "a trial".into(),
                },
            );
        }
        other => assert!(!allowed, "{other:?}"),
    }
    world.inputs.truncate(1);
    took
}

/// One guard that allows, and its gateway.
struct House {
    guard: Supervisor,
    gateway: Peer,
    count: u64,
}

impl House {
    fn new(pinned: bool) -> Self {
        let mut guard = Supervisor::started(CONFIG);
        let (mut gateway, _) = Peer::gateway(&guard.socket());
        player::sync(&mut gateway);
        let pid = guard.pid();
        pin(pinned.then_some(0), &[pid]);
        Self {
            guard,
            gateway,
            count: 0,
        }
    }

    fn intent(&mut self, symbol: &str) -> Intent {
        self.count += 1;
        let mut intent = player::intent(&format!("b-{}", self.count));
        intent.symbol = Symbol::new(symbol).unwrap();
        intent
    }

    fn frame(&mut self, intent: Intent) -> (u64, Vec<u8>) {
        let id = 1_000_000 + self.count;
        let mut bytes = Vec::new();
        let deadline = BootMs(player::boot_ms().0 + 60_000);
        frame::write(
            Head::request(id, deadline),
            &GuardRequest::Authorize(intent),
            &mut bytes,
        )
        .unwrap();
        (id, bytes)
    }

    /// Reads on until the answer to this request has come.
    fn answer(&mut self, id: u64) -> Vec<u8> {
        loop {
            let line = self.gateway.line().expect("the guard answers");
            if Envelope::read(&line).unwrap().id == Some(id) {
                return line;
            }
        }
    }

    fn round_trip(&mut self, symbol: &str) -> (u64, Vec<u8>) {
        let intent = self.intent(symbol);
        let (id, bytes) = self.frame(intent);
        let begun = now_ns();
        self.gateway.send_bytes(&bytes);
        let line = self.answer(id);
        (now_ns() - begun, line)
    }

    fn give_back(&mut self, line: &[u8]) {
        let GuardReply::Decision(Decision::Approved(approval)) =
            Envelope::read(line).unwrap().message().unwrap()
        else {
            panic!("{}", String::from_utf8_lossy(line))
        };
        let report = OutcomeReport {
            approval_id: approval.approval_id,
            outcome: Outcome::NotSent {
                why: "a trial".into(),
            },
            signed_at: None,
        };
        self.gateway.ask(&GuardRequest::Outcome(report));
    }
}

/// A blocking echo of lines of the given lengths, on a thread of its own.
fn ping_pong(request: usize, answer: usize) -> UnixStream {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        let mut buffer = vec![0; request];
        let reply = vec![b'y'; answer];
        while theirs.read_exact(&mut buffer).is_ok() {
            if theirs.write_all(&reply).is_err() {
                return;
            }
        }
    });
    ours
}

fn refused(rows: &mut Vec<Row>, scale: usize, pinned: bool) {
    let mut house = House::new(pinned);
    let (_, reply) = house.round_trip("NOPE");
    let intent = house.intent("NOPE");
    let (_, request) = house.frame(intent);
    let mut floor = ping_pong(request.len(), reply.len() + 1);
    let mut answer = vec![0; reply.len() + 1];
    let each = 2_000 / scale;
    let (p50, p99, floor, ratio) = against(
        9,
        || (0..each).map(|_| house.round_trip("NOPE").0).collect(),
        || {
            let one = |_| {
                let begun = now_ns();
                floor.write_all(&request).unwrap();
                floor.read_exact(&mut answer).unwrap();
                now_ns() - begun
            };
            (0..each).map(one).collect()
        },
    );
    let name = if pinned {
        "authorise refused / ping-pong, one core"
    } else {
        "authorise refused / ping-pong, free"
    };
    rows.push(Row {
        name,
        goal: "<= 1.6 x",
        p50,
        p99,
        floor: Some(floor),
        ratio: Some(ratio),
        note: String::new(),
    });
}

fn durable(rows: &mut Vec<Row>, scale: usize, pinned: bool) {
    let mut house = House::new(pinned);
    let mut file = append_file(&house.guard.dir().join("floor"));
    let intent = house.intent("SOLUSDT");
    let (_, record) = house.frame(intent);
    let each = 200 / scale;
    let (p50, p99, floor, ratio) = against(
        9,
        || {
            let mut one = || {
                let (took, line) = house.round_trip("SOLUSDT");
                house.give_back(&line);
                took
            };
            (0..each).map(|_| one()).collect()
        },
        || {
            let one = |_| {
                let begun = now_ns();
                file.write_all(&record).unwrap();
                file.sync_data().unwrap();
                now_ns() - begun
            };
            (0..each).map(one).collect()
        },
    );
    let name = if pinned {
        "authorise durable / append + fdatasync, one core"
    } else {
        "authorise durable / append + fdatasync, free"
    };
    rows.push(Row {
        name,
        goal: "<= 1.2 x",
        p50,
        p99,
        floor: Some(floor),
        ratio: Some(ratio),
        note: String::new(),
    });
}

fn append_file(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}

fn in_flight(rows: &mut Vec<Row>, scale: usize) {
    let mut house = House::new(false);
    let mut per_batch = Vec::new();
    for _ in 0..400 / scale {
        let mut bytes = Vec::new();
        let mut ids = Vec::new();
        for _ in 0..64 {
            let intent = house.intent("SOLUSDT");
            let (id, frame) = house.frame(intent);
            bytes.extend(frame);
            ids.push(id);
        }
        let begun = now_ns();
        house.gateway.send_bytes(&bytes);
        let lines: Vec<Vec<u8>> = ids.iter().map(|id| house.answer(*id)).collect();
        per_batch.push(now_ns() - begun);
        for line in &lines {
            house.give_back(line);
        }
    }
    let (p50, p99) = (
        percentile(&mut per_batch, 500),
        percentile(&mut per_batch, 990),
    );
    let rate = 64.0 * 1e9 / p50 as f64;
    rows.push(Row {
        name: "64 authorisations in flight, a batch",
        goal: ">= 50 k/s",
        p50,
        p99,
        floor: None,
        ratio: None,
        note: format!("{rate:.0}/s"),
    });
}

/// Memory of a whole deployment, after many orders that its guard refuses.
fn memory(rows: &mut Vec<Row>, scale: usize) {
    let binaries = Binaries::beside_this_program().unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let profile =
        include_str!("../../../configs/drill/normal.yaml").replace("http://127.0.0.1:0", sim.url());
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config: profile,
        arguments: Vec::new(),
    };
    let mut harness = Harness::start(&binaries, spec).unwrap();
    harness.await_synced().unwrap();
    harness.operate(Verb::Halt { flatten: false }).unwrap();
    let mut bot = BotPlayer::connect(harness.dir()).unwrap();
    for (name, orders) in [
        ("memory of all processes after 10,000 orders, KiB", 10_000),
        ("memory of all processes after 100,000 orders, KiB", 90_000),
    ] {
        for _ in 0..orders / scale {
            bot.buy(support::sol(), support::qty("1")).unwrap();
        }
        let status = harness.status().unwrap();
        let pids = status
            .children
            .iter()
            .filter_map(|child| child.pid)
            .chain([status.pid]);
        let kib: u64 = pids.map(pss_kib).sum();
        rows.push(Row {
            name,
            goal: "<= 40 MiB",
            p50: kib,
            p99: kib,
            floor: None,
            ratio: None,
            note: format!("{:.1} MiB", kib as f64 / 1024.0),
        });
    }
}

fn pss_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
