//! The streams of the real program over real sockets: authentication, subscriptions, what they tell,
//! and their ends. Their shapes are held in `conformance`.
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
use venue::{Sim, Stream};

#[test]
fn a_private_stream_wants_a_good_signature_before_it_tells_anything() {
    let sim = Sim::start(&[]);
    let now = sim.now();
    for (name, key, expires, secret) in [
        ("unknown key", "other", now + 10_000, "sim-secret"),
        ("wrong secret", "sim-key", now + 10_000, "other"),
        ("expired", "sim-key", now - 1, "sim-secret"),
    ] {
        let mut stream = sim.stream("/v3/private");
        stream.say(&json!({"op": "subscribe", "args": ["order"], "req_id": "early"}));
        let early = stream.hear();
        assert_eq!(
            (&early["success"], &early["req_id"]),
            (&json!(false), &json!("early"))
        );
        let sign = exchange::signing::websocket_signature(secret, expires);
        stream.say(&json!({"op": "auth", "args": [key, expires, sign]}));
        let refused = stream.hear();
        assert_eq!(
            (&refused["op"], &refused["success"]),
            (&json!("auth"), &json!(false)),
            "{name}"
        );
        assert!(stream.has_ended(), "{name}: the stream is closed after it");
    }
    let mut stream = sim.private("/v3/private", &[]);
    stream.say(&json!({"op": "subscribe", "args": ["order", "nonsense"]}));
    assert_eq!(stream.hear()["success"], false, "all topics or none");
    stream.say(&json!({"op": "ping", "req_id": "test"}));
    let pong = stream.hear();
    assert_eq!(
        (&pong["op"], &pong["req_id"]),
        (&json!("pong"), &json!("test"))
    );
}

