//! May this order be sent? Denials in order of precedence, the first one answers.
//!
//! Shape, memory and the freeze come first; then an order that only shrinks a position passes. For
//! an order that opens: what blocks all entries (`standing`), doubt about the symbol, the order
//! itself (`order`), and what would come of it (`projected`).

mod order;
mod projected;
mod standing;

pub(crate) use standing::PRECEDENCE;

use money::Qty;
use protocol::order::Amend;
use protocol::{ApprovalId, Context, Decision, Denial, Intent, OrderType, Outcome, Tag};

use crate::Engine;
use crate::effects::Effects;
use crate::state::{AmendUnderWay, MarginAt, Stage};

/// Approvals that may be without outcome at once; beyond it something is broken.
const RESERVATIONS_MOST: usize = 2_000;

/// A refusal in the making.
pub(crate) fn denial(tag: Tag, message: impl Into<String>) -> Denial {
    Denial {
        tag,
        message: message.into(),
        context: Context::new(),
    }
}

impl Engine {
    /// Judges an intent.
    pub(crate) fn authorize(&mut self, intent: &Intent, effects: &mut Effects) {
        if let Some(decision) = self.recall(intent) {
            if let Decision::Denied(denial) = &decision {
                self.refuse(intent, denial, effects);
            }
            effects.decision = Some(decision);
            return;
        }
        let opens = !intent.reduce_only;
        let judged = self.judge(intent, opens, None);
        let granted = judged.and_then(|()| {
            self.grant(intent, opens)
                .ok_or_else(|| denial(Tag::OrderLimit, "no order link id could be made"))
        });
        match granted {
            Ok(approval) => {
                if opens {
                    self.note_opening(approval.approval_id, intent);
                }
                self.remember(intent, Some(approval.link_id), Outcome::Pending);
                effects.must_be_durable = true;
                effects.decision = Some(Decision::Approved(approval));
            }
            Err(denial) => {
                let denial = with_order(denial, intent);
                self.refuse(intent, &denial, effects);
                self.remember(intent, None, Outcome::Denied(denial.clone()));
                effects.decision = Some(Decision::Denied(denial));
            }
        }
    }

    /// Judges the whole order that a change would result in; it reserves the larger of the two.
    pub(crate) fn authorize_amend(&mut self, amend: &Amend, effects: &mut Effects) {
        let resting = self
            .state
            .reservations
            .iter()
            .find(|(_, r)| r.approval.intent.intent_id == amend.intent_id && r.stage == Stage::Live)
            .map(|(id, r)| (*id, r.approval.clone()));
        let Some((id, current)) = resting else {
            let message = format!("intent {} has no resting order to change", amend.intent_id);
            effects.decision = Some(Decision::Denied(denial(Tag::OrderLimit, message)));
            return;
        };
        let before = current.intent.clone();
        let after = Intent {
            qty: amend.qty.unwrap_or(before.qty),
            price: amend.price.or(before.price),
            take_profit: amend.take_profit.or(before.take_profit),
            stop_loss: amend.stop_loss.or(before.stop_loss),
            ..before.clone()
        };
        match self.judge(&after, current.opens, Some(id)) {
            Ok(()) => {
                let state = &mut self.state;
                state.given.approvals = state.given.approvals.saturating_add(1);
                let approval_id = ApprovalId(state.given.approvals);
                let granted_elapsed = state.clock.elapsed_ms;
                if let Some(reservation) = state.reservations.get_mut(&id) {
                    reservation.approval.intent = larger(&before, &after);
                }
                let under_way = AmendUnderWay {
                    order: id,
                    before,
                    after: after.clone(),
                    granted_elapsed,
                };
                state.amends.insert(approval_id, under_way);
                while state.amends.len() > RESERVATIONS_MOST {
                    state.amends.pop_first();
                }
                let expires = state.clock.boot.after(crate::reservations::APPROVAL_TTL_MS);
                let generation = state.generation;
                let approval = protocol::Approval {
                    approval_id,
                    intent: after,
                    expires,
                    generation,
                    ..current
                };
                effects.must_be_durable = true;
                effects.decision = Some(Decision::Approved(approval));
            }
            Err(denial) => {
                let denial = with_order(denial, &after);
                self.refuse(&after, &denial, effects);
                effects.decision = Some(Decision::Denied(denial));
            }
        }
    }

