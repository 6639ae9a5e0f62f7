//! Every shape that the client reads: our own small fixtures, with the values that must come out, and
//! the venue's published samples where they are at hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]
#![allow(dead_code, reason = "each test file uses a part of the scripted venue")]

mod venue;

use std::path::Path;

use exchange::{AccountType, ExchangeError, OrderName, Reader, Trader};
use money::{Amount, Price, Qty, Ratio};
use protocol::venue::{ExecKind, Interval, OrderStatus};
use protocol::{OrderId, OrderLinkId, OrderType, Side, TimeInForce, VenueMs};
use venue::{Play, Told, Venue, buy, client, fixture, run, symbol};

/// A client of a venue that answers every call with this body; further pages are empty.
fn answering(body: String) -> (Venue, Reader, Trader) {
    let venue = Venue::playing(move |request| {
        if request.is("/market/time") {
            Play::Ok(fixture("time"))
        } else if request.query.contains("cursor=") {
            Play::Ok(r#"{"retCode":0,"result":{"list":[]}}"#.to_owned())
        } else {
            Play::Ok(body.clone())
        }
    });
    let (reader, trader) = client(&venue.url, (10_000, 100_000), &Told::default());
    run(reader.sync_clock()).unwrap();
    (venue, reader, trader)
}

fn reading(name: &str) -> (Venue, Reader, Trader) {
    answering(fixture(name))
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

const SINCE: VenueMs = VenueMs(1_763_980_000_000);
const UNTIL: VenueMs = VenueMs(1_763_981_000_000);

#[test]
fn time_comes_from_nanoseconds() {
    let (_venue, reader, _) = reading("nothing");
    let said = run(reader.sync_clock()).unwrap();
    assert_eq!(said, VenueMs(1_763_980_800_123));
}

#[test]
fn one_odd_instrument_hides_no_other() {
    let (_venue, reader, _) = reading("instruments");
    let all = run(reader.instruments(symbol("USDT"))).unwrap();
    assert_eq!(all.len(), 1, "ODDUSDT has no tick, SOLPERP settles in USDC");
    let sol = &all[0];
    assert_eq!((sol.tick, sol.lot), (price("0.01"), qty("0.1")));
    assert_eq!((sol.min_qty, sol.max_qty), (qty("0.1"), qty("7500")));
    assert_eq!(sol.max_market_qty, qty("1200"));
    assert!(sol.trading && sol.min_notional.is_some());
    assert_eq!(sol.max_leverage, Ratio::parse("50").unwrap());
}

#[test]
fn a_list_of_nothing_but_odd_instruments_is_an_error() {
    let (_venue, reader, _) = answering(fixture("instruments").replace("tickSize", "tick"));
    let error = run(reader.instruments(symbol("USDT")))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("market/instruments-info") && error.contains("tickSize"),
        "{error}"
    );
}

#[test]
fn a_ticker_is_as_old_as_its_answer() {
    let old = fixture("tickers").replace("1763980800123", "1763980790000");
    let (_venue, reader, _) = answering(old);
    let ticker = run(reader.ticker(symbol("SOLUSDT"))).unwrap();
    assert_eq!(
        (ticker.last, ticker.mark),
        (price("181.25"), price("181.27"))
    );
    assert_eq!((ticker.bid, ticker.ask), (Some(price("181.24")), None));
    assert_eq!(ticker.at, VenueMs(1_763_980_790_000));
    // A stamp from the future makes it no fresher than now.
    let ahead = fixture("tickers").replace("1763980800123", "1999999999999");
    let (_venue, reader, _) = answering(ahead);
    let ticker = run(reader.ticker(symbol("SOLUSDT"))).unwrap();
    assert!(ticker.at.0 < 1_763_980_900_000, "{:?}", ticker.at);
    let silent = fixture("tickers").replace("\"time\"", "\"tim\"");
    let (_venue, reader, _) = answering(silent);
    let error = run(reader.ticker(symbol("SOLUSDT")))
        .unwrap_err()
        .to_string();
    assert!(error.contains("field time: is missing"), "{error}");
}

#[test]
fn candles_come_oldest_first() {
    let (_venue, reader, _) = reading("kline");
    let candles = run(reader.candles(symbol("SOLUSDT"), Interval::M1, 2)).unwrap();
    let starts: Vec<_> = candles.iter().map(|candle| candle.start.0).collect();
    assert_eq!(starts, [1_763_980_740_000, 1_763_980_800_000]);
    assert_eq!(
        (candles[0].low, candles[0].volume),
        (price("180.9"), qty("1204.7"))
    );
}

#[test]
fn open_orders_begin_with_capitals() {
    let (_venue, reader, _) = reading("open-orders");
    let orders = run(reader.open_orders(symbol("USDT"))).unwrap();
    assert_eq!(orders.len(), 2, "the cancelled one is not open");
    let (rests, stop) = (&orders[0], &orders[1]);
    assert_eq!(rests.link_id, OrderLinkId::new("pg-0001").ok());
    assert_eq!((rests.filled, rests.leaves()), (qty("2.4"), qty("10")));
    assert_eq!(
        (rests.price, rests.take_profit),
        (Some(price("176.5")), Some(price("190")))
    );
    assert_eq!((rests.stop_loss, rests.trigger_price), (None, None));
    assert_eq!(rests.time_in_force, Some(TimeInForce::PostOnly));
    assert!(!rests.only_reduces());
    assert_eq!(
        (stop.link_id, stop.status),
        (None, OrderStatus::Untriggered)
    );
    assert_eq!((stop.order_type, stop.price), (OrderType::Market, None));
    assert_eq!(stop.trigger_price, Some(price("172.3")));
    assert!(stop.venue_made && stop.reduce_only && stop.close_on_trigger);
}

#[test]
fn history_is_read_and_a_new_status_counts_as_open() {
    let (_venue, reader, _) = reading("order-history");
    let link = OrderLinkId::new("pg-0009").unwrap();
    let order = run(reader.find_order(symbol("SOLUSDT"), link))
        .unwrap()
        .unwrap();
    assert_eq!(
        (order.status, order.filled),
        (OrderStatus::Unknown, qty("3.1"))
    );
    assert!(!order.status.is_final());
    let other = OrderLinkId::new("pg-0010").unwrap();
    assert_eq!(
        run(reader.find_order(symbol("SOLUSDT"), other)).unwrap(),
        None
    );
}

#[test]
fn executions_come_oldest_first_with_funding_among_them() {
    let (_venue, reader, _) = reading("executions");
    let all = run(reader.executions(SINCE, UNTIL)).unwrap();
    let ids: Vec<_> = all.iter().map(|e| e.exec_id.as_str()).collect();
    assert_eq!(ids, ["e-1", "e-2", "e-3"]);
    assert_eq!((all[1].kind, all[1].qty), (ExecKind::Funding, Qty::ZERO));
    assert_eq!(all[1].fee, Amount::parse("0.0051").unwrap());
    assert_eq!((all[0].closed, all[1].closed), (Some(Qty::ZERO), None));
    assert_eq!((all[2].closed, all[2].side), (Some(qty("3.1")), Side::Sell));
}

#[test]
fn positions_that_are_flat_are_left_out_of_the_list() {
    let (_venue, reader, _) = reading("positions");
    let held = run(reader.positions(symbol("USDT"))).unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].side, held[0].size), (Some(Side::Buy), qty("12.4")));
    assert_eq!(
        (held[0].stop_loss, held[0].take_profit),
        (Some(price("172.3")), None)
    );
    let flat = fixture("positions")
        .replace("12.4", "0")
        .replace("\"Buy\"", "\"\"");
    let (_venue, reader, _) = answering(flat);
    let row = run(reader.position(symbol("SOLUSDT"))).unwrap();
    assert_eq!((row.side, row.size, row.index), (None, Qty::ZERO, 0));
    assert_eq!(row.leverage, Ratio::parse("5").ok());
}

