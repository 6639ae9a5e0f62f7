//! The ways through the gateway, with the real program and the simulated exchange; the test plays
//! guard, supervisor and bot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

mod player;

use player::{Bot, House, Sim, Spec, intent, link, until};
use protocol::frame::Empty;
use protocol::gateway::{GatewayPush, GatewayReply, GatewayRequest, Subscribe};
use protocol::guard::{
    Command, CommandKind, CommandResult, GuardPush, GuardReply, GuardRequest, Observation,
};
use protocol::venue::OrderStatus;
use protocol::{CommandId, Context, Decision, Denial, OrderLinkId, Outcome, Tag};
use serde_json::json;

const BUY: &str = r#""side":"buy","order_type":"market","qty":"1.04""#;

#[test]
fn an_order_goes_from_bot_to_venue_and_back() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let kinds: Vec<&str> = guard.notes.iter().map(|note| kind(&note.what)).collect();
    let order = |name: &str| kinds.iter().position(|k| *k == name).unwrap_or(usize::MAX);
    let wanted = [
        "skew",
        "instruments",
        "complete",
        "positions",
        "open",
        "wallet",
        "tickers",
    ];
    let walked: Vec<usize> = wanted.into_iter().map(order).collect();
    assert!(
        walked.is_sorted() && !walked.contains(&usize::MAX),
        "{kinds:?}"
    );

    let mut bot = Bot::connect(&house.socket());
    bot.ask(&GatewayRequest::Subscribe(Subscribe::default()));
    let (placed, asked) = bot.place(intent("i-1", BUY), || {
        let asked = guard.approve(1);
        let outcome = guard.outcome(1);
        (asked, outcome)
    });
    assert_eq!(asked.0.qty.to_string(), "1", "on the lot step, never up");
    assert!(
        matches!(placed.outcome, Outcome::Accepted { .. }),
        "{placed:?}"
    );
    assert_eq!(asked.1, placed.outcome);
    assert_eq!(sim.orders("pg-test-1").len(), 1);
    let executed = guard.seen(|what| match what {
        Observation::Executions(rows) => rows.first().cloned(),
        _ => None,
    });
    assert_eq!(executed.link_id, Some(link(1)));
    guard.seen(|what| match what {
        Observation::Orders(rows) | Observation::OpenOrders(rows) => rows
            .iter()
            .find(|o| o.link_id == Some(link(1)) && o.status == OrderStatus::Filled)
            .map(drop),
        _ => None,
    });
    guard.seen(|what| match what {
        Observation::Positions(rows) => (!rows.is_empty()).then_some(()),
        _ => None,
    });
    let mut heard = Vec::new();
    until("pushes of the order and its execution", || {
        let push = bot
            .client
            .next_push::<GatewayPush>(player::PATIENCE)
            .unwrap()?;
        heard.push(push);
        let executed = heard.iter().any(|p| matches!(p, GatewayPush::Execution(_)));
        let filled = heard
            .iter()
            .any(|p| matches!(p, GatewayPush::Order(o) if o.status == OrderStatus::Filled));
        (executed && filled).then_some(())
    });
    for line in ["order approved", "order accepted", "order filled"] {
        house.logged(line);
    }
    assert!(!house.log_text().contains("sim-secret") && !house.log_text().contains("sim-key"));
}

#[test]
fn refused_recorded_and_late_orders_never_leave() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    let denial = Denial {
        tag: Tag::DailyLoss,
        message: "no".to_owned(),
        context: Context::new(),
    };
    let (placed, ()) = bot.place(intent("i-1", BUY), || {
        let (id, _) = guard.authorize();
        guard.answer(id, &GuardReply::Decision(Decision::Denied(denial.clone())));
    });
    assert_eq!(placed.outcome, Outcome::Denied(denial));

    let (placed, ()) = bot.place(intent("i-2", BUY), || {
        let (id, asked) = guard.authorize();
        let recorded = protocol::order::Recorded {
            intent_id: asked.intent_id,
            link_id: Some(link(9)),
            outcome: Outcome::Pending,
        };
        guard.answer(id, &GuardReply::Decision(Decision::Recorded(recorded)));
    });
    assert!(
        placed.repeated && placed.outcome == Outcome::Pending,
        "{placed:?}"
    );

    let small = r#""side":"buy","order_type":"market","qty":"0.0001""#;
    let (placed, ()) = bot.place(intent("i-3", small), || ());
    assert!(
        matches!(&placed.outcome, Outcome::Denied(d) if d.tag == Tag::OrderLimit),
        "{placed:?}"
    );

    // The guard answers after the gateway has given up: nothing is sent, and the guard hears so.
    let (placed, late) = bot.place(intent("i-4", BUY), || guard.authorize());
    assert!(
        matches!(&placed.outcome, Outcome::Denied(d) if d.tag == Tag::GuardLost),
        "{placed:?}"
    );
    let approval = player::approval(4, &late.1);
    guard.answer(late.0, &GuardReply::Decision(Decision::Approved(approval)));
    assert!(matches!(guard.outcome(4), Outcome::NotSent { .. }));
    assert_eq!(sim.ledger()["orders"], json!([]));
}

