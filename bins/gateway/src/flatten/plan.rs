//! What the next round of a flatten has to do. Pure.
//!
//! ```text
//!  read all -> for each symbol:
//!              orders rest?     cancel them        -+
//!              position open?   reduce it, IOC      +-> read all again
//!              stops left?      cancel them        -+
//!           -> nothing anywhere, twice, apart by the venue's lag: flat
//! ```
//! Each symbol goes its own way: one that cannot be closed holds up no other. The plan remembers
//! only when it last saw flat, and how often a cancel was in vain: every round starts from what the
//! venue says now, so a late or partial fill is simply found and closed in the next round.

use std::collections::{BTreeMap, BTreeSet};

use money::{Price, Qty, Ratio, Rounding};
use protocol::venue::{Instrument, Order, OrderStatus, Position};
use protocol::{BootMs, OrderId, Side, Symbol};

/// Cancels of one order after which its symbol's position is closed beside it.
const CANCELS_IN_VAIN: u32 = 4;

/// What the venue says at the start of a round.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Only this symbol; all if absent.
    pub symbol: Option<Symbol>,
    /// All positions.
    pub positions: &'a [Position],
    /// All open orders.
    pub orders: &'a [Order],
    /// Steps of each instrument.
    pub instruments: &'a BTreeMap<Symbol, Instrument>,
    /// Mark prices just read; the position's own where one is missing.
    pub marks: &'a BTreeMap<Symbol, Price>,
    /// How far from the mark an order may fill.
    pub max_slippage: Ratio,
}

/// One order that shrinks a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduction {
    /// Which instrument.
    pub symbol: Symbol,
    /// The side that closes.
    pub side: Side,
    /// How much.
    pub qty: Qty,
    /// The worst price at which it may fill.
    pub limit: Price,
    /// 0 one-way; 1 and 2 the legs of hedge mode.
    pub index: u8,
}

/// What a round does. Nothing at all: flat, by this read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Orders to cancel.
    pub cancel: Vec<Order>,
    /// Orders to send.
    pub reduce: Vec<Reduction>,
    /// What cannot be closed now, and why.
    pub stuck: Vec<String>,
}

impl Round {
    /// Whether nothing is left of it, by this read.
    pub const fn is_flat(&self) -> bool {
        self.cancel.is_empty() && self.reduce.is_empty() && self.stuck.is_empty()
    }
}

/// How often each order was told to go.
#[derive(Debug, Default)]
pub struct Tries(BTreeMap<OrderId, u32>);

impl Tries {
    /// These are told once more.
    pub fn note(&mut self, orders: &[Order]) {
        for order in orders {
            let tries = self.0.entry(order.order_id).or_insert(0);
            *tries = tries.saturating_add(1);
        }
    }

    /// Whether an order stays whatever it is told.
    pub fn stubborn(&self, order: &Order) -> bool {
        self.0.get(&order.order_id).copied().unwrap_or(0) >= CANCELS_IN_VAIN
    }
}

/// The round that this scene calls for.
pub fn round(scene: &Scene<'_>, tries: &Tries) -> Round {
    let asked = |symbol: Symbol| scene.symbol.is_none_or(|only| only == symbol);
    let ordered = scene.orders.iter().filter(|o| !o.status.is_final());
    let held = scene.positions.iter().filter(|p| !p.size.is_zero());
    let symbols: BTreeSet<Symbol> = held
        .map(|p| p.symbol)
        .chain(ordered.map(|o| o.symbol))
        .filter(|symbol| asked(*symbol))
        .collect();
    let mut round = Round::default();
    for symbol in symbols {
        plan_symbol(symbol, scene, tries, &mut round);
    }
    round
}

fn plan_symbol(symbol: Symbol, scene: &Scene<'_>, tries: &Tries, round: &mut Round) {
    let of_it = |order: &&Order| order.symbol == symbol && !order.status.is_final();
    let open = || scene.orders.iter().filter(of_it);
    let resting = || open().filter(|order| !is_stop(order));
    round.cancel.extend(resting().cloned());
    if resting().any(|order| !tries.stubborn(order)) {
        return;
    }
    let held = scene.positions.iter();
    let mut held = held
        .filter(|p| p.symbol == symbol && !p.size.is_zero())
        .peekable();
    if held.peek().is_none() {
        round.cancel.extend(open().filter(|o| is_stop(o)).cloned());
        return;
    }
    for position in held {
        match reduction(position, scene) {
            Ok(reduction) => round.reduce.push(reduction),
            Err(why) => round.stuck.push(why),
        }
    }
}

