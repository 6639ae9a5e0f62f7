//! Intents: a bot's name for what it wants, remembered so that a repeat sends nothing.

use std::collections::{BTreeMap, VecDeque};

use protocol::order::Recorded;
use protocol::{Decision, Denial, Intent, IntentId, OrderLinkId, Outcome, Tag, VenueMs};
use serde::{Deserialize, Serialize};

use crate::Engine;

/// Intents that are remembered.
const KNOWN_MOST: usize = 4096;

/// An intent older than this is refused, remembered or not.
const AGE_MOST_MS: u64 = 86_400_000;

/// How far a bot's clock may run ahead of the venue's, beyond the skew that is allowed anyway.
const AHEAD_MOST_MS: u64 = 60_000;

/// Intents that are remembered, so that a repeat sends nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intents {
    /// By name.
    pub known: BTreeMap<IntentId, KnownIntent>,
    /// Oldest first.
    pub order: VecDeque<IntentId>,
    /// Intents made up to here may have been forgotten.
    pub horizon: Option<VenueMs>,
}

/// One remembered intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownIntent {
    /// When the bot made it.
    pub at: VenueMs,
    /// Tells other contents under the same name.
    pub digest: u64,
    /// Its order's link id, if it was approved.
    pub link_id: Option<OrderLinkId>,
    /// What became of it.
    pub outcome: Outcome,
}

impl Engine {
    /// What is already known of an intent; `None` if it is new and fresh.
    pub(crate) fn recall(&self, intent: &Intent) -> Option<Decision> {
        let refuse = |message: String| {
            Some(Decision::Denied(Denial {
                tag: Tag::DuplicateOrder,
                message,
                context: protocol::Context::new().with("intent_id", intent.intent_id),
            }))
        };
        if let Some(known) = self.state.intents.known.get(&intent.intent_id) {
            if known.digest != digest(intent) {
                return refuse(format!(
                    "intent {} came before with other contents",
                    intent.intent_id
                ));
            }
            return Some(Decision::Recorded(Recorded {
                intent_id: intent.intent_id,
                link_id: known.link_id,
                outcome: known.outcome.clone(),
            }));
        }
        let now = self.state.clock.venue;
        let forgotten = self
            .state
            .intents
            .horizon
            .is_some_and(|horizon| intent.at <= horizon);
        if forgotten || now.since(intent.at) > AGE_MOST_MS {
            return refuse(format!(
                "intent {} is too old to be remembered",
                intent.intent_id
            ));
        }
        if intent.at.since(now)
            > AHEAD_MOST_MS.saturating_add(self.state.limits.time_sync_max_skew_ms)
        {
            return refuse(format!(
                "intent {} was made in the future; check the bot's clock",
                intent.intent_id
            ));
        }
        None
    }

    /// Remembers what became of a new intent.
    pub(crate) fn remember(
        &mut self,
        intent: &Intent,
        link_id: Option<OrderLinkId>,
        outcome: Outcome,
    ) {
        let intents = &mut self.state.intents;
        let known = KnownIntent {
            at: intent.at,
            digest: digest(intent),
            link_id,
            outcome,
        };
        if intents.known.insert(intent.intent_id, known).is_none() {
            intents.order.push_back(intent.intent_id);
        }
        intents.forget_oldest();
    }

    /// News of a remembered intent.
    pub(crate) fn update_intent(&mut self, intent_id: &IntentId, outcome: Outcome) {
        if let Some(known) = self.state.intents.known.get_mut(intent_id) {
            known.outcome = outcome;
        }
    }
}

impl Intents {
    /// Keeps as many as are to be remembered.
    pub(crate) fn forget_oldest(&mut self) {
        while self.order.len() > KNOWN_MOST
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some(gone) = self.known.remove(&oldest) {
                self.horizon = self.horizon.max(Some(gone.at));
            }
        }
    }
}

/// Tells two contents apart: FNV-1a over everything but the name and the time, since a repeat may
/// be stamped anew.
fn digest(intent: &Intent) -> u64 {
    use std::fmt::Write;
    struct Fnv(u64);
    impl Write for Fnv {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            for byte in text.bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            Ok(())
        }
    }
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    // Writing into the digest cannot fail.
    write!(
        fnv,
        "{} {} {:?} {} {:?} {:?} {} {:?} {:?}",
        intent.symbol,
        intent.side,
        intent.order_type,
        intent.qty,
        intent.price,
        intent.time_in_force,
        intent.reduce_only,
        intent.take_profit,
        intent.stop_loss
    )
    .ok();
    fnv.0
}
