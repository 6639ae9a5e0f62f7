//! Changing an open order: judged as the whole order that would result.

use money::Decimal;

use super::admit::{check_brackets, check_price, check_qty};
use super::{
    Amendment, Change, Event, Moment, OrderNo, Refusal, Status, StopKind, Trigger, Venue, parameter,
};

impl Venue {
    /// Changes an open order in place; it keeps its ids. A resting order that now reaches the book
    /// takes from it.
    pub fn amend(&mut self, no: OrderNo, change: &Amendment, now: Moment) -> Result<(), Refusal> {
        let before = self.order(no).clone();
        if before.status.is_final() {
            return Err(Refusal::NoSuchOrder);
        }
        let market = self.market(before.market);
        let mut after = before.clone();
        if let Some(qty) = change.qty {
            check_qty(&market.instrument, before.order_type, qty.get())?;
            if qty.get() <= before.filled {
                return Err(parameter("qty is not above what has executed"));
            }
            after.qty = qty.get();
        }
        if let Some(price) = change.price {
            check_price(&market.instrument, "price", price.get())?;
            if before.price.is_none() {
                return Err(parameter("a market order has no price to amend"));
            }
            after.price = Some(price.get());
        }
        if let Some(price) = change.trigger_price {
            check_price(&market.instrument, "triggerPrice", price.get())?;
            let moved = before
                .trigger
                .filter(|_| before.status == Status::Untriggered);
            let moved = moved.ok_or_else(|| parameter("the order waits for no trigger"))?;
            after.trigger = Some(Trigger {
                price: price.get(),
                ..moved
            });
            if after
                .trigger
                .is_some_and(|trigger| trigger.fires_at(market.quote))
            {
                return Err(Refusal::TriggerDirection {
                    rises: moved.rises,
                    trigger: price.get(),
                    current: moved.watched(market.quote),
                });
            }
        }
        changed(&mut after.brackets.take_profit, change.take_profit);
        changed(&mut after.brackets.stop_loss, change.stop_loss);
        after.brackets.take_profit_by = change
            .take_profit_by
            .unwrap_or(before.brackets.take_profit_by);
        after.brackets.stop_loss_by = change.stop_loss_by.unwrap_or(before.brackets.stop_loss_by);
        if after == before {
            return Err(parameter("order not modified"));
        }
        self.judge_amended(no, &after)?;
        after.updated = now;
        let waits = after.status == Status::Untriggered;
        if after.is_bracket() {
            self.tell(Event::Position(after.market));
        }
        self.orders[no.0] = after;
        self.tell(Event::Order(no));
        if !waits {
            self.work(no, now);
            self.mark_equity(now);
        }
        Ok(())
    }

    fn judge_amended(&self, no: OrderNo, after: &super::Order) -> Result<(), Refusal> {
        let before = self.order(no);
        let market = self.market(before.market);
        if before.is_bracket() && (after.qty != before.qty || !after.brackets.is_empty()) {
            return Err(parameter(
                "only the trigger price of a position's TP/SL moves",
            ));
        }
        if before.only_reduces() && !after.brackets.is_empty() {
            return Err(parameter(
                "reduceOnly order can not carry takeProfit or stopLoss",
            ));
        }
        let price = after.price.unwrap_or(market.quote.last);
        check_brackets(&market.instrument, &after.brackets, after.side, price)?;
        let own_stop = before.stop_kind == Some(StopKind::Stop);
        if before.only_reduces() {
            let closable = market.position.closable_by(after.side);
            if !own_stop && !before.is_bracket() && after.qty - after.filled > closable {
                return Err(Refusal::ReduceOnly("larger than the position"));
            }
            return Ok(());
        }
        let given_back = if before.status == Status::Untriggered {
            Decimal::ZERO
        } else {
            self.bound_by(before)
        };
        let rest = after.qty - after.filled;
        self.afford(before.market, after.side, rest, price, given_back)
    }
}

fn changed(held: &mut Option<Decimal>, change: Change) {
    match change {
        Change::Keep => {}
        Change::Clear => *held = None,
        Change::Set(price) => *held = Some(price.get()),
    }
}
