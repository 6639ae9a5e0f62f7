//! The venue's door: what makes a new order unacceptable, in order of precedence.

use money::Decimal;

use super::{
    Brackets, Closing, ExecKind, Instrument, MIN_NOTIONAL, MarketId, Moment, NewOrder, Order,
    OrderType, Quote, Refusal, Side, Status, StopKind, TimeInForce, Venue, parameter,
};

/// Active orders allowed for one symbol.
const MAX_ACTIVE: usize = 500;

/// Conditional orders, asked for by the client, allowed for one symbol.
const MAX_CONDITIONAL: usize = 10;

const MAX_LINK_ID: usize = 36;

impl Venue {
    /// Judges a new order; the accepted order is not yet in the books.
    pub(super) fn admit(&mut self, new: &NewOrder, now: Moment) -> Result<Order, Refusal> {
        check_link_id(&new.link_id)?;
        let id = self.market_id(&new.symbol)?;
        let market = self.market(id);
        if new.position_idx != 0 {
            return Err(parameter("position idx not match position mode"));
        }
        let limit = check_steps(&market.instrument, new)?;
        if new.reduce_only && !new.brackets.is_empty() {
            return Err(parameter(
                "reduceOnly order can not carry takeProfit or stopLoss",
            ));
        }
        if self.link_is_used(&new.link_id) {
            return Err(Refusal::DuplicateLinkId);
        }
        let touch = match new.side {
            Side::Buy => market.quote.last + market.instrument.tick,
            Side::Sell => market.quote.last,
        };
        let price = limit.unwrap_or(touch);
        let qty = new.qty.get();
        let only_reduces = new.reduce_only || new.close_on_trigger;
        if !only_reduces && qty * price < MIN_NOTIONAL {
            return Err(Refusal::BelowMinimumNotional {
                minimum: MIN_NOTIONAL,
            });
        }
        check_brackets(&market.instrument, &new.brackets, new.side, price)?;
        self.check_trigger(id, new)?;
        if new.reduce_only && new.trigger.is_none() {
            let closable = market.position.closable_by(new.side);
            if closable.is_zero() {
                return Err(Refusal::ReduceOnly("no position to reduce"));
            }
            if qty > closable {
                return Err(Refusal::ReduceOnly("larger than the position"));
            }
        }
        self.check_count(id, new.trigger.is_some())?;
        if !only_reduces {
            self.afford(id, new.side, qty, price, Decimal::ZERO)?;
        }
        Ok(self.accepted(id, new, limit, now))
    }

    fn accepted(
        &mut self,
        market: MarketId,
        new: &NewOrder,
        price: Option<Decimal>,
        now: Moment,
    ) -> Order {
        let conditional = new.trigger.is_some();
        Order {
            id: self.ids.next(),
            link_id: new.link_id.clone(),
            market,
            side: new.side,
            order_type: new.order_type,
            time_in_force: match new.order_type {
                OrderType::Market => TimeInForce::Ioc,
                OrderType::Limit => new.time_in_force,
            },
            price,
            qty: new.qty.get(),
            filled: Decimal::ZERO,
            filled_value: Decimal::ZERO,
            fees: Decimal::ZERO,
            reduce_only: new.reduce_only,
            close_on_trigger: new.close_on_trigger,
            stop_kind: conditional.then_some(StopKind::Stop),
            kind: ExecKind::Trade,
            trigger: new.trigger,
            brackets: new.brackets,
            status: if conditional {
                Status::Untriggered
            } else {
                Status::New
            },
            reject_reason: "EC_NoError",
            cancel_type: "UNKNOWN",
            last_on_created: self.market(market).quote.last,
            received: new.received,
            created: now,
            updated: now,
            closing: Closing::default(),
            executions: Vec::new(),
            finished_as: None,
        }
    }

