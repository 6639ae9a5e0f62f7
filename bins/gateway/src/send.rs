//! The only way out. It holds the one [`Trader`] and takes permits by value: what has no permit
//! cannot be sent, and what has one is sent once. Cancels and leverage need none.

use std::rc::Rc;
use std::time::Duration;

use daemon::clock::boot_now;
use exchange::{AmendOrder, NewOrder, OrderName, Slot, Trader};
use money::Ratio;
use protocol::{Approval, BootMs, OrderId, Outcome, Symbol, VenueMs};

use crate::guard::{Approved, Guard, Reducing};
use crate::venue::{Fault, Venue};

/// How long an order may wait for its turn; then the bot hears that nothing was done.
const SLOT_PATIENCE: Duration = Duration::from_secs(8);

/// The sending side; copies share everything.
#[derive(Debug, Clone)]
pub struct Sender {
    trader: Rc<Trader>,
    guard: Guard,
    venue: Venue,
    trigger_by: &'static str,
}

/// What became of a send.
#[derive(Debug)]
pub struct Sent {
    /// For the guard and the bot.
    pub outcome: Outcome,
    /// Venue time at which it was signed, at the latest; `None` if it never was.
    pub signed_at: Option<VenueMs>,
    /// The same by the boot clock.
    pub signed_boot: BootMs,
    /// Venue time before it can have left.
    pub left_at: VenueMs,
    /// A failure that concerns more than this order.
    pub fault: Option<Fault>,
}

impl Sender {
    /// The one sender. `trigger_by` is the venue's word for the price that sets off brackets.
    pub fn new(trader: Trader, guard: Guard, venue: Venue, trigger_by: &'static str) -> Self {
        Self {
            trader: Rc::new(trader),
            guard,
            venue,
            trigger_by,
        }
    }

    /// Waits for a turn at the rate limiter, before the guard is asked: an approval must not grow
    /// old in the queue. `opens`: the configured caps bind it.
    pub async fn slot(&self, opens: bool) -> Result<Slot, Fault> {
        let turn = tokio::time::timeout(SLOT_PATIENCE, self.trader.slot(opens)).await;
        turn.unwrap_or_else(|_| {
            let seconds = SLOT_PATIENCE.as_secs();
            let why = format!("the request caps left no room for it in {seconds} s");
            Err(Fault::NotSent { call: "order", why })
        })
    }

    /// Sends what the guard allowed, if it still may be sent.
    pub async fn approved(&self, permit: Approved, slot: Slot) -> Sent {
        let left_at = self.venue.begun().venue;
        if let Some(why) = permit.spoilt(boot_now(), &self.guard.leave()) {
            return not_sent(why, left_at);
        }
        let (approval, change) = permit.spend();
        match change {
            None => {
                let order = order_of(&approval, self.trigger_by);
                let result = self.trader.create_in(slot, &order).await;
                self.sorted(result, left_at)
            }
            Some(change) => {
                let intent = &approval.intent;
                let mut amend = AmendOrder::of(intent.symbol, approval.link_id);
                amend.qty = change.qty.map(|_| intent.qty);
                amend.price = change.price.and(intent.price);
                amend.take_profit = change.take_profit.and(intent.take_profit);
                amend.stop_loss = change.stop_loss.and(intent.stop_loss);
                let result = self.trader.amend_in(slot, &amend).await;
                self.sorted(result, left_at)
            }
        }
    }

    /// Sends an order that only shrinks a position.
    pub async fn reducing(&self, permit: Reducing) -> Sent {
        let order = permit.spend();
        let order = NewOrder {
            symbol: order.symbol,
            side: order.side,
            order_type: order.order_type,
            qty: order.qty,
            price: order.price,
            time_in_force: order.time_in_force,
            link_id: order.link_id,
            reduce_only: true,
            take_profit: None,
            stop_loss: None,
            trigger_by: None,
            position_index: order.index,
        };
        let left_at = self.venue.begun().venue;
        let result = self.trader.create(&order).await;
        self.sorted(result, left_at)
    }

    /// Cancels an order; one that is gone already is cancelled.
    pub async fn cancel(&self, symbol: Symbol, order_id: OrderId) -> Result<(), Fault> {
        already(self.trader.cancel(symbol, OrderName::Id(order_id)).await)
    }

    /// Cancels an order by its link id; one that is gone already is cancelled.
    pub async fn cancel_link(
        &self,
        symbol: Symbol,
        link_id: protocol::OrderLinkId,
    ) -> Result<(), Fault> {
        already(self.trader.cancel(symbol, OrderName::Link(link_id)).await)
    }

