//! What is said of a send: its outcome, silence, look-ups, and exits that went without the guard.

use protocol::guard::{ExitReport, OutcomeReport, Stands};
use protocol::order::Lookup;
use protocol::{Approval, ApprovalId, Context, Intent, Outcome, Severity, Tag};

use super::{APPROVAL_TTL_MS, SILENCE_MS};
use crate::Engine;
use crate::effects::Effects;
use crate::state::{Reservation, Stage};

impl Engine {
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

    pub(super) fn tell_resolved(&mut self, intent: &Intent, how: &str, effects: &mut Effects) {
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
}
