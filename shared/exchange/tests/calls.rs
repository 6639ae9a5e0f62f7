//! What a call becomes: its signature, its turn, its pages, and the sorting of everything that can
//! go wrong with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]
#![allow(dead_code, reason = "each test file uses a part of the scripted venue")]

mod venue;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use exchange::signing::rest_signature;
use exchange::{Cause, ExchangeError, OrderName};
use money::Ratio;
use protocol::{OrderId, OrderLinkId, VenueMs};
use venue::{KEY, Play, Request, SECRET, Told, Venue, buy, client, fixture, refusal, run, symbol};

const WIDE: (u32, u32) = (10_000, 100_000);

/// A venue whose clock works and which plays this for everything else.
fn playing(play: impl Fn(&Request, usize) -> Play + Send + Sync + 'static) -> Venue {
    let count = AtomicUsize::new(0);
    Venue::playing(move |request| {
        if request.is("/market/time") {
            Play::Ok(fixture("time"))
        } else {
            play(request, count.fetch_add(1, Ordering::SeqCst))
        }
    })
}

fn signed_right(request: &Request) {
    let payload = if request.method == "GET" {
        &request.query
    } else {
        &request.body
    };
    let at = request.header("x-bapi-timestamp").parse().unwrap();
    assert_eq!(request.header("x-bapi-api-key"), KEY);
    assert_eq!(request.header("x-bapi-sign-type"), "2");
    assert_eq!(request.header("x-bapi-recv-window"), "5000");
    let sign = rest_signature(SECRET, at, KEY, 5000, payload);
    assert_eq!(request.header("x-bapi-sign"), sign, "{request:?}");
}

#[test]
fn what_is_signed_is_what_arrives() {
    let venue = playing(|request, n| match (request.method.as_str(), n) {
        ("POST", _) => Play::Ok(fixture("order-ids")),
        // A cursor with characters that mean something in a query.
        (_, 0) => {
            Play::Ok(fixture("executions").replace("1763980101091%3A3", "a=1&b=%26 c\\\"#\u{e9}+/"))
        }
        _ => Play::Ok(r#"{"retCode":0,"result":{"list":[]}}"#.to_owned()),
    });
    let (reader, trader) = client(&venue.url, WIDE, &Told::default());
    run(async {
        reader.sync_clock().await.unwrap();
        reader.executions(VenueMs(0), VenueMs(1)).await.unwrap();
        trader.create(&buy("pg-1")).await.unwrap();
    });
    let pages = venue.asked("/execution/list");
    assert_eq!(pages.len(), 2);
    assert!(
        pages[1]
            .query
            .ends_with("&cursor=a%3D1%26b%3D%26%20c%22%23%C3%A9%2B%2F")
    );
    for request in pages.iter().chain(&venue.asked("/order/create")) {
        signed_right(request);
        // The venue's clock, not this machine's.
        let at: i64 = request.header("x-bapi-timestamp").parse().unwrap();
        assert!((1_763_980_800_000..1_763_980_810_000).contains(&at), "{at}");
    }
    let time = &venue.asked("/market/time")[0];
    assert_eq!(time.header("x-bapi-sign"), "", "public calls carry no key");
}

#[test]
fn nothing_is_signed_before_the_clock_is_known() {
    let venue = playing(|_, _| Play::Ok(fixture("order-ids")));
    let (_, trader) = client(&venue.url, WIDE, &Told::default());
    let error = run(trader.create(&buy("pg-1"))).unwrap_err();
    assert!(matches!(error, ExchangeError::NotSent { .. }), "{error}");
    assert!(venue.asked("/order/create").is_empty());
}

/// What a POST may become, and that it is sent once whatever happens.
#[test]
fn every_end_of_an_order_has_its_name() {
    let ambiguous = [
        Play::Status(500, "", "{}".to_owned()),
        Play::Status(502, "", "<html>bad gateway</html>".to_owned()),
        Play::Status(404, "", String::new()),
        // A proxy's error around words of the venue: neither a refusal nor a success.
        Play::Status(500, "", refusal(110_007, "no")),
        Play::Status(503, "", fixture("order-ids")),
        Play::Hangup,
        Play::Silence,
        Play::Cut(fixture("order-ids")),
        Play::Ok(fixture("order-ids")[..40].to_owned()),
        Play::Ok("<html>hello</html>".to_owned()),
        Play::Ok(String::new()),
        Play::Ok(refusal(10_000, "server")),
        Play::Ok(refusal(10_016, "server")),
        // Accepted, but as which order?
        Play::Ok(fixture("nothing")),
    ];
    for play in ambiguous {
        let error = once(play.clone());
        assert!(
            error.is_ambiguous() && !error.already_there(),
            "{play:?}: {error}"
        );
    }
    for code in [110_030, 110_072] {
        let error = once(Play::Ok(refusal(code, "duplicate")));
        assert!(error.is_ambiguous() && error.already_there(), "{error}");
    }
    for code in [
        10_001, 10_006, 10_018, 110_004, 110_007, 110_017, 110_020, 110_094,
    ] {
        let error = once(Play::Ok(refusal(code, "no")));
        assert!(!error.is_ambiguous(), "{error}");
        assert!(matches!(error, ExchangeError::Refused { code: c, .. } if c == code));
    }
    for code in [10_003, 10_004, 10_005, 10_007, 10_010] {
        let error = once(Play::Ok(refusal(code, "no")));
        assert!(!error.is_ambiguous());
        assert!(matches!(error, ExchangeError::Fatal { code: c, .. } if c == code));
    }
}

/// The error of an order that met this, sent exactly once.
fn once(play: Play) -> ExchangeError {
    let venue = playing(move |_, _| play.clone());
    let (reader, trader) = client(&venue.url, WIDE, &Told::default());
    run(async {
        reader.sync_clock().await.unwrap();
        let error = trader.create(&buy("pg-1")).await.unwrap_err();
        assert_eq!(venue.asked("/order/create").len(), 1, "{error}");
        assert!(error.to_string().starts_with("order/create"), "{error}");
        error
    })
}

#[test]
fn a_venue_that_is_not_there_got_nothing() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let (reader, _) = client(&url, WIDE, &Told::default());
    let error = run(reader.sync_clock()).unwrap_err();
    assert!(matches!(error, ExchangeError::NotSent { .. }), "{error}");
    assert!(!error.is_ambiguous());
}

