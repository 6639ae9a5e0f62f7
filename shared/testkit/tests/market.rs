//! Market data and views that are old or have holes, through whole harnesses of real processes:
//! entries stop with `SAFETY_STALE_DATA`, exits go, and what is fresh again lets entries go.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod stage;

use nix::sys::signal::Signal;
use protocol::gateway::{CandleTopic, GatewayReply, GatewayRequest, Subscribe};
use protocol::venue::Interval;
use protocol::{Outcome, Process, Tag};
use stage::{PROFILE, Stage, accepted, price, qty, sol};
use testkit::{BotPlayer, until};

/// The staleness that these tests wait out, in seconds.
const STALE: &str = "  maxDataStalenessSeconds: 4\n";

/// A harness whose bot follows the candles.
fn following() -> (Stage, BotPlayer) {
    let stage = Stage::ready(&format!("{PROFILE}{STALE}"));
    let bot = listening(&stage);
    (stage, bot)
}

/// The same, with a position of two.
fn holding() -> (Stage, BotPlayer) {
    let (stage, mut bot) = following();
    assert!(accepted(&bot.buy(sol(), qty("2")).unwrap()));
    bot.await_size(sol(), qty("2")).unwrap();
    (stage, bot)
}

fn listening(stage: &Stage) -> BotPlayer {
    let mut bot = stage.bot();
    let topic = CandleTopic {
        symbol: sol(),
        interval: Interval::M1,
    };
    let wants = Subscribe {
        candles: vec![topic],
        tickers: Vec::new(),
    };
    let reply = bot.ask(&GatewayRequest::Subscribe(wants)).unwrap();
    assert!(matches!(reply, GatewayReply::Done(_)), "{reply:?}");
    bot
}

/// Waits until an entry is refused for stale data, in these words; what is taken until then rests
/// far from the price and goes again.
fn await_refusal(bot: &mut BotPlayer, words: &str) {
    until(40, &format!("an entry to be refused: {words}"), || {
        let placed = bot.bid(sol(), qty("1"), price("90"));
        let placed = placed.map_err(|e| e.to_string())?;
        if accepted(&placed) {
            bot.cancel(placed.intent_id).map_err(|e| e.to_string())?;
            return Err("accepted".to_owned());
        }
        let stale = matches!(
            &placed.outcome,
            Outcome::Denied(d) if d.tag == Tag::StaleData && d.message.contains(words)
        );
        if stale {
            Ok(())
        } else {
            Err(format!("{:?}", placed.outcome))
        }
    })
    .unwrap();
}

/// A gateway that has seen nothing yet reads the candles as they are shown now.
fn fresh_gateway(stage: &mut Stage) -> BotPlayer {
    let pid = stage.harness.pid_of(Process::Gateway).unwrap();
    stage
        .harness
        .signal(Process::Gateway, Signal::SIGKILL)
        .unwrap();
    stage.await_back(Process::Gateway, pid);
    listening(stage)
}

fn await_logged(stage: &Stage, words: &str) {
    until(40, &format!("{words:?} in the log"), || {
        let log = stage.harness.trading_log().map_err(|e| e.to_string())?;
        let line = |line: &str| line.contains("SAFETY_STALE_DATA") && line.contains(words);
        if log.lines().any(line) {
            Ok(())
        } else {
            Err(log)
        }
    })
    .unwrap();
}

#[test]
fn equity_that_is_not_read_in_time_stops_entries_until_it_is() {
    let (stage, mut bot) = holding();
    // One read hangs for longer than equity may be old; no stream tells it while nothing changes.
    stage.fault("latency", "/account/wallet-balance", Some(9_000));
    let tripped = until(40, "the trip", || {
        let risk = stage.harness.risk().map_err(|e| e.to_string())?;
        let trip = risk.trips.into_iter().find(|t| t.tag == Tag::StaleData);
        trip.ok_or_else(|| "none".to_owned())
    });
    let trip = tripped.unwrap();
    assert!(trip.message.contains("not been read in time"), "{trip:?}");
    await_refusal(&mut bot, "not been read in time");
    assert!(accepted(&bot.close(sol(), qty("1")).unwrap()), "exits go");
    await_logged(&stage, "equity and positions are fresh");
    stage.await_buy("after");
}

#[test]
fn a_mark_price_that_nobody_tells_any_more_stops_entries_until_somebody_does() {
    // A position would tell one.
    let (stage, mut bot) = following();
    // Neither the stream nor a read tells it.
    stage.fault("latency", "/market/tickers", Some(9_000));
    stage.sim.drop_streams(Some("/linear"), 9_000).unwrap();
    await_refusal(&mut bot, "mark price");
    stage.await_buy("after");
}

#[test]
fn candles_that_have_stopped_or_have_a_hole_stop_entries_until_they_are_whole() {
    let (mut stage, _) = holding();
    stage.sim.hide_candles(sol(), 300_000, 0).unwrap();
    let mut bot = fresh_gateway(&mut stage);
    await_refusal(&mut bot, "the newest candle of SOLUSDT 1 began");
    assert!(accepted(&bot.close(sol(), qty("1")).unwrap()), "exits go");
    stage.sim.show_candles(sol()).unwrap();
    await_logged(&stage, "SOLUSDT: candles are fresh again");
    stage.await_buy("stopped");
    // Four minutes are missing, then it goes on: that is more than two intervals.
    stage.sim.hide_candles(sol(), 360_000, 120_000).unwrap();
    let mut bot = fresh_gateway(&mut stage);
    await_refusal(&mut bot, "has a gap of");
    stage.sim.show_candles(sol()).unwrap();
    stage.await_buy("gap");
    // A hole that the multiplier allows is none.
    let wide = "  maxDataGapMultiplier: 30\n";
    std::fs::write(
        stage.harness.config_file(),
        format!("{PROFILE}{STALE}{wide}").replace("http://127.0.0.1:0", stage.sim.url()),
    )
    .unwrap();
    stage.harness.await_tag(Tag::ConfigApplied).unwrap();
    stage.sim.hide_candles(sol(), 360_000, 120_000).unwrap();
    drop(fresh_gateway(&mut stage));
    stage.await_buy("allowed");
}
