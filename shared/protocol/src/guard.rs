//! `guard.sock`: what the gateway and the operator say to the risk-guard, and hear from it.
//!
//! The gateway keeps one connection. Everything it observes and every order it asks for travels on
//! it in order, so that what was observed before an order is in the guard's book before that order
//! is judged.

use money::Ratio;
use serde::{Deserialize, Serialize};

use crate::frame::{Empty, ErrorBody};
use crate::order::{Amend, Lookup};
use crate::status::{RiskStatus, TradingState};
use crate::venue::{ClosedTrade, Execution, Instrument, Order, Position, Ticker, Wallet};
use crate::{
    Alert, Approval, ApprovalId, BootMs, CommandId, Decision, Generation, Intent, OrderLinkId,
    Outcome, Symbol, VenueMs, messages,
};

messages! {
    /// Asked of the guard; each is answered once.
    pub enum GuardRequest {
        /// The first message of a gateway. Answered by `welcome`.
        Hello(GatewayHello) = "hello",
        /// May this order be sent? Answered by `decision`, after it is durable if it is a yes.
        Authorize(Intent) = "authorize",
        /// May this resting order be changed? Answered by `decision`; its approval holds the whole
        /// order that would result.
        AuthorizeAmend(Amend) = "authorize_amend",
        /// What became of an approved send. Answered by `done` once it is durable; repeat until then.
        Outcome(OutcomeReport) = "outcome",
        /// What a look-up of an unresolved approval found. Answered by `stands`.
        Lookup(Lookup) = "lookup",
        /// An exit went while the guard was silent. Answered by `exit_taken`, or by `done` if it is
        /// over already; repeat until then.
        ExitAlone(ExitReport) = "exit_alone",
        /// A command has been carried out, or has failed for now. Answered by `done`.
        CommandResult(CommandResult) = "command_result",
        /// How things stand. Answered by `status`.
        Status(Empty) = "status",
        /// An operator's word. Answered by `verb_done`.
        Operator(OperatorVerb) = "operator",
        /// About the files of the state. Answered by `store`.
        Store(StoreWord) = "store",
    }
}

messages! {
    /// Told to the guard by the gateway; not answered.
    pub enum GuardNote {
        /// Something seen at the venue.
        Observe(Observe) = "observe",
    }
}

messages! {
    /// The guard's answers.
    pub enum GuardReply {
        /// To `hello`.
        Welcome(GuardWelcome) = "welcome",
        /// To `authorize` and `authorize_amend`.
        Decision(Decision) = "decision",
        /// To what only needs an acknowledgement.
        Done(Empty) = "done",
        /// To `lookup`: where that approval stands now.
        Stands(Stands) = "stands",
        /// To `exit_alone`: the approval under which it is followed from here on.
        ExitTaken(Approval) = "exit_taken",
        /// To `status`.
        Status(RiskStatus) = "status",
        /// To `operator`.
        VerbDone(VerbDone) = "verb_done",
        /// To `store`.
        Store(StoreReport) = "store",
        /// To anything that could not be done.
        Error(ErrorBody) = "error",
    }
}

messages! {
    /// What the guard says to the gateway of its own accord.
    pub enum GuardPush {
        /// Openings may go until then.
        Lease(Lease) = "lease",
        /// Do this, and say when it is done. Repeated until a `command_result` says so.
        Command(Command) = "command",
        /// A safety event, for the bots that listen.
        Event(Alert) = "event",
    }
}

/// Who the gateway is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayHello {
    /// Its process id, for the log.
    pub pid: u32,
    /// The config generation it runs under.
    pub generation: Generation,
    /// The venue's time now, if it has been synced.
    pub venue_now: Option<VenueMs>,
}

/// What a new gateway must know before it does anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardWelcome {
    /// Approvals without a final outcome: look each up at the venue first.
    pub unresolved: Vec<Approval>,
    /// Executions from here on are to be read and told (with an overlap; the guard drops repeats).
    pub executions_since: VenueMs,
    /// Closed trades from here on are to be read and told.
    pub closed_since: VenueMs,
    /// The venue has banned this address until then.
    pub banned_until: Option<VenueMs>,
    /// The trading state.
    pub state: TradingState,
    /// Names the guard's history; part of what every link id is derived from.
    pub lineage: String,
}

/// Where an approval stands after a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// Which approval.
    pub approval_id: ApprovalId,
    /// Whether its order may still be at the venue: look again.
    pub unresolved: bool,
}

/// An exit that the gateway sent from a position it had just read, because the guard was silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitReport {
    /// What the bot wanted.
    pub intent: Intent,
    /// The link id it was sent under.
    pub link_id: OrderLinkId,
    /// What became of it: accepted or ambiguous.
    pub outcome: Outcome,
    /// Venue time at which the request was signed, at the latest.
    pub signed_at: Option<VenueMs>,
}

/// What became of an approved send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeReport {
    /// Which approval.
    pub approval_id: ApprovalId,
    /// What became of it.
    pub outcome: Outcome,
    /// Venue time at which the request was signed; `None` if it never was.
    pub signed_at: Option<VenueMs>,
}

/// Something seen at the venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observe {
    /// The venue's time when the read that showed it was *begun*.
    pub begun: VenueMs,
    /// Boot clock when the read that showed it was begun; ages count from here.
    pub begun_boot: BootMs,
    /// More parts of the same snapshot follow at once; judge none before the last.
    #[serde(default)]
    pub more: bool,
    /// What was seen.
    pub what: Observation,
}

