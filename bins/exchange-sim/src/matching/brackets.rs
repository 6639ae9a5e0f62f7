//! Take profit and stop loss of a whole position: conditional orders that the venue makes itself.

use money::Decimal;

use super::admit::{base_price, check_brackets};
use super::{
    Brackets, Change, Event, MarketId, Moment, Order, OrderNo, Refusal, Side, Status, StopKind,
    Trigger, TriggerBy, Venue, parameter,
};

/// A change of a position's take profit and stop loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StopChange {
    /// Take profit.
    pub take_profit: Change,
    /// Stop loss.
    pub stop_loss: Change,
    /// What the take profit watches; as before, or the last price, where absent.
    pub take_profit_by: Option<TriggerBy>,
    /// What the stop loss watches; as before, or the last price, where absent.
    pub stop_loss_by: Option<TriggerBy>,
}

impl Venue {
    /// Sets, moves or clears the take profit and stop loss of a position.
    pub fn trading_stop(
        &mut self,
        id: MarketId,
        change: &StopChange,
        now: Moment,
    ) -> Result<(), Refusal> {
        let market = self.market(id);
        let position = &market.position;
        if position.is_flat() {
            return Err(parameter("can not set tp/sl/ts for zero position"));
        }
        if change.take_profit == Change::Keep && change.stop_loss == Change::Keep {
            return Err(parameter("takeProfit or stopLoss missing"));
        }
        let side = position.side;
        let asked = Brackets {
            take_profit: set_price(change.take_profit),
            stop_loss: set_price(change.stop_loss),
            ..Brackets::default()
        };
        check_brackets(&market.instrument, &asked, side, base_price(market.quote))?;
        let (held_profit, held_loss) = (position.take_profit, position.stop_loss);
        self.change_one(
            id,
            StopKind::TakeProfit,
            held_profit,
            change.take_profit,
            change.take_profit_by,
            now,
        );
        self.change_one(
            id,
            StopKind::StopLoss,
            held_loss,
            change.stop_loss,
            change.stop_loss_by,
            now,
        );
        self.markets[id.0].position.updated = now;
        self.tell(Event::Position(id));
        Ok(())
    }

    /// The trigger prices of a position's take profit and stop loss.
    pub fn brackets(&self, id: MarketId) -> (Option<Decimal>, Option<Decimal>) {
        let position = &self.market(id).position;
        let price = |held: Option<OrderNo>| {
            held.and_then(|no| self.order(no).trigger)
                .map(|trigger| trigger.price)
        };
        (price(position.take_profit), price(position.stop_loss))
    }

    /// Gives a position the brackets of the order that opened or raised it; those it already has
    /// move.
    pub(super) fn attach(&mut self, id: MarketId, side: Side, brackets: &Brackets, now: Moment) {
        let position = &self.market(id).position;
        if position.is_flat() || position.side != side {
            return;
        }
        let (held_profit, held_loss) = (position.take_profit, position.stop_loss);
        if let Some(price) = brackets.take_profit {
            let by = brackets.take_profit_by;
            self.hold(id, StopKind::TakeProfit, held_profit, price, by, now);
        }
        if let Some(price) = brackets.stop_loss {
            let by = brackets.stop_loss_by;
            self.hold(id, StopKind::StopLoss, held_loss, price, by, now);
        }
    }

    /// Takes the brackets of a position away.
    pub(super) fn drop_brackets(&mut self, id: MarketId, now: Moment) {
        let position = &self.market(id).position;
        for no in [position.take_profit, position.stop_loss]
            .into_iter()
            .flatten()
        {
            self.end(no, "CancelByTpSlTsClear", "EC_NoError", now);
        }
    }

    fn change_one(
        &mut self,
        id: MarketId,
        kind: StopKind,
        held: Option<OrderNo>,
        change: Change,
        by: Option<TriggerBy>,
        now: Moment,
    ) {
        match change {
            Change::Keep => {}
            Change::Clear => {
                if let Some(no) = held {
                    self.end(no, "CancelByTpSlTsClear", "EC_NoError", now);
                }
            }
            Change::Set(price) => {
                let before = held.and_then(|no| self.order(no).trigger);
                let by = by
                    .or(before.map(|trigger| trigger.by))
                    .unwrap_or(TriggerBy::Last);
                self.hold(id, kind, held, price.get(), by, now);
            }
        }
    }

    /// Moves the bracket that is held, or makes it.
    fn hold(
        &mut self,
        id: MarketId,
        kind: StopKind,
        held: Option<OrderNo>,
        price: Decimal,
        by: TriggerBy,
        now: Moment,
    ) {
        let position = &self.market(id).position;
        let long = position.side == Side::Buy;
        let trigger = Trigger {
            price,
            rises: long == (kind == StopKind::TakeProfit),
            by,
        };
        let no = if let Some(no) = held {
            let order = &mut self.orders[no.0];
            order.trigger = Some(trigger);
            order.updated = now;
            self.tell(Event::Order(no));
            no
        } else {
            let order = self.bracket_order(id, kind, trigger, now);
            self.enter(order)
        };
        let position = &mut self.markets[id.0].position;
        if kind == StopKind::TakeProfit {
            position.take_profit = Some(no);
        } else {
            position.stop_loss = Some(no);
        }
    }

    fn bracket_order(
        &mut self,
        id: MarketId,
        kind: StopKind,
        trigger: Trigger,
        now: Moment,
    ) -> Order {
        let order_id = self.ids.next();
        let market = self.market(id);
        let position = &market.position;
        let (side, last) = (position.side.opposite(), market.quote.last);
        Order {
            stop_kind: Some(kind),
            trigger: Some(trigger),
            status: Status::Untriggered,
            ..Order::of_the_venue(order_id, id, side, position.size, last, now)
        }
    }
}

fn set_price(change: Change) -> Option<Decimal> {
    match change {
        Change::Keep | Change::Clear => None,
        Change::Set(price) => Some(price.get()),
    }
}
