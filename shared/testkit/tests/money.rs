//! Money and books of real processes against the simulator's ledger: what was earned, what came and
//! went from outside, and what was found at a start.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly"
)]

mod stage;

use money::{Amount, Ratio};
use protocol::frame::Empty;
use protocol::gateway::{GatewayReply, GatewayRequest};
use protocol::guard::Verb;
use protocol::status::{CloseCheck, FeedState};
use protocol::{Side, Symbol, Tag};
use serde_json::Value;
use stage::{PROFILE, Stage, accepted, amount, await_log, await_risk, price, qty, sol, stands};
use testkit::until;

/// The sum of a column of the ledger.
fn sum(rows: &[Value], column: &str) -> Amount {
    let cells = rows.iter().map(|row| row[column].as_str().unwrap());
    let sum = cells.map(|cell| Amount::parse(cell).unwrap().get()).sum();
    Amount::new(sum).unwrap()
}

#[test]
fn realised_fees_and_closed_trades_equal_the_ledger_to_the_last_digit() {
    let stage = Stage::ready(PROFILE);
    let mut bot = stage.bot();
    assert!(accepted(&bot.buy(sol(), qty("3")).unwrap()));
    bot.await_size(sol(), qty("3")).unwrap();
    for (at, size, left) in [("101.37", "1", "2"), ("98.11", "2", "0")] {
        stage.sim.price(sol(), Some(price(at))).unwrap();
        assert!(accepted(&bot.close(sol(), qty(size)).unwrap()));
        bot.await_size(sol(), qty(left)).unwrap();
    }
    let risk = await_risk(&stage, "both closes to be checked", |risk| {
        risk.closes.len() == 2 && risk.closes.iter().all(|c| c.check == CloseCheck::Agrees)
    });
    let ledger = stage.sim.ledger().unwrap();
    let today = risk.days.last().unwrap();
    assert_eq!(today.fees, sum(&ledger.executions, "fee"));
    assert_eq!(today.closed_pnl, sum(&ledger.closed_pnl, "closedPnl"));
    assert_eq!(
        today.realised, today.closed_pnl,
        "flat again, without funding, both count the same"
    );
    assert_eq!(risk.account.day_open, Some(amount("10000")));
    let shown: Value = serde_json::from_str(&stage.perpsctl(&["limits", "--json"]).1).unwrap();
    for (key, value) in [
        ("realised", today.realised),
        ("fees", today.fees),
        ("funding", Amount::ZERO),
        ("unrealised", Amount::ZERO),
    ] {
        let text = shown[key].as_str().unwrap();
        assert_eq!(Amount::parse(text).unwrap(), value, "{key}: {shown}");
    }
    let table = stage.perpsctl(&["pnl"]).1;
    assert_eq!(table.matches("agrees").count(), 2, "{table}");
}

#[test]
fn a_stop_that_filled_while_everything_was_down_is_no_disagreement() {
    let mut stage = Stage::ready(PROFILE);
    let mut bot = stage.bot();
    assert!(accepted(
        &bot.buy_with_stop(sol(), qty("2"), price("95")).unwrap()
    ));
    bot.await_size(sol(), qty("2")).unwrap();
    assert!(stage.harness.stop().unwrap().success());
    stage.sim.price(sol(), Some(price("94"))).unwrap();
    assert_eq!(stage.sim.ledger().unwrap().closed_pnl.len(), 1);
    stage.harness.restart().unwrap();
    stage.harness.await_synced().unwrap();
    let risk = await_risk(&stage, "the close to be checked", |risk| {
        risk.closes.iter().any(|c| c.check == CloseCheck::Agrees)
    });
    assert!(
        risk.trips.is_empty() && risk.positions.is_empty(),
        "{risk:?}"
    );
    let ledger = stage.sim.ledger().unwrap();
    assert_eq!(
        risk.account.realised_today,
        sum(&ledger.closed_pnl, "closedPnl")
    );
    stage.await_buy("after");
}

