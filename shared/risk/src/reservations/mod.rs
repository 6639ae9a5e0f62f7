//! Approvals from the moment they are given until their order is over.
//!
//! ```text
//!  Approved ── accepted ──▶ Live ── final order news ──▶ Over ── fills booked ──▶ gone
//!     │  └── rejected, not sent ──────────────────────────────────────────────▶ gone
//!     └── ambiguous, silence, gateway lost ──▶ Ambiguous ── found ──▶ Live or Over
//!                                                 └── missed twice, late enough ──▶ gone
//! ```
//! Until it is gone it reserves its whole exposure and, if it opens, a slot of the session. What is
//! said of a send, and what silence means, stands in `doubt`.

mod doubt;

use money::Qty;
use protocol::venue::{Order, OrderStatus};
use protocol::{Approval, ApprovalId, Intent, OrderId, OrderLinkId, Outcome, Symbol, VenueMs};

use crate::Engine;
use crate::effects::Effects;
use crate::state::{Reservation, Stage};

/// How long an approval may be used.
pub(crate) const APPROVAL_TTL_MS: u64 = 1_000;

/// How long after its end a silent approval is taken to be of unknown outcome.
const SILENCE_MS: u64 = 15_000;

/// Orders that are over and still known as ours.
const ENDED_MOST: usize = 1_024;

/// Fills of unknown orders that are remembered until their order is known.
const ORPHANS_MOST: usize = 256;

impl Reservation {
    /// What can still execute, or has executed without being in our positions yet.
    pub(crate) fn outstanding(&self) -> Qty {
        match self.stage {
            Stage::Approved | Stage::Ambiguous | Stage::Live => {
                self.approval.intent.qty.less(self.booked)
            }
            Stage::Over { filled, .. } => filled.less(self.booked),
        }
    }

    /// Whether its order may be at the venue without anybody knowing.
    pub(crate) const fn in_doubt(&self) -> bool {
        matches!(self.stage, Stage::Ambiguous)
    }

    /// Whether nobody has said what became of it.
    pub(crate) const fn has_no_outcome(&self) -> bool {
        matches!(self.stage, Stage::Approved | Stage::Ambiguous)
    }

    /// Whether it is an opening order that has not executed and may still do so.
    pub(crate) const fn is_live_opener(&self) -> bool {
        self.approval.opens
            && !self.counted
            && matches!(self.stage, Stage::Approved | Stage::Ambiguous | Stage::Live)
    }

    /// Whether its order rests at the venue, as far as we know.
    pub(crate) const fn rests(&self) -> bool {
        matches!(self.stage, Stage::Approved | Stage::Ambiguous | Stage::Live)
    }
}

impl Engine {
    /// Gives an approval and makes its reservation.
    pub(crate) fn grant(&mut self, intent: &Intent, opens: bool) -> Option<Approval> {
        let state = &mut self.state;
        state.given.approvals = state.given.approvals.saturating_add(1);
        let approval_id = ApprovalId(state.given.approvals);
        let link_id = OrderLinkId::of_intent(&state.lineage, intent.intent_id).ok()?;
        let approval = Approval {
            approval_id,
            link_id,
            intent: intent.clone(),
            opens,
            expires: state.clock.boot.after(APPROVAL_TTL_MS),
            generation: state.generation,
        };
        state.reservations.insert(
            approval_id,
            Reservation {
                approval: approval.clone(),
                stage: Stage::Approved,
                granted: state.clock.venue,
                granted_elapsed: state.clock.elapsed_ms,
                signed: None,
                order_id: None,
                booked: Qty::ZERO,
                counted: false,
                missed: None,
            },
        );
        Some(approval)
    }

