//! Whose order an execution is of, as far as it was asked before. Pure.
//!
//! A look-up by executions asks for every order they name. The venue's limit may end it half way;
//! what it has learnt by then is kept, so that the next one gets further. An order never changes its
//! link id, so nothing here grows old.

use std::collections::BTreeMap;

use protocol::{OrderId, OrderLinkId};

/// So many orders are remembered; the lowest ids go first.
const KEPT: usize = 10_000;

/// The link ids of orders.
#[derive(Debug, Default)]
pub(crate) struct Whose(BTreeMap<OrderId, Option<OrderLinkId>>);

impl Whose {
    /// The venue has shown this order with that link id, or with none.
    pub(crate) fn learn(&mut self, order: OrderId, link: Option<OrderLinkId>) {
        self.0.insert(order, link);
        if self.0.len() > KEPT {
            self.0.pop_first();
        }
    }

    /// Whether an order is known to carry another link id than this.
    pub(crate) fn is_anothers(&self, order: OrderId, link: OrderLinkId) -> bool {
        self.0.get(&order).is_some_and(|of| *of != Some(link))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_shown_with_another_link_is_anothers() {
        let (ours, other) = (link("ours"), link("other"));
        let mut whose = Whose::default();
        assert!(!whose.is_anothers(order("a"), ours), "not known");
        whose.learn(order("a"), Some(other));
        whose.learn(order("b"), Some(ours));
        whose.learn(order("c"), None);
        let known = ["a", "b", "c"].map(|id| whose.is_anothers(order(id), ours));
        assert_eq!(known, [true, false, true]);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut whose = Whose::default();
        for n in 0..=KEPT {
            whose.learn(order(&format!("{n:06}")), None);
        }
        assert_eq!(whose.0.len(), KEPT);
        assert!(!whose.is_anothers(order("000000"), link("ours")));
    }

    fn order(id: &str) -> OrderId {
        OrderId::new(id).unwrap()
    }

    fn link(id: &str) -> OrderLinkId {
        OrderLinkId::new(id).unwrap()
    }
}
