//! Orders in the other history: asked again, and what became of them under the names they have
//! there.

use money::Qty;
use protocol::guard::{ExitReport, OutcomeReport};
use protocol::order::Lookup;
use protocol::venue::Order;
use protocol::{Approval, Decision, Intent, Outcome};
use risk::{Effects, Input, InputKind};

use super::WhatIf;
use super::fates::Fate;
use super::ledger::scaled;
use crate::lane::judged;
use crate::report::{Averted, Judgement};

/// Said of orders that only the other history allows.
const NOT_RECORDED: &str = "the recording refused it; nobody knows how it would have filled";

impl WhatIf {
    /// Asks the other engine for the same order; an exit only for what is left to close.
    pub(super) fn authorize(
        &mut self,
        number: u64,
        input: &Input,
        intent: &Intent,
        effects: &Effects,
    ) {
        let approved = match &effects.decision {
            Some(Decision::Approved(approval)) => Some(approval),
            Some(Decision::Denied(_) | Decision::Recorded(_)) | None => None,
        };
        let left = self.left_of(intent);
        if let (Some(approval), true) = (approved, left.is_zero()) {
            self.fates
                .put(approval.approval_id, approval.link_id, Fate::InProportion);
            return;
        }
        let asked = Input {
            stamp: input.stamp,
            kind: InputKind::Authorize(Intent {
                qty: left,
                ..intent.clone()
            }),
        };
        let answer = self.lane.step(number, &asked, &mut |_| {});
        let Some(decision) = answer.decision else {
            return;
        };
        match (approved, &decision) {
            (Some(recorded), Decision::Approved(here)) => {
                let fate = Fate::Sent {
                    approval: here.approval_id,
                    link: here.link_id,
                    qty: here.intent.qty,
                    recorded: recorded.intent.qty,
                    opens: here.opens,
                };
                self.fates.put(recorded.approval_id, recorded.link_id, fate);
            }
            (Some(recorded), Decision::Denied(_) | Decision::Recorded(_)) => {
                self.refused(number, &asked, recorded, &decision);
            }
            (None, Decision::Approved(here)) => self.give_back(number, input, here),
            (None, Decision::Denied(_) | Decision::Recorded(_)) => {}
        }
    }

    /// Asks the other engine for the same change.
    pub(super) fn amend(&mut self, number: u64, input: &Input, effects: &Effects) {
        let answer = self.lane.step(number, input, &mut |_| {});
        let recorded = match &effects.decision {
            Some(Decision::Approved(approval)) => Some(approval),
            Some(Decision::Denied(_) | Decision::Recorded(_)) | None => None,
        };
        match (recorded, &answer.decision) {
            (Some(recorded), Some(Decision::Approved(here))) => {
                let fate = Fate::Sent {
                    approval: here.approval_id,
                    link: here.link_id,
                    qty: here.intent.qty,
                    recorded: recorded.intent.qty,
                    opens: here.opens,
                };
                self.fates.put_change(recorded.approval_id, fate);
                self.changed(recorded, here);
            }
            (Some(recorded), Some(decision)) => {
                self.fates.put_change(recorded.approval_id, Fate::Never);
                if recorded.opens
                    && let Some(judged) = judged(number, input, decision)
                    && let Judgement::Refused { tag, message } = judged.judgement
                {
                    self.report.refused.push(Averted {
                        record: number,
                        at: input.stamp.venue,
                        intent_id: recorded.intent.intent_id,
                        amend: true,
                        symbol: recorded.intent.symbol,
                        side: recorded.intent.side,
                        qty: recorded.intent.qty,
                        tag,
                        message,
                    });
                    self.touched.insert(recorded.intent.symbol);
                }
            }
            (None, Some(Decision::Approved(here))) => self.give_back(number, input, here),
            (Some(_) | None, None) | (None, Some(Decision::Denied(_) | Decision::Recorded(_))) => {}
        }
    }

    /// The report on an approval, as the other engine knows it; `None`: there is none to report.
    pub(super) fn outcome(&mut self, report: &OutcomeReport) -> Option<OutcomeReport> {
        if let Outcome::Accepted { order_id } = &report.outcome {
            self.fates.name(*order_id, report.approval_id);
        }
        match self.fates.of(report.approval_id) {
            None => Some(report.clone()),
            Some(Fate::Sent { approval, .. }) => Some(OutcomeReport {
                approval_id: approval,
                ..report.clone()
            }),
            Some(Fate::Never | Fate::InProportion) => None,
        }
    }