#[test]
fn an_ambiguous_order_is_looked_up_and_never_sent_again() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    let fault =
        json!({"kind": "timeout_after_accept", "path": "/order/create", "count": 1, "ms": 7000});
    sim.post("/sim/fault", &fault);
    let (placed, outcome) = bot.place(intent("i-1", BUY), || {
        guard.approve(1);
        guard.outcome(1)
    });
    assert!(
        matches!(placed.outcome, Outcome::Ambiguous { .. }),
        "{placed:?}"
    );
    assert!(matches!(outcome, Outcome::Ambiguous { .. }));
    let found = guard.asked(|_, request| match request {
        GuardRequest::Lookup(lookup) => lookup.found.clone(),
        _ => None,
    });
    assert_eq!(found.link_id, Some(link(1)));
    assert_eq!(sim.orders("pg-test-1").len(), 1);
}

#[test]
fn an_order_of_an_earlier_life_that_is_nowhere_is_looked_up_twice_before_the_sync() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let lost = player::approval(3, &intent("i-0", BUY));
    let mut guard = house.guard(vec![lost]);
    guard.lease(60_000);
    let mut begun = Vec::new();
    let mut synced_after = None;
    guard.hear(|heard| {
        match heard {
            player::Heard::Asked(_, GuardRequest::Lookup(lookup)) => begun.push(lookup.begun.0),
            player::Heard::Told(note) if note.what == Observation::Synced => {
                synced_after = Some(begun.len());
            }
            _ => {}
        }
        let late = |at: &&i64| **at - begun[0] > 1000;
        (begun.iter().filter(late).count() >= 2).then_some(())
    });
    assert_eq!(synced_after, None, "not before the guard counts it settled");
    assert!(
        begun.len() >= 3,
        "an early look and two conclusive ones: {begun:?}"
    );
    let conclusive: Vec<i64> = begun
        .iter()
        .copied()
        .filter(|at| at - begun[0] > 1000)
        .collect();
    assert!(
        conclusive.len() >= 2 && conclusive[1] - conclusive[0] > 200,
        "{begun:?}"
    );
    guard.settles = true;
    guard.observed(|what| (*what == Observation::Synced).then_some(()));
}

#[test]
fn without_the_guard_openers_go_stops_stay_and_exits_still_leave() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    let bracketed = r#""side":"buy","order_type":"market","qty":"2","stop_loss":"1""#;
    bot.place(intent("i-1", bracketed), || guard.approve(1));
    let bid = r#""side":"buy","order_type":"limit","qty":"1","price":"100""#;
    bot.place(intent("i-2", bid), || guard.approve(2));
    guard.observed(|what| match what {
        Observation::OpenOrders(rows) => rows.iter().find(|o| o.link_id == Some(link(2))).map(drop),
        _ => None,
    });
    guard.lease(300);
    drop(guard);
    until("the resting opener to be cancelled", || {
        (sim.orders("pg-test-2")[0]["status"] == "Cancelled").then_some(())
    });
    house.logged("SAFETY_GUARD_LOST");
    let stop = |status: &str| {
        let ledger = sim.ledger();
        let orders = ledger["orders"].as_array().unwrap().clone();
        orders
            .iter()
            .any(|o| o["stopOrderType"] != "" && o["status"] == status)
    };
    assert!(stop("Untriggered"), "{}", sim.ledger()["orders"]);

    let (placed, ()) = bot.place(intent("i-3", BUY), || ());
    assert!(
        matches!(&placed.outcome, Outcome::Denied(d) if d.tag == Tag::GuardLost),
        "{placed:?}"
    );
    let exit = r#""side":"sell","order_type":"market","qty":"9","reduce_only":true"#;
    let leave = intent("i-4", exit);
    // Nobody writes a refusal down meanwhile, so it is not final: asked again, it goes.
    let fault = json!({"kind": "ret_code", "code": 110_007, "path": "/order/create", "count": 1});
    sim.post("/sim/fault", &fault);
    let (refused, ()) = bot.place(leave.clone(), || ());
    assert!(
        matches!(&refused.outcome, Outcome::Ambiguous { why } if why.contains("(110007)")),
        "{refused:?}"
    );
    let (placed, ()) = bot.place(leave.clone(), || ());
    assert!(
        matches!(placed.outcome, Outcome::Accepted { .. }),
        "{placed:?}"
    );
    let sent = sim.orders(placed.link_id.unwrap().as_str());
    assert_eq!(sent[0]["qty"], "2", "never more than the position");
    let (again, ()) = bot.place(leave.clone(), || ());
    assert!(again.repeated && again.outcome == placed.outcome);
    assert_eq!(sim.orders(placed.link_id.unwrap().as_str()).len(), 1);

    // The guard comes back and hears of it, under the link id that it would have given.
    let mut guard = house.guard(Vec::new());
    let told = guard.asked(|_, request| match request {
        GuardRequest::ExitAlone(exit) => Some(exit.clone()),
        _ => None,
    });
    let own = OrderLinkId::of_intent(player::LINEAGE, leave.intent_id).unwrap();
    assert_eq!((told.link_id, Some(own)), (own, placed.link_id));
    assert_eq!(
        (told.intent.intent_id, told.outcome),
        (leave.intent_id, placed.outcome)
    );
    assert!(told.signed_at.is_some());
}

