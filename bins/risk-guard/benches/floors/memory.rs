//! Memory of a whole deployment, after many orders that its guard refuses.

use protocol::guard::Verb;
use testkit::{Binaries, BotPlayer, Harness, HarnessSpec, Sim, SimSpec};

use crate::measure::Row;
use crate::support;

pub(crate) fn cases(rows: &mut Vec<Row>, scale: usize) {
    let binaries = Binaries::beside_this_program().unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let profile = include_str!("../../../../configs/drill/normal.yaml")
        .replace("http://127.0.0.1:0", sim.url());
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
        // Spares are there for good, so they count.
        let status = testkit::until(30, "a spare of every child", || {
            let status = harness.status().unwrap();
            let all = status
                .children
                .iter()
                .all(|child| child.spare_pid.is_some());
            if all {
                Ok(status)
            } else {
                Err("not yet".to_owned())
            }
        })
        .unwrap();
        let pids = status
            .children
            .iter()
            .flat_map(|child| child.pid.into_iter().chain(child.spare_pid))
            .chain([status.pid]);
        let kib: u64 = pids.map(pss_kib).sum();
        let note = format!("{:.1} MiB", kib as f64 / 1024.0);
        rows.push(Row::alone(name, "<= 40 MiB", &mut [kib]).noted(note));
    }
}

fn pss_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
