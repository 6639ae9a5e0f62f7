//! The plan of a flatten against a venue that refuses, fills in part, answers late and shows the
//! past: it never says flat too soon, never enlarges, never takes a stop from an open position, and
//! ends flat once the venue lets it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::collections::BTreeMap;

use money::{Price, Qty, Ratio};
use perps_gateway::flatten::{Confirmation, Reduction, Round, Scene, Tries, is_stop, round};
use proptest::prelude::*;
use protocol::venue::{Instrument, Order, OrderStatus, Position};
use protocol::{BootMs, OrderId, OrderType, Side, Symbol, VenueMs};

const SYMBOLS: [&str; 3] = ["BTCUSDT", "ETHUSDT", "SOLUSDT"];
/// How late the venue may show what is the case, and do what it was told.
const LAG_MS: u64 = 1000;
const ROUND_MS: u64 = 250;
/// No order is larger than this.
const MAX_QTY: i64 = 7;

fn symbol(n: usize) -> Symbol {
    Symbol::new(SYMBOLS[n]).unwrap()
}

fn lots(n: i64) -> Qty {
    Qty::parse(&n.to_string()).unwrap()
}

fn count(qty: Qty) -> i64 {
    qty.to_string().parse().unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Opener,
    Exit,
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Resting {
    id: u32,
    symbol: usize,
    buys: bool,
    qty: i64,
    kind: Kind,
}

/// What is the case at one moment. Positions are signed: short is below zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Truth {
    positions: [i64; 3],
    orders: Vec<Resting>,
}

#[derive(Debug, Clone, Copy)]
enum Late {
    Cancel(u32),
    Reduce { symbol: usize, buys: bool, qty: i64 },
}

/// The venue: a truth, what it still shows of the past, and what it has yet to do.
#[derive(Debug)]
struct Hostile {
    now: u64,
    truth: Truth,
    past: Vec<(u64, Truth)>,
    due: Vec<(u64, Late)>,
    /// What it does wrong, in turn; nothing any more once they are used up.
    whims: std::vec::IntoIter<u8>,
}

impl Hostile {
    /// All of this came to be just before the flatten: a late read still shows nothing of it.
    fn new(truth: Truth, whims: Vec<u8>) -> Self {
        Self {
            now: 10_000,
            past: vec![(0, Truth::default()), (9_999, truth.clone())],
            truth,
            due: Vec::new(),
            whims: whims.into_iter(),
        }
    }

    fn whim(&mut self) -> u8 {
        self.whims.next().unwrap_or(0)
    }

    fn settle(&mut self) {
        self.past.push((self.now, self.truth.clone()));
    }

    /// Time passes: orders fill as they like, what was told late is done.
    fn pass(&mut self) {
        self.now += ROUND_MS;
        for n in 0..self.truth.orders.len() {
            let whim = self.whim();
            let order = self.truth.orders[n].clone();
            if whim % 4 != 1 {
                continue;
            }
            let part = i64::from(whim / 4) % order.qty + 1;
            self.fill(&order, part);
            self.truth.orders[n].qty -= part;
        }
        self.truth.orders.retain(|order| order.qty > 0);
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.due)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.due = later;
        let due: Vec<(u64, Late)> = due;
        for (_, late) in due {
            self.carry_out(late);
        }
        self.settle();
    }

    fn fill(&mut self, order: &Resting, qty: i64) {
        let signed = if order.buys { qty } else { -qty };
        match order.kind {
            Kind::Opener => self.truth.positions[order.symbol] += signed,
            Kind::Exit | Kind::Stop => self.reduce(order.symbol, order.buys, qty),
        }
    }

    /// Reduce-only is the venue's own promise: it never crosses zero.
    fn reduce(&mut self, symbol: usize, buys: bool, qty: i64) {
        let held = &mut self.truth.positions[symbol];
        if *held < 0 && buys {
            *held = (*held + qty).min(0);
        } else if *held > 0 && !buys {
            *held = (*held - qty).max(0);
        }
    }

    fn carry_out(&mut self, late: Late) {
        match late {
            Late::Cancel(id) => self.truth.orders.retain(|order| order.id != id),
            Late::Reduce { symbol, buys, qty } => self.reduce(symbol, buys, qty),
        }
    }

    /// What a read shows: the truth of now, or of a moment not longer ago than the lag. `None`: it
    /// fails.
    fn read(&mut self) -> Option<Truth> {
        let whim = self.whim();
        let back = match whim % 5 {
            1 => return None,
            2 => u64::from(whim) * LAG_MS / 255,
            3 => LAG_MS,
            _ => 0,
        };
        let at = self.now - back;
        let shown = self.past.iter().rev().find(|(since, _)| *since <= at);
        Some(shown.unwrap().1.clone())
    }

    /// Some things it does at once, some late, some not at all.
    fn told(&mut self, what: Late) {
        let whim = self.whim();
        match whim % 4 {
            1 => {}
            2 => {
                let at = self.now + u64::from(whim) * LAG_MS / 255;
                self.due.push((at, what));
            }
            3 => {
                if let Late::Reduce { symbol, buys, qty } = what {
                    self.reduce(symbol, buys, qty / 2);
                }
            }
            _ => self.carry_out(what),
        }
    }
}

