//! Executions: how an order meets the made-up book, and what each execution changes.

use money::Decimal;

use super::{
    Book, Event, ExecKind, Execution, Instrument, MAKER_FEE, MarketId, Moment, OrderNo, Quote,
    Side, Status, StopKind, TAKER_FEE, TimeInForce, Venue,
};

/// Levels of the made-up book on each side. What a taker does not find in them it does not get.
const LEVELS: u32 = 200;

impl Venue {
    /// Lets an order take what it can, then rest or end.
    pub(super) fn work(&mut self, no: OrderNo, now: Moment) {
        let order = &self.orders[no.0];
        let market = self.market(order.market);
        let bound = taker_bound(&market.instrument, market.quote, order.side, order.price);
        let (id, side) = (order.market, order.side);
        let time_in_force = order.time_in_force;
        let takeable = self.takeable(no, bound);
        match time_in_force {
            TimeInForce::PostOnly if takeable > Decimal::ZERO => {
                self.end(no, "UNKNOWN", "EC_PostOnlyWillTakeLiquidity", now);
                return;
            }
            TimeInForce::Fok if takeable < self.orders[no.0].leaves() => {
                self.end(no, "UNKNOWN", "EC_NoImmediateQtyToFill", now);
                return;
            }
            TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok | TimeInForce::PostOnly => {}
        }
        let mut found = takeable;
        for k in 0..LEVELS {
            let wanted = self.wanted(no).min(found);
            let Some((price, size)) = self.level(id, side, k) else {
                break;
            };
            if wanted.is_zero() || !within(side, price, bound) {
                break;
            }
            let taken = wanted.min(size);
            found -= taken;
            self.fill(no, price, taken, false, now);
        }
        self.rest_or_end(no, now);
    }

    /// Fills a resting order at its own price, as a maker.
    pub(super) fn fill_resting(&mut self, no: OrderNo, now: Moment) {
        let wanted = self.wanted(no);
        if let Some(price) = self.orders[no.0].price
            && wanted > Decimal::ZERO
        {
            self.fill(no, price, wanted, true, now);
        }
        self.rest_or_end(no, now);
        self.mark_equity(now);
    }

    /// A conditional order's price was reached: it becomes a plain one, if it still may.
    pub(super) fn fire(&mut self, no: OrderNo, now: Moment) {
        let order = &mut self.orders[no.0];
        order.status = Status::Triggered;
        order.updated = now;
        let (id, side, only_reduces) = (order.market, order.side, order.only_reduces());
        let (qty, limit, bracket) = (order.qty, order.price, order.is_bracket());
        self.tell(Event::Order(no));
        let market = &mut self.markets[id.0];
        if bracket {
            // The twin ends when the position does, in `settle_reducers`.
            let position = &mut market.position;
            position.take_profit = position.take_profit.filter(|held| *held != no);
            position.stop_loss = position.stop_loss.filter(|held| *held != no);
        }
        if only_reduces {
            let closable = market.position.closable_by(side);
            if closable.is_zero() {
                self.end(no, "UNKNOWN", "EC_ReduceOnlyWithoutPosition", now);
                return;
            }
            self.orders[no.0].qty = qty.min(closable);
        } else {
            let price = limit.unwrap_or(market.quote.last);
            if self.afford(id, side, qty, price, Decimal::ZERO).is_err() {
                self.orders[no.0].reject_reason = "EC_InsufficientBalance";
                self.finish(no, Status::Rejected, now);
                return;
            }
        }
        self.orders[no.0].status = Status::New;
        self.work(no, now);
        self.mark_equity(now);
    }

    /// Ends or shrinks what could only reduce a position that is now smaller, and moves the brackets
    /// to its size. `working` is an order in the middle of filling, which looks after itself.
    pub(super) fn settle_reducers(&mut self, id: MarketId, working: Option<OrderNo>, now: Moment) {
        let open: Vec<OrderNo> = self.open_orders(id).collect();
        for no in open {
            let order = &self.orders[no.0];
            let waits = order.status == Status::Untriggered;
            // A client's own conditional order waits for a position that may come yet.
            let free = waits && order.stop_kind == Some(StopKind::Stop);
            if Some(no) == working || !order.only_reduces() || free {
                continue;
            }
            let closable = self.market(id).position.closable_by(order.side);
            if closable.is_zero() {
                self.end(
                    no,
                    "CancelByReduceOnly",
                    "EC_ReduceOnlyWithoutPosition",
                    now,
                );
            } else if order.is_bracket() && waits {
                if order.qty != closable {
                    self.resize(no, closable, now);
                }
            } else if order.leaves() > closable {
                let qty = order.filled + closable;
                self.resize(no, qty, now);
            }
        }
    }

    /// One level of the made-up book, for an order of this side.
    pub fn level(&self, id: MarketId, taker: Side, k: u32) -> Option<(Decimal, Decimal)> {
        let market = self.market(id);
        market.instrument.level(market.quote, taker, k)
    }

    /// The best levels of one side: `Sell` takers meet the bids, `Buy` takers the asks.
    pub fn depth(&self, id: MarketId, taker: Side, levels: u32) -> Vec<(Decimal, Decimal)> {
        (0..levels.min(LEVELS))
            .map_while(|k| self.level(id, taker, k))
            .collect()
    }

