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

/// Pause before the history is asked again for an order that it did not know; it doubles.
const FIRST_PAUSE_MS: u64 = 250;
/// After so many misses an order is taken to have never been there.
const MISSES_MOST: u32 = 30;
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
    /// How often the history did not know what became of it, and when it was last asked.
    pub misses: (u32, BootMs),
}

impl Ours {
    /// An order of ours that the venue shows and nobody here has sent: an earlier life's.
    fn found(order: &Order, link_id: OrderLinkId, since: BootMs) -> Self {
        Self {
            intent_id: None,
            link_id,
            symbol: order.symbol,
            side: order.side,
            opens: !order.only_reduces(),
            since,
            last: None,
            misses: (0, since),
        }
    }

    /// When the history may be asked again.
    fn ask_again(&self) -> BootMs {
        let (misses, asked) = self.misses;
        if misses == 0 {
            return asked;
        }
        asked.after(FIRST_PAUSE_MS << misses.min(7))
    }
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

    /// Takes over an order of ours that the venue shows and nobody here has sent. With the intent
    /// that it came from, where that is known.
    pub fn adopt(&mut self, order: &Order, intent_id: Option<IntentId>, since: BootMs) {
        let Some(link_id) = order.link_id else { return };
        if self.by_link.contains_key(&link_id) {
            return;
        }
        let found = Ours::found(order, link_id, since);
        self.sent(Ours { intent_id, ..found });
    }

    /// The history, asked at `asked`, did not know what became of an order.
    pub fn missed(&mut self, link: OrderLinkId, asked: BootMs) {
        let Some(ours) = self.by_link.get_mut(&link) else {
            return;
        };
        ours.misses = (ours.misses.0.saturating_add(1), asked);
        if ours.misses.0 >= MISSES_MOST {
            self.forget(link);
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
            .filter(|ours| ours.since < begun && ours.ask_again() <= begun)
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
            misses: (0, BootMs(10)),
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
    fn an_order_of_an_earlier_life_is_followed_like_ours() {
        let mut orders = Orders::default();
        let shown = order(1, OrderStatus::New, 1);
        orders.adopt(&shown, IntentId::new("i-1").ok(), BootMs(5));
        assert!(orders.news(&shown));
        assert_eq!(orders.vanished(&[], BootMs(6)).len(), 1);
        assert!(orders.of_intent(IntentId::new("i-1").unwrap()).is_some());
    }

    #[test]
    fn the_history_is_asked_ever_more_rarely_and_not_for_ever() {
        let mut orders = Orders::default();
        orders.sent(ours(1));
        orders.missed(ours(1).link_id, BootMs(1000));
        assert!(orders.vanished(&[], BootMs(1400)).is_empty());
        assert_eq!(orders.vanished(&[], BootMs(1500)).len(), 1);
        for _ in 1..MISSES_MOST {
            orders.missed(ours(1).link_id, BootMs(2000));
        }
        assert!(orders.vanished(&[], BootMs(u64::MAX)).is_empty());
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
