//! Tight caps, bans, a freeze and an edited config, with the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

mod player;

use player::{Bot, House, Sim, Spec, intent, link};
use protocol::frame::Empty;
use protocol::gateway::{Cancel, GatewayReply, GatewayRequest};
use protocol::guard::{GuardRequest, Observation};
use protocol::status::{GatewayStatus, TradingState};
use protocol::{Generation, Outcome};
use serde_json::json;

const BUY: &str = r#""side":"buy","order_type":"market","qty":"1""#;
const BID: &str = r#""side":"buy","order_type":"limit","qty":"1","price":"100""#;

#[test]
fn under_the_tightest_caps_orders_still_go_and_the_waits_are_told() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec {
        per_second: 1,
        per_minute: 60,
        ..Spec::at(&sim.url)
    });
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    for number in 1..=3 {
        let (placed, ()) = bot.place(intent(&format!("i-{number}"), BUY), || {
            guard.approve(number);
        });
        assert!(
            matches!(placed.outcome, Outcome::Accepted { .. }),
            "{placed:?}"
        );
    }
    house.logged("SAFETY_RATE_LIMIT");
    house.logged("sleep_ms");
    // A refused order gives its turn back.
    let before = status(&mut bot).requests_last_minute;
    let small = r#""side":"buy","order_type":"market","qty":"0.0001""#;
    for number in 10..30 {
        bot.place(intent(&format!("i-{number}"), small), || ());
    }
    assert!(status(&mut bot).requests_last_minute <= before + 3);
}

#[test]
fn a_ban_is_told_and_nothing_is_asked_any_more() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    sim.post("/sim/fault", &json!({"kind": "ban_403", "count": 1}));
    let until = guard.observed(|what| match what {
        Observation::Banned(until) => Some(*until),
        _ => None,
    });
    let left = until.since(daemon::clock::wall_now());
    assert!((590_000..=601_000).contains(&left), "{left}");
    let mut bot = Bot::connect(&house.socket());
    let banned = status(&mut bot);
    assert!(banned.banned_until.is_some());
    let refused = bot.ask(&GatewayRequest::Place(intent("i-1", BID)));
    assert!(
        matches!(&refused, GatewayReply::Error(e) if e.message.contains("banned")),
        "{refused:?}"
    );
    assert!(status(&mut bot).requests_last_minute <= banned.requests_last_minute + 1);
}

#[test]
fn under_a_freeze_nothing_leaves_not_even_a_cancel() {
    let Some(sim) = Sim::start() else { return };
    let mut house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    let resting = intent("i-1", BID);
    bot.place(resting.clone(), || guard.approve(1));
    guard.state(60_000, TradingState::Frozen);
    let cancel = GatewayRequest::Cancel(Cancel {
        intent_id: resting.intent_id,
    });
    player::until("the freeze", || match bot.ask(&cancel) {
        GatewayReply::Error(error) => error.message.contains("frozen").then_some(()),
        _ => None,
    });
    let (placed, told) = bot.place(intent("i-2", BUY), || {
        guard.approve(2);
        guard.outcome(2)
    });
    assert!(
        matches!(placed.outcome, Outcome::NotSent { .. }) && placed.outcome == told,
        "{placed:?}"
    );
    // A guard that has not written it down: it is not final, and says so.
    let (placed, _) = bot.place(intent("i-3", BUY), || guard.approve(3));
    let Outcome::Ambiguous { why } = &placed.outcome else {
        panic!("{placed:?}")
    };
    assert!(why.contains("has not written that down yet"), "{why}");
    assert!(matches!(guard.outcome(3), Outcome::NotSent { .. }));
    assert!(house.stop().success());
    assert_eq!(sim.orders("pg-test-1")[0]["status"], "New");
    assert!(sim.orders(link(2).as_str()).is_empty());
}

/// The word may be spoken while its lease is still on its way: a stop asks before it cancels.
#[test]
fn a_freeze_that_comes_with_the_stop_counts() {
    let Some(sim) = Sim::start() else { return };
    let mut house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    bot.place(intent("i-1", BID), || guard.approve(1));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            guard.asked(|_, request| matches!(request, GuardRequest::Status(_)).then_some(()));
            guard.state(60_000, TradingState::Frozen);
        });
        assert!(house.stop().success());
    });
    assert_eq!(sim.orders("pg-test-1")[0]["status"], "New");
    house.logged("frozen: resting orders are left as they are");
}

#[test]
fn an_edited_config_is_applied_while_it_runs() {
    let Some(sim) = Sim::start() else { return };
    let spec = Spec::at(&sim.url);
    let mut house = House::ready(&spec);
    let guard = house.synced_guard();
    house.edit(
        2,
        &Spec {
            per_second: 5,
            per_minute: 100,
            ..spec
        },
    );
    house.report(|report| {
        matches!(report, protocol::control::Report::Applied(Generation(2))).then_some(())
    });
    let mut bot = Bot::connect(&house.socket());
    assert!(status(&mut bot).synced);
    drop(guard);
}

fn status(bot: &mut Bot) -> GatewayStatus {
    match bot.ask(&GatewayRequest::Status(Empty {})) {
        GatewayReply::Status(status) => status,
        other => panic!("{other:?}"),
    }
}
