//! How things stand, as programs read it (`perpsctl status --json`). Every amount is exact text.

use money::{Amount, Price, Qty, Ratio};
use serde::{Deserialize, Serialize};

pub use crate::commands::{CommandStatus, GivenUp};
use crate::{
    BootMs, Context, Generation, Mode, OrderId, Process, SessionId, Severity, Side, Symbol, Tag,
    VenueMs,
};

/// The version of these shapes.
pub const SCHEMA_VERSION: u32 = 1;

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TradingState {
    /// Everything within the limits.
    Active,
    /// Only what shrinks a position.
    ReduceOnly,
    /// The kill switch: as above, and resting opening orders were cancelled.
    Halted,
    /// Nothing at all but an operator's explicit flatten.
    Frozen,
}

impl TradingState {
    /// As it stands on screens and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::ReduceOnly => "REDUCE_ONLY",
            Self::Halted => "HALTED",
            Self::Frozen => "FROZEN",
        }
    }
}

impl std::fmt::Display for TradingState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The guard's whole picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskStatus {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Testnet or mainnet.
    pub mode: Mode,
    /// What may be sent.
    pub state: TradingState,
    /// Since when, venue time.
    pub since: VenueMs,
    /// Venue time of this answer.
    pub now: VenueMs,
    /// The config generation judged under.
    pub generation: Generation,
    /// Whether the venue has been read and the books compared.
    pub synced: bool,
    /// What entries wait for beyond the trips, for people.
    pub waiting_for: Vec<String>,
    /// Everything that blocks entries, worst first.
    pub trips: Vec<Trip>,
    /// The session.
    pub session: Session,
    /// Every limit, also those that are off.
    pub limits: Vec<LimitUse>,
    /// The account's money.
    pub account: Account,
    /// The money of each UTC day, today last.
    #[serde(default)]
    pub days: Vec<DayMoney>,
    /// The newest closed trades, newest last.
    #[serde(default)]
    pub closes: Vec<CloseResult>,
    /// The positions of the guard's book.
    pub positions: Vec<BookPosition>,
    /// Our resting orders in the book.
    pub open_orders: u32,
    /// How many of them could open or enlarge a position.
    pub opening_orders: u32,
    /// Approvals whose outcome nobody knows.
    pub unresolved: u32,
    /// Commands that the venue has not confirmed, and the last few that it has; oldest first.
    pub commands: Vec<CommandStatus>,
    /// Whether the last write of the state succeeded; if not, why.
    pub state_fault: Option<String>,
    /// Alerts the alert-forwarder has not taken yet.
    pub alerts_waiting: u32,
}

/// One condition that blocks entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// Its tag.
    pub tag: Tag,
    /// Its severity.
    pub severity: Severity,
    /// Since when, venue time.
    pub since: VenueMs,
    /// What happened.
    pub message: String,
    /// How it ends, for people.
    pub clears: String,
    /// When it ends by itself, venue time.
    pub clears_at: Option<VenueMs>,
    /// The facts.
    #[serde(default)]
    pub context: Context,
}

/// The session's counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// When it began, venue time.
    pub started: VenueMs,
    /// How old it is.
    pub age_ms: u64,
    /// Opening intents that have executed.
    pub trades: u32,
    /// Opening intents approved or resting that have not executed yet.
    pub live_openers: u32,
    /// Orders accepted by the venue.
    pub sent: u64,
    /// Orders refused by the guard.
    pub refused: u64,
}

/// One limit and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUse {
    /// Its key in the config.
    pub key: String,
    /// A short name for screens: `daily loss`.
    pub name: String,
    /// The tag it raises.
    pub tag: Tag,
    /// The limit as exact text; `None` when it is off.
    pub limit: Option<String>,
    /// What is used of it, in the same unit; `None` when unknown.
    pub used: Option<String>,
    /// Unit: `ratio`, `trades`, `ms`, `losses`, `settle`, `base`, `orders`, `text`.
    pub unit: String,
    /// Used over limit, between 0 and 1 and beyond; `None` where that has no meaning.
    pub fraction: Option<Ratio>,
    /// Whether it blocks entries now.
    pub tripped: bool,
}