fn shown_orders(truth: &Truth) -> Vec<Order> {
    let all = truth.orders.iter().map(|order| Order {
        order_id: OrderId::new(&format!("o-{}", order.id)).unwrap(),
        link_id: None,
        symbol: symbol(order.symbol),
        side: if order.buys { Side::Buy } else { Side::Sell },
        order_type: OrderType::Limit,
        price: None,
        qty: lots(order.qty),
        filled: Qty::ZERO,
        status: if order.kind == Kind::Stop {
            OrderStatus::Untriggered
        } else {
            OrderStatus::New
        },
        reduce_only: order.kind != Kind::Opener,
        close_on_trigger: order.kind == Kind::Stop,
        venue_made: false,
        trigger_price: None,
        stop_loss: None,
        take_profit: None,
        time_in_force: None,
        created: VenueMs(0),
        updated: VenueMs(0),
    });
    all.collect()
}

fn shown_positions(truth: &Truth) -> Vec<Position> {
    let all = truth.positions.iter().enumerate();
    all.map(|(n, held)| Position {
        symbol: symbol(n),
        side: match held.signum() {
            1 => Some(Side::Buy),
            -1 => Some(Side::Sell),
            _ => None,
        },
        size: lots(held.abs()),
        entry: None,
        mark: Price::parse("100").ok(),
        leverage: None,
        unrealised: None,
        stop_loss: None,
        take_profit: None,
        index: 0,
    })
    .collect()
}

fn instruments() -> BTreeMap<Symbol, Instrument> {
    let make = |n: usize| Instrument {
        symbol: symbol(n),
        settle_coin: Symbol::new("USDT").unwrap(),
        trading: true,
        tick: Price::parse("0.1").unwrap(),
        lot: lots(1),
        min_qty: lots(1),
        max_qty: lots(MAX_QTY),
        max_market_qty: lots(MAX_QTY),
        min_notional: None,
        max_leverage: Ratio::ONE,
    };
    (0..3).map(|n| (symbol(n), make(n))).collect()
}

/// Nothing in a round may enlarge, exceed what was read, fill beyond the cap, or leave a position
/// without its stop.
fn is_sound(next: &Round, orders: &[Order], positions: &[Position]) {
    let held = |symbol: Symbol| positions.iter().find(|p| p.symbol == symbol).unwrap();
    for Reduction {
        symbol,
        side,
        qty,
        limit,
        index,
    } in &next.reduce
    {
        let position = held(*symbol);
        assert_eq!(position.side, Some(side.opposite()));
        assert!(*qty <= position.size && count(*qty) <= MAX_QTY && !qty.is_zero());
        let cap = match side {
            Side::Buy => *limit <= Price::parse("101").unwrap(),
            Side::Sell => *limit >= Price::parse("99").unwrap(),
        };
        assert!(cap && *index == 0, "{limit}");
    }
    for stop in next.cancel.iter().filter(|order| is_stop(order)) {
        assert!(held(stop.symbol).size.is_zero(), "{stop:?}");
        let rests = |o: &&Order| o.symbol == stop.symbol && !is_stop(o);
        assert!(orders.iter().all(|o| !rests(&o) || next.cancel.contains(o)));
    }
}

