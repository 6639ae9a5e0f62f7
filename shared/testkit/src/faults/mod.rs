//! The fault run: real processes, thousands of intents, a fault on every second order, kills in
//! between; in the end the simulator's ledger says whether one intent was one order.
//!
//! ```text
//!  lane: one simulator, one harness           lanes side by side
//!    worker for each symbol: intent after intent, each repeated until its outcome is definite
//!    last of all: every process started anew, every intent repeated, every answer held against
//!    the ledger
//! ```
//! What this room does not do: decide whether the waits of the config are right. It runs under
//! `configs/drill/faults.yaml`, whose waits are shorter than in trading; the rule is the same.

mod counts;
mod lane;
mod mischief;

use std::path::PathBuf;

use crate::Binaries;

pub use counts::Counts;

/// The config that a lane runs under.
const PROFILE: &str = include_str!("../../../../configs/drill/faults.yaml");

/// How long a run is, and where.
#[derive(Debug, Clone)]
pub struct FaultRun {
    /// Intents in all.
    pub intents: usize,
    /// Harnesses side by side, each with its own exchange.
    pub lanes: usize,
    /// What goes wrong when follows from it.
    pub seed: u64,
    /// Holds a directory for each lane.
    pub dir: PathBuf,
}

/// Plays a run and counts what came of it, also of lanes that broke off. `tell` hears how far it is.
pub fn play(binaries: &Binaries, run: &FaultRun, tell: &(dyn Fn(&str) + Sync)) -> Counts {
    let lanes = run.lanes.clamp(1, 32);
    let share = |lane: usize| {
        let (each, rest) = (run.intents / lanes, run.intents % lanes);
        each.saturating_add(usize::from(lane < rest))
    };
    let results: Vec<Counts> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..lanes)
            .map(|n| {
                scope.spawn(move || {
                    lane::play(
                        binaries,
                        &lane::Spec {
                            number: n,
                            intents: share(n),
                            seed: mischief::mixed(run.seed, n),
                            dir: run.dir.join(format!("lane-{n}")),
                        },
                        tell,
                    )
                })
            })
            .collect();
        let ended = running.into_iter().map(|lane| {
            lane.join().unwrap_or_else(|_| Counts {
                unfinished: vec!["a lane of the fault run panicked".to_owned()],
                ..Counts::default()
            })
        });
        ended.collect()
    });
    let mut total = Counts::default();
    for counts in &results {
        total.add(counts);
    }
    total
}