/// The account's money. `None` is unknown, never zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Equity of the settle coin.
    pub equity: Option<Amount>,
    /// Wallet balance of the settle coin.
    pub balance: Option<Amount>,
    /// How old the read is.
    pub age_ms: Option<u64>,
    /// The highest equity that drawdown counts from.
    pub peak: Option<Amount>,
    /// Fraction below the peak.
    pub drawdown: Option<Ratio>,
    /// Balance at the open of the UTC day.
    pub day_open: Option<Amount>,
    /// Cash result of the day, fees and funding included.
    pub realised_today: Amount,
    /// Fees of the day, positive when paid.
    pub fees_today: Amount,
    /// Funding of the day, positive when paid.
    pub funding_today: Amount,
    /// Unrealised PnL.
    pub unrealised: Option<Amount>,
    /// Deposits less withdrawals that nobody has confirmed yet.
    #[serde(default)]
    pub unconfirmed_flow: Option<Amount>,
    /// Initial margin over equity.
    pub margin_ratio: Option<Ratio>,
    /// Losing closes in a row.
    pub loss_streak: u32,
}

/// The money of one UTC day by venue time. What is paid is positive in `fees` and `funding`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayMoney {
    /// When it began.
    pub start: VenueMs,
    /// Cash result of its executions: PnL of what was closed, less every fee and all funding.
    pub realised: Amount,
    /// Fees.
    pub fees: Amount,
    /// Funding.
    pub funding: Amount,
    /// Sum of the venue's rows of closed PnL (net of fees, without funding).
    pub closed_pnl: Amount,
    /// How many rows that were.
    pub closes: u32,
    /// Confirmed deposits less withdrawals.
    pub flows: Amount,
}

/// What one closing order brought. `None` is unknown: a position that was taken over does not say
/// what it cost to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseResult {
    /// The closing order.
    pub order_id: OrderId,
    /// Which instrument.
    pub symbol: Symbol,
    /// Direction of the position that was closed.
    pub side: Side,
    /// How much was closed.
    pub qty: Qty,
    /// Price difference realised, before fees and funding.
    pub gross: Option<Amount>,
    /// Fees: the opening's share and the closing's, positive when paid.
    pub fees: Option<Amount>,
    /// Funding while it was held, its share, positive when paid.
    pub funding: Option<Amount>,
    /// By our own executions: gross less fees, without funding, as the venue counts.
    pub pnl: Option<Amount>,
    /// By the venue's row; `None` while there is none.
    pub venue_pnl: Option<Amount>,
    /// How the two compare.
    pub check: CloseCheck,
    /// When it last executed, venue time.
    pub at: VenueMs,
}

/// How our own figure and the venue's compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseCheck {
    /// One of the two is not there yet, or not whole.
    Waiting,
    /// Within a cent.
    Agrees,
    /// Beyond a cent, or one never came.
    Disagrees,
    /// Part of it was taken over, so there is no figure of our own.
    Exempt,
}

/// One position of the guard's book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookPosition {
    /// Which instrument.
    pub symbol: Symbol,
    /// Long (`buy`) or short (`sell`).
    pub side: Side,
    /// Size.
    pub size: Qty,
    /// Average entry price.
    pub entry: Option<Price>,
    /// Mark price last seen.
    pub mark: Option<Price>,
    /// Stop loss held at the venue.
    pub stop_loss: Option<Price>,
    /// Take profit held at the venue.
    pub take_profit: Option<Price>,
    /// Taken over at start-up.
    pub adopted: bool,
}

/// The gateway's picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayStatus {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The venue's base URL.
    pub base_url: String,
    /// Whether the start-up order has been walked through.
    pub synced: bool,
    /// What it waits for, for people.
    pub waiting_for: Vec<String>,
    /// Whether the guard's lease is held.
    pub lease: bool,
    /// Venue clock minus machine clock, milliseconds.
    pub skew_ms: Option<i64>,
    /// Requests in the last minute.
    pub requests_last_minute: u32,
    /// Time slept for the caps in the last minute, milliseconds.
    pub throttled_last_minute_ms: u64,
    /// The venue has banned this address until then.
    pub banned_until: Option<VenueMs>,
    /// The last failure of a call.
    pub last_error: Option<String>,
    /// Bots connected.
    pub bots: u32,
    /// The account's stream.
    #[serde(default)]
    pub account_stream: FeedState,
    /// Since when; `None` while it has never been up.
    #[serde(default)]
    pub account_stream_since: Option<VenueMs>,
    /// The market's stream.
    #[serde(default)]
    pub market_stream: FeedState,
    /// Since when; `None` while it has never been up.
    #[serde(default)]
    pub market_stream_since: Option<VenueMs>,
}

