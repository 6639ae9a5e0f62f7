//! Our orders from the moment they are sent until the venue says that nothing more can happen.
//! Pure.
//!
//! ```text
//!  sent --accepted--> open --final status--> finished (kept for a while, for bots that ask)
//!    '--rejected, never sent--> forgotten
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::venue::Order;
use protocol::{BootMs, IntentId, OrderId, OrderLinkId, Side, Symbol};

/// How many finished orders are remembered.
const FINISHED_KEPT: usize = 2000;

/// One order of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// The intent it came from, where one is known.
    pub intent_id: Option<IntentId>,
    /// Its link id.
    pub link_id: OrderLinkId,
    /// Which instrument.
    pub symbol: Symbol,
    /// Which side.
    pub side: Side,
    /// Whether it may open or enlarge a position.
    pub opens: bool,
    /// When it was sent, or first seen.
    pub since: BootMs,
    /// The order as last seen; `None` until the venue has shown it.
    pub last: Option<Order>,
}

/// All of ours.
#[derive(Debug, Default)]
pub struct Orders {
    by_link: BTreeMap<OrderLinkId, Ours>,
    by_intent: BTreeMap<IntentId, OrderLinkId>,
    by_order: BTreeMap<OrderId, OrderLinkId>,
    open: BTreeSet<OrderLinkId>,
    finished: VecDeque<OrderLinkId>,
}

impl Orders {
    /// An order is about to be sent.
    pub fn sent(&mut self, ours: Ours) {
        if let Some(intent) = ours.intent_id {
            self.by_intent.insert(intent, ours.link_id);
        }
        self.open.insert(ours.link_id);
        self.by_link.insert(ours.link_id, ours);
    }

    /// The venue took it under this id.
    pub fn accepted(&mut self, link: OrderLinkId, order_id: OrderId) {
        if self.by_link.contains_key(&link) {
            self.by_order.insert(order_id, link);
        }
    }

    /// Nothing of it is at the venue.
    pub fn forget(&mut self, link: OrderLinkId) {
        self.open.remove(&link);
        if let Some(ours) = self.by_link.remove(&link)
            && let Some(intent) = ours.intent_id
        {
            self.by_intent.remove(&intent);
        }
    }

    /// What the venue says of an order. Whether it is ours and that is news.
    pub fn news(&mut self, order: &Order) -> bool {
        let Some(link) = order.link_id.filter(|link| self.by_link.contains_key(link)) else {
            return false;
        };
        self.by_order.insert(order.order_id, link);
        let Some(ours) = self.by_link.get_mut(&link) else {
            return false;
        };
        // Two reads may cross on their way: what is older, or no longer final, is no news.
        let stale = ours
            .last
            .as_ref()
            .is_some_and(|last| last.status.is_final() || order.updated < last.updated);
        if stale || ours.last.as_ref() == Some(order) {
            return false;
        }
        ours.last = Some(order.clone());
        if order.status.is_final() && self.open.remove(&link) {
            self.finished.push_back(link);
            self.drop_oldest();
        }
        true
    }

    /// Orders of ours that a read of all open orders, begun at `begun`, should have shown and did
    /// not: they have finished, and the history knows how.
    pub fn vanished(&self, read: &[Order], begun: BootMs) -> Vec<Ours> {
        let shown: BTreeSet<OrderLinkId> = read.iter().filter_map(|order| order.link_id).collect();
        self.open
            .iter()
            .filter(|link| !shown.contains(*link))
            .filter_map(|link| self.by_link.get(link))
            .filter(|ours| ours.since < begun)
            .cloned()
            .collect()
    }

    /// The order of an intent.
    pub fn of_intent(&self, intent: IntentId) -> Option<&Ours> {
        self.by_link.get(self.by_intent.get(&intent)?)
    }

    /// The order with this link id.
    pub fn of_link(&self, link: OrderLinkId) -> Option<&Ours> {
        self.by_link.get(&link)
    }

