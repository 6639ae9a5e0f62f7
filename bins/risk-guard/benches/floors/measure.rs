//! The clock, the rounds and the table that every case shares.

use std::path::Path;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) goal: &'static str,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    /// What the floor took in the same run.
    pub(crate) floor: Option<u64>,
    /// The median of the rounds' own p50 ratios.
    pub(crate) ratio: Option<f64>,
    pub(crate) note: String,
}

impl Row {
    /// A case without a floor: its times alone.
    pub(crate) fn alone(name: &'static str, goal: &'static str, times: &mut [u64]) -> Self {
        Self {
            name,
            goal,
            p50: percentile(times, 500),
            p99: percentile(times, 990),
            floor: None,
            ratio: None,
            note: String::new(),
        }
    }

    /// The same with a word behind it.
    pub(crate) fn noted(mut self, note: String) -> Self {
        self.note = note;
        self
    }
}

/// Prints the table and writes `target/bench.json`.
pub(crate) fn show(rows: &[Row]) {
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

/// Nanoseconds of a clock that only grows.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    u64::try_from(now.tv_sec()).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap()
}

/// Sorts the times and gives the one below which so many of a thousand lie.
pub(crate) fn percentile(times: &mut [u64], per_mille: usize) -> u64 {
    times.sort_unstable();
    times[(times.len() - 1) * per_mille / 1000]
}

/// Alternates rounds of a case and of its floor.
pub(crate) fn against(
    name: &'static str,
    goal: &'static str,
    rounds: usize,
    case: impl FnMut() -> Vec<u64>,
    mut floor: impl FnMut() -> Vec<u64>,
) -> Row {
    let floor = Floor::new(name, goal, &mut floor);
    against_each(rounds, case, vec![floor]).remove(0)
}

/// Alternates rounds of a case and of all its floors; a row for each floor.
pub(crate) fn against_each(
    rounds: usize,
    mut case: impl FnMut() -> Vec<u64>,
    mut floors: Vec<Floor<'_>>,
) -> Vec<Row> {
    let mut all = Vec::new();
    for _ in 0..rounds {
        let beneath: Vec<u64> = floors.iter_mut().map(Floor::measure).collect();
        let mut above = case();
        let p50 = percentile(&mut above, 500) as f64;
        for (floor, beneath) in floors.iter_mut().zip(beneath) {
            floor.ratios.push(p50 / beneath as f64);
        }
        all.extend(above);
    }
    let rows = floors.into_iter().map(|floor| floor.row(&mut all));
    rows.collect()
}

/// What a case is measured against.
pub(crate) struct Floor<'a> {
    name: &'static str,
    goal: &'static str,
    round: &'a mut dyn FnMut() -> Vec<u64>,
    times: Vec<u64>,
    ratios: Vec<f64>,
}

impl<'a> Floor<'a> {
    pub(crate) fn new(
        name: &'static str,
        goal: &'static str,
        round: &'a mut dyn FnMut() -> Vec<u64>,
    ) -> Self {
        Self {
            name,
            goal,
            round,
            times: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// The p50 of another round.
    fn measure(&mut self) -> u64 {
        let mut times = (self.round)();
        let p50 = percentile(&mut times, 500);
        self.times.append(&mut times);
        p50
    }

    fn row(mut self, case: &mut [u64]) -> Row {
        self.ratios.sort_by(f64::total_cmp);
        Row {
            floor: Some(percentile(&mut self.times, 500)),
            ratio: Some(self.ratios[self.ratios.len() / 2]),
            ..Row::alone(self.name, self.goal, case)
        }
    }
}

/// Holds this process, and others, on one core; `None` lets them run anywhere.
pub(crate) fn pin(core: Option<usize>, others: &[u32]) {
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

/// The same for every thread of these processes.
pub(crate) fn pin_all(core: Option<usize>, pids: &[u32]) {
    for pid in pids {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let tasks = tasks
            .flatten()
            .filter_map(|task| task.file_name().to_str()?.parse().ok());
        pin(core, &tasks.collect::<Vec<u32>>());
    }
}
