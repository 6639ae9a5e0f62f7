//! What peers say, and what it becomes: an input of the engine, or an answer at once.
//!
//! Only the gateway's connection may ask for orders and tell what it observes; anybody who was let
//! in may look and say an operator's word. What this room does not do: decide.

use daemon::clock;
use protocol::frame::{ErrorBody, ErrorCode, Head};
use protocol::guard::{
    GatewayHello, GuardReply, GuardRequest, Observe, OperatorVerb, StoreWord, Verb,
};
use protocol::{BootMs, VenueMs};
use risk::InputKind;
use serde_json::value::RawValue;

use crate::connections::PeerId;
use crate::door::Rank;
use crate::guard::{Answer, Guard};
use crate::hearing::{Heard, NotHeard, hear};
use crate::venue_time::Step;
use crate::wire::Read;

impl Guard {
    /// Reads what a peer has sent and does all of it.
    pub(crate) fn listen(&mut self, peer: PeerId) {
        let Some((mut lines, read)) = self.peers.read(peer, &mut self.scratch) else {
            return;
        };
        while self.peers.listens(peer)
            && let Some(line) = lines.next()
        {
            match line {
                Ok(line) => self.heed(peer, line),
                Err(error) => self.peers.refuse(peer, None, error),
            }
        }
        self.peers.give_back(peer, lines);
        if read == Read::Ended {
            self.ended.push(peer);
        }
    }

    fn heed(&mut self, peer: PeerId, line: &[u8]) {
        let now = clock::boot_now();
        match hear(line, now) {
            Ok(Heard::Asked { id, request, body }) => self.asked(peer, id, request, body, now),
            Ok(Heard::Told { observe, body }) => self.told(peer, observe, body, now),
            Err(NotHeard { request, error }) => self.peers.refuse(peer, request, error),
        }
    }

    fn asked(
        &mut self,
        peer: PeerId,
        id: u64,
        request: GuardRequest,
        body: Option<&RawValue>,
        now: BootMs,
    ) {
        let (kind, answer) = match request {
            GuardRequest::Hello(hello) => return self.welcome(peer, id, &hello, now),
            GuardRequest::Status(_) => {
                let status = self.engine.status(self.time.stamp(now));
                return self
                    .peers
                    .tell(peer, Head::answer(id), &GuardReply::Status(status));
            }
            GuardRequest::Store(word) => return self.store(peer, id, word, now),
            GuardRequest::Operator(word) => return self.operated(peer, id, word, now),
            GuardRequest::Authorize(_)
            | GuardRequest::AuthorizeAmend(_)
            | GuardRequest::Outcome(_)
            | GuardRequest::Lookup(_)
            | GuardRequest::ExitAlone(_)
            | GuardRequest::CommandResult(_)
                if !self.seat.is(peer) =>
            {
                return self.forbid(peer, Some(id), "say hello as the gateway first");
            }
            GuardRequest::Authorize(intent) => {
                (InputKind::Authorize(intent), Answer::Decision(peer, id))
            }
            GuardRequest::AuthorizeAmend(amend) => {
                (InputKind::AuthorizeAmend(amend), Answer::Decision(peer, id))
            }
            GuardRequest::Outcome(outcome) => (InputKind::Outcome(outcome), Answer::Done(peer, id)),
            GuardRequest::Lookup(lookup) => (InputKind::Lookup(lookup), Answer::Done(peer, id)),
            GuardRequest::ExitAlone(exit) => (InputKind::ExitAlone(exit), Answer::Done(peer, id)),
            GuardRequest::CommandResult(result) => {
                (InputKind::CommandResult(result), Answer::Done(peer, id))
            }
        };
        if self.seat.is(peer) && self.seat.is_half_told() {
            let message = "a snapshot has begun: send its last part before anything else";
            let error = ErrorBody::new(ErrorCode::BadBody, message);
            return self.peers.refuse(peer, Some(id), error);
        }
        self.step(kind, body, answer);
    }

