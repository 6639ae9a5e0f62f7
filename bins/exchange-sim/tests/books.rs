//! The matching core under a virtual clock: refusals as a table, brackets, and books that balance
//! whatever is traded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail loudly"
)]

use exchange_sim::matching::{
    AccountKind, Brackets, Moment, NewOrder, OrderType, Quote, Refusal, Setup, Side, Status,
    TimeInForce, Venue, catalogue,
};
use money::{Decimal, Price, Qty};
use proptest::prelude::*;

const START: i64 = 1_700_000_000_000;

fn now() -> Moment {
    Moment::from_ms(START)
}

fn venue() -> Venue {
    let mut venue = Venue::new(Setup {
        instruments: catalogue(),
        account: AccountKind::Unified,
        balance: Decimal::from(10_000),
        salt: 1,
        now: now(),
    });
    quote(&mut venue, "100");
    venue
}

fn quote(venue: &mut Venue, price: &str) {
    let id = venue.market_id("SOLUSDT").unwrap();
    venue.on_quote(id, Quote::flat(price.parse().unwrap()), now());
}

fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn market(side: Side, size: &str) -> NewOrder {
    NewOrder::market("SOLUSDT", side, qty(size), now())
}

fn limit(side: Side, size: &str, at: &str) -> NewOrder {
    NewOrder::limit("SOLUSDT", side, qty(size), price(at), now())
}

type Row = (&'static str, NewOrder, fn(&Refusal) -> bool);

#[test]
fn refusals() {
    let with = |change: fn(&mut NewOrder)| {
        let mut order = limit(Side::Buy, "1", "99");
        change(&mut order);
        order
    };
    let table: [Row; 8] = [
        (
            "unknown symbol",
            with(|o| o.symbol = "DOGEUSDT".into()),
            |r| matches!(r, Refusal::Parameter(_)),
        ),
        ("off the lot step", with(|o| o.qty = qty("1.03")), |r| {
            matches!(r, Refusal::Parameter(_))
        }),
        (
            "off the tick",
            with(|o| o.price = Some(price("99.0001"))),
            |r| matches!(r, Refusal::Parameter(_)),
        ),
        ("hedge slot", with(|o| o.position_idx = 1), |r| {
            matches!(r, Refusal::Parameter(_))
        }),
        ("too dear", with(|o| o.qty = qty("5000")), |r| {
            matches!(r, Refusal::InsufficientBalance { .. })
        }),
        ("nothing to reduce", with(|o| o.reduce_only = true), |r| {
            matches!(r, Refusal::ReduceOnly(_))
        }),
        ("bad link id", with(|o| o.link_id = "a b".into()), |r| {
            matches!(r, Refusal::Parameter(_))
        }),
        ("long link id", with(|o| o.link_id = "x".repeat(37)), |r| {
            matches!(r, Refusal::Parameter(_))
        }),
    ];
    for (name, order, expected) in table {
        let refusal = venue().place(&order, now()).unwrap_err();
        assert!(expected(&refusal), "{name}: {refusal:?}");
    }
}

#[test]
fn a_link_id_is_good_for_one_order_for_ever() {
    let mut venue = venue();
    let mut order = limit(Side::Buy, "1", "99");
    order.link_id = "once".into();
    let no = venue.place(&order, now()).unwrap();
    venue.cancel(no, now()).unwrap();
    assert!(matches!(
        venue.place(&order, now()),
        Err(Refusal::DuplicateLinkId)
    ));
}

#[test]
fn times_in_force() {
    let mut venue = venue();
    let mut place = |tif: TimeInForce, side: Side, at: &str, size: &str| {
        let mut order = limit(side, size, at);
        order.time_in_force = tif;
        let no = venue.place(&order, now()).unwrap();
        venue.order(no).status
    };
    assert_eq!(place(TimeInForce::Gtc, Side::Buy, "99", "1"), Status::New);
    assert_eq!(
        place(TimeInForce::Ioc, Side::Buy, "99", "1"),
        Status::Cancelled
    );
    assert_eq!(
        place(TimeInForce::Ioc, Side::Buy, "101", "1"),
        Status::Filled
    );
    assert_eq!(
        place(TimeInForce::PostOnly, Side::Buy, "101", "1"),
        Status::Cancelled
    );
    assert_eq!(
        place(TimeInForce::PostOnly, Side::Buy, "98", "1"),
        Status::New
    );
}

#[test]
fn a_bracket_closes_the_position_and_takes_its_twin_along() {
    let mut venue = venue();
    let mut order = market(Side::Buy, "1");
    order.brackets = Brackets {
        stop_loss: Some(price("95").get()),
        take_profit: Some(price("110").get()),
        ..Brackets::default()
    };
    venue.place(&order, now()).unwrap();
    let id = venue.market_id("SOLUSDT").unwrap();
    assert_eq!(venue.open_orders(id).count(), 2, "the venue made both");
    quote(&mut venue, "94");
    assert!(venue.market(id).position.is_flat());
    assert_eq!(venue.open_orders(id).count(), 0);
    assert_eq!(venue.closed().len(), 1);
    assert!(venue.closed()[0].pnl < Decimal::ZERO);
}

#[derive(Debug, Clone)]
enum Move {
    Market(bool, u32),
    Limit(bool, u32, i32),
    Reduce(bool, u32),
    Price(i32),
    CancelFirst,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        (any::<bool>(), 1u32..40).prop_map(|(buy, n)| Move::Market(buy, n)),
        (any::<bool>(), 1u32..40, -30i32..30).prop_map(|(buy, n, p)| Move::Limit(buy, n, p)),
        (any::<bool>(), 1u32..40).prop_map(|(buy, n)| Move::Reduce(buy, n)),
        (-40i32..40).prop_map(Move::Price),
        Just(Move::CancelFirst),
    ]
}

