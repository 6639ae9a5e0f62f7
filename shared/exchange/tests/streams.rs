//! What streams say: our own fixtures with the values that must come out, the venue's published
//! samples where they are at hand, and messages that no sane venue sends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]
#![allow(dead_code, reason = "each test file uses a part of the scripted venue")]

mod venue;

use std::collections::BTreeSet;
use std::path::Path;

use exchange::AccountType;
use exchange::stream::session::{Act, Session};
use exchange::stream::{Feed, News, StreamError, StreamEvent, Topic};
use money::{Amount, Price, Qty};
use protocol::venue::{ExecKind, Interval, OrderStatus};
use protocol::{BootMs, Side, Symbol, VenueMs};
use venue::{fixture, symbol};

const NOW: BootMs = BootMs(1_000_000);

/// A connection on which everything of these symbols has been subscribed to.
fn live(feed: Feed, settle: &str, symbols: &[&str]) -> Session {
    let mut session = Session::new(feed, symbol(settle), NOW);
    let topics: BTreeSet<Topic> = symbols
        .iter()
        .flat_map(|name| {
            let symbol: Symbol = symbol(name);
            [
                Topic::Tickers(symbol),
                Topic::Quotes(symbol),
                Topic::Candles(symbol, Interval::M1),
                Topic::Candles(symbol, Interval::M5),
            ]
        })
        .collect();
    drop(session.want(&topics, NOW));
    drop(session.wake(NOW));
    let auth = (feed == Feed::Account).then(|| "auth".to_owned());
    let mut acts = session.opened(NOW, auth);
    if feed == Feed::Account {
        acts = session.heard(NOW, r#"{"success":true,"op":"auth"}"#);
    }
    let asked = acts
        .iter()
        .filter(|act| matches!(act, Act::Send(_)))
        .count();
    assert!(asked > 0, "{acts:?}");
    for n in 0..asked {
        acts = session.heard(NOW, r#"{"success":true,"op":"subscribe"}"#);
        assert_eq!(acts.is_empty(), n + 1 < asked);
    }
    assert_eq!(acts, [Act::Tell(StreamEvent::Up)]);
    session
}

fn seen(session: &mut Session, text: &str) -> (VenueMs, News) {
    let acts = session.heard(NOW, text);
    match acts.as_slice() {
        [Act::Tell(StreamEvent::Seen(at, news))] => (*at, news.clone()),
        other => panic!("{text}: {other:?}"),
    }
}

fn unreadable(session: &mut Session, text: &str) -> StreamError {
    let acts = session.heard(NOW, text);
    match acts.first() {
        Some(Act::Tell(StreamEvent::Unreadable(error))) => error.clone(),
        other => panic!("{text}: {other:?}"),
    }
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

#[test]
fn the_account_is_told_by_the_rows_that_rest_is_read_by() {
    let mut session = live(Feed::Account, "USDT", &[]);
    let (at, news) = seen(&mut session, &fixture("stream-execution"));
    assert_eq!(at, VenueMs(1_763_980_101_095));
    let News::Executions(rows) = news else {
        panic!("{news:?}")
    };
    assert_eq!(rows.len(), 2, "a spot row is not ours");
    assert_eq!((rows[0].qty, rows[0].kind), (qty("3.1"), ExecKind::Trade));
    assert_eq!(rows[0].link_id.unwrap().as_str(), "pg-0001");
    assert_eq!((rows[1].qty, rows[1].kind), (Qty::ZERO, ExecKind::Funding));

    let (_, news) = seen(&mut session, &fixture("stream-order"));
    let News::Orders(rows) = news else {
        panic!("{news:?}")
    };
    assert_eq!((rows[0].status, rows[0].price), (OrderStatus::Filled, None));
    assert_eq!(rows[0].stop_loss, Some(price("178.1")));

    let (_, news) = seen(&mut session, &fixture("stream-position"));
    let News::Positions(rows) = news else {
        panic!("{news:?}")
    };
    assert_eq!(
        (rows[0].side, rows[0].entry),
        (Some(Side::Buy), Some(price("181.15")))
    );
    assert_eq!((rows[1].side, rows[1].size), (None, Qty::ZERO));

    let (_, news) = seen(&mut session, &fixture("stream-wallet"));
    let News::Wallet(kind, wallet) = news else {
        panic!("{news:?}")
    };
    assert_eq!(kind, AccountType::Unified, "the spot account is not ours");
    assert_eq!(wallet.equity, Amount::parse("9999.66").unwrap());
}

#[test]
fn a_wallet_that_does_not_name_our_coin_is_no_news() {
    let mut session = live(Feed::Account, "USDC", &[]);
    assert_eq!(session.heard(NOW, &fixture("stream-wallet")), []);
}

#[test]
fn prices_are_put_together_from_snapshot_and_deltas() {
    let mut session = live(Feed::Market, "USDT", &["SOLUSDT"]);
    let (_, news) = seen(&mut session, &fixture("stream-tickers"));
    let News::Ticker(whole) = news else {
        panic!("{news:?}")
    };
    assert_eq!(
        (whole.bid, whole.ask),
        (Some(price("181.24")), Some(price("181.26")))
    );
    let (at, news) = seen(&mut session, &fixture("stream-tickers-delta"));
    let News::Ticker(ticker) = news else {
        panic!("{news:?}")
    };
    assert_eq!((ticker.last, ticker.mark), (whole.last, price("181.31")));
    assert_eq!(
        (ticker.bid, ticker.ask),
        (whole.bid, None),
        "empty is none, absent unchanged"
    );
    assert_eq!((ticker.at, at.0), (at, 1_763_980_101_100));
    // What was overtaken changes nothing.
    let old = fixture("stream-tickers-delta").replace("1763980101100", "1763980100900");
    assert_eq!(session.heard(NOW, &old), []);
}

#[test]
fn a_delta_without_a_snapshot_asks_for_one_once() {
    let mut session = live(Feed::Market, "USDT", &["SOLUSDT"]);
    let delta = fixture("stream-tickers-delta");
    let acts = session.heard(NOW, &delta);
    assert!(
        matches!(acts.as_slice(), [Act::Send(one), Act::Send(two)]
            if one.contains("unsubscribe") && two.contains("tickers.SOLUSDT")),
        "{acts:?}"
    );
    assert_eq!(session.heard(NOW, &delta), [], "not again at once");
    session.heard(NOW, r#"{"success":true,"op":"subscribe"}"#);
    let later = NOW.after(10_000);
    assert_eq!(session.heard(later, &delta).len(), 2);
}

#[test]
fn candles_and_quotes() {
    let mut session = live(Feed::Market, "USDT", &["SOLUSDT"]);
    let (_, news) = seen(&mut session, &fixture("stream-kline"));
    let News::Candle {
        topic,
        candle,
        closed,
    } = news
    else {
        panic!("{news:?}")
    };
    assert_eq!(topic, Topic::Candles(symbol("SOLUSDT"), Interval::M1));
    assert_eq!(
        (candle.start.0, candle.close, closed),
        (1_763_980_080_000, price("181.25"), false)
    );
    let confirmed = fixture("stream-kline").replace("false", "true");
    let (_, news) = seen(&mut session, &confirmed);
    assert!(
        matches!(news, News::Candle { closed: true, .. }),
        "{news:?}"
    );

    let quote = |session: &mut Session, text: &str| {
        let (_, news) = seen(session, text);
        let News::Quote { bid, ask, .. } = news else {
            panic!("{news:?}")
        };
        (bid, ask)
    };
    let whole = fixture("stream-orderbook");
    let (bid, ask) = (Some(price("181.24")), Some(price("181.26")));
    assert_eq!(quote(&mut session, &whole), (bid, ask));
    let delta = |b: &str, a: &str| {
        format!(
            r#"{{"topic":"orderbook.1.SOLUSDT","type":"delta","ts":1763980101100,
                "data":{{"s":"SOLUSDT","b":[{b}],"a":[{a}],"u":9,"seq":9}}}}"#
        )
    };
    let moved = delta(r#"["181.24","0"],["181.23","5"]"#, "");
    assert_eq!(quote(&mut session, &moved), (Some(price("181.23")), ask));
    let emptied = delta("", r#"["181.26","0"]"#);
    assert_eq!(quote(&mut session, &emptied), (Some(price("181.23")), None));
    let anew = delta("", "").replace("\"u\":9", "\"u\":1");
    assert_eq!(
        quote(&mut session, &anew),
        (None, None),
        "the venue began anew"
    );
}

/// Each published sample of a stream that is subscribed to: `false` if it is none.
fn published(stem: &str, text: &str) -> bool {
    let account = || live(Feed::Account, "USDT", &[]);
    let market = || live(Feed::Market, "USDT", &["BTCUSDT"]);
    match stem {
        "websocket-private-execution.1" => {
            let (at, news) = seen(&mut account(), text);
            let News::Executions(rows) = news else {
                panic!("{news:?}")
            };
            assert_eq!(at, VenueMs(1_672_364_174_455));
            assert_eq!((rows[0].side, rows[0].qty), (Side::Sell, qty("25")));
            assert_eq!((rows[0].closed, rows[0].link_id), (None, None));
        }
        "websocket-private-order.1" => {
            let (_, news) = seen(&mut account(), text);
            let News::Orders(rows) = news else {
                panic!("{news:?}")
            };
            assert_eq!(
                (rows[0].status, rows[0].filled),
                (OrderStatus::Filled, qty("1"))
            );
        }
        "websocket-private-position.1" => {
            let (_, news) = seen(&mut account(), text);
            let News::Positions(rows) = news else {
                panic!("{news:?}")
            };
            assert_eq!(
                (rows[0].size, rows[0].entry),
                (qty("75"), Some(price("0.3615")))
            );
            assert_eq!(rows[0].stop_loss, None, "zero is none");
        }
        "websocket-private-wallet.1" => {
            let (_, news) = seen(&mut account(), text);
            let News::Wallet(kind, wallet) = news else {
                panic!("{news:?}")
            };
            assert_eq!(kind, AccountType::Contract);
            assert_eq!(wallet.balance, Amount::parse("9385525.87726358").unwrap());
            assert_eq!(wallet.account_margin_rate, None);
        }
        "websocket-public-ticker.0" => {
            let (_, news) = seen(&mut market(), text);
            let News::Ticker(ticker) = news else {
                panic!("{news:?}")
            };
            assert_eq!(
                (ticker.mark, ticker.at.0),
                (price("17217.33"), 1_673_272_861_686)
            );
        }
        "websocket-public-kline.0" => {
            let (_, news) = seen(&mut market(), text);
            let News::Candle { candle, closed, .. } = news else {
                panic!("{news:?}")
            };
            assert_eq!((candle.high, closed), (price("16677"), false));
        }
        "websocket-public-orderbook.1" => {
            // Published for a depth that is not asked for; the rows are the same.
            let first = text
                .replace("orderbook.50", "orderbook.1")
                .replace("delta", "snapshot");
            let (_, news) = seen(&mut market(), &first);
            assert!(matches!(news, News::Quote { bid: Some(_), .. }), "{news:?}");
        }
        _ => return words(stem, text),
    }
    true
}

/// Samples of words about the connection.
fn words(stem: &str, text: &str) -> bool {
    match stem {
        // The answer to signing in, the two kinds of pong, and the answers to subscriptions.
        "websocket-wss-authentication.1" => {
            let mut session = Session::new(Feed::Account, symbol("USDT"), NOW);
            assert_eq!(session.wake(NOW), [Act::Connect]);
            session.opened(NOW, Some("auth".to_owned()));
            let acts = session.heard(NOW, text);
            assert!(matches!(&acts[0], Act::Send(said) if said.contains("subscribe")));
        }
        "websocket-wss-authentication.2" | "websocket-wss-authentication.3" => {
            assert_eq!(live(Feed::Account, "USDT", &[]).heard(NOW, text), []);
        }
        "websocket-wss-authentication.7" | "websocket-wss-authentication.8" => {
            let mut session = Session::new(Feed::Account, symbol("USDT"), NOW);
            session.wake(NOW);
            session.opened(NOW, Some("auth".to_owned()));
            session.heard(NOW, r#"{"success":true,"op":"auth"}"#);
            assert_eq!(session.heard(NOW, text), [Act::Tell(StreamEvent::Up)]);
        }
        _ => return false,
    }
    true
}

#[test]
fn published_samples_of_streams_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/zoomex/examples");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: the venue's published samples are not at hand");
        return;
    };
    let mut read = 0;
    for file in files {
        let path = file.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        if published(&stem, &text) {
            read += 1;
        } else if stem.starts_with("websocket") {
            println!("{stem}: of no stream that is subscribed to, or a request");
        }
    }
    assert_eq!(
        read, 12,
        "each stream that is subscribed to, and the words about it"
    );
}

#[test]
fn a_message_cut_anywhere_or_bent_is_an_error_that_names_the_stream() {
    for (name, feed) in [
        ("stream-execution", Feed::Account),
        ("stream-order", Feed::Account),
        ("stream-position", Feed::Account),
        ("stream-wallet", Feed::Account),
        ("stream-tickers", Feed::Market),
        ("stream-kline", Feed::Market),
        ("stream-orderbook", Feed::Market),
    ] {
        let whole = fixture(name);
        let end = whole.trim_end().len();
        for cut in (0..end).step_by(17).chain([end - 1]) {
            let error = unreadable(&mut live(feed, "USDT", &["SOLUSDT"]), &whole[..cut]);
            let text = error.to_string();
            assert!(
                text.contains("stream") && text.len() < 700 && !text.contains('\n'),
                "{text}"
            );
        }
    }
}

#[test]
fn a_field_that_cannot_be_read_is_named_with_its_stream() {
    let long = "9".repeat(40);
    for (name, feed, number, stream, field) in [
        (
            "stream-execution",
            Feed::Account,
            "\"0.340566\"",
            "execution",
            "execFee",
        ),
        (
            "stream-execution",
            Feed::Account,
            "\"1763980101091\"",
            "execution",
            "execTime",
        ),
        ("stream-order", Feed::Account, "\"3.1\"", "order", "qty"),
        (
            "stream-position",
            Feed::Account,
            "\"3.1\"",
            "position",
            "size",
        ),
        (
            "stream-wallet",
            Feed::Account,
            "\"9999.66\"",
            "wallet",
            "equity",
        ),
        (
            "stream-tickers",
            Feed::Market,
            "\"181.27\"",
            "tickers.SOLUSDT",
            "markPrice",
        ),
        (
            "stream-kline",
            Feed::Market,
            "\"181.0\"",
            "kline.1.SOLUSDT",
            "low",
        ),
        (
            "stream-orderbook",
            Feed::Market,
            "\"181.24\"",
            "orderbook.1.SOLUSDT",
            "b",
        ),
    ] {
        assert!(fixture(name).contains(number), "{name} {number}");
        for bad in ["1e400", "NaN", "-", "0x10", "1,5", " 1", "true", &long] {
            let text = fixture(name).replacen(number, &format!("{bad:?}"), 1);
            let error = unreadable(&mut live(feed, "USDT", &["SOLUSDT"]), &text);
            assert_eq!(error.stream, stream);
            assert!(
                error.why.contains(&format!("field {field}: ")),
                "{bad}: {error}"
            );
        }
    }
}

#[test]
fn rubbish_ends_the_connection_and_a_bad_row_does_not() {
    for rubbish in [
        "",
        "null",
        "[]",
        "7",
        "<html>502</html>",
        "{}",
        r#"{"topic":7}"#,
        r#"{"topic":"tickers.SOLUSDT","data":[]}"#,
        r#"{"topic":"publicTrade.SOLUSDT","ts":1763980101000,"data":[]}"#,
    ] {
        let acts = live(Feed::Account, "USDT", &[]).heard(NOW, rubbish);
        assert!(
            matches!(
                acts.as_slice(),
                [Act::Tell(StreamEvent::Unreadable(_)), Act::Hang(_)]
            ),
            "{rubbish}: {acts:?}"
        );
    }
    // Of a known stream, one message is lost and the rest goes on.
    let deep = format!(
        r#"{{"topic":"order","creationTime":1763980101000,"data":{}{}}}"#,
        "[".repeat(90_000),
        "]".repeat(90_000)
    );
    let error = unreadable(&mut live(Feed::Account, "USDT", &[]), &deep).to_string();
    assert!(error.contains("order stream") && error.len() < 400);
    let acts = live(Feed::Account, "USDT", &[]).heard(
        NOW,
        r#"{"topic":"order","creationTime":1763980101000,"data":[{"category":"linear"}]}"#,
    );
    assert!(
        matches!(acts.as_slice(), [Act::Tell(StreamEvent::Unreadable(e))] if e.topic == Some(Topic::Order)),
        "{acts:?}"
    );
    let acts = live(Feed::Account, "USDT", &[])
        .heard(NOW, r#"{"topic":"order","creationTime":"soon","data":[]}"#);
    assert!(
        matches!(acts.as_slice(), [Act::Tell(StreamEvent::Unreadable(e))] if e.why.contains("creationTime")),
        "{acts:?}"
    );
}
