//! Everything the engine remembers. It is what an operator reads in `perps_state.json`
//! (`docs/state.md` describes it field by field), and its size is bounded whatever the history.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use money::{Amount, Price, Qty, Ratio};
use protocol::guard::CommandKind;
use protocol::status::GivenUp;
use protocol::venue::{Instrument, Order, Position, Wallet};
use protocol::{
    AccountId, Approval, ApprovalId, CommandId, Context, ExecId, Generation, Intent, Mode, OrderId,
    OrderLinkId, SessionId, Side, Symbol, Tag, VenueMs,
};
use serde::{Deserialize, Serialize};

pub use crate::closings::{Closing, Closings, Settled};
pub use crate::days::{Day, Days};
pub use crate::flows::NearFirst;
pub use crate::intents::{Intents, KnownIntent};
pub use crate::reconcile::Difference;
use crate::{Clock, Event, Limits, StoreCondition};

/// The version of this shape, and of [`Input`](crate::Input)'s. Whoever changes either raises it and
/// adds the step from the version before to `history::schema`, which says how.
pub const SCHEMA_VERSION: u32 = 2;

/// The engine's whole memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Names this history: part of every order link id.
    pub lineage: String,
    /// When it began, venue time.
    pub began: VenueMs,
    /// Testnet or mainnet.
    pub mode: Mode,
    /// The account, where it is known.
    pub account: Option<AccountId>,
    /// The config generation judged under.
    pub generation: Generation,
    /// Its limits.
    pub limits: Limits,
    /// Where the clocks stand.
    pub clock: Clock,
    /// Approvals, events and commands given so far.
    pub given: Given,
    /// The kill switch, since when.
    pub halted: Option<VenueMs>,
    /// The freeze, since when.
    pub frozen: Option<VenueMs>,
    /// Since when the trading state is what it is.
    pub state_since: VenueMs,
    /// The session.
    pub session: Session,
    /// The UTC day's money.
    pub day: Day,
    /// The money of the days before it, and what is dated after it.
    pub days: Days,
    /// Losing closes in a row.
    pub loss_streak: u32,
    /// What our closing orders brought, and the venue's word on them.
    pub closings: Closings,
    /// The wallet and what follows from it.
    pub wallet: WalletBook,
    /// Positions and orders.
    pub book: Book,
    /// Approvals that are not over, and what they reserve.
    pub reservations: BTreeMap<ApprovalId, Reservation>,
    /// Approved changes of resting orders whose outcome is not known.
    pub amends: BTreeMap<ApprovalId, AmendUnderWay>,
    /// Intents that are remembered.
    pub intents: Intents,
    /// When the last opening orders were approved (elapsed milliseconds).
    pub openings: VecDeque<u64>,
    /// What blocks entries.
    pub trips: BTreeMap<Tag, TripRecord>,
    /// When a refusal was last alerted, by tag and symbol (elapsed milliseconds).
    pub refusals_told: BTreeMap<Tag, BTreeMap<Symbol, u64>>,
    /// Commands the gateway has not confirmed.
    pub commands: BTreeMap<CommandId, PendingCommand>,
    /// The last commands that were confirmed or given up, oldest first.
    pub commands_done: VecDeque<CommandDone>,
    /// Alerts the alert-forwarder has not taken, oldest first.
    pub outbox: VecDeque<Event>,
    /// What has been counted already.
    pub ingested: Ingested,
    /// How far the venue has been read.
    pub venue: VenueView,
    /// Why the state cannot be written, if it cannot.
    pub store_fault: Option<String>,
    /// What was found damaged at a start; entries stay blocked until the state is replaced.
    pub corrupt: Option<String>,
}

/// Counters of given names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Approvals.
    pub approvals: u64,
    /// Events.
    pub events: u64,
    /// Commands.
    pub commands: u64,
}

/// The session's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// When it began, venue time.
    pub started: VenueMs,
    /// When it began, elapsed milliseconds.
    pub started_elapsed: u64,
    /// Opening intents that have executed.
    pub trades: u32,
    /// Orders the venue accepted.
    pub sent: u64,
    /// Orders refused here.
    pub refused: u64,
}