#[test]
fn a_withdrawal_and_a_deposit_are_told_from_pnl_and_confirmed() {
    // Reads prove a balance sooner where the venue lags less.
    let stage = Stage::ready(&format!("{PROFILE}  venueLagMs: 500\n"));
    stage.sim.transfer(amount("-1000")).unwrap();
    let risk = await_risk(&stage, "the flow", |risk| stands(risk, Tag::Flow));
    assert_eq!(risk.account.unconfirmed_flow, Some(amount("-1000")));
    assert_eq!(risk.account.realised_today, Amount::ZERO, "it is no PnL");
    let trip = &risk.trips[0];
    assert!(
        trip.message.contains("has 9000") && trip.message.contains("explain 10000"),
        "{trip:?}"
    );
    let said = stage.perpsctl(&["flow", "confirm"]).1;
    assert!(said.contains("withdrawal of 1000 confirmed"), "{said}");
    let risk = stage.harness.risk().unwrap();
    assert!(risk.trips.is_empty(), "{:?}", risk.trips);
    assert_eq!(risk.account.peak, Some(amount("9000")));
    stage.await_buy("between");
    stage.sim.transfer(amount("500")).unwrap();
    let risk = await_risk(&stage, "the second flow", |risk| stands(risk, Tag::Flow));
    assert_eq!(
        risk.account.peak,
        Some(amount("9000")),
        "a rise raises nothing"
    );
    stage.harness.operate(Verb::FlowConfirm).unwrap();
    await_risk(&stage, "the deposit to count as equity", |risk| {
        risk.account.peak > Some(amount("9499"))
    });
    let shown: Value = serde_json::from_str(&stage.perpsctl(&["pnl", "--json"]).1).unwrap();
    let today = shown["days"].as_array().unwrap().last().unwrap();
    assert_eq!(today["flows"], "-500", "{shown}");
}

