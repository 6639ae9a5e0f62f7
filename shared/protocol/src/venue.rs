//! What the venue says, in our words: already parsed, already checked, absent where it was absent.
//!
//! `exchange` makes these from the wire, the gateway hands them to the guard and to bots.

use money::{Amount, Notional, Price, Qty, Ratio};
use serde::{Deserialize, Serialize};

use crate::{ExecId, OrderId, OrderLinkId, OrderType, Side, Symbol, TimeInForce, VenueMs};

/// What may be traded, and in which steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// Its name.
    pub symbol: Symbol,
    /// The coin it settles in.
    pub settle_coin: Symbol,
    /// Whether the venue takes orders for it now.
    pub trading: bool,
    /// Smallest step of a price.
    pub tick: Price,
    /// Smallest step of a quantity.
    pub lot: Qty,
    /// Smallest quantity of an order.
    pub min_qty: Qty,
    /// Largest quantity of a limit order.
    pub max_qty: Qty,
    /// Largest quantity of a market order; the limit orders' where the venue is silent.
    pub max_market_qty: Qty,
    /// Smallest value of an order, where the venue gives one.
    pub min_notional: Option<Notional>,
    /// Highest leverage.
    pub max_leverage: Ratio,
}

/// Prices of one instrument at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticker {
    /// Which.
    pub symbol: Symbol,
    /// Last trade.
    pub last: Price,
    /// The price that PnL and liquidation go by.
    pub mark: Price,
    /// Best bid, if there is one.
    pub bid: Option<Price>,
    /// Best ask, if there is one.
    pub ask: Option<Price>,
    /// When the venue said so.
    pub at: VenueMs,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candle {
    /// When it began.
    pub start: VenueMs,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Base coin traded.
    pub volume: Qty,
}

/// The settle coin's row of the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// The coin.
    pub coin: Symbol,
    /// Balance with unrealised PnL.
    pub equity: Amount,
    /// Balance without unrealised PnL.
    pub balance: Amount,
    /// Initial margin of positions.
    pub position_margin: Option<Amount>,
    /// Initial margin of orders.
    pub order_margin: Option<Amount>,
    /// `accountIMRate` where the venue fills it.
    pub account_margin_rate: Option<Ratio>,
    /// Unrealised PnL of the coin.
    pub unrealised: Option<Amount>,
}

/// One position as the venue reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which instrument.
    pub symbol: Symbol,
    /// Direction; `None` when flat.
    pub side: Option<Side>,
    /// Size; zero when flat.
    pub size: Qty,
    /// Average entry price.
    pub entry: Option<Price>,
    /// Mark price at that moment.
    pub mark: Option<Price>,
    /// Leverage set for the symbol.
    pub leverage: Option<Ratio>,
    /// Unrealised PnL.
    pub unrealised: Option<Amount>,
    /// Stop loss held at the venue.
    pub stop_loss: Option<Price>,
    /// Take profit held at the venue.
    pub take_profit: Option<Price>,
    /// 0 one-way, 1 and 2 the legs of hedge mode.
    pub index: u8,
}

/// Where an order stands (venue documentation, order status).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Taken, not yet in the book.
    Created,
    /// Resting in the book.
    New,
    /// Refused by the venue.
    Rejected,
    /// Filled in part, the rest rests.
    PartiallyFilled,
    /// Filled.
    Filled,
    /// Cancelled; may have filled in part.
    Cancelled,
    /// A conditional order that waits.
    Untriggered,
    /// A conditional order that has fired.
    Triggered,
    /// A conditional order cancelled before it fired.
    Deactivated,
    /// A fired TP/SL order on its way.
    Active,
    /// A word we do not know; counts as open.
    Unknown,
}

impl OrderStatus {
    /// Whether nothing more can happen to an order in this status.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Rejected | Self::Filled | Self::Cancelled | Self::Deactivated => true,
            Self::Created
            | Self::New
            | Self::PartiallyFilled
            | Self::Untriggered
            | Self::Triggered
            | Self::Active
            | Self::Unknown => false,
        }
    }
}