    /// What became of an approved change; true if the report was about one.
    pub(crate) fn amend_outcome(&mut self, report: &protocol::guard::OutcomeReport) -> bool {
        let Some(amend) = self.state.amends.get(&report.approval_id).cloned() else {
            return false;
        };
        let settled = match &report.outcome {
            Outcome::Accepted { .. } => Some(amend.after),
            Outcome::Rejected { .. } | Outcome::NotSent { .. } => Some(amend.before),
            // The larger of the two stays reserved; the order's own news tell its end.
            Outcome::Ambiguous { .. } | Outcome::Pending | Outcome::Denied(_) => None,
        };
        self.state.amends.remove(&report.approval_id);
        if let (Some(intent), Some(reservation)) =
            (settled, self.state.reservations.get_mut(&amend.order))
        {
            reservation.approval.intent = intent;
        }
        true
    }

    /// The denials in order; `without` is the order that would be changed, which does not count
    /// against itself.
    fn judge(
        &self,
        intent: &Intent,
        opens: bool,
        without: Option<ApprovalId>,
    ) -> Result<(), Denial> {
        if let Some(flaw) = intent.flaw() {
            return Err(denial(Tag::OrderLimit, flaw));
        }
        if self.state.frozen.is_some() {
            return Err(denial(
                Tag::Halt,
                "frozen by the operator: nothing is sent at all",
            ));
        }
        if self.state.reservations.len() >= RESERVATIONS_MOST {
            return Err(denial(
                Tag::InflightIntent,
                "too many orders are without an outcome",
            ));
        }
        if !opens {
            return self.judge_reducer(intent, without);
        }
        self.nothing_stands_in_the_way(intent)?;
        if let Some(doubted) = self.in_doubt(intent.symbol) {
            let message = format!(
                "nobody knows yet what became of {}; no new opening order of {} until then",
                doubted.approval.link_id, intent.symbol
            );
            return Err(denial(Tag::InflightIntent, message));
        }
        self.order_is_within_limits(intent)?;
        self.outcome_is_within_limits(intent, without)
    }

    /// An order that only shrinks a position: the other side, not more than there is.
    fn judge_reducer(&self, intent: &Intent, without: Option<ApprovalId>) -> Result<(), Denial> {
        let own = without.and_then(|id| self.state.reservations.get(&id));
        let own = own.map_or(Qty::ZERO, crate::state::Reservation::outstanding);
        let reducible = self
            .reducible(intent.symbol, intent.side)
            .plus(own)
            .unwrap_or(Qty::ZERO);
        if intent.qty <= reducible {
            return Ok(());
        }
        let message = if reducible.is_zero() {
            format!(
                "nothing to reduce: no {} position that a {} would shrink",
                intent.symbol, intent.side
            )
        } else {
            format!(
                "reduce-only {} is more than the {reducible} left to reduce",
                intent.qty
            )
        };
        Err(denial(Tag::OrderLimit, message))
    }

    fn refuse(&mut self, intent: &Intent, denial: &Denial, effects: &mut Effects) {
        self.state.session.refused = self.state.session.refused.saturating_add(1);
        self.tell_refusal(denial, intent.symbol, effects);
    }

    /// An opening approval takes its place in the order rate and in the margin.
    fn note_opening(&mut self, id: ApprovalId, intent: &Intent) {
        let now = self.state.clock.elapsed_ms;
        let openings = &mut self.state.openings;
        openings.push_back(now);
        while openings
            .front()
            .is_some_and(|at| now.saturating_sub(*at) >= order::MINUTE_MS)
        {
            openings.pop_front();
        }
        if let Ok(margin) = self.margin_of(intent) {
            self.state.wallet.margin_not_seen.insert(
                id,
                MarginAt {
                    elapsed: now,
                    margin,
                },
            );
        }
    }
}

/// A refusal with the order it refuses.
fn with_order(denial: Denial, intent: &Intent) -> Denial {
    let context = denial
        .context
        .with("intent_id", intent.intent_id)
        .with("symbol", intent.symbol)
        .with("side", intent.side)
        .with("qty", intent.qty);
    Denial { context, ..denial }
}

/// What reserves enough for an order as it is and as it may become.
fn larger(before: &Intent, after: &Intent) -> Intent {
    let price = match (before.order_type, before.price, after.price) {
        (OrderType::Limit, Some(b), Some(a)) => Some(b.max(a)),
        (OrderType::Limit | OrderType::Market, b, a) => a.or(b),
    };
    Intent {
        qty: before.qty.max(after.qty),
        price,
        ..after.clone()
    }
}
