//! All that the engine remembers.

use std::collections::VecDeque;

use protocol::status::TradingState;
use protocol::{AccountId, Alert, Generation, Mode, VenueMs};
use serde::{Deserialize, Serialize};

use crate::{Clock, Genesis, Limits, names};

/// The version of [`State`]'s shape.
pub const SCHEMA_VERSION: u32 = 1;

/// All that the engine remembers; what an operator reads in `perps.stateFile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Names this line of states; part of every order link id.
    pub lineage: String,
    /// Testnet or mainnet.
    pub mode: Mode,
    /// The account, where it is known.
    pub account: Option<AccountId>,
    /// The engine's time.
    pub clock: Clock,
    /// The config generation judged under.
    pub generation: Generation,
    /// Its limits.
    pub limits: Limits,
    /// The trading state after the last input.
    pub trading: TradingState,
    /// Since when, venue time.
    pub trading_since: VenueMs,
    /// Alerts the alert-forwarder has not taken yet, oldest first.
    pub outbox: VecDeque<Alert>,
}

impl State {
    /// The state of a first start.
    pub fn genesis(genesis: Genesis) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            lineage: names::lineage(genesis.stamp.venue),
            mode: genesis.mode,
            account: genesis.account,
            clock: Clock::beginning(genesis.stamp),
            generation: genesis.generation,
            limits: genesis.limits,
            trading: TradingState::ReduceOnly,
            trading_since: genesis.stamp.venue,
            outbox: VecDeque::new(),
        }
    }
}