    /// An exit that went while the guard was silent: it would have gone under any limits, for its
    /// share of the position there.
    pub(super) fn exit_alone(
        &mut self,
        exit: &ExitReport,
        effects: &Effects,
    ) -> Option<OutcomeReport> {
        let approval = effects.exit.as_ref()?;
        if self.fates.of(approval.approval_id).is_none() {
            self.fates
                .put(approval.approval_id, approval.link_id, Fate::InProportion);
        }
        self.outcome(&OutcomeReport {
            approval_id: approval.approval_id,
            outcome: exit.outcome.clone(),
            signed_at: exit.signed_at,
        })
    }

    /// A look-up, as the other engine knows its order.
    pub(super) fn lookup(&mut self, lookup: &Lookup) -> Option<Lookup> {
        match self.fates.of(lookup.approval_id) {
            None => Some(lookup.clone()),
            Some(Fate::Sent { approval, link, .. }) => {
                let found = lookup.found.as_ref();
                Some(Lookup {
                    approval_id: approval,
                    link_id: link,
                    begun: lookup.begun,
                    found: found.and_then(|order| self.order(order)),
                })
            }
            Some(Fate::Never | Fate::InProportion) => None,
        }
    }

    /// An order as the other history shows it; `None`: it is not there.
    pub(super) fn order(&mut self, order: &Order) -> Option<Order> {
        let Some(recorded) = self
            .fates
            .approval_of(order.link_id.as_ref(), Some(&order.order_id))
        else {
            return Some(order.clone());
        };
        self.fates.name(order.order_id, recorded);
        match self.fates.of(recorded) {
            None => Some(order.clone()),
            Some(Fate::Never) => None,
            Some(Fate::InProportion) => Some(Order {
                // Its name may be another order's there.
                link_id: None,
                ..order.clone()
            }),
            Some(Fate::Sent {
                link,
                qty,
                recorded,
                ..
            }) => Some(Order {
                link_id: Some(link),
                qty: scaled(order.qty, qty, recorded).unwrap_or(qty).min(qty),
                filled: scaled(order.filled, qty, recorded)
                    .unwrap_or(order.filled)
                    .min(qty),
                ..order.clone()
            }),
        }
    }

    /// The quantity that an order has there: an exit is cut to the proportion of the position that
    /// is left.
    fn left_of(&self, intent: &Intent) -> Qty {
        if !intent.reduce_only || !self.touched.contains(&intent.symbol) {
            return intent.qty;
        }
        let shrinks = |ledger: &super::Ledger| {
            let held = ledger.positions.get(&intent.symbol);
            held.filter(|held| held.side != intent.side)
                .map_or(Qty::ZERO, |held| held.size)
        };
        let (was, would) = (shrinks(&self.was), shrinks(&self.would));
        if was.is_zero() {
            return intent.qty.min(would);
        }
        scaled(intent.qty, would, was)
            .unwrap_or(Qty::ZERO)
            .min(would)
    }

    fn refused(&mut self, number: u64, asked: &Input, recorded: &Approval, decision: &Decision) {
        let intent = &recorded.intent;
        if !recorded.opens {
            self.fates
                .put(recorded.approval_id, recorded.link_id, Fate::InProportion);
            return;
        }
        self.fates
            .put(recorded.approval_id, recorded.link_id, Fate::Never);
        self.touched.insert(intent.symbol);
        if let Some(judged) = judged(number, asked, decision)
            && let Judgement::Refused { tag, message } = judged.judgement
        {
            self.report.refused.push(Averted {
                record: number,
                at: asked.stamp.venue,
                intent_id: intent.intent_id,
                amend: false,
                symbol: intent.symbol,
                side: intent.side,
                qty: intent.qty,
                tag,
                message,
            });
        }
    }

    /// A changed order has another quantity from now on, in both histories.
    fn changed(&mut self, recorded: &Approval, here: &Approval) {
        let known = self.fates.approval_of(Some(&recorded.link_id), None);
        if let Some(order) = known
            && let Some(Fate::Sent {
                approval,
                link,
                opens,
                ..
            }) = self.fates.of(order)
        {
            let fate = Fate::Sent {
                approval,
                link,
                qty: here.intent.qty,
                recorded: recorded.intent.qty,
                opens,
            };
            self.fates.put(order, recorded.link_id, fate);
        }
    }

    /// Only the other history allows it: it is counted, and taken as not sent.
    fn give_back(&mut self, number: u64, input: &Input, here: &Approval) {
        if here.opens {
            self.report.also_allowed += 1;
        }
        let report = OutcomeReport {
            approval_id: here.approval_id,
            outcome: Outcome::NotSent {
                why: NOT_RECORDED.to_owned(),
            },
            signed_at: None,
        };
        let back = Input {
            stamp: input.stamp,
            kind: InputKind::Outcome(report),
        };
        self.step(number, &back, &Effects::default());
    }
}
