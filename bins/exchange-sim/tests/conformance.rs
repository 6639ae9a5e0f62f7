//! Every message that the simulator makes has at least the published keys, with the published types
//! of value: held against the project's own shapes always, and against the exchange's published
//! samples where they are at hand. The walk over the samples knows every one of them by name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod venue;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use venue::{Sim, Stream, at_least, samples};

/// Published samples that the simulator makes nothing like, and why.
const NOT_MADE: [(&str, &[&str]); 3] = [
    (
        "calls that it does not serve",
        &[
            "market-history-fund-rate.0",
            "market-index-kline.0",
            "market-mark-kline.0",
            "market-preimum-index-kline.0",
            "position-auto-add-margin.0",
            "position-confirm-mmr.0",
            "position-cross-isolate.0",
            "position-manual-add-margin.0",
            "position-position-mode.0",
            "position-tpsl-mode.0",
            "rate-limit.0",
            "rate-limit.1",
        ],
    ),
    (
        "topics that it does not serve",
        &[
            "websocket-public-all-liquidation.0",
            "websocket-public-liquidation.0",
        ],
    ),
    (
        "rows of spot, which it does not trade",
        &["market-instrument.1", "market-tickers.1"],
    ),
];

/// Published messages of a client, which the simulator is to take.
const SAID: [&str; 5] = [
    "websocket-private-execution.0",
    "websocket-private-order.0",
    "websocket-private-position.0",
    "websocket-private-wallet.0",
    "websocket-wss-authentication.6",
];

/// What the simulator makes, by the name of the sample that it is to be like.
type Made = BTreeMap<&'static str, Value>;

#[test]
fn all_that_it_makes_has_the_published_shape() {
    let sim = Sim::start(&["--speed", "60"]);
    let mut made = streams(&sim);
    made.extend(calls(&sim));
    let own: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("fixtures/shapes.json")).unwrap();
    assert_eq!(
        made.keys().copied().collect::<Vec<_>>(),
        own.keys().collect::<Vec<_>>(),
        "one shape of our own for each"
    );
    for (name, shape) in &own {
        at_least(name, shape, &made[name.as_str()]);
    }
    let Some(published) = samples() else { return };
    let mut compared = 0;
    for (name, sample) in &published {
        let unmade = NOT_MADE
            .iter()
            .any(|(_, names)| names.contains(&name.as_str()));
        match made.get(name.as_str()) {
            Some(ours) => {
                at_least(name, sample, ours);
                assert_eq!(
                    shape(sample),
                    own[name],
                    "{name}: our own shape of it is as published"
                );
                compared += 1;
            }
            None => assert!(
                unmade || SAID.contains(&name.as_str()),
                "{name} is a sample that this test does not know"
            ),
        }
    }
    println!(
        "{compared} of {} published samples compared",
        published.len()
    );
    assert_eq!(compared, made.len());
}

#[test]
fn what_clients_are_published_to_say_is_taken() {
    let Some(published) = samples() else { return };
    let sim = Sim::start(&[]);
    let mut private = sim.private("/v3/private", &[]);
    let mut public = sim.stream("/v5/public/linear");
    for name in SAID {
        let said = &published[name];
        let stream = if name.contains("private") {
            &mut private
        } else {
            &mut public
        };
        stream.say(said);
        let answer = stream.hear();
        assert_eq!(
            (&answer["op"], &answer["success"]),
            (&said["op"], &json!(true)),
            "{name}"
        );
    }
}

