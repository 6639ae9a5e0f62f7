//! What every request shares.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Limits;
use crate::clock;
use crate::matching::Moment;
use crate::sim::Sim;

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
}

impl App {
    /// An exchange, ready to be served.
    pub fn new(sim: Sim, limits: Limits, keys: Keys) -> Self {
        Self {
            keys,
            shared: Mutex::new(Shared { sim, limits }),
        }
    }

    /// Brings prices up to the wall clock. To be called every few milliseconds, so that stops fire
    /// while nobody asks.
    pub fn advance(&self) {
        let mut shared = self.shared();
        shared.sim.advance(clock::wall());
        // Nobody listens yet: streams will.
        shared.sim.venue.take_events();
    }

    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// One request as the answering functions see it.
pub(crate) struct Call<'a> {
    pub(crate) sim: &'a mut Sim,
    pub(crate) params: super::params::Params,
    /// The venue's time.
    pub(crate) now: Moment,
    /// The venue's time when the request arrived, before any fault delayed it.
    pub(crate) received: Moment,
}
