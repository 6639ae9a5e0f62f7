//! The guard itself: step, journal, act, in this order.
//!
//! ```text
//!  input ──▶ engine.step ──▶ record in the journal's buffer
//!                │
//!                ├─ may ride with the next commit ──▶ told at once
//!                └─ must be durable ──▶ held ──▶ one commit for the whole turn ──▶ told
//! ```
//! When the commit fails, no leave to open goes out: it is withdrawn and refused instead. Leaves
//! that only shrink a position, commands and operators' words go out all the same.
//! What this room does not do: wait, read sockets, or judge.

use daemon::child::{Control, Steps};
use daemon::{clock, logging};
use protocol::frame::{Empty, ErrorBody, ErrorCode, Head};
use protocol::guard::{GuardPush, GuardReply, Lease, OutcomeReport};
use protocol::{Approval, BootMs, Context, Decision, Denial, Outcome, Tag};
use risk::{Effects, Engine, Event, Input, InputKind};
use serde_json::value::RawValue;

use crate::alerts_out::AlertsOut;
use crate::config::Candidate;
use crate::connections::{Connections, PeerId};
use crate::gateway_seat::GatewaySeat;
use crate::journal::Journal;
use crate::venue_time::VenueTime;
use crate::watch::Watch;

/// Everything the one loop owns.
pub(crate) struct Guard {
    pub(crate) engine: Engine,
    pub(crate) journal: Journal,
    pub(crate) time: VenueTime,
    pub(crate) in_force: Candidate,
    pub(crate) control: Control,
    pub(crate) steps: Steps<Candidate>,
    pub(crate) watch: Watch,
    pub(crate) peers: Connections,
    pub(crate) seat: GatewaySeat,
    pub(crate) alerts: AlertsOut,
    pub(crate) held: Vec<Held>,
    /// Peers that will say no more; they hear their answers first.
    pub(crate) ended: Vec<PeerId>,
    /// The fault that the engine knows of.
    pub(crate) told_fault: Option<String>,
    pub(crate) scratch: Vec<u8>,
}

/// What a step brought about, until it may be told.
pub(crate) struct Held {
    answer: Answer,
    effects: Effects,
}

/// Whom to answer, and with what.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// Nobody asked.
    Nobody,
    /// With the decision.
    Decision(PeerId, u64),
    /// That it is done, or with what was asked about it.
    Done(PeerId, u64),
    /// With what the operator's word brought about.
    Verb(PeerId, u64),
}

impl Guard {
    /// Takes one step. `body` is the request's body as it came, if it is one.
    pub(crate) fn step(&mut self, kind: InputKind, body: Option<&RawValue>, answer: Answer) {
        let stamp = self.time.stamp(clock::boot_now());
        self.step_at(&Input { stamp, kind }, body, answer);
    }

    /// Takes one step with a stamp that is given.
    pub(crate) fn step_at(&mut self, input: &Input, body: Option<&RawValue>, answer: Answer) {
        let effects = self.engine.step(input);
        self.journal.record(input, body, &effects);
        let held = Held { answer, effects };
        if held.effects.must_be_durable {
            self.held.push(held);
        } else {
            self.tell(held);
        }
    }

    /// Makes what this turn brought about durable, and then tells it.
    pub(crate) fn settle(&mut self) {
        self.notice_fault();
        while !self.held.is_empty() {
            // Who waits for no disk does not wait for this one.
            self.flush();
            self.journal.commit();
            self.notice_fault();
            for held in std::mem::take(&mut self.held) {
                self.tell(held);
            }
        }
    }

    /// Hangs up on those who will say no more.
    pub(crate) fn see_off(&mut self) {
        for peer in std::mem::take(&mut self.ended) {
            self.peers.hang_up(peer);
        }
    }

    /// Writes what is queued for all peers, and takes note of those that have gone.
    pub(crate) fn flush(&mut self) {
        for gone in self.peers.flush(&self.watch) {
            self.left(gone);
        }
    }

    /// A peer has gone.
    pub(crate) fn left(&mut self, peer: PeerId) {
        self.peers.close(peer);
        if self.seat.leave(peer) {
            tracing::warn!("the gateway has gone");
            self.step(InputKind::GatewayLost, None, Answer::Nobody);
        }
    }

    /// Tells the gateway until when it may open.
    pub(crate) fn lease(&mut self, now: BootMs) {
        let lease_ms = self.in_force.config.limits.lease_ms;
        if let Some(gateway) = self.seat.lease_due(now, lease_ms) {
            let lease = Lease {
                until: now.after(lease_ms),
                state: self.engine.trading_state(),
                commands: self.engine.state().commands.keys().copied().collect(),
                balance_in_doubt: self.engine.balance_in_doubt(),
            };
            self.peers
                .tell(gateway, Head::push(), &GuardPush::Lease(lease));
        }
    }