/// Plays a flatten; rounds until it said flat.
fn play(mut venue: Hostile, only: Option<usize>) -> u32 {
    let steps = instruments();
    let mut tries = Tries::default();
    let mut certain = Confirmation::default();
    let in_scope = |n: usize| only.is_none_or(|only| only == n);
    let others = |truth: &Truth| -> Vec<Resting> {
        let all = truth.orders.iter().filter(|o| !in_scope(o.symbol));
        all.cloned().collect()
    };
    for n in 1..3000 {
        venue.pass();
        let begun = BootMs(venue.now);
        // The orders first, then the positions, as the hand does.
        let Some(orders) = venue.read().map(|t| shown_orders(&t)) else {
            continue;
        };
        let Some(positions) = venue.read().map(|t| shown_positions(&t)) else {
            continue;
        };
        let scene = Scene {
            symbol: only.map(symbol),
            positions: &positions,
            orders: &orders,
            instruments: &steps,
            marks: &BTreeMap::new(),
            max_slippage: Ratio::parse("0.01").unwrap(),
        };
        let next = round(&scene, &tries);
        is_sound(&next, &orders, &positions);
        if certain.take(next.is_flat(), begun, LAG_MS) {
            for (n, held) in venue.truth.positions.iter().enumerate() {
                assert!(
                    !in_scope(n) || *held == 0,
                    "flat too soon: {:?}",
                    venue.truth
                );
            }
            let left = venue.truth.orders.iter().any(|o| in_scope(o.symbol));
            assert!(!left, "orders are left: {:?}", venue.truth);
            return n;
        }
        tries.note(&next.cancel);
        let untouched = others(&venue.truth);
        for order in &next.cancel {
            let id = order.order_id.as_str().trim_start_matches("o-");
            venue.told(Late::Cancel(id.parse().unwrap()));
        }
        for reduction in &next.reduce {
            let symbol = SYMBOLS.iter().position(|s| *s == reduction.symbol.as_str());
            venue.told(Late::Reduce {
                symbol: symbol.unwrap(),
                buys: reduction.side == Side::Buy,
                qty: count(reduction.qty),
            });
        }
        assert_eq!(
            others(&venue.truth),
            untouched,
            "another symbol was touched"
        );
        venue.settle();
    }
    panic!("never flat: {:?}", venue.truth);
}

fn truths() -> impl Strategy<Value = Truth> {
    let kind = prop_oneof![Just(Kind::Opener), Just(Kind::Exit), Just(Kind::Stop)];
    let order = (0usize..3, any::<bool>(), 1i64..20, kind);
    let orders = prop::collection::vec(order, 0..6);
    (prop::array::uniform3(-20i64..20), orders).prop_map(|(positions, orders)| Truth {
        positions,
        orders: orders
            .into_iter()
            .zip(1u32..)
            .map(|((symbol, buys, qty, kind), id)| Resting {
                id,
                symbol,
                buys,
                qty,
                kind,
            })
            .collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_venue_does_flat_means_flat(
        truth in truths(),
        whims in prop::collection::vec(any::<u8>(), 0..400),
        only in prop::option::of(0usize..3),
    ) {
        play(Hostile::new(truth, whims), only);
    }
}

#[test]
fn a_venue_that_obeys_is_flat_in_a_few_rounds() {
    let opener = Resting {
        id: 1,
        symbol: 0,
        buys: true,
        qty: 3,
        kind: Kind::Opener,
    };
    let stop = Resting {
        id: 2,
        buys: false,
        kind: Kind::Stop,
        ..opener.clone()
    };
    let truth = Truth {
        positions: [5, 0, -6],
        orders: vec![opener, stop],
    };
    let rounds = play(Hostile::new(truth, Vec::new()), None);
    let confirming = u32::try_from(LAG_MS / ROUND_MS).unwrap();
    assert!(rounds <= confirming + 5, "{rounds}");
}
