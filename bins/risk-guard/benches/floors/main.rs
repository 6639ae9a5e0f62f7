//! `make bench`: what a decision costs, each case beside its floor in the same run.
//!
//! Absolute times drift with the machine and its neighbours, so what counts is the ratio: rounds of
//! the case and of its floor alternate, and the ratio is the median of the rounds' p50 ratios.
//! One file an area; `measure` holds what they share. A name behind `--` runs that area alone,
//! `--quick` a tenth of each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a benchmark may fail loudly, and its times are no money"
)]

mod authorise;
mod bare;
mod door;
mod engine;
mod measure;
mod memory;
mod order_path;
#[path = "../../tests/player/mod.rs"]
mod player;
mod replaying;
mod state;
mod streams;
mod supervision;
#[path = "../../../../shared/risk/tests/support/mod.rs"]
mod support;

use measure::Row;

/// An area's name, and what adds its lines to the table; the number divides its repetitions.
type Area = (&'static str, fn(&mut Vec<Row>, usize));

const AREAS: [Area; 8] = [
    ("engine", engine::cases),
    ("replay", replaying::cases),
    ("authorise", authorise::cases),
    ("state", state::cases),
    ("memory", memory::cases),
    ("supervision", supervision::cases),
    ("streams", streams::cases),
    ("order-path", order_path::cases),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let scale = if words.iter().any(|word| word == "--quick") {
        10
    } else {
        1
    };
    let named = |name: &str| words.iter().any(|word| word == name);
    let all = !AREAS.iter().any(|(name, _)| named(name));
    let mut rows = Vec::new();
    for (name, cases) in AREAS.into_iter().filter(|(name, _)| all || named(name)) {
        eprintln!("measuring: {name}");
        cases(&mut rows, scale);
    }
    measure::show(&rows);
}