    /// Opening intents that have a slot of the session without having executed.
    pub(crate) fn live_openers(&self) -> u32 {
        let live = self
            .state
            .reservations
            .values()
            .filter(|r| r.is_live_opener())
            .count();
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    /// Approvals whose order may still do something, for a new gateway to look up.
    pub(crate) fn unresolved(&self) -> Vec<Approval> {
        let alive = self.state.reservations.values().filter(|r| r.rests());
        alive
            .map(|reservation| reservation.approval.clone())
            .collect()
    }

    /// Whether an order of this symbol may be at the venue without anybody knowing.
    pub(crate) fn in_doubt(&self, symbol: Symbol) -> Option<&Reservation> {
        self.state
            .reservations
            .values()
            .find(|r| r.in_doubt() && r.approval.intent.symbol == symbol)
    }

    /// The venue's word on an order, open or over.
    pub(crate) fn order_news(&mut self, order: &Order, effects: &mut Effects) {
        let Some(id) = self.approval_of(order.link_id.as_ref(), &order.order_id) else {
            return;
        };
        let Some(reservation) = self.state.reservations.get_mut(&id) else {
            return;
        };
        if matches!(reservation.stage, Stage::Over { .. }) && !order.status.is_final() {
            // A read that was begun before it ended.
            return;
        }
        let (was_in_doubt, first_word) = (reservation.in_doubt(), reservation.has_no_outcome());
        reservation.order_id = Some(order.order_id);
        reservation.stage = if order.status.is_final() {
            Stage::Over {
                filled: order.filled,
                at: order.updated,
            }
        } else {
            Stage::Live
        };
        let intent = reservation.approval.intent.clone();
        let executed = !order.filled.is_zero();
        self.claim_orphans(id, order.order_id);
        if executed {
            self.count_trade(id);
        }
        let outcome = if order.status == OrderStatus::Rejected {
            Outcome::Rejected {
                code: 0,
                message: "rejected by the venue after it was taken".to_owned(),
            }
        } else {
            Outcome::Accepted {
                order_id: order.order_id,
            }
        };
        self.update_intent(&intent.intent_id, outcome);
        if first_word {
            self.state.session.sent = self.state.session.sent.saturating_add(1);
        }
        if was_in_doubt {
            effects.must_be_durable = true;
            self.tell_resolved(&intent, "found at the venue", effects);
        }
        self.drop_if_over(id);
    }

    /// A fill of an order of ours has been booked.
    pub(crate) fn fill_booked(&mut self, link: Option<&OrderLinkId>, order: &OrderId, qty: Qty) {
        let Some(id) = self.approval_of(link, order) else {
            let orphans = &mut self.state.book.orphan_fills;
            let sum = orphans.get(order).copied().unwrap_or(Qty::ZERO).plus(qty);
            orphans.insert(*order, sum.unwrap_or(qty));
            while orphans.len() > ORPHANS_MOST {
                orphans.pop_first();
            }
            return;
        };
        if let Some(reservation) = self.state.reservations.get_mut(&id) {
            reservation.order_id = Some(*order);
            reservation.booked = reservation.booked.plus(qty).unwrap_or(reservation.booked);
            if reservation.has_no_outcome() {
                // An execution is proof that it arrived; a stream may tell it before the answer.
                reservation.stage = Stage::Live;
                let intent_id = reservation.approval.intent.intent_id;
                self.state.session.sent = self.state.session.sent.saturating_add(1);
                // It may be over with this fill, and then nobody comes back to the intent.
                self.update_intent(&intent_id, Outcome::Accepted { order_id: *order });
            }
        }
        self.count_trade(id);
        self.drop_if_over(id);
    }

    /// When an approval runs into silence (elapsed milliseconds).
    pub(crate) fn approval_deadlines(&self) -> impl Iterator<Item = u64> + '_ {
        let late = APPROVAL_TTL_MS.saturating_add(SILENCE_MS).saturating_add(1);
        let waiting = self
            .state
            .reservations
            .values()
            .filter(|r| r.stage == Stage::Approved);
        waiting.map(move |reservation| reservation.granted_elapsed.saturating_add(late))
    }

    /// Positions read late enough hold whatever an order that is over has filled.
    pub(crate) fn settle_over(&mut self, begun: VenueMs) {
        let lag = self.state.limits.venue_lag_ms;
        let settled: Vec<ApprovalId> = self
            .state
            .reservations
            .iter()
            .filter(|(_, r)| matches!(r.stage, Stage::Over { at, .. } if begun > at.after(lag)))
            .map(|(id, _)| *id)
            .collect();
        for id in settled {
            self.end(id);
        }
    }

    /// Lets a reservation go whose order is over, and remembers its link id: a read begun before
    /// may still show the order.
    fn end(&mut self, id: ApprovalId) {
        if let Some(reservation) = self.state.reservations.remove(&id) {
            let ended = &mut self.state.book.ended;
            ended.push_back(reservation.approval.link_id);
            while ended.len() > ENDED_MOST {
                ended.pop_front();
            }
        }
    }

    /// Whether an order is one of those that are not over.
    pub(crate) fn knows(&self, link: Option<&OrderLinkId>, order: &OrderId) -> bool {
        self.approval_of(link, order).is_some()
    }

    fn approval_of(&self, link: Option<&OrderLinkId>, order: &OrderId) -> Option<ApprovalId> {
        let all = || self.state.reservations.iter();
        let by_link = link.and_then(|link| all().find(|(_, r)| r.approval.link_id == *link));
        by_link
            .or_else(|| all().find(|(_, r)| r.order_id.as_ref() == Some(order)))
            .map(|(id, _)| *id)
    }

    /// Whether an order of this link id was approved and is not given up as never arrived.
    pub(crate) fn is_ours(&self, link: &OrderLinkId) -> bool {
        let mut all = self.state.reservations.values();
        all.any(|r| r.approval.link_id == *link) || self.state.book.ended.contains(link)
    }

    fn claim_orphans(&mut self, id: ApprovalId, order: OrderId) {
        if let Some(qty) = self.state.book.orphan_fills.remove(&order) {
            self.fill_booked(None, &order, qty);
            self.drop_if_over(id);
        }
    }

    /// The first execution of an opening intent is a trade of the session.
    fn count_trade(&mut self, id: ApprovalId) {
        let Some(reservation) = self.state.reservations.get_mut(&id) else {
            return;
        };
        if reservation.approval.opens && !reservation.counted {
            reservation.counted = true;
            self.state.session.trades = self.state.session.trades.saturating_add(1);
        }
    }

    fn drop_if_over(&mut self, id: ApprovalId) {
        let Some(reservation) = self.state.reservations.get_mut(&id) else {
            return;
        };
        if reservation.stage == Stage::Live && reservation.outstanding().is_zero() {
            // All of it has executed: there is nothing left to rest.
            let filled = reservation.booked;
            reservation.stage = Stage::Over {
                filled,
                at: self.state.clock.venue,
            };
        }
        if matches!(reservation.stage, Stage::Over { .. }) && reservation.outstanding().is_zero() {
            self.end(id);
        }
    }

    fn release(&mut self, id: ApprovalId) {
        self.state.reservations.remove(&id);
        self.state.wallet.margin_not_seen.remove(&id);
    }
}
