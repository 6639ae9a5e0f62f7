//! Streams through the real program: what they carry, what is repaired after they were away, what
//! happens when they talk nonsense; bans that outlive a gateway; the other venue's paths.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

mod between;
mod player;

use std::collections::BTreeSet;

use between::Between;
use player::{Bot, Guard, House, Sim, Spec, intent, link, until};
use protocol::frame::Empty;
use protocol::gateway::{GatewayPush, GatewayReply, GatewayRequest, Subscribe};
use protocol::guard::Observation;
use protocol::status::{FeedState, GatewayStatus};
use protocol::venue::OrderStatus;
use protocol::{Outcome, VenueMs};
use serde_json::json;

const BUY: &str = r#""side":"buy","order_type":"market","qty":"1""#;

fn status(bot: &mut Bot) -> GatewayStatus {
    match bot.ask(&GatewayRequest::Status(Empty {})) {
        GatewayReply::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

fn until_live(bot: &mut Bot) {
    until("both streams to be whole", || {
        let status = status(bot);
        let live = [status.account_stream, status.market_stream];
        (live == [FeedState::Live; 2]).then_some(())
    });
}

/// Every execution id that the guard has been told so far.
fn told(guard: &Guard) -> Vec<String> {
    let mut ids = Vec::new();
    for note in &guard.notes {
        if let Observation::Executions(rows) = &note.what {
            ids.extend(rows.iter().map(|row| row.exec_id.to_string()));
        }
    }
    ids
}

/// Executions in the venue's own ledger.
fn executed(sim: &Sim) -> BTreeSet<String> {
    let ledger = sim.ledger();
    let rows = ledger["executions"].as_array().unwrap();
    rows.iter()
        .map(|row| row["execId"].as_str().unwrap().to_owned())
        .collect()
}

fn buy(bot: &mut Bot, guard: &mut Guard, number: u64) {
    let (placed, _) = bot.place(intent(&format!("i-{number}"), BUY), || {
        guard.approve(number)
    });
    let accepted = matches!(placed.outcome, Outcome::Accepted { .. });
    assert!(accepted, "{placed:?}");
}

/// No read of the account succeeds any more.
fn silence_reads(sim: &Sim) {
    for path in [
        "/execution/list",
        "/position/list",
        "/order/realtime",
        "/order/history",
        "/account/wallet-balance",
    ] {
        let fault = json!({"kind": "http_500", "path": path, "count": 100_000});
        sim.post("/sim/fault", &fault);
    }
}

#[test]
fn streams_alone_tell_the_guard_of_everything_an_order_does() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    until_live(&mut bot);
    silence_reads(&sim);
    buy(&mut bot, &mut guard, 1);
    let mut left = BTreeSet::from(["execution", "order", "position", "wallet"]);
    guard.observed(|what| {
        let seen = match what {
            Observation::Executions(rows) if rows.iter().any(|r| r.link_id == Some(link(1))) => {
                "execution"
            }
            Observation::Orders(rows) if rows.iter().any(|o| o.status == OrderStatus::Filled) => {
                "order"
            }
            Observation::Positions(rows) if rows.iter().any(|p| p.size.to_string() == "1") => {
                "position"
            }
            Observation::Wallet(wallet) if wallet.position_margin.is_some_and(|m| !m.is_zero()) => {
                "wallet"
            }
            _ => return None,
        };
        left.remove(seen);
        left.is_empty().then_some(())
    });
}

#[test]
fn what_happened_while_a_stream_was_away_is_told_and_nothing_twice_to_bots() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    bot.ask(&GatewayRequest::Subscribe(Subscribe::default()));
    until_live(&mut bot);
    buy(&mut bot, &mut guard, 1);
    for round in 0..3 {
        sim.post(
            "/sim/fault",
            &json!({"kind": "drop_ws", "path": "/private", "ms": 700}),
        );
        // One while it is away, whoever notices first.
        buy(&mut bot, &mut guard, 2 + 2 * round);
        until_live(&mut bot);
        buy(&mut bot, &mut guard, 3 + 2 * round);
    }
    let wanted = executed(&sim);
    assert_eq!(wanted.len(), 7);
    until("the guard to hear of every execution", || {
        guard.observed(|_| Some(()));
        let told: BTreeSet<String> = told(&guard).into_iter().collect();
        wanted.is_subset(&told).then_some(())
    });
    let mut heard = Vec::new();
    until("the bot to hear of every execution", || {
        let push = bot
            .client
            .next_push::<GatewayPush>(player::PATIENCE)
            .unwrap()?;
        if let GatewayPush::Execution(row) = push {
            heard.push(row.exec_id.to_string());
        }
        (heard.len() >= wanted.len()).then_some(())
    });
    let once: BTreeSet<String> = heard.iter().cloned().collect();
    assert_eq!((once, heard.len()), (wanted, 7), "each once");
    house.logged("polls carry the load");
    house.logged("account stream: whole");
}

#[test]
fn a_message_that_cannot_be_read_is_named_and_read_over_rest() {
    let Some(sim) = Sim::start() else { return };
    let between = Between::before(&sim.url);
    let house = House::ready(&Spec::at(&between.url));
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    until_live(&mut bot);
    // The scripted stream tells nothing of it.
    buy(&mut bot, &mut guard, 1);
    let now = daemon::clock::wall_now().0;
    let row = |fee: &str| {
        format!(
            r#"{{"topic":"execution","creationTime":{now},"data":[{{"category":"linear",
            "symbol":"SOLUSDT","execId":"e-x","orderId":"o-x","side":"Buy","execPrice":"1",
            "execQty":"1","execType":"Trade","execFee":"{fee}","execTime":"{now}"}}]}}"#
        )
    };
    between.say(&row("1e400"));
    house.logged("execution stream: a message could not be read: field execFee");
    let executed = guard.observed(|what| match what {
        Observation::Executions(rows) => rows.first().cloned(),
        _ => None,
    });
    assert_eq!(executed.link_id, Some(link(1)));
    // The connection stands, and the next message is read.
    between.say(&row("0.1"));
    guard.observed(|what| match what {
        Observation::Executions(rows) => rows
            .iter()
            .any(|r| r.exec_id.as_str() == "e-x")
            .then_some(()),
        _ => None,
    });
    // What is no message at all ends the connection; another one is made, and repaired.
    until_live(&mut bot);
    between.say("<html>502</html>");
    house.logged("<html>502</html>");
    between.again();
    until_live(&mut bot);
}

#[test]
fn a_ban_that_the_guard_remembers_keeps_the_next_gateway_silent() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let until_then = VenueMs(daemon::clock::wall_now().0 + 290_000);
    let guard = house.guard_of(Vec::new(), Some(until_then));
    // What is left of them, on a machine however quick or busy; a ban of its own would be ten minutes.
    house.logged("the venue has banned this address for 2");
    let mut bot = Bot::connect(&house.socket());
    let status = status(&mut bot);
    assert_eq!(
        status.requests_last_minute, 0,
        "not even the time was asked"
    );
    assert!(status.banned_until.is_some());
    assert_eq!(status.account_stream, FeedState::Away);
    drop(guard);
}

#[test]
fn the_other_venue_is_the_same_house_under_its_own_paths() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec {
        venue: "bybit",
        ..Spec::at(&sim.url)
    });
    let mut guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    until_live(&mut bot);
    buy(&mut bot, &mut guard, 1);
    guard.observed(|what| match what {
        Observation::Executions(rows) => (rows.first()?.link_id == Some(link(1))).then_some(()),
        _ => None,
    });
    assert_eq!(sim.orders(link(1).as_str()).len(), 1);
}
