//! The two kinds of thing that can be sent. Neither can be forged, copied or kept.
//!
//! [`Approved`] is made from the guard's own reply and nowhere else; it is the only way to open.
//! [`Reducing`] is made from a position that was just read, for the time the guard is silent and
//! for a flatten that it ordered. Both are given away to be sent.

use money::{Price, Qty};
use protocol::order::Amend;
use protocol::venue::{Order, Position};
use protocol::{Approval, BootMs, Intent, OrderLinkId, OrderType, Side, Symbol, TimeInForce};

use super::lease::Leave;
use crate::flatten::{Reduction, is_stop};

/// The guard's leave to send one order or one change, once.
#[derive(Debug)]
#[must_use = "an approval that is dropped stays reserved at the guard until it is reported"]
pub struct Approved {
    approval: Approval,
    change: Option<Amend>,
}

impl Approved {
    /// From the guard's reply to `authorize`.
    pub(super) const fn order(approval: Approval) -> Self {
        Self {
            approval,
            change: None,
        }
    }

    /// From the guard's reply to `authorize_amend`, with the change that was asked for.
    pub(super) const fn change(approval: Approval, change: Amend) -> Self {
        Self {
            approval,
            change: Some(change),
        }
    }

    /// What was approved.
    pub const fn approval(&self) -> &Approval {
        &self.approval
    }

    /// Whether it changes a resting order.
    pub const fn is_change(&self) -> bool {
        self.change.is_some()
    }

    /// Why it must not be sent at `now`; `None` if it may.
    pub fn spoilt(&self, now: BootMs, leave: &Leave) -> Option<String> {
        if now > self.approval.expires {
            let late = now.since(self.approval.expires);
            return Some(format!(
                "the approval ran out {late} ms before it could be sent"
            ));
        }
        if leave.frozen() {
            return Some("the operator has frozen all sending".to_owned());
        }
        if self.approval.opens && !leave.held(now) {
            return Some("the guard's lease ran out before it could be sent".to_owned());
        }
        None
    }

    /// Takes it apart for its one send.
    pub(crate) fn spend(self) -> (Approval, Option<Amend>) {
        (self.approval, self.change)
    }
}

/// An order that can only shrink a position which was just read.
#[derive(Debug)]
pub struct Reducing {
    order: ReducingOrder,
}

/// What a [`Reducing`] sends; always `reduceOnly`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReducingOrder {
    /// Its link id, ours.
    pub(crate) link_id: OrderLinkId,
    /// Which instrument.
    pub(crate) symbol: Symbol,
    /// The side that closes.
    pub(crate) side: Side,
    /// Market or limit.
    pub(crate) order_type: OrderType,
    /// How much; never more than the position less what already closes it.
    pub(crate) qty: Qty,
    /// Limit price of a limit order.
    pub(crate) price: Option<Price>,
    /// How long a limit order lives.
    pub(crate) time_in_force: Option<TimeInForce>,
    /// 0 one-way; 1 and 2 the legs of hedge mode.
    pub(crate) index: u8,
}

impl Reducing {
    /// A bot's exit while the guard is silent, under the link id that the guard would have given it:
    /// should both send it, the venue takes one. The quantity shrinks to what is left to close.
    pub(crate) fn exit(
        intent: &Intent,
        link_id: OrderLinkId,
        positions: &[Position],
        orders: &[Order],
    ) -> Result<Self, String> {
        if !intent.reduce_only {
            return Err("only a reduce_only order can go without the guard".to_owned());
        }
        let most = left_to_close(intent.symbol, intent.side, positions, orders)?;
        Ok(Self {
            order: ReducingOrder {
                link_id,
                symbol: intent.symbol,
                side: intent.side,
                order_type: intent.order_type,
                qty: intent.qty.min(most),
                price: intent.price,
                time_in_force: intent.time_in_force,
                index: 0,
            },
        })
    }

    /// One order of a flatten that the guard has ordered. `name` makes its link id unique.
    pub(crate) fn flatten(
        reduction: &Reduction,
        positions: &[Position],
        orders: &[Order],
        name: &str,
    ) -> Result<Self, String> {
        let most = left_to_close(reduction.symbol, reduction.side, positions, orders)?;
        Ok(Self {
            order: ReducingOrder {
                link_id: OrderLinkId::of_gateway(name).map_err(|e| e.to_string())?,
                symbol: reduction.symbol,
                side: reduction.side,
                order_type: OrderType::Limit,
                qty: reduction.qty.min(most),
                price: Some(reduction.limit),
                time_in_force: Some(TimeInForce::Ioc),
                index: reduction.index,
            },
        })
    }

    /// What would be sent.
    pub(crate) const fn order(&self) -> &ReducingOrder {
        &self.order
    }