fn streams(sim: &Sim) -> Made {
    let mut private = sim.stream("/v3/private");
    let expires = sim.now() + 10_000;
    let sign = exchange::signing::websocket_signature("sim-secret", expires);
    let mut made = Made::new();
    let mut ask = |stream: &mut Stream, name, said: Value| {
        stream.say(&said);
        made.insert(name, stream.hear());
    };
    let auth = json!({"op": "auth", "args": ["sim-key", expires, sign]});
    ask(&mut private, "websocket-wss-authentication.1", auth);
    let ping = json!({"op": "ping", "req_id": "test"});
    ask(&mut private, "websocket-wss-authentication.3", ping);
    let topics = json!(["order", "execution", "position", "wallet"]);
    let subscribe = json!({"op": "subscribe", "args": topics});
    ask(&mut private, "websocket-wss-authentication.7", subscribe);
    let mut public = sim.stream("/v5/public/linear");
    ask(
        &mut public,
        "websocket-wss-authentication.2",
        json!({"op": "ping"}),
    );
    let topics = json!([
        "tickers.SOLUSDT",
        "kline.5.SOLUSDT",
        "orderbook.50.SOLUSDT",
        "publicTrade.SOLUSDT"
    ]);
    let subscribe = json!({"op": "subscribe", "args": topics});
    ask(&mut public, "websocket-wss-authentication.8", subscribe);

    sim.create(&json!({"side": "Buy", "orderType": "Market", "qty": "2", "stopLoss": "90"}));
    for (stream, names) in [
        (
            &mut private,
            [
                ("order", "websocket-private-order.1"),
                ("execution", "websocket-private-execution.1"),
                ("position", "websocket-private-position.1"),
                ("wallet", "websocket-private-wallet.1"),
            ],
        ),
        (
            &mut public,
            [
                ("tickers.SOLUSDT", "websocket-public-ticker.0"),
                ("kline.5.SOLUSDT", "websocket-public-kline.0"),
                ("orderbook.50.SOLUSDT", "websocket-public-orderbook.1"),
                ("publicTrade.SOLUSDT", "websocket-public-trade.0"),
            ],
        ),
    ] {
        let mut wanted: BTreeMap<&str, &'static str> = names.into();
        while !wanted.is_empty() {
            let message = stream.hear();
            let topic = message["topic"].as_str().unwrap();
            if let Some(name) = wanted.remove(topic) {
                made.insert(name, message);
            }
        }
    }
    made
}

/// Goes on from the position that `streams` has opened.
fn calls(sim: &Sim) -> Made {
    let resting = json!({"side": "Buy", "orderType": "Limit", "qty": "1", "price": "95"});
    let named = |id: &str| json!({"category": "linear", "symbol": "SOLUSDT", "orderId": id});
    let of = |answer: &Value| answer["result"]["orderId"].as_str().unwrap().to_owned();
    let with = |mut body: Value, key: &str, value: &str| {
        body[key] = value.into();
        body
    };
    let created = sim.create(&resting);
    let first = of(&created);
    let amend = with(named(&first), "qty", "1.5");
    sim.create(&json!({"side": "Sell", "orderType": "Market", "qty": "1", "reduceOnly": true}));
    let open = sim.signed("/order/realtime", "category=linear&symbol=SOLUSDT");
    let second = of(&sim.create(&resting));
    let leverage = json!({
        "category": "linear", "symbol": "SOLUSDT", "buyLeverage": "3", "sellLeverage": "3",
    });
    let stop = json!({"category": "linear", "symbol": "SOLUSDT", "stopLoss": "91"});
    let all = json!({"category": "linear", "symbol": "SOLUSDT"});
    let of_sol = "category=linear&symbol=SOLUSDT";
    let rows = [
        (
            "intro.0",
            sim.signed_post(
                "/position/trading-stop",
                &with(stop.clone(), "stopLoss", "92"),
            ),
        ),
        (
            "position-trading-stop.0",
            sim.signed_post("/position/trading-stop", &stop),
        ),
        (
            "position-leverage.0",
            sim.signed_post("/position/set-leverage", &leverage),
        ),
        ("order-create-order.0", created),
        ("order-open-order.0", open),
        (
            "order-amend-order.0",
            sim.signed_post("/order/amend", &amend),
        ),
        (
            "order-cancel-order.0",
            sim.signed_post("/order/cancel", &named(&second)),
        ),
        ("position-position.0", sim.signed("/position/list", of_sol)),
        (
            "order-cancel-all.0",
            sim.signed_post("/order/cancel-all", &all),
        ),
        ("order-order-list.0", sim.signed("/order/history", of_sol)),
        (
            "order-execution.0",
            sim.signed("/execution/list", "category=linear"),
        ),
        (
            "position-close-pnl.0",
            sim.signed("/position/closed-pnl", "category=linear"),
        ),
        (
            "account-wallet-balance.0",
            sim.signed("/account/wallet-balance", "accountType=UNIFIED&coin=USDT"),
        ),
    ];
    accepted(rows.into_iter().chain(market(sim)))
}

