//! What the venue is and how it behaves, through whole harnesses of real processes: the other
//! venue of the family, the default caps with streams, a clock that is off.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod stage;

use money::Amount;
use nix::sys::signal::Signal;
use protocol::frame::Empty;
use protocol::gateway::{GatewayReply, GatewayRequest};
use protocol::status::{FeedState, GatewayStatus};
use protocol::{Process, Tag};
use stage::{PROFILE, Stage, accepted, qty, sol};
use testkit::{BotPlayer, until};

fn gateway(bot: &mut BotPlayer) -> GatewayStatus {
    let reply = bot.ask(&GatewayRequest::Status(Empty {})).unwrap();
    let GatewayReply::Status(status) = reply else {
        panic!("{reply:?}")
    };
    status
}

fn await_live(bot: &mut BotPlayer) {
    until(40, "both streams to be whole", || {
        let status = gateway(bot);
        match (status.account_stream, status.market_stream) {
            (FeedState::Live, FeedState::Live) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
}

#[test]
fn the_same_session_at_the_other_venue() {
    let profile = PROFILE.replace("exchange:\n", "exchange:\n  name: bybit\n");
    let stage = Stage::ready(&profile);
    let mut bot = stage.bot();
    await_live(&mut bot);
    assert!(accepted(&bot.buy(sol(), qty("2")).unwrap()));
    bot.await_size(sol(), qty("2")).unwrap();
    assert!(accepted(&bot.close(sol(), qty("2")).unwrap()));
    bot.await_size(sol(), qty("0")).unwrap();
    let ledger = stage.sim.ledger().unwrap();
    assert_eq!(ledger.closed_pnl.len(), 1);
    until(40, "the guard's book to be flat, one trade counted", || {
        let risk = stage.harness.risk().map_err(|e| e.to_string())?;
        match (risk.positions.len(), risk.session.trades) {
            (0, 1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    assert!(!stage.harness.tags().unwrap().contains(&Tag::ReconBlock));
}

#[test]
fn under_the_default_caps_streams_carry_the_load() {
    // What the file does not say is 60 requests a minute.
    let defaults = PROFILE
        .replace("  maxRequestsPerSecond: 9\n", "")
        .replace("  maxRequestsPerMinute: 500\n", "")
        .replace("sessionMaxTrades: 100", "sessionMaxTrades: 3");
    assert!(!defaults.contains("maxRequests"));
    let stage = Stage::ready(&defaults);
    let mut bot = stage.bot();
    await_live(&mut bot);
    for n in 1..=3 {
        assert!(accepted(&bot.buy(sol(), qty("1")).unwrap()), "{n}");
        bot.await_size(sol(), qty(&n.to_string())).unwrap();
    }
    // The third execution has reached the guard before any poll could: the next opening order is
    // refused for the trades, not for anything that is stale.
    let refused = bot.buy(sol(), qty("1")).unwrap();
    let text = format!("{:?}", refused.outcome);
    assert!(text.contains("SessionTrades"), "{text}");
    assert!(gateway(&mut bot).requests_last_minute <= 60);
    // What the caps leave is printed before anything is started with them.
    let file = stage.harness.config_file();
    let (code, said) = stage.perpsctl(&["config", "check", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    let budget = "request budget: 60 a minute, 5 a second, 12 a minute kept for orders";
    assert!(said.contains(budget), "{said}");
    let wallet = said.lines().find(|l| l.trim_start().starts_with("wallet"));
    let wallet = wallet.unwrap();
    assert!(
        wallet.contains("every 2.6 s") && wallet.contains("without its stream"),
        "{wallet}"
    );
}

/// The venue counts from the last request: each gateway that asked again would begin it anew.
#[test]
fn a_ban_outlives_the_gateway_and_the_whole_harness() {
    let mut stage = Stage::ready(PROFILE);
    let banned = |stage: &Stage| {
        let mut bot = BotPlayer::connect(stage.harness.dir()).map_err(|e| e.to_string())?;
        let status = gateway(&mut bot);
        match status.banned_until {
            Some(until) => Ok((until, status.requests_last_minute, bot)),
            None => Err(format!("{status:?}")),
        }
    };
    stage.fault("ban_403", "", None);
    let (first, _, mut bot) = until(40, "the ban", || banned(&stage)).unwrap();
    let left = first.since(daemon::clock::wall_now());
    assert!((590_000..=601_000).contains(&left), "{left} ms");
    assert!(
        bot.buy(sol(), qty("1")).is_err(),
        "nothing is asked of the guard"
    );
    let waits = stage.harness.risk().unwrap().waiting_for.join("; ");
    assert!(waits.contains("the venue's ban of this address"), "{waits}");
    // A new gateway is handed it before it asks the venue for anything.
    let pid = stage.harness.pid_of(Process::Gateway).unwrap();
    stage
        .harness
        .signal(Process::Gateway, Signal::SIGKILL)
        .unwrap();
    until(40, "a new gateway", || {
        match stage.harness.pid_of(Process::Gateway) {
            Ok(new) if new != pid => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    let held = |stage: &Stage| {
        let (until_then, requests, _) = until(40, "the ban to be known", || banned(stage)).unwrap();
        assert_eq!(requests, 0, "not even the time was asked");
        assert!(
            until_then.0.abs_diff(first.0) < 2_000,
            "{until_then:?} {first:?}"
        );
    };
    held(&stage);
    stage.harness.kill().unwrap();
    stage.harness.restart().unwrap();
    held(&stage);
    let waits = stage.harness.risk().unwrap().waiting_for.join("; ");
    assert!(waits.contains("the venue's ban of this address"), "{waits}");
}

/// A stream that stays open and says nothing: the gateway's pings find out, nobody else could.
#[test]
fn a_stream_that_has_gone_silent_is_given_up_and_what_it_hid_is_counted_once() {
    let stage = Stage::ready(PROFILE);
    let mut bot = stage.bot();
    await_live(&mut bot);
    let (_, screen) = stage.perpsctl(&["status"]);
    let line = |screen: &str| {
        let found = screen.lines().find(|line| line.starts_with("streams"));
        found.expect("a line on the streams").to_owned()
    };
    let told = line(&screen);
    assert!(told.contains("account live since"), "{told}");
    assert!(told.contains("market live since"), "{told}");
    stage.sim.mute_streams(Some("/private")).unwrap();
    assert!(accepted(&bot.buy(sol(), qty("2")).unwrap()));
    // The ping goes out within 20 s, and 10 s later it has not been answered.
    let log = stage.harness.dir().join("logs/gateway.log");
    until(60, "the silent stream to be given up", || {
        let text = std::fs::read_to_string(&log).map_err(|e| e.to_string())?;
        if text.contains("account stream: no pong; polls carry the load") {
            Ok(())
        } else {
            Err(text)
        }
    })
    .unwrap();
    await_live(&mut bot);
    // Another one is made, and it tells of what happens from here on.
    assert!(accepted(&bot.close(sol(), qty("1")).unwrap()));
    bot.await_size(sol(), qty("1")).unwrap();
    let ledger = stage.sim.ledger().unwrap();
    assert_eq!(ledger.executions.len(), 2);
    let fees = ledger.executions.iter().map(|row| row["fee"].as_str());
    let fees = fees.map(|fee| Amount::parse(fee.unwrap()).unwrap());
    let fees = fees.fold(Amount::ZERO, |sum, fee| sum.plus(fee).unwrap());
    until(40, "each execution to be counted once", || {
        let risk = stage.harness.risk().map_err(|e| e.to_string())?;
        let size = risk.positions.first().map(|held| held.size);
        let paid = risk.account.fees_today;
        match (size, risk.session.trades) {
            (Some(one), 1) if one == qty("1") && paid == fees => Ok(()),
            other => Err(format!("{other:?}, fees {paid} of {fees}")),
        }
    })
    .unwrap();
    let risk = stage.harness.risk().unwrap();
    assert!(risk.trips.is_empty(), "{:?}", risk.trips);
    // One that is away is said to be, on the screen too.
    stage.sim.drop_streams(Some("/linear"), 20_000).unwrap();
    until(20, "the screen to tell", || {
        let told = line(&stage.perpsctl(&["status"]).1);
        let away = told.contains("market down since") && told.contains("polls carry the load");
        if away { Ok(()) } else { Err(told) }
    })
    .unwrap();
}

#[test]
fn a_clock_that_is_off_stops_entries_and_only_entries() {
    let profile = PROFILE.replace("perps:\n", "perps:\n  timeSyncMaxSkewMs: 1000\n");
    let stage = Stage::ready(&profile);
    let mut bot = stage.bot();
    assert!(accepted(&bot.buy(sol(), qty("1")).unwrap()));
    bot.await_size(sol(), qty("1")).unwrap();
    stage.fault("clock_skew", "", Some(30_000));
    // The first signed call is refused for its time stamp, sets the clock, and goes again.
    until(40, "the drift to stop entries", || {
        let placed = bot.buy(sol(), qty("1")).map_err(|e| e.to_string())?;
        let text = format!("{:?}", placed.outcome);
        if text.contains("TimeDrift") {
            Ok(())
        } else {
            Err(text)
        }
    })
    .unwrap();
    assert!(accepted(&bot.close(sol(), qty("1")).unwrap()), "exits go");
    stage.fault("clock_skew", "", Some(0));
    stage.await_buy("after");
    assert!(stage.harness.tags().unwrap().contains(&Tag::TimeDrift));
}