#[test]
fn an_exit_of_a_gateway_that_never_met_the_guard_is_not_sent_twice() {
    let Some(sim) = Sim::start() else { return };
    let held = json!({"symbol": "SOLUSDT", "side": "Buy", "size": "2", "avgPrice": "150"});
    sim.post("/sim/position", &held);
    let exit = r#""side":"sell","order_type":"market","qty":"1","reduce_only":true"#;
    let leave = intent("i-1", exit);
    let mut first = House::ready(&Spec::at(&sim.url));
    let mut bot = Bot::connect(&first.socket());
    let placed = until("the exit to go", || {
        match bot.ask(&GatewayRequest::Place(leave.clone())) {
            GatewayReply::Placed(placed) => {
                matches!(placed.outcome, Outcome::Accepted { .. }).then_some(placed)
            }
            _ => None,
        }
    });
    // It dies before it could tell anybody.
    first.gateway.kill().unwrap();
    assert!(!first.ended().success());
    let second = House::ready(&Spec::at(&sim.url));
    let mut guard = second.synced_guard();
    let mut bot = Bot::connect(&second.socket());
    let (again, told) = bot.place(leave.clone(), || {
        guard.asked(|_, request| match request {
            GuardRequest::ExitAlone(exit) => Some(exit.clone()),
            GuardRequest::Authorize(intent) => panic!("sent again: {intent:?}"),
            _ => None,
        })
    });
    assert!(
        again.repeated && again.outcome == placed.outcome,
        "{again:?}"
    );
    assert_eq!(
        (told.link_id, told.outcome),
        (again.link_id.unwrap(), again.outcome)
    );
    let orders = sim.ledger()["orders"].as_array().unwrap().clone();
    let exits = orders.iter().filter(|o| o["reduceOnly"] == true);
    assert_eq!(exits.count(), 1, "{orders:?}");
}

#[test]
fn a_flatten_ends_flat_and_is_told_again_when_asked_again() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    let bracketed = r#""side":"buy","order_type":"market","qty":"2","stop_loss":"1""#;
    bot.place(intent("i-1", bracketed), || guard.approve(1));
    let bid = r#""side":"buy","order_type":"limit","qty":"1","price":"100""#;
    bot.place(intent("i-2", bid), || guard.approve(2));
    let flatten = GuardPush::Command(Command {
        command_id: CommandId(5),
        explicit: true,
        what: CommandKind::Flatten {
            symbol: None,
            max_slippage: money::Ratio::parse("0.01").unwrap(),
        },
    });
    let result = |request: &GuardRequest| match request {
        GuardRequest::CommandResult(result) => result.done.then(|| result.clone()),
        _ => None,
    };
    guard.push(&flatten);
    let first: CommandResult = guard.asked(|_, request| result(request));
    assert!(first.done, "{first:?}");
    let ledger = sim.ledger();
    let orders = ledger["orders"].as_array().unwrap().clone();
    let live = |s: &serde_json::Value| s == "New" || s == "Untriggered" || s == "PartiallyFilled";
    assert!(
        !orders.iter().any(|o| live(&o["status"])),
        "{}",
        ledger["orders"]
    );
    let closing = orders
        .iter()
        .filter(|o| o["reduceOnly"] == true && o["orderLinkId"] != "");
    assert_eq!(closing.count(), 1);
    match bot.ask(&GatewayRequest::Positions(Empty {})) {
        GatewayReply::Positions(read) => assert!(read.positions.is_empty(), "{read:?}"),
        other => panic!("{other:?}"),
    }
    guard.push(&flatten);
    let second: CommandResult = guard.asked(|_, request| result(request));
    assert_eq!(first, second);
}