    /// Tells the gateway again what it has not confirmed.
    pub(crate) fn repeat_commands(&mut self, now: BootMs) {
        if let Some(gateway) = self.seat.commands_due(now) {
            for command in self.engine.commands() {
                self.peers
                    .tell(gateway, Head::push(), &GuardPush::Command(command.clone()));
            }
        }
    }

    /// Lets the engine know that the state can, or cannot, be written.
    fn notice_fault(&mut self) {
        if self.journal.fault() == self.told_fault.as_deref() {
            return;
        }
        self.told_fault = self.journal.fault().map(str::to_owned);
        let stamp = self.time.stamp(clock::boot_now());
        let input = Input {
            stamp,
            kind: InputKind::StoreFault(self.told_fault.clone()),
        };
        let effects = self.engine.step(&input);
        self.journal.record(&input, None, &effects);
        // Told whether or not it could be kept: that it cannot is the very news.
        self.tell(Held {
            answer: Answer::Nobody,
            effects,
        });
    }

    fn tell(&mut self, held: Held) {
        let Held {
            answer,
            mut effects,
        } = held;
        let lost = if effects.must_be_durable {
            self.told_fault.clone()
        } else {
            None
        };
        match answer {
            Answer::Nobody => {}
            Answer::Decision(peer, id) => {
                let decision = effects.decision.take();
                self.answer_decision(peer, id, decision, lost.as_deref());
            }
            Answer::Done(peer, id) => match lost {
                None => {
                    let reply = match (effects.stands.take(), effects.exit.take()) {
                        (Some(stands), _) => GuardReply::Stands(stands),
                        (None, Some(approval)) => GuardReply::ExitTaken(approval),
                        (None, None) => GuardReply::Done(Empty {}),
                    };
                    self.peers.tell(peer, Head::answer(id), &reply);
                }
                Some(why) => {
                    let message = format!("noted, but not on disk, tell it again: {why}");
                    let error = ErrorBody::new(ErrorCode::NotReady, message);
                    self.peers.refuse(peer, Some(id), error);
                }
            },
            Answer::Verb(peer, id) => {
                let Some(mut done) = effects.verb.take() else {
                    return self.no_answer(peer, id);
                };
                if let Some(why) = lost {
                    done.message
                        .push_str("; in force, but NOT on disk, so a restart would forget it: ");
                    done.message.push_str(&why);
                }
                self.peers
                    .tell(peer, Head::answer(id), &GuardReply::VerbDone(done));
            }
        }
        for event in effects.events {
            self.publish(event);
        }
        for command in effects.commands {
            if let Some(gateway) = self.seat.peer() {
                self.peers
                    .tell(gateway, Head::push(), &GuardPush::Command(command));
            }
        }
    }

    fn answer_decision(
        &mut self,
        peer: PeerId,
        id: u64,
        decision: Option<Decision>,
        lost: Option<&str>,
    ) {
        let decision = match (decision, lost) {
            (None, _) => return self.no_answer(peer, id),
            (Some(Decision::Approved(approval)), Some(why)) if approval.opens => {
                self.withdraw(&approval, why)
            }
            (Some(decision), _) => decision,
        };
        self.peers
            .tell(peer, Head::answer(id), &GuardReply::Decision(decision));
    }

    /// Takes back a leave that could not be made durable, before anybody heard of it.
    fn withdraw(&mut self, approval: &Approval, why: &str) -> Decision {
        let outcome = OutcomeReport {
            approval_id: approval.approval_id,
            outcome: Outcome::NotSent {
                why: format!("never told: {why}"),
            },
            signed_at: None,
        };
        self.step(InputKind::Outcome(outcome), None, Answer::Nobody);
        let tag = Tag::StateCorrupt;
        let message = format!("the state cannot be written, so nothing may be opened: {why}");
        let context = Context::new()
            .with("intent", approval.intent.intent_id)
            .with("symbol", approval.intent.symbol)
            .with("side", approval.intent.side)
            .with("qty", approval.intent.qty);
        logging::event(tag, tag.severity(), &message, &context);
        Decision::Denied(Denial {
            tag,
            message,
            context,
        })
    }

    fn publish(&mut self, event: Event) {
        logging::event(event.tag, event.severity, &event.message, &event.context);
        if let Some(gateway) = self.seat.peer() {
            self.peers
                .tell(gateway, Head::push(), &GuardPush::Event(event.into_alert()));
        }
    }

    fn no_answer(&mut self, peer: PeerId, id: u64) {
        let error = ErrorBody::new(ErrorCode::Internal, "the engine gave no answer to that");
        self.peers.refuse(peer, Some(id), error);
    }
}
