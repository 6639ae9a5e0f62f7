//! Positions that the venue closes itself: liquidation and auto-deleveraging.
//!
//! The account is on cross margin: when its equity no longer covers the maintenance margin, the
//! venue cancels every order and takes every one-way position over, the largest first, each at the
//! price at which nothing of the equity is left (its bankruptcy price). What is lost beyond that is
//! the venue's. Legs of hedge mode count for equity and margin, but are never taken.

use std::cmp::Reverse;

use money::Decimal;

use super::{
    ExecKind, MarketId, Moment, Order, OrderNo, Refusal, Side, TAKER_FEE, Venue, parameter,
};

impl Venue {
    /// Liquidates the account if its equity no longer covers the maintenance margin.
    pub(super) fn liquidate_if_due(&mut self, now: Moment) {
        if self.markets.iter().all(|market| market.position.is_flat()) {
            return;
        }
        if self.equity() >= self.maintenance_margin() {
            return;
        }
        let open: Vec<OrderNo> = self
            .markets
            .iter()
            .flat_map(|market| market.open.iter().copied())
            .collect();
        for no in open {
            // Ending a position's stop may have ended its twin.
            if !self.order(no).status.is_final() {
                self.end(no, "CancelAllBeforeLiq", "EC_NoError", now);
            }
        }
        let mut held: Vec<(Decimal, MarketId)> = self
            .markets()
            .filter(|(_, market)| !market.position.is_flat())
            .map(|(id, market)| (market.position.entry_value, id))
            .collect();
        held.sort_by_key(|(value, id)| (Reverse(*value), *id));
        for (_, id) in held {
            let size = self.market(id).position.size;
            let price = self.bankruptcy_price(id);
            self.take_over(id, size, price, ExecKind::Bust, now);
        }
        self.mark_equity(now);
    }

    /// Takes (part of) a position for another account's sake, at the mark price and without a fee.
    pub fn deleverage(
        &mut self,
        id: MarketId,
        size: Option<Decimal>,
        now: Moment,
    ) -> Result<(), Refusal> {
        let market = self.market(id);
        let held = market.position.size;
        let size = size.unwrap_or(held);
        if size <= Decimal::ZERO || size > held || !market.instrument.on_lot(size) {
            return Err(parameter(format!(
                "size {size} invalid: the position is {held}"
            )));
        }
        self.take_over(id, size, market.quote.mark, ExecKind::Adl, now);
        self.mark_equity(now);
        Ok(())
    }

    fn take_over(
        &mut self,
        id: MarketId,
        size: Decimal,
        price: Decimal,
        kind: ExecKind,
        now: Moment,
    ) {
        let order_id = self.ids.next();
        let market = self.market(id);
        let (side, last) = (market.position.side.opposite(), market.quote.last);
        let order = Order {
            kind,
            ..Order::of_the_venue(order_id, id, side, size, last, now)
        };
        let no = self.enter(order);
        self.fill(no, price, size, false, now);
        self.rest_or_end(no, now);
    }

    /// The price at which closing the position would leave no equity, on the tick that leaves the
    /// account nothing owing.
    fn bankruptcy_price(&self, id: MarketId) -> Decimal {
        let market = self.market(id);
        let (position, tick) = (&market.position, market.instrument.tick);
        let (equity, value) = (self.equity(), market.quote.mark * position.size);
        let price = match position.side {
            Side::Buy => {
                let exact = (value - equity) / (position.size * (Decimal::ONE - TAKER_FEE));
                (exact / tick).ceil() * tick
            }
            Side::Sell => {
                let exact = (value + equity) / (position.size * (Decimal::ONE + TAKER_FEE));
                (exact / tick).floor() * tick
            }
        };
        price.clamp(tick, market.instrument.max_price)
    }
}