#[test]
fn a_stop_cancels_our_openers_and_leaves_stops() {
    let Some(sim) = Sim::start() else { return };
    let mut house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    let bracketed = r#""side":"buy","order_type":"market","qty":"2","stop_loss":"1""#;
    bot.place(intent("i-1", bracketed), || guard.approve(1));
    let bid = r#""side":"buy","order_type":"limit","qty":"1","price":"100""#;
    bot.place(intent("i-2", bid), || guard.approve(2));
    let asked = daemon::clock::boot_now();
    assert!(house.stop().success());
    assert!(daemon::clock::boot_now().since(asked) < 3000);
    assert_eq!(sim.orders("pg-test-2")[0]["status"], "Cancelled");
    let ledger = sim.ledger();
    let orders = ledger["orders"].as_array().unwrap().clone();
    assert!(
        orders.iter().any(|o| o["status"] == "Untriggered"),
        "{}",
        ledger["orders"]
    );
}

#[test]
fn a_bot_can_amend_and_cancel_what_rests() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    let bid = r#""side":"buy","order_type":"limit","qty":"1","price":"100""#;
    let resting = intent("i-1", bid);
    bot.place(resting.clone(), || guard.approve(1));
    let change: protocol::order::Amend =
        serde_json::from_str(r#"{"intent_id":"i-1","price":"99.006"}"#).unwrap();
    let amended = std::thread::scope(|scope| {
        let asking = scope.spawn(|| bot.ask(&GatewayRequest::Amend(change)));
        let (id, asked) = guard.asked(|id, request| match request {
            GuardRequest::AuthorizeAmend(amend) => Some((id, amend.clone())),
            _ => None,
        });
        let whole = protocol::Intent {
            price: asked.price,
            ..resting.clone()
        };
        let mut approval = player::approval(2, &whole);
        approval.link_id = link(1);
        guard.answer(id, &GuardReply::Decision(Decision::Approved(approval)));
        assert!(matches!(guard.outcome(2), Outcome::Accepted { .. }));
        asking.join().unwrap()
    });
    let GatewayReply::Placed(placed) = amended else {
        panic!("{amended:?}")
    };
    assert!(
        matches!(placed.outcome, Outcome::Accepted { .. }),
        "{placed:?}"
    );
    assert_eq!(sim.orders("pg-test-1")[0]["price"], "99");
    let cancel = protocol::gateway::Cancel {
        intent_id: resting.intent_id,
    };
    assert_eq!(
        bot.ask(&GatewayRequest::Cancel(cancel)),
        GatewayReply::Done(Empty {})
    );
    until("the cancel", || {
        (sim.orders("pg-test-1")[0]["status"] == "Cancelled").then_some(())
    });
    guard.observed(|what| match what {
        Observation::Orders(rows) => rows
            .iter()
            .find(|o| o.status == OrderStatus::Cancelled)
            .map(drop),
        _ => None,
    });
}

const fn kind(what: &Observation) -> &'static str {
    match what {
        Observation::Instruments(_) => "instruments",
        Observation::Tickers(_) => "tickers",
        Observation::Wallet(_) => "wallet",
        Observation::Positions(_) => "positions",
        Observation::OpenOrders(_) => "open",
        Observation::Orders(_) => "orders",
        Observation::Executions(_) => "executions",
        Observation::ExecutionsComplete(_) => "complete",
        Observation::ClosedTradesComplete(_) => "closed_complete",
        Observation::ClosedTrades(_) => "closed",
        Observation::Synced => "synced",
        Observation::ClockSkew(_) => "skew",
        Observation::Banned(_) => "banned",
        Observation::AccessDenied(_) => "denied",
        Observation::CandlesStale { .. } => "stale",
    }
}