fn side(buy: bool) -> Side {
    if buy { Side::Buy } else { Side::Sell }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Cash is never made or lost: the balance is what was there, plus every closed result, less
    /// the fees of what is still open; and the position is the sum of its executions.
    #[test]
    fn the_books_balance(steps in prop::collection::vec(moves(), 1..60)) {
        let mut venue = venue();
        let id = venue.market_id("SOLUSDT").unwrap();
        for step in steps {
            let tenth = |n: u32| Qty::new(Decimal::new(i64::from(n), 1)).unwrap();
            let near = |ticks: i32| Price::new(Decimal::new(10_000 + i64::from(ticks), 2)).unwrap();
            let order = match step {
                Move::Market(buy, n) => NewOrder::market("SOLUSDT", side(buy), tenth(n), now()),
                Move::Limit(buy, n, p) => NewOrder::limit("SOLUSDT", side(buy), tenth(n), near(p), now()),
                Move::Reduce(buy, n) => NewOrder { reduce_only: true, ..NewOrder::market("SOLUSDT", side(buy), tenth(n), now()) },
                Move::Price(ticks) => {
                    venue.on_quote(id, Quote::flat(near(ticks).get()), now());
                    continue;
                }
                Move::CancelFirst => {
                    let first = venue.open_orders(id).next();
                    first.map(|no| venue.cancel(no, now()));
                    continue;
                }
            };
            // Refusals are part of the game.
            drop(venue.place(&order, now()));

            let position = &venue.market(id).position;
            let signed: Decimal = venue.executions().iter().map(|e| if e.side == Side::Buy { e.qty } else { -e.qty }).sum();
            let held = if position.side == Side::Buy { position.size } else { -position.size };
            prop_assert_eq!(signed, held);
            let closed: Decimal = venue.closed().iter().map(|row| row.pnl).sum();
            let balance = Decimal::from(10_000) + closed - position.open_fee;
            let difference = (venue.wallet().balance - balance).abs();
            prop_assert!(difference < Decimal::new(1, 8), "{} against {balance}", venue.wallet().balance);
            let fees: Decimal = venue.executions().iter().map(|e| e.fee).sum();
            prop_assert!(fees >= Decimal::ZERO);
            prop_assert!(venue.orders().iter().all(|o| o.filled <= o.qty && o.order_type != OrderType::Market || o.status != Status::New));
        }
    }
}