/// The wallet as last read, its peak, and the balance it should have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletBook {
    /// The last read.
    pub last: Option<WalletRead>,
    /// The highest equity that drawdown counts from.
    pub peak: Option<Amount>,
    /// A balance that executions have been reconciled with.
    pub anchor: Option<BalanceAt>,
    /// Nothing has proven the first read yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_unproven: bool,
    /// Until then: cash results so near that read that it may hold them or not, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub near_first: VecDeque<NearFirst>,
    /// A read that waits until all executions up to it have been told.
    pub unverified: Option<WalletRead>,
    /// Since when the balance is not explained, elapsed milliseconds.
    pub suspicious_since: Option<u64>,
    /// What the jump may have been: in the middle of executions a read allows several.
    pub suspects: Vec<Amount>,
    /// Since the guard's start the balance has not been found explained.
    pub unproven: bool,
    /// What the operator has not confirmed yet, oldest first.
    pub unconfirmed: VecDeque<Jump>,
    /// Cash results since the anchor, oldest first.
    pub recent_cash: VecDeque<CashAt>,
    /// The anchor's balance and everything since: what the balance should be now.
    pub explained: Option<Amount>,
    /// Initial margin of openings that the last read may not hold yet.
    pub margin_not_seen: BTreeMap<ApprovalId, MarginAt>,
}

/// One read of the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletRead {
    /// When it was begun, venue time.
    pub begun: VenueMs,
    /// When it was begun, elapsed milliseconds.
    pub elapsed: u64,
    /// What it said.
    pub wallet: Wallet,
}

/// A balance at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceAt {
    /// Venue time.
    pub at: VenueMs,
    /// The balance.
    pub balance: Amount,
}

/// A change of the balance that no execution explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jump {
    /// When the read that showed it was begun, venue time.
    pub at: VenueMs,
    /// How much came in, or went out if negative.
    pub amount: Amount,
    /// Equity of that read.
    pub equity: Amount,
}

/// A cash result at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashAt {
    /// Venue time.
    pub at: VenueMs,
    /// Received, less paid.
    pub cash: Amount,
}

/// Margin that an approval may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarginAt {
    /// When it was granted, elapsed milliseconds.
    pub elapsed: u64,
    /// Initial margin.
    pub margin: Amount,
}

/// Positions and orders, our own count and the venue's word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// From when on the positions are ours, by our own executions: what was executed up to then is
    /// in the positions that were taken over. `None` until the books have been compared once.
    pub since: Option<VenueMs>,
    /// Our positions, from executions.
    pub positions: BTreeMap<Symbol, Held>,
    /// Prices by which positions are valued.
    pub marks: BTreeMap<Symbol, MarkAt>,
    /// Instruments that may be traded.
    pub instruments: BTreeMap<Symbol, Instrument>,
    /// Leverage as the venue last reported it.
    pub leverage: BTreeMap<Symbol, Ratio>,
    /// The venue's positions that are not flat.
    pub venue_positions: BTreeMap<Symbol, Position>,
    /// Legs of hedge mode, which have no place in this book.
    pub hedge_legs: Vec<Position>,
    /// The venue's open orders that are not of this book's making.
    pub foreign_orders: BTreeMap<OrderId, Order>,
    /// Foreign orders that the operator has acknowledged.
    pub acknowledged: BTreeSet<OrderId>,
    /// When the last execution of a symbol was, venue time.
    pub last_execution: BTreeMap<Symbol, VenueMs>,
    /// Since when, in venue time, a symbol's positions disagree.
    pub disagreeing: BTreeMap<Symbol, VenueMs>,
    /// What has been told to be different and was not acknowledged, by what it is about.
    pub differences: BTreeMap<String, Difference>,
    /// Link ids of the newest orders that are over, oldest first: a late read may still show them.
    pub ended: VecDeque<OrderLinkId>,
    /// Legs of hedge mode that the operator has acknowledged.
    pub acknowledged_legs: Vec<Position>,
    /// Fills of orders whose approval is not known yet.
    pub orphan_fills: BTreeMap<OrderId, Qty>,
    /// Something in the book could not be computed.
    pub fault: Option<String>,
}

/// One position of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Long (`buy`) or short (`sell`).
    pub side: Side,
    /// Size.
    pub size: Qty,
    /// What it cost: size times average entry price.
    pub cost: Amount,
    /// Taken over at start-up.
    pub adopted: bool,
    /// Fees paid at entry, less the shares of what was closed; `None`: unknown, for what was taken
    /// over.
    pub open_fee: Option<Amount>,
    /// Funding paid while it was held, less the same shares; `None` as above.
    pub funding: Option<Amount>,
}

/// A mark price and when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkAt {
    /// The price.
    pub price: Price,
    /// Elapsed milliseconds.
    pub elapsed: u64,
}

/// One approval that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// What was approved.
    pub approval: Approval,
    /// Where its order stands.
    pub stage: Stage,
    /// When it was approved, venue time.
    pub granted: VenueMs,
    /// When it was approved, elapsed milliseconds.
    pub granted_elapsed: u64,
    /// When the request was signed, venue time.
    pub signed: Option<VenueMs>,
    /// The venue's id of its order.
    pub order_id: Option<OrderId>,
    /// Executed quantity that is in our positions.
    pub booked: Qty,
    /// Counted as a trade of the session.
    pub counted: bool,
    /// When the first look-up that counts found nothing, venue time.
    pub missed: Option<VenueMs>,
}