/// Whether an order waits for a trigger and only shrinks a position: it protects, and goes last.
pub fn is_stop(order: &Order) -> bool {
    let waits = match order.status {
        OrderStatus::Untriggered | OrderStatus::Deactivated => true,
        OrderStatus::Created
        | OrderStatus::New
        | OrderStatus::Rejected
        | OrderStatus::PartiallyFilled
        | OrderStatus::Filled
        | OrderStatus::Cancelled
        | OrderStatus::Triggered
        | OrderStatus::Active
        | OrderStatus::Unknown => order.venue_made,
    };
    order.only_reduces() && (waits || order.trigger_price.is_some())
}

fn reduction(position: &Position, scene: &Scene<'_>) -> Result<Reduction, String> {
    let symbol = position.symbol;
    let side = position
        .side
        .ok_or_else(|| format!("the venue gives no side for the {symbol} position"))?
        .opposite();
    let instrument = scene
        .instruments
        .get(&symbol)
        .ok_or_else(|| format!("the steps of {symbol} are not known"))?;
    let mark = scene.marks.get(&symbol).copied().or(position.mark);
    let mark = mark.ok_or_else(|| format!("no mark price of {symbol}"))?;
    let limit = worst_price(side, mark, instrument.tick, scene.max_slippage)
        .map_err(|e| format!("no limit price for {symbol}: {e}"))?;
    let qty = position.size.min(instrument.max_qty);
    Ok(Reduction {
        symbol,
        side,
        qty,
        limit,
        index: position.index,
    })
}

/// The cap's price on the tick, on the near side of the cap.
fn worst_price(
    side: Side,
    mark: Price,
    tick: Price,
    cap: Ratio,
) -> Result<Price, money::MoneyError> {
    match side {
        Side::Buy => mark.shifted(cap)?.on_tick(tick, Rounding::Down),
        Side::Sell => {
            let below = Ratio::new(-cap.get())?;
            mark.shifted(below)?.on_tick(tick, Rounding::Up)
        }
    }
}

/// Flat counts when two reads that found it lie apart by the venue's lag, with nothing done between.
#[derive(Debug, Default)]
pub struct Confirmation {
    since: Option<BootMs>,
}

