//! A month of real minutes: the simulator's matching core, the bot's strategy and the engine as
//! libraries under one virtual clock. Day by day the guard's money, its trips and its session
//! counts equal those that a naive referee computes from the venue's ledger, to the last digit.
//!
//! The month is `../shared/market/BTCUSDT-1m-2022-01.csv` beside the project, where it is there; a
//! seeded market of the generator's runs everywhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it has seen"
)]

mod referee;
mod stage;

use std::path::Path;

use exchange_sim::prices::{Bar, Generator, read_bars};
use money::Decimal;
use stage::Stage;

/// Plays the bars, holds the guard's figures against the referee's, and prints what it has seen.
fn play(name: &str, bars: &[Bar], start_ms: i64) {
    let mut stage = Stage::new(bars[0].open, start_ms);
    for (bar, minute) in bars.iter().zip(0_i64..) {
        stage.minute(bar, start_ms + minute * 60_000);
    }
    let verdict = referee::judge(&stage);
    println!(
        "{name}: {} minutes, {} days, {} orders, {} executions, {} closes, {} funding; \
         {} trips, {} refusals, {} restarts of the guard",
        bars.len(),
        verdict.days,
        stage.venue.orders().len(),
        stage.venue.executions().len(),
        stage.venue.closed().len(),
        stage.venue.funding().len(),
        verdict.trips,
        stage.refused,
        stage.restarts,
    );
    println!("{name}: realised {} to the last digit", verdict.realised);
    assert!(
        verdict.days >= 5 && verdict.trips >= 5,
        "too quiet to tell anything"
    );
}

#[test]
fn the_real_minutes_of_january_2022() {
    let path = "../shared/market/BTCUSDT-1m-2022-01.csv";
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    if !path.exists() {
        println!("SKIPPED: {} is not there", path.display());
        return;
    }
    let bars = read_bars(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().nth(1).unwrap().split(',').next().unwrap();
    let first: jiff::civil::DateTime = first.parse().unwrap();
    let start = first.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    play("January 2022", &bars, start.timestamp().as_millisecond());
}

#[test]
fn a_seeded_market() {
    let mut walk = Generator::new(2022, Decimal::from(47_000));
    let bars: Vec<Bar> = (0..8 * 1440)
        .map(|_| {
            let prices: Vec<Decimal> = (0..60).map(|_| walk.step().round_dp(1)).collect();
            Bar {
                open: prices[0],
                high: prices.iter().copied().max().unwrap(),
                low: prices.iter().copied().min().unwrap(),
                close: prices[59],
                volume: Decimal::ONE,
            }
        })
        .collect();
    // Half past ten in the evening, so that the first day is a short one.
    play("seed 2022", &bars, 20_000 * 86_400_000 + 81_000_000);
}