    /// Takes it apart for its one send.
    pub(crate) fn spend(self) -> ReducingOrder {
        self.order
    }
}

/// What the resting reducers leave of a position; an error if that is nothing.
fn left_to_close(
    symbol: Symbol,
    side: Side,
    positions: &[Position],
    orders: &[Order],
) -> Result<Qty, String> {
    let held = positions
        .iter()
        .find(|p| p.symbol == symbol && p.side == Some(side.opposite()) && !p.size.is_zero())
        .ok_or_else(|| format!("there is no {symbol} position that a {side} would shrink"))?;
    let closing = orders
        .iter()
        .filter(|o| o.symbol == symbol && o.side == side && o.only_reduces() && !is_stop(o));
    let mut left = held.size;
    for order in closing {
        left = left.less(order.leaves());
    }
    if left.is_zero() {
        return Err(format!(
            "resting orders already close the whole {symbol} position"
        ));
    }
    Ok(left)
}

/// Whether an order was sent by this harness.
pub(crate) fn is_ours(order: &Order) -> bool {
    order.link_id.is_some_and(|link| link.is_ours())
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::status::TradingState;
    use protocol::venue::OrderStatus;
    use protocol::{ApprovalId, Generation, IntentId, OrderId, VenueMs};

    fn sol() -> Symbol {
        Symbol::new("SOLUSDT").unwrap()
    }

    fn qty(text: &str) -> Qty {
        Qty::parse(text).unwrap()
    }

    fn exit(side: Side, amount: &str) -> Intent {
        Intent {
            intent_id: IntentId::new("exit-1").unwrap(),
            at: VenueMs(0),
            symbol: sol(),
            side,
            order_type: OrderType::Market,
            qty: qty(amount),
            price: None,
            time_in_force: None,
            reduce_only: true,
            take_profit: None,
            stop_loss: None,
        }
    }

    fn long(size: &str) -> Position {
        Position {
            symbol: sol(),
            side: Some(Side::Buy),
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

    fn resting_exit(amount: &str) -> Order {
        Order {
            order_id: OrderId::new("o").unwrap(),
            link_id: None,
            symbol: sol(),
            side: Side::Sell,
            order_type: OrderType::Limit,
            price: None,
            qty: qty(amount),
            filled: Qty::ZERO,
            status: OrderStatus::New,
            reduce_only: true,
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

    #[test]
    fn an_exit_never_exceeds_what_is_left_to_close() {
        let made = |intent: &Intent, positions: &[Position], orders: &[Order]| {
            let link = OrderLinkId::new("pg-1").unwrap();
            Reducing::exit(intent, link, positions, orders).map(|r| r.spend().qty)
        };
        let held = [long("3")];
        assert_eq!(made(&exit(Side::Sell, "2"), &held, &[]), Ok(qty("2")));
        assert_eq!(made(&exit(Side::Sell, "9"), &held, &[]), Ok(qty("3")));
        assert_eq!(
            made(&exit(Side::Sell, "9"), &held, &[resting_exit("2")]),
            Ok(qty("1"))
        );
        assert!(made(&exit(Side::Sell, "1"), &held, &[resting_exit("3")]).is_err());
        assert!(
            made(&exit(Side::Buy, "1"), &held, &[]).is_err(),
            "the same side would enlarge"
        );
        assert!(made(&exit(Side::Sell, "1"), &[], &[]).is_err(), "flat");
        let entry = Intent {
            reduce_only: false,
            ..exit(Side::Sell, "1")
        };
        assert!(made(&entry, &held, &[]).is_err());
    }

    fn approval(opens: bool) -> Approval {
        Approval {
            approval_id: ApprovalId(1),
            link_id: OrderLinkId::new("pg-x-1").unwrap(),
            intent: exit(Side::Sell, "1"),
            opens,
            expires: BootMs(1000),
            generation: Generation(1),
        }
    }

    #[test]
    fn an_approval_spoils() {
        let mut leave = Leave::default();
        let opens = Approved::order(approval(true));
        assert!(opens.spoilt(BootMs(1), &leave).unwrap().contains("lease"));
        assert_eq!(
            Approved::order(approval(false)).spoilt(BootMs(1), &leave),
            None
        );
        leave.take(BootMs(5000), TradingState::Active);
        assert_eq!(opens.spoilt(BootMs(1000), &leave), None);
        assert!(
            opens
                .spoilt(BootMs(1001), &leave)
                .unwrap()
                .contains("ran out 1 ms")
        );
        leave.take(BootMs(5000), TradingState::Frozen);
        assert!(opens.spoilt(BootMs(1), &leave).unwrap().contains("frozen"));
    }
}