    /// Sets a symbol's leverage.
    pub async fn set_leverage(&self, symbol: Symbol, leverage: Ratio) -> Result<(), Fault> {
        self.trader.set_leverage(symbol, leverage).await
    }

    /// Takes the stops off a position that is flat.
    pub async fn clear_stops(&self, symbol: Symbol) -> Result<(), Fault> {
        self.trader.clear_stops(symbol).await
    }

    fn sorted(&self, result: Result<OrderId, Fault>, left_at: VenueMs) -> Sent {
        let (outcome, fault) = outcome_of(result);
        let signed = match &outcome {
            Outcome::NotSent { .. } => None,
            Outcome::Pending
            | Outcome::Accepted { .. }
            | Outcome::Rejected { .. }
            | Outcome::Ambiguous { .. }
            | Outcome::Denied(_) => Some(self.venue.begun().venue),
        };
        // Taken after the answer: it was signed then or before.
        Sent {
            outcome,
            signed_at: signed,
            signed_boot: boot_now(),
            left_at,
            fault,
        }
    }
}

fn not_sent(why: String, left_at: VenueMs) -> Sent {
    Sent {
        outcome: Outcome::NotSent { why },
        signed_at: None,
        signed_boot: boot_now(),
        left_at,
        fault: None,
    }
}

fn order_of(approval: &Approval, trigger_by: &'static str) -> NewOrder {
    let intent = &approval.intent;
    NewOrder {
        symbol: intent.symbol,
        side: intent.side,
        order_type: intent.order_type,
        qty: intent.qty,
        price: intent.price,
        time_in_force: intent.time_in_force,
        link_id: approval.link_id,
        reduce_only: intent.reduce_only,
        take_profit: intent.take_profit,
        stop_loss: intent.stop_loss,
        trigger_by: Some(trigger_by),
        position_index: 0,
    }
}

fn already(result: Result<(), Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if fault.gone() => Ok(()),
        other => other,
    }
}

/// What the guard and the bot hear, and a fault that concerns every call.
fn outcome_of(result: Result<OrderId, Fault>) -> (Outcome, Option<Fault>) {
    let fault = match result {
        Ok(order_id) => return (Outcome::Accepted { order_id }, None),
        Err(fault) => fault,
    };
    if fault.is_ambiguous() {
        return (
            Outcome::Ambiguous {
                why: fault.to_string(),
            },
            None,
        );
    }
    match fault {
        Fault::Refused { code, message, .. } => (Outcome::Rejected { code, message }, None),
        Fault::Fatal {
            code, ref message, ..
        } => (
            Outcome::Rejected {
                code,
                message: message.clone(),
            },
            Some(fault),
        ),
        Fault::NotSent { .. } | Fault::Banned { .. } => (
            Outcome::NotSent {
                why: fault.to_string(),
            },
            Some(fault),
        ),
        Fault::Unknown { .. } | Fault::Unreadable { .. } => (
            Outcome::Ambiguous {
                why: fault.to_string(),
            },
            None,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: i64) -> Result<OrderId, Fault> {
        Err(Fault::Refused {
            call: "order/create",
            code,
            message: "no".to_owned(),
        })
    }

    #[test]
    fn what_may_have_arrived_is_never_called_refused() {
        let unknown = Fault::Unknown {
            call: "order/create",
            why: "no answer in time".to_owned(),
        };
        let odd = Fault::Unreadable {
            call: "order/create",
            why: "cut".to_owned(),
        };
        for result in [Err(unknown), Err(odd), refused(110_072), refused(10_016)] {
            let (outcome, fault) = outcome_of(result);
            assert!(matches!(outcome, Outcome::Ambiguous { .. }), "{outcome:?}");
            assert!(fault.is_none());
        }
        assert!(matches!(
            outcome_of(refused(110_007)).0,
            Outcome::Rejected { code: 110_007, .. }
        ));
        let fatal = Fault::Fatal {
            call: "order/create",
            code: 10_005,
            message: "no".to_owned(),
        };
        let (outcome, fault) = outcome_of(Err(fatal));
        assert!(matches!(outcome, Outcome::Rejected { .. }) && fault.is_some());
        let unsent = Fault::NotSent {
            call: "order/create",
            why: "no route".to_owned(),
        };
        assert!(matches!(outcome_of(Err(unsent)).0, Outcome::NotSent { .. }));
    }
}