    /// The link id of an order of ours by the venue's id.
    pub fn link_of(&self, order: OrderId) -> Option<OrderLinkId> {
        self.by_order.get(&order).copied()
    }

    /// The symbols of orders that are still open.
    pub fn symbols(&self) -> BTreeSet<Symbol> {
        self.open
            .iter()
            .filter_map(|link| self.by_link.get(link))
            .map(|o| o.symbol)
            .collect()
    }

    fn drop_oldest(&mut self) {
        while self.finished.len() > FINISHED_KEPT {
            let Some(link) = self.finished.pop_front() else {
                return;
            };
            let Some(ours) = self.by_link.remove(&link) else {
                continue;
            };
            if let Some(intent) = ours.intent_id {
                self.by_intent.remove(&intent);
            }
            if let Some(order) = ours.last {
                self.by_order.remove(&order.order_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use money::Qty;
    use protocol::venue::OrderStatus;
    use protocol::{OrderType, VenueMs};

    fn ours(n: u32) -> Ours {
        Ours {
            intent_id: IntentId::new(&format!("i-{n}")).ok(),
            link_id: OrderLinkId::new(&format!("pg-{n}")).unwrap(),
            symbol: Symbol::new("SOLUSDT").unwrap(),
            side: Side::Buy,
            opens: true,
            since: BootMs(10),
            last: None,
        }
    }

    fn order(n: u32, status: OrderStatus, updated: i64) -> Order {
        let qty = Qty::parse("1").unwrap();
        Order {
            order_id: OrderId::new(&format!("o-{n}")).unwrap(),
            link_id: Some(ours(n).link_id),
            symbol: ours(n).symbol,
            side: Side::Buy,
            order_type: OrderType::Limit,
            price: None,
            qty,
            filled: Qty::ZERO,
            status,
            reduce_only: false,
            close_on_trigger: false,
            venue_made: false,
            trigger_price: None,
            stop_loss: None,
            take_profit: None,
            time_in_force: None,
            created: VenueMs(0),
            updated: VenueMs(updated),
        }
    }

    #[test]
    fn an_order_is_followed_to_its_end() {
        let mut orders = Orders::default();
        orders.sent(ours(1));
        assert!(
            orders.vanished(&[], BootMs(10)).is_empty(),
            "that read may have been earlier"
        );
        assert_eq!(orders.vanished(&[], BootMs(11)).len(), 1);
        assert!(orders.news(&order(1, OrderStatus::New, 1)));
        assert!(!orders.news(&order(1, OrderStatus::New, 1)), "no news");
        let read = [order(1, OrderStatus::New, 1)];
        assert!(orders.vanished(&read, BootMs(99)).is_empty());
        assert!(orders.news(&order(1, OrderStatus::Filled, 2)));
        assert!(
            !orders.news(&order(1, OrderStatus::New, 1)),
            "an older read"
        );
        assert!(orders.vanished(&[], BootMs(99)).is_empty());
        let intent = IntentId::new("i-1").unwrap();
        assert_eq!(orders.of_intent(intent).unwrap().link_id, ours(1).link_id);
        assert_eq!(
            orders.link_of(order(1, OrderStatus::New, 1).order_id),
            Some(ours(1).link_id)
        );
    }

    #[test]
    fn what_never_arrived_is_forgotten() {
        let mut orders = Orders::default();
        orders.sent(ours(1));
        orders.forget(ours(1).link_id);
        assert!(orders.vanished(&[], BootMs(99)).is_empty());
        assert!(orders.of_intent(IntentId::new("i-1").unwrap()).is_none());
        assert!(!orders.news(&order(2, OrderStatus::New, 1)), "not ours");
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut orders = Orders::default();
        for n in 0..3000 {
            orders.sent(ours(n));
            orders.news(&order(n, OrderStatus::Filled, 1));
        }
        assert_eq!(orders.by_link.len(), FINISHED_KEPT);
        assert_eq!(orders.by_intent.len(), FINISHED_KEPT);
        assert_eq!(orders.by_order.len(), FINISHED_KEPT);
    }
}