#[test]
fn already_so_is_success_and_already_gone_is_told() {
    run(async {
        for code in [110_043, 110_025, 110_026] {
            let venue = playing(move |_, _| Play::Ok(refusal(code, "not modified")));
            let (reader, trader) = client(&venue.url, WIDE, &Told::default());
            reader.sync_clock().await.unwrap();
            let five = Ratio::parse("5").unwrap();
            trader.set_leverage(symbol("SOLUSDT"), five).await.unwrap();
        }
        let venue = playing(|_, _| Play::Ok(refusal(110_001, "order not exists")));
        let (reader, trader) = client(&venue.url, WIDE, &Told::default());
        reader.sync_clock().await.unwrap();
        let order = OrderName::Id(OrderId::new("o-1").unwrap());
        let error = trader.cancel(symbol("SOLUSDT"), order).await.unwrap_err();
        assert!(error.gone() && !error.is_ambiguous(), "{error}");
    });
}

#[test]
fn a_wrong_time_stamp_is_mended_once() {
    let venue = playing(|_, n| match n {
        0 => Play::Ok(refusal(10_002, "timestamp")),
        _ => Play::Ok(fixture("positions")),
    });
    let (reader, _) = client(&venue.url, WIDE, &Told::default());
    run(async {
        reader.sync_clock().await.unwrap();
        assert_eq!(reader.positions(symbol("USDT")).await.unwrap().len(), 1);
    });
    assert_eq!(venue.asked("/position/list").len(), 2);
    assert_eq!(venue.asked("/market/time").len(), 2);
    let venue = playing(|_, _| Play::Ok(refusal(10_002, "timestamp")));
    let (reader, _) = client(&venue.url, WIDE, &Told::default());
    run(async {
        reader.sync_clock().await.unwrap();
        let error = reader.positions(symbol("USDT")).await.unwrap_err();
        assert!(matches!(error, ExchangeError::Refused { code: 10_002, .. }));
    });
    assert_eq!(
        venue.asked("/position/list").len(),
        2,
        "once more, not for ever"
    );
}

