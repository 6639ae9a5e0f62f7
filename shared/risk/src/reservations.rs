//! Approvals from the moment they are given until their order is over.
//!
//! ```text
//!  Approved ── accepted ──▶ Live ── final order news ──▶ Over ── fills booked ──▶ gone
//!     │  └── rejected, not sent ──────────────────────────────────────────────▶ gone
//!     └── ambiguous, silence, gateway lost ──▶ Ambiguous ── found ──▶ Live or Over
//!                                                 └── missed twice, late enough ──▶ gone
//! ```
//! Until it is gone it reserves its whole exposure and, if it opens, a slot of the session.

use money::Qty;
use protocol::guard::{ExitReport, OutcomeReport, Stands};
use protocol::order::Lookup;
use protocol::venue::{Order, OrderStatus};
use protocol::{
    Approval, ApprovalId, Context, Intent, OrderId, OrderLinkId, Outcome, Severity, Symbol, Tag,
    VenueMs,
};

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

    /// What became of an approved send.
    pub(crate) fn outcome(&mut self, report: &OutcomeReport, effects: &mut Effects) {
        effects.must_be_durable = true;
        if self.amend_outcome(report) {
            return;
        }
        let Some(reservation) = self.state.reservations.get_mut(&report.approval_id) else {
            return;
        };
        reservation.signed = report.signed_at.or(reservation.signed);
        let intent_id = reservation.approval.intent.intent_id;
        match &report.outcome {
            Outcome::Accepted { order_id } => {
                reservation.order_id = Some(*order_id);
                if reservation.has_no_outcome() {
                    reservation.stage = Stage::Live;
                    self.state.session.sent = self.state.session.sent.saturating_add(1);
                }
                self.claim_orphans(report.approval_id, *order_id);
                self.update_intent(&intent_id, report.outcome.clone());
            }
            Outcome::Rejected { .. } | Outcome::NotSent { .. } => {
                // What the venue has shown is there, whatever a late report says.
                if reservation.has_no_outcome() {
                    self.release(report.approval_id);
                    self.update_intent(&intent_id, report.outcome.clone());
                }
            }
            Outcome::Ambiguous { why } => self.doubt(report.approval_id, why, effects),
            Outcome::Pending | Outcome::Denied(_) => {}
        }
    }

    /// What a look-up found.
    pub(crate) fn lookup(&mut self, lookup: &Lookup, effects: &mut Effects) {
        effects.must_be_durable = true;
        match &lookup.found {
            Some(order) => self.order_news(order, effects),
            None => self.found_nothing(lookup, effects),
        }
        let reservation = self.state.reservations.get(&lookup.approval_id);
        effects.stands = Some(Stands {
            approval_id: lookup.approval_id,
            unresolved: lookup.found.is_none() && reservation.is_some_and(Reservation::rests),
        });
    }

    fn found_nothing(&mut self, lookup: &Lookup, effects: &mut Effects) {
        let limits = &self.state.limits;
        let (window, skew, lag) = (
            limits.recv_window_ms,
            limits.time_sync_max_skew_ms,
            limits.venue_lag_ms,
        );
        let Some(reservation) = self.state.reservations.get_mut(&lookup.approval_id) else {
            return;
        };
        if !reservation.rests() {
            return;
        }
        // Signed at the latest when the approval ran out, if nobody said when.
        let signed = reservation
            .signed
            .unwrap_or_else(|| reservation.granted.after(APPROVAL_TTL_MS));
        if lookup.begun <= signed.after(window).after(skew) {
            return;
        }
        match reservation.missed {
            None => reservation.missed = Some(lookup.begun),
            Some(first) if lookup.begun > first.after(lag) => {
                self.never_arrived(lookup.approval_id, effects);
            }
            Some(_) => {}
        }
    }

    /// An exit went while the guard was silent: it is followed from here on like any other order,
    /// and its intent is remembered.
    pub(crate) fn exit_alone(&mut self, report: &ExitReport, effects: &mut Effects) {
        effects.must_be_durable = true;
        let intent = &report.intent;
        let over = self.state.book.ended.contains(&report.link_id);
        if over || !intent.reduce_only {
            return;
        }
        let all = self.state.reservations.iter();
        let known = all
            .filter(|(_, r)| r.approval.link_id == report.link_id)
            .map(|(_, r)| r.approval.clone())
            .next();
        let Some(approval) = known.or_else(|| self.take_over(report)) else {
            return;
        };
        let outcome = OutcomeReport {
            approval_id: approval.approval_id,
            outcome: report.outcome.clone(),
            signed_at: report.signed_at,
        };
        self.outcome(&outcome, effects);
        effects.exit = Some(approval);
    }

    fn take_over(&mut self, report: &ExitReport) -> Option<Approval> {
        let approval = self.grant(&report.intent, false)?;
        let reservation = self.state.reservations.get_mut(&approval.approval_id)?;
        reservation.approval.link_id = report.link_id;
        let approval = reservation.approval.clone();
        self.remember(&report.intent, Some(report.link_id), Outcome::Pending);
        Some(approval)
    }

    /// Two look-ups that count have found nothing: nothing is there, or it is long over.
    fn never_arrived(&mut self, id: ApprovalId, effects: &mut Effects) {
        let Some(reservation) = self.state.reservations.get_mut(&id) else {
            return;
        };
        if reservation.stage == Stage::Live {
            let filled = reservation.booked;
            reservation.stage = Stage::Over {
                filled,
                at: self.state.clock.venue,
            };
            return self.drop_if_over(id);
        }
        let intent = reservation.approval.intent.clone();
        self.release(id);
        let why = "the venue does not know it: two look-ups found nothing".to_owned();
        self.update_intent(&intent.intent_id, Outcome::NotSent { why });
        self.tell_resolved(&intent, "never arrived", effects);
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
                self.state.session.sent = self.state.session.sent.saturating_add(1);
            }
        }
        self.count_trade(id);
        self.drop_if_over(id);
    }

    /// Approvals that nobody reported become of unknown outcome; what is over and booked goes.
    pub(crate) fn expire_approvals(&mut self, effects: &mut Effects) {
        let now = self.state.clock.elapsed_ms;
        let late = APPROVAL_TTL_MS.saturating_add(SILENCE_MS);
        let silent: Vec<ApprovalId> = self
            .state
            .reservations
            .iter()
            .filter(|(_, r)| {
                r.stage == Stage::Approved && now.saturating_sub(r.granted_elapsed) > late
            })
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            self.doubt(id, "the gateway never said what became of it", effects);
        }
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

    /// The gateway is gone: what it did not report may or may not have been sent. It was signed
    /// before now, or while its approval could still be used.
    pub(crate) fn doubt_unreported(&mut self, effects: &mut Effects) {
        let now = self.state.clock.venue;
        for reservation in self.state.reservations.values_mut() {
            if reservation.has_no_outcome() && reservation.signed.is_none() {
                let unused = reservation.granted.after(APPROVAL_TTL_MS);
                reservation.signed = Some(now.max(unused));
            }
        }
        let unreported: Vec<ApprovalId> = self
            .state
            .reservations
            .iter()
            .filter(|(_, r)| r.stage == Stage::Approved)
            .map(|(id, _)| *id)
            .collect();
        for id in unreported {
            self.doubt(id, "the gateway was lost before it said", effects);
        }
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

    fn doubt(&mut self, id: ApprovalId, why: &str, effects: &mut Effects) {
        let Some(reservation) = self.state.reservations.get_mut(&id) else {
            return;
        };
        if reservation.stage != Stage::Approved {
            return;
        }
        reservation.stage = Stage::Ambiguous;
        let approval = reservation.approval.clone();
        let intent_id = approval.intent.intent_id;
        self.update_intent(
            &intent_id,
            Outcome::Ambiguous {
                why: why.to_owned(),
            },
        );
        let message = format!(
            "nobody knows whether {} {} {} arrived ({why}); it is being looked up as {}",
            approval.intent.side, approval.intent.qty, approval.intent.symbol, approval.link_id
        );
        let context = Context::new()
            .with("intent_id", intent_id)
            .with("link_id", approval.link_id)
            .with("symbol", approval.intent.symbol);
        let severity = Tag::InflightIntent.severity();
        self.tell(
            Tag::InflightIntent,
            severity,
            message,
            context,
            true,
            effects,
        );
    }

    fn tell_resolved(&mut self, intent: &Intent, how: &str, effects: &mut Effects) {
        let message = format!(
            "resolved: {} {} {} {how}",
            intent.side, intent.qty, intent.symbol
        );
        let context = Context::new()
            .with("intent_id", intent.intent_id)
            .with("symbol", intent.symbol);
        self.tell(
            Tag::InflightIntent,
            Severity::Info,
            message,
            context,
            false,
            effects,
        );
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