/// How one of the venue's streams is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedState {
    /// Not connected: polls carry the load.
    #[default]
    Away,
    /// Connected; what was missed is being read.
    Repairing,
    /// Connected and whole: polls are the safety net.
    Live,
}

/// The supervisor's picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorStatus {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Testnet or mainnet.
    pub mode: Mode,
    /// The deployment's directory.
    pub dir: String,
    /// The supervisor's process id.
    pub pid: u32,
    /// How long it has been up.
    pub up_ms: u64,
    /// Boot clock of this answer.
    pub now: BootMs,
    /// The config.
    pub config: ConfigStatus,
    /// The children, in start order.
    pub children: Vec<ChildStatus>,
    /// Log lines that could not be written since the start.
    pub log_lines_lost: u64,
    /// Why log lines cannot be written now; `None` if they can.
    #[serde(default)]
    pub log_fault: Option<String>,
}

/// Disk, attempted and applied, apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// The watched file.
    pub file: String,
    /// The generation in force everywhere.
    pub applied: Generation,
    /// For how long.
    pub applied_for_ms: u64,
    /// The last generation that was tried.
    pub attempted: Generation,
    /// Why the file on disk is not in force; `None` if it is.
    pub rejected: Option<String>,
    /// An edit that loosens limits and waits for an operator's word.
    #[serde(default)]
    pub held: Option<HeldEdit>,
    /// Fields that wait for a restart.
    pub needs_restart: Vec<String>,
}

/// An edit that is sound, loosens limits, and is not in force until an operator confirms it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldEdit {
    /// Its number, so that nobody confirms another edit than the one they have seen.
    pub number: u64,
    /// What it changes.
    pub changes: Vec<ConfigChange>,
    /// What is known of who saved the file.
    pub saved_by: String,
}

/// One key that an edit changes, as an operator reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    /// The key's path.
    pub key: String,
    /// The value before; `off` if there was no limit.
    pub old: String,
    /// The value now; `off` if the limit is gone.
    pub new: String,
    /// Whether it allows more than before.
    pub loosens: bool,
}

impl std::fmt::Display for ConfigChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gone = self.loosens && self.new == "off";
        let way = match (self.loosens, gone) {
            (_, true) => " (loosened: the limit is gone)",
            (true, false) => " (loosened)",
            (false, false) => "",
        };
        write!(f, "{} {} -> {}{way}", self.key, self.old, self.new)
    }
}

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildState {
    /// Not started yet.
    Waiting,
    /// Started, not ready yet.
    Starting,
    /// Ready.
    Ready,
    /// Died; starts again after a pause.
    Backoff,
    /// Being stopped.
    Stopping,
    /// Ended as wanted.
    Stopped,
    /// Died too often; not started again.
    Latched,
}

impl std::fmt::Display for ChildState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Backoff => "backoff",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Latched => "latched",
        })
    }
}

/// One child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildStatus {
    /// Which.
    pub process: Process,
    /// Where it stands.
    pub state: ChildState,
    /// Its process id while it runs.
    pub pid: Option<u32>,
    /// The process id of its spare, which waits to take its place.
    #[serde(default)]
    pub spare_pid: Option<u32>,
    /// How long this one has been running.
    pub up_ms: Option<u64>,
    /// Restarts in the window.
    pub restarts: u32,
    /// Restarts allowed in the window.
    pub restart_budget: u32,
    /// The window.
    pub restart_window_ms: u64,
    /// How the last one ended: `exit 1`, `SIGKILL`.
    pub last_exit: Option<String>,
    /// How long ago that was.
    pub last_exit_ms_ago: Option<u64>,
    /// How long ago it last gave a sign of life.
    pub heartbeat_ms_ago: Option<u64>,
    /// The generation it runs under.
    pub generation: Option<Generation>,
    /// What it waits for, for people.
    pub waiting_for: String,
    /// Log lines it dropped because its pipe was full.
    pub dropped_lines: u64,
}
