//! Exits that went without the guard, so that a repeated intent is answered and not sent again.

use std::collections::{BTreeMap, VecDeque};

use protocol::gateway::Placed;
use protocol::{IntentId, OrderLinkId, Outcome};

/// How many are remembered.
const KEPT: usize = 1000;

/// Them.
#[derive(Debug, Default)]
pub(super) struct Exits {
    by_intent: BTreeMap<IntentId, (OrderLinkId, Outcome)>,
    order: VecDeque<IntentId>,
}

impl Exits {
    /// One went, with this outcome. One of which nothing is at the venue may be tried again.
    pub(super) fn remember(&mut self, intent_id: IntentId, link_id: OrderLinkId, outcome: Outcome) {
        match outcome {
            Outcome::Accepted { .. } | Outcome::Ambiguous { .. } | Outcome::Pending => {}
            Outcome::Rejected { .. } | Outcome::NotSent { .. } | Outcome::Denied(_) => return,
        }
        if self
            .by_intent
            .insert(intent_id, (link_id, outcome))
            .is_none()
        {
            self.order.push_back(intent_id);
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_intent.remove(&oldest);
        }
    }

    /// What a repeated intent is answered, if it went this way.
    pub(super) fn recall(&self, intent_id: IntentId) -> Option<Placed> {
        let (link_id, outcome) = self.by_intent.get(&intent_id)?;
        Some(Placed {
            intent_id,
            link_id: Some(*link_id),
            outcome: outcome.clone(),
            repeated: true,
        })
    }

    /// The guard follows it and remembers it from here on.
    pub(super) fn forget(&mut self, intent_id: IntentId) {
        if self.by_intent.remove(&intent_id).is_some() {
            self.order.retain(|kept| *kept != intent_id);
        }
    }

    /// The venue shows the order of an exit that was ambiguous.
    pub(super) fn found(&mut self, intent_id: IntentId, order_id: protocol::OrderId) {
        if let Some((_, outcome)) = self.by_intent.get_mut(&intent_id) {
            *outcome = Outcome::Accepted { order_id };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::OrderId;

    #[test]
    fn what_may_be_at_the_venue_is_remembered() {
        let mut exits = Exits::default();
        let name = |n: usize| IntentId::new(&format!("i-{n}")).unwrap();
        let link = OrderLinkId::new("px-1").unwrap();
        exits.remember(name(1), link, Outcome::Ambiguous { why: "w".into() });
        assert!(exits.recall(name(1)).unwrap().repeated);
        let order_id = OrderId::new("o").unwrap();
        exits.found(name(1), order_id);
        assert_eq!(
            exits.recall(name(1)).unwrap().outcome,
            Outcome::Accepted { order_id }
        );
        exits.forget(name(1));
        assert!(exits.recall(name(1)).is_none() && exits.order.is_empty());
        exits.remember(name(2), link, Outcome::NotSent { why: "w".into() });
        assert!(exits.recall(name(2)).is_none());
        for n in 10..2000 {
            exits.remember(name(n), link, Outcome::Pending);
        }
        assert_eq!(exits.by_intent.len(), KEPT);
    }
}