fn market(sim: &Sim) -> Vec<(&'static str, Value)> {
    let public = |path: &str| sim.get(&format!("/cloud/trade/v3{path}"), "").1;
    let of_sol = "category=linear&symbol=SOLUSDT";
    vec![
        ("market-time.0", public("/market/time")),
        (
            "market-instrument.0",
            public(&format!("/market/instruments-info?{of_sol}")),
        ),
        (
            "market-tickers.0",
            public(&format!("/market/tickers?{of_sol}")),
        ),
        (
            "market-kline.0",
            public(&format!("/market/kline?{of_sol}&interval=1&limit=3")),
        ),
        (
            "market-orderbook.0",
            public(&format!("/market/orderbook?{of_sol}")),
        ),
        (
            "market-recent-trade.0",
            public(&format!("/market/recent-trade?{of_sol}")),
        ),
    ]
}

fn accepted(rows: impl Iterator<Item = (&'static str, Value)>) -> Made {
    rows.inspect(|(name, answer)| assert_eq!(answer["retCode"], 0, "{name}: {answer}"))
        .collect()
}

/// A message with its values emptied: what its keys and types are.
fn shape(message: &Value) -> Value {
    match message {
        Value::Null => Value::Null,
        Value::Bool(_) => false.into(),
        Value::Number(_) => 0.into(),
        Value::String(_) => "".into(),
        Value::Array(rows) => rows.iter().take(1).map(shape).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), shape(value)))
            .collect(),
    }
}

/// The same calls under the sibling's prefix, without Zoomex's quirks.
#[test]
fn each_prefix_has_its_own_quirks() {
    let sim = Sim::start(&[]);
    let link = json!({"side": "Buy", "orderType": "Market", "qty": "2", "orderLinkId": "pg-1"});
    sim.create(&link);
    sim.create(&json!({"side": "Buy", "orderType": "Limit", "qty": "1", "price": "95"}));
    sim.create(&json!({"side": "Sell", "orderType": "Market", "qty": "1", "reduceOnly": true}));
    let of_sol = "category=linear&symbol=SOLUSDT";
    let first = |prefix: &str, path: &str| {
        let answer = sim.signed_under(prefix, path, of_sol);
        assert_eq!(answer["retCode"], 0, "{prefix}{path}: {answer}");
        answer["result"]["list"][0].clone()
    };
    let (ours, sibling) = ("/cloud/trade/v3", "/v5");
    let open = |prefix| first(prefix, "/order/realtime");
    assert_eq!(open(ours)["OrderStatus"], "New");
    assert_eq!(open(sibling)["orderStatus"], "New");
    assert!(open(sibling).get("OrderStatus").is_none());
    let executions = "/execution/list";
    assert!(first(ours, executions).get("orderLinkId").is_none());
    assert_eq!(first(sibling, executions)["orderLinkId"], "");
    assert!(first(ours, executions)["closedSize"].is_number());
    assert!(first(sibling, executions)["closedSize"].is_string());
    let created = |prefix| {
        let row = first(prefix, "/position/closed-pnl");
        row["createdTime"].as_str().unwrap().len()
    };
    assert_eq!((created(ours), created(sibling)), (19, 13));
    assert_eq!(
        first(ours, "/position/list"),
        first(sibling, "/position/list")
    );
    assert_eq!(sim.get("/v3/market/time", "").0, 404);
}