/// Under the default caps and the default lag streams carry the load and polls are wide apart; what
/// the guard needs to tell a flow is read at once all the same.
#[test]
fn a_withdrawal_is_told_within_seconds_of_the_rule_under_the_default_caps() {
    let defaults = PROFILE
        .replace("  maxRequestsPerSecond: 9\n", "")
        .replace("  maxRequestsPerMinute: 500\n", "");
    assert!(!defaults.contains("maxRequests") && !defaults.contains("venueLag"));
    let stage = Stage::ready(&defaults);
    let mut bot = stage.bot();
    until(40, "the streams to carry the load", || {
        let reply = bot.ask(&GatewayRequest::Status(Empty {}));
        let GatewayReply::Status(status) = reply.map_err(|e| e.to_string())? else {
            return Err("no status".to_owned());
        };
        match (status.account_stream, status.market_stream) {
            (FeedState::Live, FeedState::Live) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    let before = daemon::clock::wall_now().0;
    stage.sim.transfer(amount("-1000")).unwrap();
    let risk = await_risk(&stage, "the flow", |risk| stands(risk, Tag::Flow));
    let took = risk.trips[0].since.0 - before;
    println!("SAFETY_FLOW {took} ms after the transfer; the rule: 10000 ms and a fresh read");
    assert!((10_000..15_000).contains(&took), "{took} ms");
}

#[test]
fn what_is_found_that_nobody_here_made_blocks_with_both_sides_in_the_log() {
    let mut stage = Stage::ready(PROFILE);
    stage
        .sim
        .position(sol(), Side::Sell, qty("2"), price("100"))
        .unwrap();
    await_risk(&stage, "the block", |risk| stands(risk, Tag::ReconBlock));
    await_log(&stage, &["book=nothing", "venue=\"short 2\""]);
    stage
        .sim
        .position(sol(), Side::Sell, qty("0"), price("100"))
        .unwrap();
    // An order that outlives the memory of who placed it, and a position in another symbol.
    until(40, "the venue to be read flat", || {
        let done = stage.harness.operate(Verb::ReconAcknowledge);
        let done = done.map_err(|e| e.to_string())?;
        if done.message.contains("the account is flat") {
            Ok(())
        } else {
            Err(done.message)
        }
    })
    .unwrap();
    assert!(accepted(
        &stage.bot().bid(sol(), qty("1"), price("90")).unwrap()
    ));
    stage.harness.operate(Verb::Freeze).unwrap();
    // Its answer comes the way of the freeze: the gateway knows, and leaves the order as it is.
    let refused = stage.bot().bid(sol(), qty("1"), price("90")).unwrap();
    assert!(!accepted(&refused), "{refused:?}");
    assert!(stage.harness.stop().unwrap().success());
    let ether = Symbol::new("ETHUSDT").unwrap();
    stage
        .sim
        .position(ether, Side::Buy, qty("1"), price("3000"))
        .unwrap();
    std::fs::remove_dir_all(stage.harness.dir().join("data")).unwrap();
    stage.harness.restart().unwrap();
    stage.harness.await_synced().unwrap();
    await_risk(&stage, "the block for both", |risk| {
        risk.trips.iter().any(|trip| {
            trip.tag == Tag::ReconBlock
                && trip.message.contains("not ours: buy 1.0 SOLUSDT")
                && trip.message.contains("long 1 ETHUSDT")
        })
    });
    await_log(&stage, &["venue=\"buy 1.0 SOLUSDT\""]);
    await_log(&stage, &["book=nothing", "venue=\"long 1\""]);
    let verb = Verb::ReconAcknowledge;
    stage.harness.operate(verb).unwrap();
    stage.await_buy("acknowledged");
}

#[test]
fn funding_is_what_the_ledger_charged_and_no_flow() {
    let stage = Stage::ready(PROFILE);
    let mut bot = stage.bot();
    assert!(accepted(&bot.buy(sol(), qty("3")).unwrap()));
    bot.await_size(sol(), qty("3")).unwrap();
    for (at, rate) in [("101.37", "0.0013"), ("98.11", "-0.0007")] {
        stage.sim.price(sol(), Some(price(at))).unwrap();
        let rate = Ratio::parse(rate).unwrap();
        stage.sim.funding(sol(), rate).unwrap();
    }
    let ledger = stage.sim.ledger().unwrap();
    assert_eq!(ledger.funding.len(), 2, "{:?}", ledger.funding);
    let charged = sum(&ledger.funding, "fee");
    let fees = sum(&ledger.executions, "fee");
    let risk = await_risk(&stage, "the funding", |risk| {
        risk.days
            .last()
            .is_some_and(|today| today.funding == charged)
    });
    let today = risk.days.last().unwrap();
    assert_eq!(today.fees, fees, "funding is no fee");
    let paid = charged.plus(fees).unwrap();
    assert_eq!(today.realised, paid.negated());
    let shown: Value = serde_json::from_str(&stage.perpsctl(&["limits", "--json"]).1).unwrap();
    let text = shown["funding"].as_str().unwrap();
    assert_eq!(Amount::parse(text).unwrap(), charged, "{shown}");
    assert!(risk.trips.is_empty(), "{:?}", risk.trips);
    stage.await_buy("after");
}

#[test]
fn a_leg_of_hedge_mode_blocks_until_it_is_looked_at() {
    let stage = Stage::ready(PROFILE);
    stage
        .sim
        .leg(sol(), Side::Buy, qty("2"), price("100"))
        .unwrap();
    let risk = await_risk(&stage, "the block", |risk| stands(risk, Tag::ReconBlock));
    let said = &risk.trips[0].message;
    assert!(said.contains("a leg of hedge mode"), "{said}");
    let placed = stage.bot().buy(sol(), qty("1")).unwrap();
    assert!(!accepted(&placed), "{placed:?}");
    assert!(stage.openings().is_empty());
    stage.harness.operate(Verb::ReconAcknowledge).unwrap();
    stage.await_buy("acknowledged");
}

#[test]
fn what_the_venue_takes_by_force_stops_entries_and_is_counted() {
    let stage = Stage::ready(PROFILE);
    let mut bot = stage.bot();
    assert!(accepted(&bot.buy(sol(), qty("3")).unwrap()));
    bot.await_size(sol(), qty("3")).unwrap();
    stage.sim.price(sol(), Some(price("98.5"))).unwrap();
    stage.sim.deleverage(sol(), Some(qty("1"))).unwrap();
    let risk = await_risk(&stage, "the trip", |risk| stands(risk, Tag::Liquidation));
    let trip = risk.trips.iter().find(|trip| trip.tag == Tag::Liquidation);
    let said = &trip.unwrap().message;
    assert!(said.contains("auto-deleveraged 1"), "{said}");
    bot.await_size(sol(), qty("2")).unwrap();
    let placed = bot.buy(sol(), qty("1")).unwrap();
    assert!(!accepted(&placed), "{placed:?}");
    // Next to nothing is left under the rest of it.
    stage.sim.transfer(amount("-9985")).unwrap();
    stage.sim.price(sol(), Some(price("80"))).unwrap();
    await_log(&stage, &["the venue liquidated 2"]);
    let ledger = stage.sim.ledger().unwrap();
    let earned = sum(&ledger.closed_pnl, "closedPnl");
    assert_eq!(ledger.closed_pnl.len(), 2);
    await_risk(&stage, "both closes to be counted", |risk| {
        risk.positions.is_empty()
            && risk.account.realised_today == earned
            && risk.closes.len() == 2
            && risk.closes.iter().all(|c| c.check == CloseCheck::Agrees)
    });
    assert_eq!(stage.openings().len(), 1);
}