impl Confirmation {
    /// Takes what a round that was begun at `begun` found; whether flat is now certain.
    pub fn take(&mut self, flat: bool, begun: BootMs, lag_ms: u64) -> bool {
        if !flat {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(begun);
        begun.since(since) >= lag_ms && begun != since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{OrderId, OrderLinkId, OrderType, VenueMs};

    fn sym(name: &str) -> Symbol {
        Symbol::new(name).unwrap()
    }

    fn price(text: &str) -> Price {
        Price::parse(text).unwrap()
    }

    fn qty(text: &str) -> Qty {
        Qty::parse(text).unwrap()
    }

    fn position(name: &str, direction: Side, size: &str) -> Position {
        Position {
            symbol: sym(name),
            side: Some(direction),
            size: qty(size),
            entry: None,
            mark: None,
            leverage: None,
            unrealised: None,
            stop_loss: None,
            take_profit: None,
            index: 0,
        }
    }

    fn order(name: &str, reduce_only: bool, status: OrderStatus) -> Order {
        Order {
            order_id: OrderId::new("o-1").unwrap(),
            link_id: OrderLinkId::new("pg-a-1").ok(),
            symbol: sym(name),
            side: Side::Sell,
            order_type: OrderType::Limit,
            price: None,
            qty: qty("1"),
            filled: Qty::ZERO,
            status,
            reduce_only,
            close_on_trigger: false,
            venue_made: false,
            trigger_price: None,
            stop_loss: None,
            take_profit: None,
            time_in_force: None,
            created: VenueMs(0),
            updated: VenueMs(0),
        }
    }

    fn instruments() -> BTreeMap<Symbol, Instrument> {
        let instrument = |name: &str| Instrument {
            symbol: sym(name),
            settle_coin: sym("USDT"),
            trading: true,
            tick: price("0.1"),
            lot: qty("0.1"),
            min_qty: qty("0.1"),
            max_qty: qty("50"),
            max_market_qty: qty("10"),
            min_notional: None,
            max_leverage: Ratio::ONE,
        };
        ["SOLUSDT", "ETHUSDT"]
            .into_iter()
            .map(|n| (sym(n), instrument(n)))
            .collect()
    }

    fn play(symbol: Option<Symbol>, positions: &[Position], orders: &[Order]) -> Round {
        play_after(&Tries::default(), symbol, positions, orders)
    }

    fn play_after(
        tries: &Tries,
        symbol: Option<Symbol>,
        positions: &[Position],
        orders: &[Order],
    ) -> Round {
        let marks = BTreeMap::from([(sym("SOLUSDT"), price("101.23"))]);
        let scene = Scene {
            symbol,
            positions,
            orders,
            instruments: &instruments(),
            marks: &marks,
            max_slippage: Ratio::parse("0.01").unwrap(),
        };
        round(&scene, tries)
    }

    fn cancels(orders: &[Order]) -> Round {
        Round {
            cancel: orders.to_vec(),
            ..Round::default()
        }
    }

    #[test]
    fn orders_go_first_then_the_position_then_the_stops() {
        let held = [position("SOLUSDT", Side::Buy, "60")];
        let opener = order("SOLUSDT", false, OrderStatus::New);
        let stop = order("SOLUSDT", true, OrderStatus::Untriggered);
        let both = [opener.clone(), stop.clone()];
        assert_eq!(play(None, &held, &both), cancels(&[opener]));
        let round = play(None, &held, std::slice::from_ref(&stop));
        // 101.23 less one per cent is 100.2177: the near side of the cap is the tick above it; no
        // order is larger than the venue takes.
        let expected = Reduction {
            symbol: sym("SOLUSDT"),
            side: Side::Sell,
            qty: qty("50"),
            limit: price("100.3"),
            index: 0,
        };
        assert_eq!((round.cancel.len(), round.reduce), (0, vec![expected]));
        let stops = [stop];
        assert_eq!(play(None, &[], &stops), cancels(&stops));
        assert!(play(None, &[], &[]).is_flat());
    }

    #[test]
    fn a_buy_back_stays_below_its_cap() {
        let short = [position("SOLUSDT", Side::Sell, "1")];
        let round = play(None, &short, &[]);
        assert_eq!(
            (round.reduce[0].side, round.reduce[0].limit),
            (Side::Buy, price("102.2"))
        );
    }

    #[test]
    fn another_symbol_is_left_alone() {
        let held = [position("ETHUSDT", Side::Buy, "1")];
        let resting = [order("ETHUSDT", false, OrderStatus::New)];
        assert!(play(Some(sym("SOLUSDT")), &held, &resting).is_flat());
    }

    #[test]
    fn what_has_no_price_is_said_and_holds_up_nothing_else() {
        let held = [
            position("ETHUSDT", Side::Buy, "1"),
            position("SOLUSDT", Side::Buy, "1"),
        ];
        let round = play(None, &held, &[]);
        assert_eq!(round.stuck, ["no mark price of ETHUSDT"]);
        assert_eq!(round.reduce[0].symbol, sym("SOLUSDT"));
        let own = [Position {
            mark: Some(price("10")),
            ..position("ETHUSDT", Side::Buy, "1")
        }];
        assert_eq!(play(None, &own, &[]).reduce[0].limit, price("9.9"));
    }

    #[test]
    fn an_order_that_will_not_go_does_not_keep_the_position() {
        let held = [position("SOLUSDT", Side::Buy, "1")];
        let resting = [order("SOLUSDT", false, OrderStatus::New)];
        let mut tries = Tries::default();
        for _ in 0..CANCELS_IN_VAIN {
            assert_eq!(play_after(&tries, None, &held, &resting), cancels(&resting));
            tries.note(&resting);
        }
        let round = play_after(&tries, None, &held, &resting);
        assert_eq!((round.cancel.len(), round.reduce.len()), (1, 1));
    }

    #[test]
    fn flat_is_certain_when_two_reads_apart_say_so() {
        let mut seen = Confirmation::default();
        assert!(!seen.take(true, BootMs(0), 1000));
        assert!(!seen.take(true, BootMs(500), 1000));
        assert!(!seen.take(false, BootMs(900), 1000));
        assert!(!seen.take(true, BootMs(1100), 1000));
        assert!(seen.take(true, BootMs(2100), 1000));
    }
}
