//! `gateway.sock`: what a bot says to the gateway, and hears from it. Specified for bot authors in
//! `docs/protocol.md`.

use serde::{Deserialize, Serialize};

use crate::frame::{Empty, ErrorBody};
use crate::order::Amend;
use crate::status::{GatewayStatus, RiskStatus, TradingState};
use crate::venue::{Candle, Execution, Instrument, Interval, Order, Position, Ticker, Wallet};
use crate::{Alert, Generation, Intent, IntentId, Mode, OrderLinkId, Outcome, Symbol, messages};

messages! {
    /// Asked of the gateway; each is answered once.
    pub enum GatewayRequest {
        /// The first message. Answered by `welcome`.
        Hello(BotHello) = "hello",
        /// Begin to tell of candles, tickers, orders, executions and safety events. Answered by `done`.
        Subscribe(Subscribe) = "subscribe",
        /// Past candles. Answered by `candles`.
        Candles(CandleQuery) = "candles",
        /// What may be traded in which steps. Answered by `instrument`.
        Instrument(SymbolQuery) = "instrument",
        /// Place an order. Answered by `placed`.
        Place(Intent) = "place",
        /// Change a resting order. Answered by `placed`.
        Amend(Amend) = "amend",
        /// Cancel a resting order. Answered by `done`.
        Cancel(Cancel) = "cancel",
        /// The account's positions. Answered by `positions`.
        Positions(Empty) = "positions",
        /// The account's open orders. Answered by `orders`.
        Orders(Empty) = "orders",
        /// The settle coin's row of the wallet. Answered by `wallet`.
        Wallet(Empty) = "wallet",
        /// Every limit and how much of it is used. Answered by `limits`.
        Limits(Empty) = "limits",
        /// How the gateway is. Answered by `status`.
        Status(Empty) = "status",
    }
}

messages! {
    /// The gateway's answers.
    pub enum GatewayReply {
        /// To `hello`.
        Welcome(BotWelcome) = "welcome",
        /// To what only needs an acknowledgement.
        Done(Empty) = "done",
        /// To `candles`.
        Candles(Candles) = "candles",
        /// To `instrument`.
        Instrument(Instrument) = "instrument",
        /// To `place` and `amend`.
        Placed(Placed) = "placed",
        /// To `positions`.
        Positions(Positions) = "positions",
        /// To `orders`.
        Orders(Orders) = "orders",
        /// To `wallet`.
        Wallet(WalletRead) = "wallet",
        /// To `limits`.
        Limits(RiskStatus) = "limits",
        /// To `status`.
        Status(GatewayStatus) = "status",
        /// To anything that could not be done.
        Error(ErrorBody) = "error",
    }
}

messages! {
    /// What the gateway tells of its own accord, after `subscribe`.
    pub enum GatewayPush {
        /// A candle has closed, or the one that runs has changed.
        Candle(CandleNews) = "candle",
        /// Prices have changed.
        Ticker(Ticker) = "ticker",
        /// An order of ours has changed.
        Order(Order) = "order",
        /// An execution of the account.
        Execution(Execution) = "execution",
        /// A safety event.
        Safety(Alert) = "safety",
    }
}

/// Who the bot is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BotHello {
    /// Its name, for the log.
    pub name: String,
}

/// What a bot should know at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotWelcome {
    /// Testnet or mainnet.
    pub mode: Mode,
    /// The symbol of the config (`perps.symbol`).
    pub symbol: Symbol,
    /// The candle interval of the config (`perps.interval`).
    pub interval: Interval,
    /// The config generation in force.
    pub generation: Generation,
    /// The trading state.
    pub state: TradingState,
    /// Whether the venue has been read and orders can be judged.
    pub ready: bool,
}

/// What to tell of. Orders, executions and safety events are always told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// Candles of these.
    #[serde(default)]
    pub candles: Vec<CandleTopic>,
    /// Prices of these.
    #[serde(default)]
    pub tickers: Vec<Symbol>,
}

/// A series of candles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandleTopic {
    /// Which instrument.
    pub symbol: Symbol,
    /// Which interval.
    pub interval: Interval,
}

impl CandleTopic {
    /// From the beginning of one candle to that of the next, in milliseconds.
    pub const fn step_ms(&self) -> u64 {
        self.interval.minutes() as u64 * 60_000
    }
}

/// Which past candles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandleQuery {
    /// Which instrument.
    pub symbol: Symbol,
    /// Which interval.
    pub interval: Interval,
    /// How many, at most 400 (what fits one line).
    pub limit: u16,
}

/// Which instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SymbolQuery {
    /// Its name.
    pub symbol: Symbol,
}

/// Which order to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The intent whose order is to go.
    pub intent_id: IntentId,
}

/// Candles, oldest first. All but the last are closed; the last may still run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candles {
    /// Which instrument.
    pub symbol: Symbol,
    /// Which interval.
    pub interval: Interval,
    /// The candles.
    pub candles: Vec<Candle>,
}

/// One candle as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandleNews {
    /// Which instrument.
    pub symbol: Symbol,
    /// Which interval.
    pub interval: Interval,
    /// The candle.
    pub candle: Candle,
    /// Whether it will not change any more.
    pub closed: bool,
}

/// What became of `place` or `amend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The intent.
    pub intent_id: IntentId,
    /// The order's link id, if the guard approved it.
    pub link_id: Option<OrderLinkId>,
    /// What became of it. `ambiguous` means: being looked up; never resend under another intent id.
    pub outcome: Outcome,
    /// True when this intent was judged before and nothing was sent now.
    pub repeated: bool,
}

/// All positions that are not flat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// How old the read is, milliseconds.
    pub age_ms: u64,
    /// The positions.
    pub positions: Vec<Position>,
}

/// All open orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// How old the read is, milliseconds.
    pub age_ms: u64,
    /// The orders.
    pub orders: Vec<Order>,
}

/// The wallet as last read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletRead {
    /// How old the read is, milliseconds.
    pub age_ms: u64,
    /// The wallet.
    pub wallet: Wallet,
}