    fn resize(&mut self, no: OrderNo, qty: Decimal, now: Moment) {
        let order = &mut self.orders[no.0];
        order.qty = qty;
        order.updated = now;
        self.tell(Event::Order(no));
    }

    /// What the order still wants, within the position if it may only reduce.
    fn wanted(&self, no: OrderNo) -> Decimal {
        let order = self.order(no);
        let leaves = order.leaves();
        if order.only_reduces() {
            leaves.min(self.market(order.market).position.closable_by(order.side))
        } else {
            leaves
        }
    }

    /// How much of it the order would find in the book at once.
    fn takeable(&self, no: OrderNo, bound: Decimal) -> Decimal {
        let (side, id) = (self.order(no).side, self.order(no).market);
        let wanted = match self.book {
            Book::Whole => self.wanted(no),
            Book::Half => {
                let lot = self.market(id).instrument.lot;
                (self.wanted(no) / Decimal::TWO / lot).floor() * lot
            }
        };
        let mut found = Decimal::ZERO;
        for k in 0..LEVELS {
            match self.level(id, side, k) {
                Some((price, size)) if found < wanted && within(side, price, bound) => {
                    found += size;
                }
                _ => break,
            }
        }
        found.min(wanted)
    }

    pub(super) fn rest_or_end(&mut self, no: OrderNo, now: Moment) {
        let order = &self.orders[no.0];
        if order.status.is_final() {
            return;
        }
        if order.leaves().is_zero() {
            self.finish(no, Status::Filled, now);
            return;
        }
        if self.wanted(no).is_zero() {
            self.end(
                no,
                "CancelByReduceOnly",
                "EC_ReduceOnlyWithoutPosition",
                now,
            );
            return;
        }
        match order.time_in_force {
            TimeInForce::Ioc | TimeInForce::Fok => {
                self.end(no, "UNKNOWN", "EC_NoImmediateQtyToFill", now);
            }
            TimeInForce::Gtc | TimeInForce::PostOnly => {
                let status = if order.filled.is_zero() {
                    Status::New
                } else {
                    Status::PartiallyFilled
                };
                self.orders[no.0].status = status;
                self.tell(Event::Order(no));
            }
        }
    }

    /// Books one execution.
    pub(super) fn fill(
        &mut self,
        no: OrderNo,
        price: Decimal,
        qty: Decimal,
        is_maker: bool,
        now: Moment,
    ) {
        let order = &mut self.orders[no.0];
        let fee_rate = match order.kind {
            // Whoever is deleveraged pays for the price alone.
            ExecKind::Adl => Decimal::ZERO,
            ExecKind::Trade | ExecKind::Funding | ExecKind::Bust if is_maker => MAKER_FEE,
            ExecKind::Trade | ExecKind::Funding | ExecKind::Bust => TAKER_FEE,
        };
        let fee = price * qty * fee_rate;
        let id = order.market;
        let first = order.filled.is_zero();
        let market = &mut self.markets[id.0];
        let shift = market.position.apply(order.side, qty, price, fee, now);
        order.filled += qty;
        order.filled_value += price * qty;
        order.fees += fee;
        order.updated = now;
        if shift.closed > Decimal::ZERO {
            let closing = &mut order.closing;
            closing.qty += shift.closed;
            closing.entry_value += shift.entry_value;
            closing.exit_value += shift.exit_value;
            closing.open_fee += shift.open_fee;
            closing.close_fee += shift.close_fee;
            closing.fills += 1;
            self.realised += shift.gross - shift.open_fee - shift.close_fee;
        }
        order.executions.push(self.executions.len());
        self.balance += shift.gross - fee;
        let execution = Execution {
            id: self.ids.next(),
            kind: order.kind,
            order: Some(no),
            order_id: order.id.clone(),
            market: id,
            side: order.side,
            price,
            qty,
            fee,
            fee_rate,
            is_maker,
            closed: shift.closed,
            leaves: order.qty - order.filled,
            mark: market.quote.mark,
            at: now,
        };
        let (brackets, side) = (order.brackets, order.side);
        self.executions.push(execution);
        self.tell(Event::Execution(self.executions.len() - 1));
        self.tell(Event::Position(id));
        self.tell(Event::Wallet);
        if shift.closed > Decimal::ZERO {
            self.settle_reducers(id, Some(no), now);
        }
        // An order's brackets go to the position with the execution that first opens something.
        if shift.opened > Decimal::ZERO && !brackets.is_empty() {
            let turned = shift.closed > Decimal::ZERO;
            if first || turned {
                self.attach(id, side, &brackets, now);
            }
        }
        if shift.opened > Decimal::ZERO {
            self.settle_reducers(id, Some(no), now);
        }
    }
}

/// The worst price at which a taker may fill: its own limit, or the venue's band around the last
/// price for market orders.
fn taker_bound(
    instrument: &Instrument,
    quote: Quote,
    side: Side,
    limit: Option<Decimal>,
) -> Decimal {
    limit.unwrap_or_else(|| {
        let band = quote.last * instrument.market_band;
        match side {
            Side::Buy => quote.last + band,
            Side::Sell => quote.last - band,
        }
    })
}

fn within(side: Side, price: Decimal, bound: Decimal) -> bool {
    match side {
        Side::Buy => price <= bound,
        Side::Sell => price >= bound,
    }
}
