//! What comes at the same time may come in any order, in any pieces, and more than once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use proptest::prelude::*;
use protocol::guard::Observation;
use protocol::venue::{ClosedTrade, ExecKind, Execution, Ticker, Wallet};
use protocol::{ExecId, OrderId, Side};
use risk::{Effects, Limits};
use support::{World, amount, flat, held, instrument, order, price, qty, ratio, sol, symbol, wide};

/// A guard in the middle of its day: a position, a resting order, some losses.
fn midday() -> World {
    let mut world = World::ready(Limits {
        consecutive_loss_limit: Some(4),
        session_max_trades: Some(9),
        max_position_notional: money::Notional::parse("3000").ok(),
        max_daily_risk: ratio("0.05"),
        drawdown_threshold: ratio("0.05"),
        ..wide()
    });
    world.round_trip("1", "95");
    world.pass(5_000);
    let buy = world.intent(Side::Buy, "2");
    let approval = world.approved(&buy);
    let order = world.accept(&approval);
    world.execute(order, Side::Buy, "2", "100", "0.1");
    world.pass(5_000);
    world
}

/// Reads that are independent of each other, by a number each.
fn reads(world: &World, mark: u32, equity: i32, size: u32, foreign: bool) -> Vec<Observation> {
    let now = world.venue_now();
    let ticker = |name: &str, at: u32| Ticker {
        symbol: symbol(name),
        last: price(&at.to_string()),
        mark: price(&at.to_string()),
        bid: None,
        ask: None,
        at: now,
    };
    let row = if size == 0 {
        flat()
    } else {
        held(Side::Buy, &size.to_string())
    };
    let orders = if foreign {
        vec![order("theirs", now)]
    } else {
        Vec::new()
    };
    vec![
        Observation::Tickers(vec![ticker("SOLUSDT", mark)]),
        Observation::Tickers(vec![ticker("BTCUSDT", mark + 1)]),
        Observation::Wallet(Wallet {
            coin: symbol("USDT"),
            equity: amount(&(10_000 + equity).to_string()),
            balance: amount("9990"),
            position_margin: Some(amount("100")),
            order_margin: Some(amount("0")),
            account_margin_rate: None,
            unrealised: None,
        }),
        Observation::Positions(vec![row]),
        Observation::OpenOrders(orders),
        Observation::ClockSkew(i64::from(equity)),
        Observation::Instruments(vec![instrument("SOLUSDT"), instrument("BTCUSDT")]),
        Observation::CandlesStale {
            symbol: symbol("BTCUSDT"),
            why: Some("a gap".to_owned()),
        },
    ]
}

/// What is the case, without the order in which it was told.
fn picture(world: &mut World) -> String {
    let mut state = serde_json::to_value(world.engine.state()).unwrap();
    let told = state.as_object_mut().unwrap();
    told.remove("outbox");
    let decisions: Vec<_> = ["1", "5", "40"]
        .iter()
        .map(|size| {
            let intent = world.intent(Side::Buy, size);
            let decision = world.authorize(&intent);
            serde_json::to_string(&decision).unwrap()
        })
        .collect();
    format!("{state} {decisions:?}")
}

fn trade(n: usize, side: Side, at: u32, world: &World) -> Execution {
    Execution {
        exec_id: ExecId::new(&format!("t-{n}")).unwrap(),
        order_id: OrderId::new(&format!("to-{n}")).unwrap(),
        link_id: None,
        symbol: sol(),
        side,
        price: price(&at.to_string()),
        qty: qty("0.5"),
        fee: amount("0.05"),
        kind: ExecKind::Trade,
        closed: None,
        at: world.venue_now(),
    }
}

fn row(n: usize, pnl: i32, world: &World) -> ClosedTrade {
    ClosedTrade {
        order_id: OrderId::new(&format!("tr-{n}")).unwrap(),
        symbol: sol(),
        side: Side::Sell,
        qty: qty("1"),
        entry: price("100"),
        exit: price("100"),
        entry_value: None,
        exit_value: None,
        pnl: amount(&pnl.to_string()),
        created: world.venue_now(),
        updated: world.venue_now(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn reads_of_one_moment_may_come_in_any_order(
        order in Just((0..8).collect::<Vec<usize>>()).prop_shuffle(),
        mark in 60u32..140,
        equity in -900i32..900,
        size in 0u32..4,
        foreign in any::<bool>(),
    ) {
        let (mut one, mut other) = (midday(), midday());
        let reads = reads(&one, mark, equity, size, foreign);
        for read in &reads {
            one.see(read.clone());
        }
        for n in &order {
            other.see(reads[*n].clone());
        }
        prop_assert_eq!(picture(&mut one), picture(&mut other));
    }

    #[test]
    fn executions_and_rows_may_come_in_any_pieces_and_more_than_once(
        trades in prop::collection::vec((any::<bool>(), 90u32..110), 1..12),
        rows in prop::collection::vec(-20i32..20, 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let limits = || Limits { max_daily_risk: ratio("9"), drawdown_threshold: ratio("0.99"), ..wide() };
        let (mut whole, mut pieces) = (World::ready(limits()), World::ready(limits()));
        let trades: Vec<Execution> = trades
            .iter()
            .enumerate()
            .map(|(n, (buy, at))| trade(n, if *buy { Side::Buy } else { Side::Sell }, *at, &whole))
            .collect();
        let rows: Vec<ClosedTrade> = rows.iter().enumerate().map(|(n, pnl)| row(n, *pnl, &whole)).collect();
        whole.see(Observation::Executions(trades.clone()));
        whole.see(Observation::ClosedTrades(rows.clone()));
        let cut = cut.index(trades.len());
        pieces.see(Observation::Executions(trades[..cut].to_vec()));
        pieces.see(Observation::ClosedTrades(rows.clone()));
        pieces.see(Observation::Executions(trades.clone()));
        pieces.see(Observation::ClosedTrades(rows));
        let quiet: Effects = pieces.see(Observation::Executions(trades));
        prop_assert_eq!(quiet, Effects::default(), "a repeat says nothing");
        prop_assert_eq!(picture(&mut whole), picture(&mut pieces));
    }
}