    fn check_trigger(&self, id: MarketId, new: &NewOrder) -> Result<(), Refusal> {
        let Some(trigger) = new.trigger else {
            return Ok(());
        };
        let market = self.market(id);
        check_price(&market.instrument, "triggerPrice", trigger.price)?;
        if trigger.fires_at(market.quote) {
            return Err(Refusal::TriggerDirection {
                rises: trigger.rises,
                trigger: trigger.price,
                current: trigger.watched(market.quote),
            });
        }
        Ok(())
    }

    fn check_count(&self, id: MarketId, conditional: bool) -> Result<(), Refusal> {
        let (mut active, mut waiting) = (0_usize, 0_usize);
        for no in self.open_orders(id) {
            match (self.order(no).status, self.order(no).stop_kind) {
                (Status::Untriggered, Some(StopKind::Stop)) => waiting += 1,
                (Status::Untriggered, _) => {}
                _ => active += 1,
            }
        }
        if conditional && waiting >= MAX_CONDITIONAL {
            return Err(Refusal::TooManyOrders {
                what: "conditional",
                limit: MAX_CONDITIONAL,
            });
        }
        if !conditional && active >= MAX_ACTIVE {
            return Err(Refusal::TooManyOrders {
                what: "active",
                limit: MAX_ACTIVE,
            });
        }
        Ok(())
    }
}

/// Whether a price is one that this instrument can have.
pub(super) fn check_price(
    instrument: &Instrument,
    name: &str,
    price: Decimal,
) -> Result<(), Refusal> {
    let possible = price >= instrument.tick && price <= instrument.max_price;
    if possible && instrument.on_tick(price) {
        Ok(())
    } else {
        Err(parameter(format!(
            "{name} {price} invalid: tick {}, at most {}",
            instrument.tick, instrument.max_price
        )))
    }
}

/// Whether a quantity is one that this instrument can have.
pub(super) fn check_qty(
    instrument: &Instrument,
    order_type: OrderType,
    qty: Decimal,
) -> Result<(), Refusal> {
    let most = match order_type {
        OrderType::Market => instrument.max_market_qty,
        OrderType::Limit => instrument.max_qty,
    };
    if qty >= instrument.min_qty && qty <= most && instrument.on_lot(qty) {
        Ok(())
    } else {
        Err(parameter(format!(
            "qty {qty} invalid: {} to {most} in steps of {}",
            instrument.min_qty, instrument.lot
        )))
    }
}

/// Whether take profit and stop loss lie on their sides of the price that the order starts from.
pub(super) fn check_brackets(
    instrument: &Instrument,
    brackets: &Brackets,
    side: Side,
    base: Decimal,
) -> Result<(), Refusal> {
    let long = side == Side::Buy;
    if let Some(price) = brackets.take_profit {
        check_price(instrument, "takeProfit", price)?;
        if (price > base) != long || price == base {
            return Err(parameter(format!(
                "takeProfit {price} is on the wrong side of base price {base}"
            )));
        }
    }
    if let Some(price) = brackets.stop_loss {
        check_price(instrument, "stopLoss", price)?;
        if (price < base) != long || price == base {
            return Err(parameter(format!(
                "stopLoss {price} is on the wrong side of base price {base}"
            )));
        }
    }
    Ok(())
}

/// The price that a trigger of this quote's instrument would be compared with.
pub(super) const fn base_price(quote: Quote) -> Decimal {
    quote.last
}

fn check_steps(instrument: &Instrument, new: &NewOrder) -> Result<Option<Decimal>, Refusal> {
    check_qty(instrument, new.order_type, new.qty.get())?;
    match (new.order_type, new.price) {
        (OrderType::Market, _) => Ok(None),
        (OrderType::Limit, None) => Err(parameter("price missing for a Limit order")),
        (OrderType::Limit, Some(price)) => {
            check_price(instrument, "price", price.get())?;
            Ok(Some(price.get()))
        }
    }
}

fn check_link_id(link_id: &str) -> Result<(), Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if link_id.len() <= MAX_LINK_ID && link_id.bytes().all(plain) {
        Ok(())
    } else {
        Err(parameter(
            "orderLinkId invalid: at most 36 of A-Z a-z 0-9 - _",
        ))
    }
}