/// Where an approved order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Approved; no outcome yet.
    Approved,
    /// Nobody knows whether it arrived.
    Ambiguous,
    /// The venue has it.
    Live,
    /// It is over, having filled this much; executions may still be on their way.
    Over {
        /// Executed quantity by the venue's word.
        filled: Qty,
        /// When it ended, venue time.
        at: VenueMs,
    },
}

/// An approved change of a resting order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendUnderWay {
    /// The order's own approval.
    pub order: ApprovalId,
    /// The order as it was.
    pub before: Intent,
    /// The order as it would be.
    pub after: Intent,
    /// When it was approved, elapsed milliseconds.
    pub granted_elapsed: u64,
}

/// Something that blocks entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TripRecord {
    /// Since when, venue time.
    pub since: VenueMs,
    /// Since when, elapsed milliseconds.
    pub since_elapsed: u64,
    /// The day it began on.
    pub day: i64,
    /// What happened.
    pub message: String,
    /// The facts.
    pub context: Context,
    /// The limit it passed, so that a looser one does not end it.
    pub bound: Option<Ratio>,
    /// When it was last told, elapsed milliseconds.
    pub told: u64,
}

/// A command that is repeated until it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCommand {
    /// What.
    pub what: CommandKind,
    /// An operator's own word, which even a freeze lets through.
    pub explicit: bool,
    /// When, venue time.
    pub since: VenueMs,
    /// What was in the way last.
    pub obstacle: Option<String>,
}

/// A command that a fresh read of the venue has confirmed, or that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDone {
    /// Which.
    pub id: CommandId,
    /// What.
    pub what: CommandKind,
    /// When, venue time.
    pub at: VenueMs,
    /// What was done.
    pub message: String,
    /// How it ended if it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<GivenUp>,
}

/// What has been counted already, so that a repeat is not counted again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingested {
    /// All executions up to here have been told, venue time.
    pub executions_until: Option<VenueMs>,
    /// Execution ids, newest last.
    pub executions: Ring<ExecId>,
    /// The newest closed-PnL row's time.
    pub closed_until: Option<VenueMs>,
    /// All closed-PnL rows up to here have been told, venue time.
    pub rows_until: Option<VenueMs>,
    /// Order ids of closed-PnL rows, newest last.
    pub closed: Ring<OrderId>,
}

/// The newest few of something, each once, with its venue time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ring<T: Ord> {
    order: VecDeque<(T, VenueMs)>,
    /// Everything up to here may have been forgotten.
    horizon: Option<VenueMs>,
    #[serde(skip, default = "BTreeSet::new")]
    known: BTreeSet<T>,
}

impl<T: Ord> PartialEq for Ring<T> {
    fn eq(&self, other: &Self) -> bool {
        (&self.order, self.horizon) == (&other.order, other.horizon)
    }
}

impl<T: Ord> Eq for Ring<T> {}

impl<T: Ord> Default for Ring<T> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            horizon: None,
            known: BTreeSet::new(),
        }
    }
}

impl<T: Ord + Copy> Ring<T> {
    /// How many are remembered.
    const MOST: usize = 4096;

    /// What is remembered, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.order.iter().map(|(item, _)| item)
    }

    /// Takes one in; false if it is known already, or so old that it may have been forgotten.
    pub fn insert(&mut self, item: T, at: VenueMs) -> bool {
        if self.known.len() != self.order.len() {
            self.known = self.order.iter().map(|(item, _)| *item).collect();
        }
        let forgotten = self.horizon.is_some_and(|horizon| at <= horizon);
        if forgotten || !self.known.insert(item) {
            return false;
        }
        self.order.push_back((item, at));
        if self.order.len() > Self::MOST
            && let Some((oldest, told_at)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            self.horizon = self.horizon.max(Some(told_at));
        }
        true
    }
}

/// How far the venue has been read, and what stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueView {
    /// A gateway is connected.
    pub gateway: bool,
    /// It has walked through the start-up order.
    pub synced: bool,
    /// The books have been compared since the guard started.
    pub compared: bool,
    /// What the store found at this start.
    pub condition: StoreCondition,
    /// When the last read of the positions was begun, venue time.
    pub positions_begun: Option<VenueMs>,
    /// When positions were last read, elapsed milliseconds.
    pub positions_elapsed: Option<u64>,
    /// When open orders were last read, elapsed milliseconds.
    pub orders_elapsed: Option<u64>,
    /// Venue clock minus machine clock, milliseconds.
    pub skew_ms: Option<i64>,
    /// The venue has banned the address until then.
    pub banned_until: Option<VenueMs>,
    /// A call needs an operator.
    pub access_denied: Option<String>,
    /// Symbols whose candles are stale, and why.
    pub stale_candles: BTreeMap<Symbol, String>,
}