#[test]
fn an_order_with_a_wrong_time_stamp_goes_again_at_once_or_not_at_all() {
    for (sync_takes, caps, sends) in [(0, WIDE, 2), (800, WIDE, 1), (0, (1, 60), 1)] {
        let told = Told::default();
        let (boot, syncs, orders) = (
            Arc::clone(&told.boot),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let venue = Venue::playing(move |request| {
            if request.is("/market/time") {
                if syncs.fetch_add(1, Ordering::SeqCst) > 0 {
                    boot.fetch_add(sync_takes, Ordering::SeqCst);
                }
                Play::Ok(fixture("time"))
            } else if orders.fetch_add(1, Ordering::SeqCst) == 0 {
                Play::Ok(refusal(10_002, "timestamp"))
            } else {
                Play::Ok(fixture("order-ids"))
            }
        });
        let (reader, trader) = client(&venue.url, caps, &told);
        let result = run(async {
            reader.sync_clock().await.unwrap();
            let slot = trader.slot(true).await.unwrap();
            trader.create_in(slot, &buy("pg-1")).await
        });
        let sent = venue.asked("/order/create");
        assert_eq!(sent.len(), sends, "{sync_takes} {caps:?}");
        assert_eq!(result.is_ok(), sends == 2);
        if let Err(error) = result {
            assert!(!error.is_ambiguous(), "the venue executed nothing: {error}");
        }
        assert!(
            sent.iter().all(|request| request.body == sent[0].body),
            "the same link id"
        );
        assert_eq!(
            venue.asked("/market/time").len(),
            2,
            "the next order fares better"
        );
    }
}

#[test]
fn a_ban_is_told_and_nothing_goes_out_any_more() {
    let venue = playing(|_, _| Play::Status(403, "", "access too frequent".to_owned()));
    let told = Told::default();
    let (reader, trader) = client(&venue.url, WIDE, &told);
    run(async {
        reader.sync_clock().await.unwrap();
        for _ in 0..3 {
            let error = trader.create(&buy("pg-1")).await.unwrap_err();
            assert!(matches!(error, ExchangeError::Banned { .. }), "{error}");
            assert!(!error.is_ambiguous());
        }
        assert!(
            reader.sync_clock().await.is_err(),
            "look-ups keep the ban as well"
        );
    });
    assert_eq!(venue.asked("/order/create").len(), 1);
    assert_eq!(told.bans.lock().unwrap().len(), 1);
    let (_, _, banned_until) = reader.load();
    assert!(banned_until.is_some());
}

#[test]
fn the_caps_hold_reads_and_openers_and_let_exits_pass() {
    let venue = playing(|request, _| {
        Play::Ok(fixture(if request.method == "GET" {
            "positions"
        } else {
            "order-ids"
        }))
    });
    let told = Told::default();
    let (reader, trader) = client(&venue.url, (2, 1000), &told);
    run(async {
        // The clock's question does not count: it waits for no cap.
        reader.sync_clock().await.unwrap();
        for _ in 0..2 {
            reader.positions(symbol("USDT")).await.unwrap();
        }
        let mut exit = buy("pg-1");
        exit.reduce_only = true;
        trader.create(&exit).await.unwrap();
        let order = OrderName::Id(OrderId::new("o-1").unwrap());
        trader.cancel(symbol("SOLUSDT"), order).await.unwrap();
        reader.urgent().positions(symbol("USDT")).await.unwrap();
        assert!(
            told.throttles.lock().unwrap().is_empty(),
            "exits do not wait"
        );
        drop(trader.slot(true).await.unwrap());
    });
    let throttles = told.throttles.lock().unwrap().clone();
    assert!(!throttles.is_empty());
    let first = throttles[0];
    assert_eq!(
        (first.call, first.cause),
        ("order/create", Cause::PerSecond)
    );
    assert_eq!(
        (first.sleep_ms, throttles.len()),
        (1_000, 1),
        "{throttles:?}"
    );
}

#[test]
fn the_venues_own_limit_holds_the_endpoint_it_speaks_of() {
    let venue = playing(|request, _| match request.method.as_str() {
        "GET" => Play::Status(
            200,
            // 300 ms after the clock of the fixture.
            "X-Bapi-Limit-Status: 0\r\nX-Bapi-Limit-Reset-Timestamp: 1763980800423\r\n",
            fixture("positions"),
        ),
        _ => Play::Ok(fixture("order-ids")),
    });
    let told = Told::default();
    let (reader, trader) = client(&venue.url, WIDE, &told);
    run(async {
        reader.sync_clock().await.unwrap();
        reader.positions(symbol("USDT")).await.unwrap();
        trader.create(&buy("pg-1")).await.unwrap();
        assert!(told.throttles.lock().unwrap().is_empty());
        reader.urgent().positions(symbol("USDT")).await.unwrap();
    });
    let throttles = told.throttles.lock().unwrap().clone();
    assert_eq!(throttles[0].cause, Cause::Venue, "{throttles:?}");
    assert_eq!(throttles[0].call, "position/list");
    // Not at the very moment: what arrives a little early is refused.
    assert_eq!((throttles[0].sleep_ms, throttles.len()), (320, 1));
}

#[test]
fn a_list_is_read_to_its_last_page_and_not_for_ever() {
    let page = |n: usize| {
        let row =
            fixture("closed-pnl").replace("1763980301007", &format!("{}", 1_763_980_400_000 - n));
        row.replace("c-1%3A", &format!("c-{n}%3A"))
    };
    let venue = playing(move |_, n| match n {
        0..=2 => Play::Ok(page(n)),
        _ => Play::Ok(r#"{"retCode":0,"result":{"list":[],"nextPageCursor":"x"}}"#.to_owned()),
    });
    let (reader, _) = client(&venue.url, WIDE, &Told::default());
    let rows = run(async {
        reader.sync_clock().await.unwrap();
        reader.closed_trades(VenueMs(0), VenueMs(1)).await.unwrap()
    });
    assert_eq!(rows.len(), 6);
    assert!(rows.is_sorted_by_key(|row| row.created), "oldest first");
    let venue = playing(move |_, n| Play::Ok(page(n)));
    let (reader, _) = client(&venue.url, WIDE, &Told::default());
    let error = run(async {
        reader.sync_clock().await.unwrap();
        reader
            .closed_trades(VenueMs(0), VenueMs(1))
            .await
            .unwrap_err()
    });
    assert!(error.to_string().contains("pages"), "{error}");
}

#[test]
fn nobody_reads_the_keys_in_what_is_shown() {
    let venue = playing(|_, _| {
        Play::Ok(refusal(
            10_003,
            &format!("key {KEY} invalid\\nSAFETY_X {}", "z".repeat(900)),
        ))
    });
    let (reader, trader) = client(&venue.url, WIDE, &Told::default());
    let error = run(async {
        reader.sync_clock().await.unwrap();
        trader.create(&buy("pg-1")).await.unwrap_err()
    });
    let shown = format!("{error} {error:?} {reader:?} {trader:?}");
    assert!(!shown.contains(KEY) && !shown.contains(SECRET), "{shown}");
    assert!(
        !error.to_string().contains('\n') && shown.len() < 3_000,
        "{shown}"
    );
}

/// Rows name the order, with a link id or without; only the order itself says whose it is.
#[test]
fn an_order_is_found_by_its_executions_and_only_if_it_is_this_one() {
    let row = |order: &str, link: &str, symbol: &str, kind: &str| {
        format!(
            r#"{{"symbol":"{symbol}","orderId":"{order}",{link}"side":"Buy","execId":"e-{order}",
            "execPrice":"1","execQty":"1","execType":"{kind}","execTime":"1763980101091",
            "execFee":"0","closedSize":""}}"#
        )
    };
    let plain = |order: &str| row(order, "", "SOLUSDT", "Trade");
    // Whose each order is, by the venue's history; "lost" is in no list.
    let shown = |request: &Request| {
        let asked = request.query.rsplit_once("orderId=").unwrap().1.to_owned();
        let link = match asked.as_str() {
            "mine" | "tagged" => "pg-9",
            "lost" => return Play::Ok(r#"{"retCode":0,"result":{"list":[]}}"#.to_owned()),
            _ => "pg-8",
        };
        let order = fixture("order-history");
        let order = order.replace("0b9c1a52-3f0d-4a6e-9a38-0a54de1f7c09", &asked);
        Play::Ok(order.replace("pg-0009", link))
    };
    let look = |rows: Vec<String>| {
        let venue = playing(move |request, _| {
            if request.is("/execution/list") {
                let list = rows.join(",");
                return Play::Ok(format!(r#"{{"retCode":0,"result":{{"list":[{list}]}}}}"#));
            }
            if request.is("/order/realtime") {
                return Play::Ok(r#"{"retCode":0,"result":{"list":[]}}"#.to_owned());
            }
            shown(request)
        });
        let (reader, _) = client(&venue.url, WIDE, &Told::default());
        let found = run(async {
            reader.sync_clock().await.unwrap();
            let link = OrderLinkId::new("pg-9").unwrap();
            let sol = symbol("SOLUSDT");
            reader
                .find_by_executions(sol, link, VenueMs(0), VenueMs(1))
                .await
        });
        (
            found.map(|order| order.map(|order| order.order_id.to_string())),
            venue.asked("/order/history").len(),
        )
    };
    let tagged = |order: &str, link: &str| {
        let link = format!(r#""orderLinkId":"{link}","#);
        row(order, &link, "SOLUSDT", "Trade")
    };
    let (found, asked) = look(vec![plain("other"), plain("mine")]);
    assert_eq!((found.unwrap().as_deref(), asked), (Some("mine"), 1));
    let (found, _) = look(vec![tagged("tagged", "pg-9")]);
    assert_eq!(found.unwrap().as_deref(), Some("tagged"));
    // Another's link id, another symbol, funding: none of these is even asked for.
    let strangers = vec![
        tagged("x", "pg-8"),
        row("mine", "", "BTCUSDT", "Trade"),
        row("mine", "", "SOLUSDT", "Funding"),
    ];
    let (found, asked) = look(strangers);
    assert_eq!((found.unwrap(), asked), (None, 0));
    let (found, _) = look(Vec::new());
    assert_eq!(found.unwrap(), None);
    let (found, asked) = look(vec![plain("other"), plain("other")]);
    assert_eq!((found.unwrap(), asked), (None, 1));
    // "Not there" would be a guess.
    let error = look(vec![plain("lost")]).0.unwrap_err();
    assert!(error.to_string().contains("names order lost"), "{error}");
}

/// The venue's limit ends a look-up that has many orders to ask for; if the next began where the
/// last one did, none would ever end.
#[test]
fn a_look_up_that_the_limit_ended_goes_on_where_it_was() {
    let refused = AtomicUsize::new(0);
    let venue = playing(move |request, _| {
        let row = |id: &str| {
            let shown = "0b9c1a52-3f0d-4a6e-9a38-0a54de1f7c01";
            Play::Ok(fixture("open-orders").replace(shown, id))
        };
        if request.is("/execution/list") {
            return Play::Ok(fixture("executions").replace("1763980101091%3A3", ""));
        }
        if request.query.ends_with("orderId=o-1") {
            return row("o-1");
        }
        match refused.fetch_add(1, Ordering::SeqCst) {
            0 => Play::Ok(refusal(10_006, "Too many visits.")),
            _ => row("o-2"),
        }
    });
    let (reader, _) = client(&venue.url, WIDE, &Told::default());
    let link = OrderLinkId::new("pg-9").unwrap();
    run(async {
        reader.sync_clock().await.unwrap();
        let look = || reader.find_by_executions(symbol("SOLUSDT"), link, VenueMs(0), VenueMs(1));
        let error = look().await.unwrap_err();
        assert!(error.to_string().contains("10006"), "{error}");
        assert!(look().await.unwrap().is_none());
        assert!(look().await.unwrap().is_none());
    });
    let asked: Vec<_> = venue.asked("/order/realtime");
    let asked: Vec<_> = asked.iter().map(|r| r.query.as_str()).collect();
    let of = |id: &str| asked.iter().filter(|query| query.ends_with(id)).count();
    assert_eq!((of("=o-1"), of("=o-2")), (1, 2), "{asked:?}");
}

/// The certificates are read by the first call, not before; what fails then is a call not sent.
#[test]
fn an_encrypted_address_is_reached_encrypted_or_not_at_all() {
    let venue = playing(|_, _| Play::Ok(fixture("time")));
    let encrypted = venue.url.replace("http://", "https://");
    let (reader, _trader) = client(&encrypted, WIDE, &Told::default());
    run(async {
        for _ in 0..2 {
            let error = reader.sync_clock().await.unwrap_err();
            assert!(matches!(error, ExchangeError::NotSent { .. }), "{error}");
        }
    });
    assert!(venue.asked("/market/time").is_empty());
}