/// What can be seen at the venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// All tradable instruments that matter here.
    Instruments(Vec<Instrument>),
    /// Prices.
    Tickers(Vec<Ticker>),
    /// The settle coin's row of the wallet.
    Wallet(Wallet),
    /// *All* positions of the account that are not flat.
    Positions(Vec<Position>),
    /// *All* open orders of the account.
    OpenOrders(Vec<Order>),
    /// News of single orders, open or finished.
    Orders(Vec<Order>),
    /// Executions, oldest first; repeats are fine.
    Executions(Vec<Execution>),
    /// Executions up to this venue time have all been told.
    ExecutionsComplete(VenueMs),
    /// Closed trades, oldest first; repeats are fine, and so is a row that has grown since.
    ClosedTrades(Vec<ClosedTrade>),
    /// Closed trades up to this venue time have all been told.
    ClosedTradesComplete(VenueMs),
    /// The start-up order has been walked through: look-ups, executions, closed trades, positions,
    /// orders and wallet have all been told once on this connection.
    Synced,
    /// The venue's clock against this machine's, in milliseconds (venue minus machine).
    ClockSkew(i64),
    /// The venue has banned this address until then.
    Banned(VenueMs),
    /// A call failed in a way that needs an operator (key, signature, permission): no entries
    /// until a call of the same kind succeeds. `None`: it works again.
    AccessDenied(Option<String>),
    /// Candles of this symbol are stale or have a gap; `None`: they are fine again.
    CandlesStale {
        /// Which instrument.
        symbol: Symbol,
        /// What is wrong, for people.
        why: Option<String>,
    },
}

/// Openings may be sent until `until`; then nothing that opens leaves the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Boot clock.
    pub until: BootMs,
    /// The trading state, for the bots that ask.
    pub state: TradingState,
    /// Commands that stand; one that the gateway is at and that is not among them was withdrawn.
    pub commands: Vec<CommandId>,
    /// The balance is unexplained: reads of wallet and executions are wanted at once.
    pub balance_in_doubt: bool,
}

/// Something the gateway must bring about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Which command.
    pub command_id: CommandId,
    /// What to do.
    pub what: CommandKind,
    /// An operator's own word, which even a freeze lets through.
    pub explicit: bool,
}

/// What the guard can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Cancel our resting opening orders; leave reducers and stops.
    CancelOpeners {
        /// Only this symbol; all if absent.
        symbol: Option<Symbol>,
    },
    /// Go flat: cancel openers, confirm, reduce-only IOC within the slippage cap, re-read, sweep
    /// late fills, then the stops. Done only when the venue says flat.
    Flatten {
        /// Only this symbol; all if absent.
        symbol: Option<Symbol>,
        /// How far from the mark the orders may fill.
        max_slippage: Ratio,
    },
}

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// Which command.
    pub command_id: CommandId,
    /// Whether the venue confirmed it. If not, the guard repeats it.
    pub done: bool,
    /// What was done, or what is in the way.
    pub message: String,
    /// It can never be done: the guard lets it go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// An operator's word, with who said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorVerb {
    /// What the client calls itself. The guard writes down the user by the kernel's word, and this
    /// behind it where it is another name.
    pub by: String,
    /// What is to be done.
    pub verb: Verb,
}

/// What an operator can say to the guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// The kill switch.
    Halt {
        /// Go flat as well.
        flatten: bool,
    },
    /// Send nothing at all but an operator's explicit flatten.
    Freeze,
    /// End a halt or a freeze.
    Resume,
    /// Go flat once, in whatever state.
    Flatten {
        /// Only this symbol; all if absent.
        symbol: Option<Symbol>,
    },
    /// Take a flatten back that the venue has not confirmed; what is open stays as it is.
    FlattenWithdraw {
        /// Only the flatten of this symbol; every one if absent.
        symbol: Option<Symbol>,
    },
    /// End a trip.
    Reset {
        /// Which.
        what: ResetTarget,
    },
    /// End this session and begin the next.
    SessionNew,
    /// The account's positions and orders have been looked at; take the venue's word.
    ReconAcknowledge,
    /// The balance jump was a deposit or withdrawal of the operator's.
    FlowConfirm,
    /// Peak, daily loss, streak and session start fresh; ends `SAFETY_STATE_CORRUPT`, too.
    StateReset,
}

/// What can be reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetTarget {
    /// The loss streak, and nothing else.
    CircuitBreaker,
    /// The day's loss: a fresh allowance from this moment.
    DailyLoss,
    /// The drawdown trip.
    Drawdown {
        /// The peak becomes the equity of now; otherwise it stays.
        rebase: bool,
    },
    /// A liquidation has been looked at.
    Liquidation,
}

/// What an operator's word brought about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerbDone {
    /// The command that carries it out at the venue, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// For people: what is now the case, and what still stands in the way.
    pub message: String,
    /// The trading state after it.
    pub state: TradingState,
}

/// What can be asked about the files of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreWord {
    /// How they stand.
    Look,
    /// Write a snapshot now, then say how they stand.
    Save,
}

/// How the files of the state stand, by the word of the guard that holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreReport {
    /// The guard's process id.
    pub pid: u32,
    /// The snapshot's file; everything else stands beside it.
    pub file: String,
    /// The newest record of the journal.
    pub last_seq: u64,
    /// Every record up to this one is on disk.
    pub durable_seq: u64,
    /// The last record in the snapshot, if there is a sound one.
    pub snapshot_seq: Option<u64>,
    /// Why the state cannot be written, if it cannot.
    pub fault: Option<String>,
    /// What is there is damaged and stays as it is until it is restored or reset.
    pub sealed: bool,
}