#[test]
fn closed_rows_may_share_a_time_and_count_in_nanoseconds() {
    let (_venue, reader, _) = reading("closed-pnl");
    let rows = run(reader.closed_trades(SINCE, UNTIL)).unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.order_id.as_str()).collect();
    assert_eq!(ids, ["o-2", "o-4"]);
    assert_eq!(rows[0].created, rows[1].created);
    assert_eq!(
        (rows[0].pnl, rows[1].pnl),
        (Amount::parse("4.902216").unwrap(), Amount::ZERO)
    );
}

#[test]
fn both_kinds_of_wallet() {
    for (name, account, rate) in [
        ("wallet-classic", AccountType::Contract, None),
        (
            "wallet-unified",
            AccountType::Unified,
            Ratio::parse("0.0473").ok(),
        ),
    ] {
        let (_venue, reader, _) = reading(name);
        let wallet = run(reader.wallet(account, symbol("USDT"))).unwrap();
        assert_eq!(wallet.equity, Amount::parse("9768.40").unwrap(), "{name}");
        assert_eq!(wallet.account_margin_rate, rate, "{name}");
        assert_eq!(wallet.position_margin, Amount::parse("449.386").ok());
        let error = run(reader.wallet(account, symbol("USDC")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("the wallet has no USDC"), "{error}");
    }
}

#[test]
fn what_changes_something_is_answered_shortly() {
    let sol = symbol("SOLUSDT");
    let (_venue, _, trader) = reading("order-ids");
    let id = run(trader.create(&buy("pg-0001"))).unwrap();
    assert_eq!(id.as_str(), "1990000000000000001");
    let (venue, _, trader) = reading("cancel-all");
    run(trader.cancel_all(sol)).unwrap();
    let sent = venue.asked("/order/cancel-all");
    assert_eq!(sent[0].body, r#"{"category":"linear","symbol":"SOLUSDT"}"#);
    let (_venue, _, trader) = reading("nothing");
    run(trader.set_leverage(sol, Ratio::parse("5").unwrap())).unwrap();
    run(trader.clear_stops(sol)).unwrap();
}

/// Reads a published sample with the call that it is an answer to; `None`: a call that is not used.
async fn published(
    stem: &str,
    reader: &Reader,
    trader: &Trader,
) -> Option<Result<(), ExchangeError>> {
    let sol = symbol("SOLUSDT");
    let amend = exchange::AmendOrder::of(sol, OrderLinkId::new("linear-004").unwrap());
    let order = || OrderName::Id(OrderId::new("c6f055d9").unwrap());
    let whole = (VenueMs(1_672_000_000_000), VenueMs(1_672_300_000_000));
    Some(match stem {
        "market-instrument.0" => reader.instruments(symbol("USDT")).await.map(|all| {
            assert_eq!(all.len(), 1);
            assert_eq!((all[0].tick, all[0].lot), (price("0.5"), qty("0.001")));
        }),
        "market-tickers.0" => reader.ticker(symbol("BTCUSD")).await.map(|ticker| {
            assert_eq!(
                (ticker.mark, ticker.at.0),
                (price("16596"), 1_672_376_496_682)
            );
        }),
        "market-kline.0" => reader.candles(sol, Interval::H1, 3).await.map(|candles| {
            assert_eq!((candles.len(), candles[2].close), (3, price("17055.5")));
        }),
        "order-open-order.0" => reader.open_orders(symbol("USDT")).await.map(|orders| {
            assert_eq!((orders.len(), orders[0].price), (1, Some(price("1600"))));
            assert_eq!(orders[0].stop_loss, Some(price("1500")));
        }),
        "order-order-list.0" => {
            let link = OrderLinkId::new("YLxaWKMiHU").unwrap();
            reader.find_order(sol, link).await.map(|found| {
                assert_eq!(found.unwrap().status, OrderStatus::Cancelled);
            })
        }
        "order-execution.0" => match reader.executions(whole.0, whole.1).await {
            // The published rows are of the spot market and carry no quantity at all.
            Err(ExchangeError::Unreadable { why, .. }) if why.contains("execQty") => Ok(()),
            other => panic!("{other:?}"),
        },
        "position-position.0" => reader.positions(symbol("BTC")).await.map(|held| {
            assert_eq!((held[0].side, held[0].size), (Some(Side::Sell), qty("299")));
        }),
        "position-close-pnl.0" => reader.closed_trades(whole.0, whole.1).await.map(|rows| {
            assert_eq!(rows[0].pnl, Amount::parse("-47.4065323").unwrap());
            assert_eq!(rows[0].created, VenueMs(1_672_214_887_231));
        }),
        "account-wallet-balance.0" => {
            let wallet = reader.wallet(AccountType::Contract, symbol("ETH")).await;
            wallet.map(|wallet| {
                assert_eq!(wallet.equity, Amount::parse("0.30050274").unwrap());
                assert_eq!(wallet.account_margin_rate, None);
            })
        }
        "order-create-order.0" => trader.create(&buy("pg-1")).await.map(|id| {
            assert_eq!(id.as_str(), "1321003749386327552");
        }),
        "order-amend-order.0" => trader.amend(&amend).await.map(drop),
        "order-cancel-order.0" => trader.cancel(sol, order()).await,
        "order-cancel-all.0" => trader.cancel_all(sol).await,
        "position-leverage.0" => trader.set_leverage(sol, Ratio::parse("3").unwrap()).await,
        "intro.0" | "position-trading-stop.0" => trader.clear_stops(sol).await,
        _ => return None,
    })
}

#[test]
fn published_samples_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/zoomex/examples");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: the venue's published samples are not at hand");
        return;
    };
    let mut read = 0;
    for file in files {
        let path = file.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let body = std::fs::read_to_string(&path).unwrap();
        if stem == "market-time.0" {
            let venue = Venue::playing(move |_| Play::Ok(body.clone()));
            let (reader, _) = client(&venue.url, (100, 1000), &Told::default());
            assert_eq!(
                run(reader.sync_clock()).unwrap(),
                VenueMs(1_688_639_403_423)
            );
            read += 1;
            continue;
        }
        let (_venue, reader, trader) = answering(body);
        match run(published(&stem, &reader, &trader)) {
            Some(Ok(())) => read += 1,
            Some(Err(error)) => panic!("{stem}: {error}"),
            None => println!("{stem}: no answer to a call that is used"),
        }
    }
    assert_eq!(
        read, 17,
        "one for each call that is used, and the bare envelope"
    );
}