#[test]
fn an_order_is_told_on_every_topic() {
    let sim = Sim::start(&["--account", "classic"]);
    let topics = ["order", "execution", "position", "wallet"];
    let mut streams = [
        sim.private("/v3/private", &topics),
        sim.private("/v5/private", &topics),
    ];
    let (reader, trader) = sim.client();
    venue::run(async {
        reader.sync_clock().await.unwrap();
        trader.create(&venue::buy("pg-1")).await.unwrap();
    });
    for stream in &mut streams {
        let mut told = BTreeMap::new();
        while told.len() < topics.len() {
            let message = stream.hear();
            told.entry(message["topic"].as_str().unwrap().to_owned())
                .or_insert(message);
        }
        let execution = &told["execution"]["data"][0];
        assert_eq!(execution["orderLinkId"], "pg-1");
        assert_eq!(execution["closedSize"], "", "it opened");
        let order = &told["order"]["data"][0];
        assert_eq!(
            (&order["orderStatus"], &order["leavesQty"]),
            (&json!("Filled"), &json!(""))
        );
        assert_eq!(told["position"]["data"][0]["size"], "2");
        assert!(
            told["position"]["data"][0].get("avgPrice").is_none(),
            "it is entryPrice here"
        );
        assert_eq!(
            told["wallet"]["data"][0]["totalEquity"], "",
            "a classic account"
        );
    }
    // A stop that goes is news of its position, whoever takes it away.
    let stops = sim.signed("/order/realtime", "category=linear&symbol=SOLUSDT");
    let mut rows = stops["result"]["list"].as_array().unwrap().iter();
    let profit = rows.find(|row| row["StopOrderType"] == "TakeProfit");
    let id = &profit.unwrap()["OrderId"];
    let cancel = json!({"category": "linear", "symbol": "SOLUSDT", "orderId": id});
    assert_eq!(sim.signed_post("/order/cancel", &cancel)["retCode"], 0);
    let position =
        streams[0].until(|m| m["topic"] == "position" && m["data"][0]["takeProfit"] == "0");
    assert_eq!(position["data"][0]["stopLoss"], "90.000");
    // What the venue does by itself is told as well: the stop fires.
    let stream = &mut streams[0];
    sim.post("/sim/price", r#"{"symbol":"SOLUSDT","price":"89"}"#);
    let execution = stream.until(|m| m["topic"] == "execution");
    assert_eq!(execution["data"][0]["stopOrderType"], "StopLoss");
    assert_eq!(execution["data"][0]["closedSize"], "2");
    stream.say(&json!({"op": "unsubscribe", "args": ["order", "execution", "position"]}));
    stream.until(|m| m["op"] == "unsubscribe");
    sim.post("/sim/transfer", r#"{"amount":"5"}"#);
    assert_eq!(stream.hear()["topic"], "wallet", "and nothing else");
}

/// A book as a client keeps it.
#[derive(Default)]
struct Held {
    levels: BTreeMap<(&'static str, String), String>,
    update: u64,
}

impl Held {
    fn take(&mut self, message: &Value) {
        let data = &message["data"];
        let update = data["u"].as_u64().unwrap();
        if message["type"] == "snapshot" {
            self.levels.clear();
        } else {
            assert_eq!(update, self.update + 1, "no delta is missing");
        }
        self.update = update;
        for side in ["b", "a"] {
            for row in data[side].as_array().unwrap() {
                let price = (side, row[0].as_str().unwrap().to_owned());
                let size = row[1].as_str().unwrap();
                if size == "0" {
                    assert!(self.levels.remove(&price).is_some(), "{price:?} was there");
                } else {
                    self.levels.insert(price, size.to_owned());
                }
            }
        }
    }
}

#[test]
fn prices_are_told_as_snapshot_and_deltas() {
    let sim = Sim::start(&[]);
    let mut stream = sim.stream("/v5/public/linear");
    let args = ["tickers.SOLUSDT", "orderbook.50.SOLUSDT", "kline.1.SOLUSDT"];
    stream.say(&json!({"op": "subscribe", "args": args, "req_id": "a"}));
    let answer = stream.hear();
    assert_eq!(
        (&answer["success"], &answer["req_id"]),
        (&json!(true), &json!("a"))
    );
    let (mut ticker, mut book) = (serde_json::Map::new(), Held::default());
    let mut candle = Value::Null;
    let mut take = |message: &Value| match message["topic"].as_str().unwrap() {
        "tickers.SOLUSDT" => {
            let data = message["data"].as_object().unwrap();
            ticker.extend(data.iter().map(|(key, value)| (key.clone(), value.clone())));
            ticker["lastPrice"].clone()
        }
        "orderbook.50.SOLUSDT" => {
            book.take(message);
            Value::Null
        }
        _ => {
            candle = message["data"][0].clone();
            Value::Null
        }
    };
    for _ in args {
        let message = stream.hear();
        assert_eq!(message["type"], "snapshot", "{message}");
        take(&message);
    }
    for price in ["100.5", "99", "99.01", "250"] {
        sim.post(
            "/sim/price",
            &format!(r#"{{"symbol":"SOLUSDT","price":"{price}"}}"#),
        );
        let wanted: money::Decimal = price.parse().unwrap();
        let seen =
            |value: &Value| value.as_str().and_then(|text| text.parse().ok()) == Some(wanted);
        while !seen(&take(&stream.hear())) {}
    }
    // A listener that comes late sees the same book as one that was there from the start.
    let mut late = sim.stream("/v5/public/linear");
    late.say(&json!({"op": "subscribe", "args": ["orderbook.50.SOLUSDT"]}));
    let whole = late.until(|m| m["type"] == "snapshot");
    let mut fresh = Held::default();
    fresh.take(&whole);
    while book.update < fresh.update {
        let message = stream.until(|m| m["topic"] == "orderbook.50.SOLUSDT");
        book.take(&message);
    }
    assert_eq!(book.levels, fresh.levels);
    assert_eq!(candle["confirm"], false);
}

#[test]
fn every_candle_is_confirmed_once_and_trades_are_told() {
    let sim = Sim::start(&["--speed", "600"]);
    sim.post("/sim/price", r#"{"symbol":"SOLUSDT","price":null}"#);
    let mut stream = sim.stream("/v5/public/linear");
    stream.say(&json!({"op": "subscribe", "args": ["kline.1.SOLUSDT", "publicTrade.SOLUSDT"]}));
    let (mut confirmed, mut trades) = (Vec::new(), 0);
    while confirmed.len() < 8 || trades == 0 {
        let message = stream.hear();
        if message["topic"] == "publicTrade.SOLUSDT" {
            trades += 1;
        } else if message["data"][0]["confirm"] == true {
            confirmed.push(message["data"][0]["start"].as_i64().unwrap());
        }
    }
    let length = 100;
    assert!(
        confirmed.windows(2).all(|w| w[1] - w[0] == length),
        "{confirmed:?}"
    );
}

#[test]
fn streams_are_cut_and_refused_and_muted_on_order() {
    let sim = Sim::start(&[]);
    let mut private = sim.private("/v3/private", &["wallet"]);
    let mut public = sim.stream("/v5/public/linear");
    sim.post(
        "/sim/fault",
        r#"{"kind":"drop_ws","path":"/private","ms":60000}"#,
    );
    assert!(private.has_ended());
    assert!(
        Stream::open(&sim.address, "/v3/private").is_none(),
        "refused for a minute"
    );
    public.say(&json!({"op": "ping"}));
    assert_eq!(
        public.hear()["ret_msg"],
        "pong",
        "the other stream is as it was"
    );
    sim.post("/sim/fault", r#"{"kind":"drop_ws","path":"/private"}"#);
    let mut private = sim.private("/v3/private", &["wallet"]);
    sim.post("/sim/fault", r#"{"kind":"mute_ws"}"#);
    sim.post("/sim/transfer", r#"{"amount":"5"}"#);
    private.say(&json!({"op": "ping"}));
    assert!(private.is_silent(), "open, but silent");
    sim.post("/sim/fault", r#"{"kind":"drop_ws"}"#);
    assert!(private.has_ended() && public.has_ended());
    assert_eq!(sim.get("/sim/health", "").1["streams"], 0);
}
