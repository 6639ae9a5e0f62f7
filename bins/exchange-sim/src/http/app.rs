//! What every request shares.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Limits;
use crate::clock;
use crate::dialect::Dialect;
use crate::matching::Moment;
use crate::sim::Sim;
use crate::streams::{Hub, ListenerId};

/// The one API key of the one account.
#[derive(Clone)]
pub struct Keys {
    /// The key.
    pub key: String,
    /// Its secret.
    pub secret: String,
}

/// The simulated exchange behind its wire. One thread serves all; the lock is never held across a
/// wait.
pub struct App {
    keys: Keys,
    shared: Mutex<Shared>,
}

/// What requests change.
pub(crate) struct Shared {
    pub(crate) sim: Sim,
    pub(crate) limits: Limits,
    pub(crate) hub: Hub,
}

/// What requests change, held. Whatever was changed is told to the streams when it is let go, so
/// that nothing can be changed in silence.
pub(crate) struct Held<'a>(MutexGuard<'a, Shared>);

impl Deref for Held<'_> {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Shared {
        &mut self.0
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let shared = &mut *self.0;
        let events = shared.sim.venue.take_events();
        if !events.is_empty() {
            let now = clock::wall().plus_ms(shared.sim.skew_ms());
            shared.hub.tell(&shared.sim.venue, &events, now);
        }
    }
}

impl App {
    /// An exchange, ready to be served.
    pub fn new(sim: Sim, limits: Limits, keys: Keys) -> Self {
        Self {
            keys,
            shared: Mutex::new(Shared {
                sim,
                limits,
                hub: Hub::new(clock::wall().ns().unsigned_abs()),
            }),
        }
    }

    /// Brings prices up to the wall clock and tells the streams. To be called every few milliseconds, so that stops fire
    /// while nobody asks.
    pub fn advance(&self) {
        let mut held = self.shared();
        let shared = &mut *held;
        let now = shared.sim.advance(clock::wall());
        shared.hub.beat(&shared.sim, now);
    }

    /// Answers a message on a stream.
    pub(crate) fn hear(&self, stream: ListenerId, text: &str) {
        let mut held = self.shared();
        let shared = &mut *held;
        let now = shared.sim.advance(clock::wall());
        shared.hub.hear(stream, text, &shared.sim, &self.keys, now);
    }

    pub(crate) fn shared(&self) -> Held<'_> {
        Held(self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// One request as the answering functions see it.
pub(crate) struct Call<'a> {
    pub(crate) sim: &'a mut Sim,
    /// Whose call it is.
    pub(crate) dialect: Dialect,
    pub(crate) params: super::params::Params,
    /// The venue's time.
    pub(crate) now: Moment,
    /// The venue's time when the request arrived, before any fault delayed it.
    pub(crate) received: Moment,
}
