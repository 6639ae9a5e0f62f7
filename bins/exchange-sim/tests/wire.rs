//! The wire of the real program: judged by the harness's own client, and by raw requests with wrong
//! signatures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod venue;

use exchange::AccountType;
use money::{Amount, Price, Qty};
use protocol::venue::{ExecKind, Interval, OrderStatus};
use protocol::{OrderLinkId, Symbol, VenueMs};
use venue::{Sim, buy};

#[test]
fn a_round_trip_by_the_real_client() {
    let sim = Sim::start(&[]);
    let (reader, trader) = sim.client();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (usdt, sol) = (
            Symbol::new("USDT").unwrap(),
            Symbol::new("SOLUSDT").unwrap(),
        );
        let begun = reader.sync_clock().await.unwrap();
        assert_eq!(reader.instruments(usdt).await.unwrap().len(), 3);
        assert!(reader.candles(sol, Interval::M1, 50).await.unwrap().len() == 50);
        let id = trader.create(&buy("pg-1")).await.unwrap();
        let again = trader.create(&buy("pg-1")).await.unwrap_err();
        assert!(again.already_there() && again.is_ambiguous(), "{again}");
        let order = reader
            .find_order(sol, OrderLinkId::new("pg-1").unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!((order.order_id, order.status), (id, OrderStatus::Filled));
        assert_eq!(
            reader
                .find_order(sol, OrderLinkId::new("pg-2").unwrap())
                .await
                .unwrap(),
            None
        );
        let positions = reader.positions(usdt).await.unwrap();
        assert_eq!(positions[0].stop_loss, Price::parse("90").ok());
        let stops = reader.open_orders(usdt).await.unwrap();
        assert!(stops.len() == 2 && stops.iter().all(|o| o.venue_made && o.link_id.is_none()));
        sim.post("/sim/price", r#"{"symbol":"SOLUSDT","price":"89"}"#);
        assert!(
            reader.positions(usdt).await.unwrap().is_empty(),
            "the stop has filled"
        );
        let until = VenueMs(begun.0 + 60_000);
        let executions = reader.executions(begun, until).await.unwrap();
        assert_eq!(executions.len(), 2);
        let closed = reader.closed_trades(begun, until).await.unwrap();
        assert!(closed.len() == 1 && closed[0].pnl.get().is_sign_negative());
        let pnl = async || {
            let rows = reader.closed_trades(begun, until).await.unwrap();
            rows.first().map(|row| row.pnl)
        };
        let off = Amount::parse("-0.05").unwrap();
        sim.post(
            "/sim/fault",
            r#"{"kind":"wrong_closed_pnl","amount":"-0.05"}"#,
        );
        assert_eq!(pnl().await, closed[0].pnl.plus(off).ok());
        sim.post("/sim/fault", r#"{"kind":"late_closed_pnl","ms":60000}"#);
        assert_eq!(pnl().await, None, "not shown for a minute");
        for kind in ["wrong_closed_pnl", "late_closed_pnl"] {
            sim.post("/sim/fault", &format!(r#"{{"kind":"{kind}"}}"#));
        }
        assert_eq!(pnl().await, Some(closed[0].pnl));
        let wallet = reader.wallet(AccountType::Unified, usdt).await.unwrap();
        let expected = Amount::parse("10000").unwrap().plus(closed[0].pnl).unwrap();
        assert_eq!(wallet.balance, expected);
    });
}

#[test]
fn what_is_not_signed_right_is_refused_with_the_venues_codes() {
    let sim = Sim::start(&[]);
    let path = "/cloud/trade/v3/position/list?category=linear&settleCoin=USDT";
    let now = sim.get("/cloud/trade/v3/market/time", "").1["time"]
        .as_i64()
        .unwrap();
    let headers = |key: &str, at: i64, sign: &str| {
        format!(
            "X-BAPI-API-KEY: {key}\r\nX-BAPI-TIMESTAMP: {at}\r\nX-BAPI-RECV-WINDOW: 5000\r\nX-BAPI-SIGN: {sign}\r\n"
        )
    };
    for (name, text, code) in [
        ("no headers", String::new(), 10_001),
        ("unknown key", headers("other", now, "00"), 10_003),
        ("wrong signature", headers("sim-key", now, "00"), 10_004),
        ("too old", headers("sim-key", now - 60_000, "00"), 10_002),
        (
            "from the future",
            headers("sim-key", now + 60_000, "00"),
            10_002,
        ),
    ] {
        let (status, answer) = sim.get(path, &text);
        assert_eq!(
            (status, answer["retCode"].as_i64()),
            (200, Some(code)),
            "{name}: {answer}"
        );
    }
}

#[test]
fn too_many_requests_are_refused_and_say_until_when() {
    let sim = Sim::start(&[]);
    let codes: Vec<i64> = (0..14)
        .map(|_| {
            sim.signed("/position/list", "category=linear&settleCoin=USDT")["retCode"]
                .as_i64()
                .unwrap()
        })
        .collect();
    assert!(codes[..10].iter().all(|code| *code == 0), "{codes:?}");
    assert!(codes.contains(&10_006), "{codes:?}");
}

#[test]
fn the_ledger_is_the_whole_story() {
    let sim = Sim::start(&["--account", "classic", "--balance", "500"]);
    sim.post(
        "/sim/position",
        r#"{"symbol":"SOLUSDT","side":"Sell","size":"1","avgPrice":"101"}"#,
    );
    sim.post("/sim/transfer", r#"{"amount":"-100"}"#);
    let (_, ledger) = sim.get("/sim/ledger", "");
    for key in [
        "orders",
        "executions",
        "closedPnl",
        "funding",
        "transfers",
        "equity",
    ] {
        assert!(ledger[key].is_array(), "{key}");
    }
    assert_eq!(ledger["transfers"].as_array().unwrap().len(), 1);
    let wallet = sim.signed("/account/wallet-balance", "accountType=CONTRACT&coin=USDT");
    let account = &wallet["result"]["list"][0];
    assert_eq!(
        account["totalEquity"], "",
        "a classic account's own fields are empty"
    );
    assert_eq!(account["coin"][0]["walletBalance"], "400");
    sim.post("/sim/reset", "{}");
    let (_, ledger) = sim.get("/sim/ledger", "");
    assert!(ledger["transfers"].as_array().unwrap().is_empty());
}

#[test]
fn a_thin_book_fills_half_and_hidden_candles_are_not_shown() {
    let sim = Sim::start(&[]);
    let (reader, trader) = sim.client();
    let sol = Symbol::new("SOLUSDT").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let now = reader.sync_clock().await.unwrap();
        let filled = async |link: &str| {
            trader.create(&buy(link)).await.unwrap();
            let link = OrderLinkId::new(link).unwrap();
            let order = reader.find_order(sol, link).await.unwrap().unwrap();
            (order.status, order.filled)
        };
        let (_, whole) = filled("pg-1").await;
        let fault = r#"{"kind":"partial_fill","path":"/order/create"}"#;
        sim.post("/sim/fault", fault);
        let (status, part) = filled("pg-2").await;
        assert_eq!(status, OrderStatus::Cancelled, "the rest finds nothing");
        let twice = part.plus(part).unwrap();
        assert!(!part.is_zero() && twice <= whole, "{part} of {whole}");
        assert_eq!(filled("pg-3").await, (OrderStatus::Filled, whole), "once");

        let starts = async || {
            let all = reader.candles(sol, Interval::M1, 10).await.unwrap();
            all.iter().map(|candle| candle.start.0).collect::<Vec<_>>()
        };
        let all = starts().await;
        sim.post("/sim/candles", r#"{"symbol":"SOLUSDT","hideMs":240000}"#);
        let old = starts().await;
        assert!(*old.last().unwrap() <= now.0 - 230_000, "{old:?}");
        sim.post(
            "/sim/candles",
            r#"{"symbol":"SOLUSDT","hideMs":300000,"showMs":120000}"#,
        );
        let holed = starts().await;
        let steps = holed.windows(2).map(|two| two[1] - two[0]);
        assert_eq!(steps.filter(|step| *step > 60_000).count(), 1, "{holed:?}");
        sim.post("/sim/candles", r#"{"symbol":"SOLUSDT"}"#);
        let again = starts().await;
        assert!(
            all[1..].iter().all(|start| again.contains(start)),
            "{again:?}"
        );
    });
}

#[test]
fn faults_strike_as_documented() {
    let sim = Sim::start(&[]);
    sim.post("/sim/fault", r#"{"kind":"http_500","path":"/market/time"}"#);
    assert_eq!(sim.get("/cloud/trade/v3/market/time", "").0, 500);
    assert_eq!(sim.get("/cloud/trade/v3/market/time", "").0, 200);
    sim.post(
        "/sim/fault",
        r#"{"kind":"ret_code","code":10000,"path":"/market/time"}"#,
    );
    assert_eq!(
        sim.get("/cloud/trade/v3/market/time", "").1["retCode"],
        10_000
    );
    sim.post("/sim/fault", r#"{"kind":"clock_skew","ms":90000}"#);
    let (_, skewed) = sim.get("/cloud/trade/v3/market/time", "");
    sim.post("/sim/fault", r#"{"kind":"clock_skew","ms":0}"#);
    let (_, right) = sim.get("/cloud/trade/v3/market/time", "");
    assert!(skewed["time"].as_i64().unwrap() - right["time"].as_i64().unwrap() > 80_000);
    sim.post("/sim/fault", r#"{"kind":"ban_403"}"#);
    assert_eq!(sim.get("/cloud/trade/v3/market/time", "").0, 403);
    assert_eq!(
        sim.get("/cloud/trade/v3/market/time", "").0,
        403,
        "the ban stays"
    );
}

#[test]
fn funding_deleveraging_and_hedge_legs_are_read_by_the_real_client() {
    let sim = Sim::start(&["--symbols", "50"]);
    let (reader, trader) = sim.client();
    venue::run(async {
        let (usdt, sol) = (
            Symbol::new("USDT").unwrap(),
            Symbol::new("SOLUSDT").unwrap(),
        );
        let begun = reader.sync_clock().await.unwrap();
        assert_eq!(reader.instruments(usdt).await.unwrap().len(), 50);
        let last = Symbol::new("CFXUSDT").unwrap();
        let candles = reader.candles(last, Interval::M1, 50).await.unwrap();
        assert_eq!(candles.len(), 50);
        trader.create(&buy("pg-1")).await.unwrap();
        sim.post("/sim/funding", r#"{"symbol":"SOLUSDT","rate":"0.001"}"#);
        sim.post("/sim/adl", r#"{"symbol":"SOLUSDT","size":"0.5"}"#);
        let until = VenueMs(begun.0 + 60_000);
        let executions = reader.executions(begun, until).await.unwrap();
        let kinds: Vec<ExecKind> = executions.iter().map(|execution| execution.kind).collect();
        for kind in [ExecKind::Trade, ExecKind::Funding, ExecKind::Adl] {
            assert!(kinds.contains(&kind), "{kind:?} in {kinds:?}");
        }
        let funding = executions.iter().find(|e| e.kind == ExecKind::Funding);
        assert_eq!(funding.unwrap().fee, Amount::parse("0.2").unwrap());
        let leg =
            r#"{"symbol":"SOLUSDT","side":"Sell","size":"3","avgPrice":"101","positionIdx":2}"#;
        sim.post("/sim/position", leg);
        let held = reader.positions(usdt).await.unwrap();
        let sizes: Vec<_> = held.iter().map(|one| (one.symbol, one.size)).collect();
        let size = |text| Qty::parse(text).unwrap();
        assert_eq!(sizes, [(sol, size("1.5")), (sol, size("3"))]);
        // Down to where the account no longer carries it.
        sim.post("/sim/transfer", r#"{"amount":"-9999"}"#);
        let executions = reader.executions(begun, until).await.unwrap();
        assert!(executions.iter().any(|e| e.kind == ExecKind::Bust));
        let (_, ledger) = sim.get("/sim/ledger", "");
        let rows = |list: &str| ledger[list].as_array().unwrap().len();
        assert_eq!((rows("funding"), rows("executions")), (1, 3));
    });
}
