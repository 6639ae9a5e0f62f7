//! The one seat for a gateway: who has it, what it has half told, when its lease is due.
//!
//! The newest hello wins: a gateway that was restarted must not wait for its dead predecessor's
//! connection to be noticed. What this room does not do: speak; the loop does.

use protocol::BootMs;
use protocol::frame::ErrorBody;
use protocol::guard::Observe;

use crate::connections::PeerId;
use crate::snapshot_parts::Parts;

/// How often an unconfirmed command is sent again.
const COMMAND_AGAIN_MS: u64 = 2_000;

/// The seat.
#[derive(Debug, Default)]
pub(crate) struct GatewaySeat {
    taken: Option<Taken>,
}

#[derive(Debug)]
struct Taken {
    peer: PeerId,
    parts: Parts,
    lease_due: BootMs,
    commands_due: BootMs,
}

impl GatewaySeat {
    /// Who sits there.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        self.taken.as_ref().map(|taken| taken.peer)
    }

    /// Whether this peer sits there.
    pub(crate) fn is(&self, peer: PeerId) -> bool {
        self.peer() == Some(peer)
    }

    /// A gateway has said hello. Gives back the one that must go.
    pub(crate) fn take(&mut self, peer: PeerId, now: BootMs) -> Option<PeerId> {
        let before = self.peer().filter(|before| *before != peer);
        let parts = Parts::default();
        self.taken = Some(Taken {
            peer,
            parts,
            lease_due: now,
            commands_due: now,
        });
        before
    }

    /// A peer has left; whether it was the one in the seat.
    pub(crate) fn leave(&mut self, peer: PeerId) -> bool {
        let left = self.is(peer);
        if left {
            self.taken = None;
        }
        left
    }

    /// Takes a part of what the gateway observes; gives back the whole with the last part.
    pub(crate) fn observed(&mut self, part: Observe) -> Result<Option<Observe>, ErrorBody> {
        match self.taken.as_mut() {
            Some(taken) => taken.parts.add(part),
            None => Ok(None),
        }
    }

    /// Whether a snapshot has begun and not ended.
    pub(crate) fn is_half_told(&self) -> bool {
        self.taken
            .as_ref()
            .is_some_and(|taken| taken.parts.pending())
    }

    /// Whether a lease is due; if so, the next is due a third of the lease later, so that one lost
    /// turn does not end it.
    pub(crate) fn lease_due(&mut self, now: BootMs, lease_ms: u64) -> Option<PeerId> {
        let taken = self.taken.as_mut()?;
        if now < taken.lease_due {
            return None;
        }
        taken.lease_due = now.after((lease_ms / 3).max(1));
        Some(taken.peer)
    }

    /// The state has changed: the next lease says so at once.
    pub(crate) fn lease_at_once(&mut self, now: BootMs) {
        if let Some(taken) = self.taken.as_mut() {
            taken.lease_due = now;
        }
    }

    /// Whether commands without confirmation are to be sent again.
    pub(crate) fn commands_due(&mut self, now: BootMs) -> Option<PeerId> {
        let taken = self.taken.as_mut()?;
        if now < taken.commands_due {
            return None;
        }
        taken.commands_due = now.after(COMMAND_AGAIN_MS);
        Some(taken.peer)
    }

    /// When something is due next.
    pub(crate) fn deadline(&self, commands_wait: bool) -> Option<BootMs> {
        let taken = self.taken.as_ref()?;
        let commands = commands_wait.then_some(taken.commands_due);
        Some(commands.map_or(taken.lease_due, |due| due.min(taken.lease_due)))
    }
}
