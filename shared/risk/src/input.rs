//! What the engine is told. This is what the journal records, one input a record.

use protocol::guard::{CommandResult, ExitReport, Observe, OperatorVerb, OutcomeReport};
use protocol::order::{Amend, Lookup};
use protocol::{AccountId, Generation, Intent, Mode, Stamp};
use serde::{Deserialize, Serialize};

use crate::Limits;

/// One input and when it reached the guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// When, by both clocks.
    pub stamp: Stamp,
    /// What.
    pub kind: InputKind,
}

/// What can happen to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    clippy::large_enum_variant,
    reason = "the large ones are the orders, and they are the ones that must not be allocated for"
)]
pub enum InputKind {
    /// The guard starts. The first input after the state was loaded or made.
    Start(Box<Start>),
    /// A config generation comes into force.
    Limits(Box<NewLimits>),
    /// A gateway has said hello. Its venue reads begin anew.
    GatewayJoined,
    /// The gateway's connection has ended.
    GatewayLost,
    /// May this order be sent?
    Authorize(Intent),
    /// May this resting order be changed?
    AuthorizeAmend(Amend),
    /// What became of an approved send.
    Outcome(OutcomeReport),
    /// What a look-up of an unresolved approval found.
    Lookup(Lookup),
    /// An exit went while the guard was silent.
    ExitAlone(ExitReport),
    /// Something seen at the venue.
    Observe(Observe),
    /// How a command went.
    CommandResult(CommandResult),
    /// An operator's word.
    Operator(OperatorVerb),
    /// The alert-forwarder has this alert on disk.
    AlertTaken {
        /// Its id.
        id: String,
    },
    /// The state cannot be written, and why; `None`: it can be written again.
    StoreFault(Option<String>),
    /// Time has passed.
    Tick,
}

/// A start of the guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The config generation in force.
    pub generation: Generation,
    /// Its limits.
    pub limits: Limits,
    /// The mode of the command line.
    pub mode: Mode,
    /// The operator asked for a new session (`--new-session`).
    pub new_session: bool,
    /// The first start under a new supervisor (`--first`): the house before it has ended, and its
    /// gateway may not have had the time to cancel what rested.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// What the store found.
    pub store: StoreCondition,
}

/// What the store found at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreCondition {
    /// Nothing was ever there: the state is [`Engine::new`](crate::Engine::new)'s.
    Fresh,
    /// The state that the last run left.
    Restored,
    /// The state file was deleted before the start; the state comes from the archived journal, and
    /// the engine now lets go of what a deletion resets.
    Reset,
    /// Nothing usable was found, and why: the state is new, and entries stay blocked.
    Corrupt(String),
}

/// Limits that come into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLimits {
    /// Their generation.
    pub generation: Generation,
    /// All of them.
    pub limits: Limits,
}

/// The beginning of a lineage: the first start of a guard for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// When. Its venue time also names the lineage, so that no two lineages share an order link id.
    pub stamp: Stamp,
    /// Testnet or mainnet.
    pub mode: Mode,
    /// The account, where it is known by then.
    pub account: Option<AccountId>,
    /// The config generation in force.
    pub generation: Generation,
    /// Its limits.
    pub limits: Limits,
}
