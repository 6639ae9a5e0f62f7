//! A month of real minutes: the simulator's matching core, the bot's strategy and the engine as
//! libraries under one virtual clock. Day by day the guard's money, its trips and its session
//! counts equal those that a naive referee computes from the venue's ledger, to the last digit; its
//! money also where the guard hears of everything late, across midnights too.
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
mod rows;
mod stage;

use std::path::Path;

use exchange_sim::prices::{Bar, Generator, read_bars};
use money::Decimal;
use protocol::Tag;
use risk::Limits;
use stage::Stage;

/// Plays the bars under these limits, the guard hearing of executions and closed trades so late.
fn played(market: &Market, limits: Limits, late_ms: i64) -> Stage {
    let (bars, start) = (&market.bars, market.start);
    let mut stage = Stage::new(bars[0].open, start, limits, late_ms);
    for (bar, minute) in bars.iter().zip(0_i64..) {
        stage.minute(bar, start + minute * 60_000);
    }
    stage
}

/// Holds the guard's figures against the referee's, and prints what it has seen.
fn play(market: &Market) {
    let stage = played(market, stage::limits(), 0);
    let verdict = referee::judge(&stage);
    let name = market.name;
    println!(
        "{name}: {} minutes, {} days, {} orders, {} executions, {} closes, {} funding; \
         {} trips, {} refusals, {} restarts of the guard",
        market.bars.len(),
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

/// What is heard late, across midnights too, counts on the day it was executed, and is neither a
/// flow nor a disagreement. Trips come when they are heard of, so their times are not compared.
fn play_late(market: &Market) {
    let mut stage = played(market, stage::wide_limits(), stage::LATE_MS);
    stage.hear_the_rest();
    let realised = referee::judge_days(&stage);
    println!(
        "{}, all heard {} s late: {} executions, {} of them the day after; realised {realised} to \
         the last digit",
        market.name,
        stage::LATE_MS / 1_000,
        stage.venue.executions().len(),
        stage.past_midnight,
    );
    assert!(stage.past_midnight > 0, "no midnight between");
    let of_the_books = [Tag::Flow, Tag::ReconBlock];
    let wrong = stage
        .trips
        .iter()
        .find(|trip| of_the_books.contains(&trip.0));
    assert_eq!(wrong, None);
}

/// A market to play: minute by minute from a moment in ms.
struct Market {
    name: &'static str,
    bars: Vec<Bar>,
    start: i64,
}

/// The real month, where it is there.
fn january() -> Option<Market> {
    let path = "../shared/market/BTCUSDT-1m-2022-01.csv";
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    if !path.exists() {
        println!("SKIPPED: {} is not there", path.display());
        return None;
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().nth(1).unwrap().split(',').next().unwrap();
    let first: jiff::civil::DateTime = first.parse().unwrap();
    let start = first.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    Some(Market {
        name: "January 2022",
        bars: read_bars(&path).unwrap(),
        start: start.timestamp().as_millisecond(),
    })
}

fn seeded() -> Market {
    let mut walk = Generator::new(2022, Decimal::from(47_000));
    let minute = |_| {
        let prices: Vec<Decimal> = (0..60).map(|_| walk.step().round_dp(1)).collect();
        Bar {
            open: prices[0],
            high: prices.iter().copied().max().unwrap(),
            low: prices.iter().copied().min().unwrap(),
            close: prices[59],
            volume: Decimal::ONE,
        }
    };
    Market {
        name: "seed 2022",
        bars: (0..8 * 1440).map(minute).collect(),
        // Half past ten in the evening, so that the first day is a short one.
        start: 20_000 * 86_400_000 + 81_000_000,
    }
}

#[test]
fn the_real_minutes_of_january_2022() {
    if let Some(market) = january() {
        play(&market);
    }
}

#[test]
fn the_real_minutes_of_january_2022_heard_late() {
    if let Some(market) = january() {
        play_late(&market);
    }
}

#[test]
fn a_seeded_market() {
    play(&seeded());
}

#[test]
fn a_seeded_market_heard_late() {
    play_late(&seeded());
}