/// One order as the venue reports it, open or finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The venue's id.
    pub order_id: OrderId,
    /// Its link id; `None` for orders that the venue made.
    pub link_id: Option<OrderLinkId>,
    /// Which instrument.
    pub symbol: Symbol,
    /// Which side.
    pub side: Side,
    /// Market or limit.
    pub order_type: OrderType,
    /// Limit price; `None` for market orders.
    pub price: Option<Price>,
    /// Ordered quantity.
    pub qty: Qty,
    /// Executed quantity.
    pub filled: Qty,
    /// Where it stands.
    pub status: OrderStatus,
    /// Only shrinks a position.
    pub reduce_only: bool,
    /// Only closes a position when triggered.
    pub close_on_trigger: bool,
    /// Whether it is a take profit or stop loss that the venue made for a position.
    pub venue_made: bool,
    /// Trigger of a conditional order.
    pub trigger_price: Option<Price>,
    /// Attached stop loss.
    pub stop_loss: Option<Price>,
    /// Attached take profit.
    pub take_profit: Option<Price>,
    /// How long it rests.
    pub time_in_force: Option<TimeInForce>,
    /// When the venue took it.
    pub created: VenueMs,
    /// When it last changed.
    pub updated: VenueMs,
}

impl Order {
    /// The quantity that can still execute.
    pub fn leaves(&self) -> Qty {
        if self.status.is_final() {
            Qty::ZERO
        } else {
            self.qty.less(self.filled)
        }
    }

    /// Whether it can only shrink a position.
    pub const fn only_reduces(&self) -> bool {
        self.reduce_only || self.close_on_trigger || self.venue_made
    }
}

/// What made an execution (venue documentation, `execType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecKind {
    /// An order met another.
    Trade,
    /// Funding paid or received; no quantity changes hands.
    Funding,
    /// Liquidation.
    Bust,
    /// Auto-deleveraging.
    Adl,
    /// A word we do not know.
    Unknown,
}

/// One execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// The venue's id; one execution is counted once.
    pub exec_id: ExecId,
    /// The order that executed.
    pub order_id: OrderId,
    /// Its link id where the venue gives it.
    pub link_id: Option<OrderLinkId>,
    /// Which instrument.
    pub symbol: Symbol,
    /// Which side.
    pub side: Side,
    /// At which price.
    pub price: Price,
    /// How much.
    pub qty: Qty,
    /// Fee or funding, positive when paid.
    pub fee: Amount,
    /// What made it.
    pub kind: ExecKind,
    /// How much of it closed a position, where the venue says.
    pub closed: Option<Qty>,
    /// When, by the venue.
    pub at: VenueMs,
}

/// One row of closed PnL: one closing order's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedTrade {
    /// The closing order.
    pub order_id: OrderId,
    /// Which instrument.
    pub symbol: Symbol,
    /// Side of the closing order.
    pub side: Side,
    /// Quantity closed.
    pub qty: Qty,
    /// Average entry price.
    pub entry: Price,
    /// Average exit price.
    pub exit: Price,
    /// What the closed quantity was worth at entry, exactly, where the venue says.
    #[serde(default)]
    pub entry_value: Option<Notional>,
    /// What it was worth at exit, exactly, where the venue says.
    #[serde(default)]
    pub exit_value: Option<Notional>,
    /// Result, net of opening and closing fees, without funding.
    pub pnl: Amount,
    /// When the venue made the row.
    pub created: VenueMs,
    /// When it last changed.
    pub updated: VenueMs,
}

/// The length of a candle, in the venue's words: minutes, or `D`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Interval {
    /// One minute.
    #[serde(rename = "1")]
    M1,
    /// Three minutes.
    #[serde(rename = "3")]
    M3,
    /// Five minutes.
    #[serde(rename = "5")]
    M5,
    /// A quarter of an hour.
    #[serde(rename = "15")]
    M15,
    /// Half an hour.
    #[serde(rename = "30")]
    M30,
    /// One hour.
    #[serde(rename = "60")]
    H1,
    /// Two hours.
    #[serde(rename = "120")]
    H2,
    /// Four hours.
    #[serde(rename = "240")]
    H4,
    /// One day.
    #[serde(rename = "D")]
    D1,
}

impl Interval {
    /// All of them, shortest first.
    pub const ALL: [Self; 9] = [
        Self::M1,
        Self::M3,
        Self::M5,
        Self::M15,
        Self::M30,
        Self::H1,
        Self::H2,
        Self::H4,
        Self::D1,
    ];

    /// The venue's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::M1 => "1",
            Self::M3 => "3",
            Self::M5 => "5",
            Self::M15 => "15",
            Self::M30 => "30",
            Self::H1 => "60",
            Self::H2 => "120",
            Self::H4 => "240",
            Self::D1 => "D",
        }
    }

    /// The interval of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|interval| interval.word() == word)
    }

    /// Its length in minutes.
    pub const fn minutes(self) -> u32 {
        match self {
            Self::M1 => 1,
            Self::M3 => 3,
            Self::M5 => 5,
            Self::M15 => 15,
            Self::M30 => 30,
            Self::H1 => 60,
            Self::H2 => 120,
            Self::H4 => 240,
            Self::D1 => 1440,
        }
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}
