//! Answers that no sane venue gives: each is a typed error that names the call and what was wrong,
//! and never a panic, a number made up, or an endless wait.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]
#![allow(dead_code, reason = "each test file uses a part of the scripted venue")]

mod venue;

use std::sync::{Arc, Mutex};

use exchange::{AccountType, ExchangeError, Reader};
use protocol::venue::Interval;
use protocol::{OrderLinkId, VenueMs};
use venue::{Play, Told, Venue, client, fixture, run, symbol};

/// A venue whose answer can be exchanged while it runs.
struct Changing {
    _venue: Venue,
    reader: Reader,
    body: Arc<Mutex<String>>,
}

impl Changing {
    fn new() -> Self {
        let body = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&body);
        let venue = Venue::playing(move |request| {
            if request.is("/market/time") {
                Play::Ok(fixture("time"))
            } else if request.query.contains("cursor=") {
                Play::Ok(r#"{"retCode":0,"result":{"list":[]}}"#.to_owned())
            } else {
                Play::Ok(said.lock().unwrap().clone())
            }
        });
        let (reader, _) = client(&venue.url, (100_000, 1_000_000), &Told::default());
        run(reader.sync_clock()).unwrap();
        Self {
            _venue: venue,
            reader,
            body,
        }
    }

    async fn read(&self, name: &str, body: String) -> Result<(), ExchangeError> {
        *self.body.lock().unwrap() = body;
        let (reader, sol, usdt) = (&self.reader, symbol("SOLUSDT"), symbol("USDT"));
        let (since, until) = (VenueMs(1), VenueMs(2));
        match name {
            "instruments" => reader.instruments(usdt).await.map(drop),
            "tickers" => reader.ticker(sol).await.map(drop),
            "kline" => reader.candles(sol, Interval::M1, 2).await.map(drop),
            "open-orders" => reader.open_orders(usdt).await.map(drop),
            "order-history" => {
                let link = OrderLinkId::new("pg-0009").unwrap();
                reader.find_order(sol, link).await.map(drop)
            }
            "executions" => reader.executions(since, until).await.map(drop),
            "positions" => reader.positions(usdt).await.map(drop),
            "closed-pnl" => reader.closed_trades(since, until).await.map(drop),
            "wallet-classic" => reader.wallet(AccountType::Contract, usdt).await.map(drop),
            "wallet-unified" => reader.wallet(AccountType::Unified, usdt).await.map(drop),
            other => panic!("{other}"),
        }
    }
}

const ALL: [&str; 10] = [
    "instruments",
    "tickers",
    "kline",
    "open-orders",
    "order-history",
    "executions",
    "positions",
    "closed-pnl",
    "wallet-classic",
    "wallet-unified",
];

#[test]
fn an_answer_that_is_cut_anywhere_is_an_error() {
    let changing = Changing::new();
    run(async {
        for name in ALL {
            let whole = fixture(name);
            changing.read(name, whole.clone()).await.unwrap();
            let end = whole.trim_end().len();
            for cut in (0..end).step_by(23).chain([end - 1]) {
                let error = changing
                    .read(name, whole[..cut].to_owned())
                    .await
                    .unwrap_err();
                assert!(
                    matches!(error, ExchangeError::Unreadable { .. }),
                    "{name} {cut}: {error}"
                );
            }
        }
    });
}