    /// Says how the files stand, after writing a snapshot if that is asked for.
    fn store(&mut self, peer: PeerId, id: u64, word: StoreWord, now: BootMs) {
        match word {
            StoreWord::Look => {}
            StoreWord::Save => {
                self.settle();
                self.journal
                    .save(self.engine.state(), clock::wall_now(), now);
            }
        }
        let report = GuardReply::Store(self.journal.report());
        self.peers.tell(peer, Head::answer(id), &report);
    }

    /// An operator's word, by whoever the kernel says it is.
    fn operated(&mut self, peer: PeerId, id: u64, mut word: OperatorVerb, now: BootMs) {
        word.by = self.peers.in_words(peer, &word.by);
        tracing::info!(by = word.by, verb = ?word.verb, "an operator's word");
        if word.verb == Verb::StateReset {
            return self.reset_state(peer, id, word, now);
        }
        self.seat.lease_at_once(now);
        self.step(InputKind::Operator(word), None, Answer::Verb(peer, id));
    }

    /// The operator's word that also frees a damaged store.
    fn reset_state(&mut self, peer: PeerId, id: u64, word: OperatorVerb, now: BootMs) {
        self.settle();
        let wall = clock::wall_now();
        if let Err(why) = self.journal.unseal(wall) {
            let message = format!("nothing was reset: {why}");
            let error = ErrorBody::new(ErrorCode::NotReady, message);
            return self.peers.refuse(peer, Some(id), error);
        }
        self.seat.lease_at_once(now);
        self.step(InputKind::Operator(word), None, Answer::Verb(peer, id));
        self.journal.save(self.engine.state(), wall, now);
    }

    fn welcome(&mut self, peer: PeerId, id: u64, hello: &GatewayHello, now: BootMs) {
        if self.peers.rank(peer) != Rank::Own {
            return self.forbid(
                peer,
                Some(id),
                "only the harness's own user may be the gateway",
            );
        }
        if self.seat.peer().is_some() {
            self.step(InputKind::GatewayLost, None, Answer::Nobody);
        }
        if let Some(before) = self.seat.take(peer, now) {
            tracing::warn!("another gateway has come; the one before it is sent away");
            self.peers.hang_up(before);
        }
        if let Some(venue) = hello.venue_now {
            self.heed_clock(venue, now, now);
        }
        tracing::info!(pid = hello.pid, generation = %hello.generation, "a gateway has come");
        self.step(InputKind::GatewayJoined, None, Answer::Nobody);
        let welcome = GuardReply::Welcome(self.engine.welcome());
        self.peers.tell(peer, Head::answer(id), &welcome);
    }

    fn told(&mut self, peer: PeerId, part: Observe, body: Option<&RawValue>, now: BootMs) {
        if !self.seat.is(peer) {
            return self.forbid(peer, None, "say hello as the gateway first");
        }
        let in_parts = part.more || self.seat.is_half_told();
        match self.seat.observed(part) {
            Ok(None) => {}
            Ok(Some(whole)) => {
                self.heed_clock(whole.begun, whole.begun_boot, now);
                let body = if in_parts { None } else { body };
                self.step(InputKind::Observe(whole), body, Answer::Nobody);
            }
            Err(error) => {
                tracing::error!(%error, "the gateway is out of step and is sent away");
                self.peers.refuse(peer, None, error);
                self.peers.hang_up(peer);
            }
        }
    }

    fn heed_clock(&mut self, venue: VenueMs, at: BootMs, now: BootMs) {
        match self.time.observe(venue, at, now) {
            Step::Small => {}
            Step::Doubted { by_ms } => {
                tracing::warn!(
                    by_ms,
                    "the venue's clock jumped; not believed until it insists"
                );
            }
            Step::Taken { by_ms } => {
                tracing::warn!(by_ms, "the venue's clock insists on its jump; taken");
            }
        }
    }

    fn forbid(&mut self, peer: PeerId, id: Option<u64>, why: &str) {
        self.peers
            .refuse(peer, id, ErrorBody::new(ErrorCode::Forbidden, why));
    }
}
