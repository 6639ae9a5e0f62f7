//! The matching core under a virtual clock: refusals as a table, brackets, and books that balance
//! whatever is traded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail loudly"
)]

use exchange_sim::matching::{
    AccountKind, Brackets, ExecKind, Moment, NewOrder, OrderType, Quote, Refusal, Setup, Side,
    Status, TimeInForce, Venue, catalogue,
};
use money::{Decimal, Price, Qty};
use proptest::prelude::*;

const START: i64 = 1_700_000_000_000;

fn now() -> Moment {
    Moment::from_ms(START)
}

fn venue() -> Venue {
    let mut venue = Venue::new(Setup {
        instruments: catalogue(3),
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

#[test]
fn funding_is_paid_by_longs_and_received_by_shorts() {
    let mut venue = venue();
    let id = venue.market_id("SOLUSDT").unwrap();
    venue.place(&market(Side::Buy, "10"), now()).unwrap();
    venue
        .place_position(
            id,
            2,
            (Side::Sell, qty("4").get(), price("100").get()),
            now(),
        )
        .unwrap();
    let before = venue.wallet().balance;
    let rate = Decimal::new(1, 3);
    venue.charge_funding(id, rate, now()).unwrap();
    let fees: Vec<Decimal> = venue
        .funding()
        .iter()
        .map(|row| venue.executions()[row.execution].fee)
        .collect();
    // 10 and 4 at a mark of 100.
    assert_eq!(fees, [Decimal::ONE, Decimal::new(-4, 1)]);
    assert_eq!(venue.wallet().balance, before - Decimal::new(6, 1));
    assert!(venue.closed().is_empty(), "funding is in no closed PnL");
    assert!(venue.charge_funding(id, Decimal::ONE, now()).is_err());
}

#[test]
fn an_account_that_cannot_carry_its_positions_is_liquidated_to_nothing_owing() {
    for side in [Side::Buy, Side::Sell] {
        let mut venue = venue();
        let id = venue.market_id("SOLUSDT").unwrap();
        venue.set_leverage(id, Decimal::from(50), now()).unwrap();
        venue.place(&market(side, "2000"), now()).unwrap();
        let (resting, near, broke) = match side {
            Side::Buy => ("90", "96.2", "96"),
            Side::Sell => ("120", "103.8", "105"),
        };
        venue.place(&limit(side, "1", resting), now()).unwrap();
        quote(&mut venue, near);
        assert!(
            !venue.market(id).position.is_flat(),
            "{side:?}: carried so far"
        );
        quote(&mut venue, broke);
        assert!(venue.market(id).position.is_flat(), "{side:?}: taken");
        assert_eq!(venue.open_orders(id).count(), 0);
        let balance = venue.wallet().balance;
        assert!(
            balance >= Decimal::ZERO && balance < Decimal::from(25),
            "{side:?}: less than a tick of 2000 is left, not {balance}"
        );
        let last = venue.executions().last().unwrap();
        assert_eq!((last.kind, last.qty), (ExecKind::Bust, qty("2000").get()));
        let row = venue.closed().last().unwrap();
        assert_eq!((row.kind, row.closed), (ExecKind::Bust, qty("2000").get()));
        assert_eq!(venue.order(row.order).link_id, "");
    }
}

#[test]
fn a_deleveraged_position_shrinks_without_a_fee() {
    let mut venue = venue();
    let id = venue.market_id("SOLUSDT").unwrap();
    assert!(
        venue.deleverage(id, None, now()).is_err(),
        "nothing is held"
    );
    let mut order = market(Side::Buy, "10");
    order.brackets.stop_loss = Some(price("95").get());
    venue.place(&order, now()).unwrap();
    venue.deleverage(id, Some(qty("4").get()), now()).unwrap();
    let last = venue.executions().last().unwrap();
    assert_eq!((last.kind, last.fee), (ExecKind::Adl, Decimal::ZERO));
    assert_eq!(venue.market(id).position.size, qty("6").get());
    let stop = venue.open_orders(id).next().unwrap();
    assert_eq!(
        venue.order(stop).qty,
        qty("6").get(),
        "the stop shrinks with it"
    );
    venue.deleverage(id, None, now()).unwrap();
    assert!(venue.market(id).position.is_flat());
}

#[test]
fn a_leg_of_hedge_mode_is_there_to_be_found_and_counts_for_equity() {
    let mut venue = venue();
    let id = venue.market_id("SOLUSDT").unwrap();
    let leg = |size: &str| (Side::Sell, qty(size).get(), price("110").get());
    assert!(
        venue.place_position(id, 1, leg("2"), now()).is_err(),
        "slot 1 is for longs"
    );
    venue.place_position(id, 2, leg("2"), now()).unwrap();
    assert_eq!(venue.equity(), Decimal::from(10_020));
    assert!(venue.market(id).position.is_flat());
    let slots: Vec<u8> = venue.market(id).positions().map(|(slot, _)| slot).collect();
    assert_eq!(slots, [2]);
    venue.place_position(id, 2, leg("0"), now()).unwrap();
    assert_eq!(venue.equity(), Decimal::from(10_000));
}

#[derive(Debug, Clone)]
enum Move {
    Market(bool, u32),
    Limit(bool, u32, i32),
    Reduce(bool, u32),
    Price(i32),
    Funding(i32),
    Adl(u32),
    CancelFirst,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        (any::<bool>(), 1u32..40).prop_map(|(buy, n)| Move::Market(buy, n)),
        (any::<bool>(), 1u32..40, -30i32..30).prop_map(|(buy, n, p)| Move::Limit(buy, n, p)),
        (any::<bool>(), 1u32..40).prop_map(|(buy, n)| Move::Reduce(buy, n)),
        (-40i32..40).prop_map(Move::Price),
        (-500i32..500).prop_map(Move::Funding),
        (1u32..40).prop_map(Move::Adl),
        Just(Move::CancelFirst),
    ]
}

fn side(buy: bool) -> Side {
    if buy { Side::Buy } else { Side::Sell }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Cash is never made or lost: the balance is what was there, plus every closed result, less
    /// the fees of what is still open and the funding; and the position is the sum of its executions.
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
                Move::Funding(millionths) => {
                    let rate = Decimal::new(i64::from(millionths), 6);
                    venue.charge_funding(id, rate, now()).unwrap();
                    continue;
                }
                Move::Adl(n) => {
                    // Refused where the position is smaller.
                    drop(venue.deleverage(id, Some(tenth(n).get()), now()));
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
            let traded = || venue.executions().iter().filter(|e| e.kind != ExecKind::Funding);
            let funding: Decimal = venue.funding().iter().map(|row| venue.executions()[row.execution].fee).sum();
            let signed: Decimal = traded().map(|e| if e.side == Side::Buy { e.qty } else { -e.qty }).sum();
            let held = if position.side == Side::Buy { position.size } else { -position.size };
            prop_assert_eq!(signed, held);
            let closed: Decimal = venue.closed().iter().map(|row| row.pnl).sum();
            let balance = Decimal::from(10_000) + closed - position.open_fee - funding;
            let difference = (venue.wallet().balance - balance).abs();
            prop_assert!(difference < Decimal::new(1, 8), "{} against {balance}", venue.wallet().balance);
            let fees: Decimal = traded().map(|e| e.fee).sum();
            prop_assert!(fees >= Decimal::ZERO);
            prop_assert!(venue.orders().iter().all(|o| o.filled <= o.qty && o.order_type != OrderType::Market || o.status != Status::New));
        }
    }
}