#[test]
fn rubbish_of_every_kind_is_an_error_that_names_the_call() {
    let nested = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let bodies = [
        "<!DOCTYPE html><html><body>502</body></html>".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "\u{0}\u{1}\u{fffd}".to_owned(),
        r#"{"retCode":"0","result":{}}"#.to_owned(),
        r#"{"retMsg":"OK","result":{"list":[]}}"#.to_owned(),
        r#"{"retCode":0,"retMsg":"OK"}"#.to_owned(),
        r#"{"retCode":0,"result":null}"#.to_owned(),
        r#"{"retCode":0,"result":{"list":{}}}"#.to_owned(),
        r#"{"retCode":0,"result":{"list":[7]}}"#.to_owned(),
        format!(r#"{{"retCode":0,"result":{{"list":{nested}}}}}"#),
        format!(r#"{{"retCode":0,"result":{nested}}}"#),
        nested,
        format!(
            r#"{{"retCode":0,"result":{{"list":[]}},"pad":"{}"}}"#,
            "x".repeat(10 * 1024 * 1024)
        ),
    ];
    let changing = Changing::new();
    run(async {
        for name in ALL {
            for (n, body) in bodies.iter().enumerate() {
                let error = changing.read(name, body.clone()).await.unwrap_err();
                let text = error.to_string();
                assert!(
                    matches!(error, ExchangeError::Unreadable { .. }),
                    "{name} {n}: {text}"
                );
                assert!(text.contains('/') && text.len() < 600, "{name} {n}: {text}");
                assert!(!text.contains('\n'), "{name} {n}: {text}");
            }
        }
    });
}

#[test]
fn a_number_that_is_none_is_an_error_that_names_its_field() {
    let long = "9".repeat(40);
    let fields = [
        ("tickers", "\"181.270\"", "markPrice"),
        ("kline", "\"180.90\"", "low"),
        ("open-orders", "\"2.4\"", "cumExecQty"),
        ("order-history", "\"1763980101000\"", "createdTime"),
        ("executions", "\"0.340566\"", "execFee"),
        ("positions", "\"12.4\"", "size"),
        ("closed-pnl", "\"4.902216\"", "closedPnl"),
        ("closed-pnl", "\"1763980301007000321\"", "createdTime"),
        ("wallet-classic", "\"9768.40\"", "equity"),
        ("wallet-unified", "\"0.0473\"", "accountIMRate"),
    ];
    let changing = Changing::new();
    run(async {
        for (name, number, field) in fields {
            assert!(fixture(name).contains(number), "{name} {number}");
            for bad in [
                "1e400", "NaN", "inf", "-", "0x10", "1,5", " 1", "true", &long,
            ] {
                let body = fixture(name).replace(number, &format!("{bad:?}"));
                let error = changing.read(name, body).await.unwrap_err().to_string();
                assert!(
                    error.contains(&format!("field {field}: ")),
                    "{name} {bad}: {error}"
                );
            }
            // Absent is no zero; only the account's margin rate may be.
            let body = fixture(name).replace(number, "\"\"");
            let absent = changing.read(name, body).await;
            assert_eq!(
                absent.is_ok(),
                field == "accountIMRate",
                "{name} {field}: {absent:?}"
            );
            let body = fixture(name).replace(number, r#"{"nested":1}"#);
            assert!(changing.read(name, body).await.is_err(), "{name} {field}");
        }
    });
}

#[test]
fn a_word_that_is_unknown_is_told_where_it_matters() {
    let changing = Changing::new();
    run(async {
        for (name, word, field) in [
            ("open-orders", "\"Buy\"", "side"),
            ("open-orders", "\"Limit\"", "orderType"),
            ("executions", "\"Sell\"", "side"),
            ("positions", "\"Buy\"", "side"),
            ("closed-pnl", "\"Sell\"", "side"),
        ] {
            let body = fixture(name).replace(word, "\"Sideways\"");
            let error = changing.read(name, body).await.unwrap_err().to_string();
            assert!(
                error.contains(field) && error.contains("Sideways"),
                "{error}"
            );
        }
        // A position with a size and no direction is not flat.
        let body = fixture("positions").replace("\"Buy\"", "\"None\"");
        let error = changing
            .read("positions", body)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("side") && error.contains("12.4"), "{error}");
        // Which leg it is must be known.
        let body = fixture("positions").replace("positionIdx", "idx");
        assert!(changing.read("positions", body).await.is_err());
        // What the venue may add to without harm.
        for (name, word) in [("executions", "\"Trade\""), ("open-orders", "\"PostOnly\"")] {
            let body = fixture(name).replace(word, "\"SomethingNew\"");
            changing.read(name, body).await.unwrap();
        }
    });
}
