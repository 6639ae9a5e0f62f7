//! What a task of the gateway may reach: the venue, the way out, the guard, the owner.

use protocol::VenueMs;
use protocol::guard::Observation;

use crate::event::{Event, Teller};
use crate::guard::Guard;
use crate::send::Sender;
use crate::venue::{Begun, Venue};

/// One task's reach; copies share everything.
#[derive(Debug, Clone)]
pub struct Hands {
    /// Reads.
    pub venue: Venue,
    /// Sends.
    pub sender: Sender,
    /// The guard.
    pub guard: Guard,
    /// The owner.
    pub owner: Teller,
    /// When this gateway began, by the wall clock that bots name their intents by.
    pub began: VenueMs,
}

impl Hands {
    /// Tells the owner what was seen by a read begun then.
    pub fn seen(&self, begun: Begun, what: Observation) {
        self.owner.tell(Event::Seen(begun, what));
    }
}
