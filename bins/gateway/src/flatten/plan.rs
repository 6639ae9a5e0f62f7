//! What the next round of a flatten has to do. Pure.
//!
//! ```text
//!  read all -> orders rest?      cancel them          -+
//!           -> position open?    reduce it, IOC        +-> read all again
//!           -> stops left?       cancel them          -+
//!           -> nothing, twice, apart by the venue's lag: flat
//! ```
//! The plan has no memory beyond the last flat read: every round starts from what the venue says
//! now, so a late fill or a partial fill is simply found and closed in the next round.

use std::collections::BTreeMap;

use money::{Price, Qty, Ratio, Rounding};
use protocol::venue::{Instrument, Order, OrderStatus, Position};
use protocol::{BootMs, Side, Symbol};

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
    /// Mark prices just read.
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
}

/// What a round does.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Cancel these orders, then read again.
    Cancel(Vec<Order>),
    /// Send these, then read again.
    Reduce(Vec<Reduction>),
    /// Nothing is left of it, by this read.
    Flat,
    /// It cannot go on, and why; the guard repeats the command.
    Stuck(String),
}

/// The step that this scene calls for.
pub fn step(scene: &Scene<'_>) -> Step {
    let ours = |symbol: Symbol| scene.symbol.is_none_or(|only| only == symbol);
    let open = |order: &&Order| ours(order.symbol) && !order.status.is_final();
    let resting: Vec<Order> = scene
        .orders
        .iter()
        .filter(open)
        .filter(|order| !is_stop(order))
        .cloned()
        .collect();
    if !resting.is_empty() {
        return Step::Cancel(resting);
    }
    let held = scene
        .positions
        .iter()
        .filter(|p| ours(p.symbol) && !p.size.is_zero());
    let mut reductions = Vec::new();
    for position in held {
        match reduction(position, scene) {
            Ok(reduction) => reductions.push(reduction),
            Err(why) => return Step::Stuck(why),
        }
    }
    if !reductions.is_empty() {
        return Step::Reduce(reductions);
    }
    let stops: Vec<Order> = scene.orders.iter().filter(open).cloned().collect();
    if stops.is_empty() {
        Step::Flat
    } else {
        Step::Cancel(stops)
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
    let mark = scene
        .marks
        .get(&symbol)
        .copied()
        .ok_or_else(|| format!("no mark price of {symbol}"))?;
    let limit = worst_price(side, mark, instrument.tick, scene.max_slippage)
        .map_err(|e| format!("no limit price for {symbol}: {e}"))?;
    let qty = position.size.min(instrument.max_qty);
    Ok(Reduction {
        symbol,
        side,
        qty,
        limit,
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
    /// Takes the step of a round that was begun at `begun`; whether flat is now certain.
    pub fn take(&mut self, step: &Step, begun: BootMs, lag_ms: u64) -> bool {
        match step {
            Step::Flat => {
                let since = *self.since.get_or_insert(begun);
                begun.since(since) >= lag_ms && begun != since
            }
            Step::Cancel(_) | Step::Reduce(_) | Step::Stuck(_) => {
                self.since = None;
                false
            }
        }
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

    fn play(symbol: Option<Symbol>, positions: &[Position], orders: &[Order]) -> Step {
        let marks = BTreeMap::from([(sym("SOLUSDT"), price("101.23"))]);
        step(&Scene {
            symbol,
            positions,
            orders,
            instruments: &instruments(),
            marks: &marks,
            max_slippage: Ratio::parse("0.01").unwrap(),
        })
    }

    #[test]
    fn orders_go_first_then_the_position_then_the_stops() {
        let held = [position("SOLUSDT", Side::Buy, "60")];
        let opener = order("SOLUSDT", false, OrderStatus::New);
        let stop = order("SOLUSDT", true, OrderStatus::Untriggered);
        let both = [opener.clone(), stop.clone()];
        assert_eq!(play(None, &held, &both), Step::Cancel(vec![opener]));
        let Step::Reduce(reductions) = play(None, &held, std::slice::from_ref(&stop)) else {
            panic!("the position is next")
        };
        // 101.23 less one per cent is 100.2177: the near side of the cap is the tick above it; no
        // order is larger than the venue takes.
        let expected = Reduction {
            symbol: sym("SOLUSDT"),
            side: Side::Sell,
            qty: qty("50"),
            limit: price("100.3"),
        };
        assert_eq!(reductions, [expected]);
        assert_eq!(
            play(None, &[], std::slice::from_ref(&stop)),
            Step::Cancel(vec![stop])
        );
        assert_eq!(play(None, &[], &[]), Step::Flat);
    }

    #[test]
    fn a_buy_back_stays_below_its_cap() {
        let short = [position("SOLUSDT", Side::Sell, "1")];
        let Step::Reduce(reductions) = play(None, &short, &[]) else {
            panic!()
        };
        assert_eq!(
            (reductions[0].side, reductions[0].limit),
            (Side::Buy, price("102.2"))
        );
    }

    #[test]
    fn another_symbol_is_left_alone() {
        let held = [position("ETHUSDT", Side::Buy, "1")];
        let resting = [order("ETHUSDT", false, OrderStatus::New)];
        assert_eq!(play(Some(sym("SOLUSDT")), &held, &resting), Step::Flat);
    }

    #[test]
    fn without_a_price_it_says_so() {
        let held = [position("ETHUSDT", Side::Buy, "1")];
        assert_eq!(
            play(None, &held, &[]),
            Step::Stuck("no mark price of ETHUSDT".to_owned())
        );
    }

    #[test]
    fn flat_is_certain_when_two_reads_apart_say_so() {
        let mut seen = Confirmation::default();
        assert!(!seen.take(&Step::Flat, BootMs(0), 1000));
        assert!(!seen.take(&Step::Flat, BootMs(500), 1000));
        assert!(!seen.take(&Step::Cancel(Vec::new()), BootMs(900), 1000));
        assert!(!seen.take(&Step::Flat, BootMs(1100), 1000));
        assert!(seen.take(&Step::Flat, BootMs(2100), 1000));
    }
}
