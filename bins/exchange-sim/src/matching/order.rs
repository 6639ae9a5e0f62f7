//! Orders: what is asked for, and what becomes of it.

use money::{Decimal, Price, Qty};

use super::{
    ExecKind, MarketId, Moment, OrderType, Side, Status, StopKind, TimeInForce, TriggerBy,
};

/// Index of an order in the order in which they were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNo(pub(crate) usize);

impl OrderNo {
    /// How many orders were accepted before it.
    pub const fn number(self) -> usize {
        self.0
    }
}

/// An order as a client asks for it, parsed but not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// Instrument's name.
    pub symbol: String,
    /// Client's own id; empty for none.
    pub link_id: String,
    /// Side.
    pub side: Side,
    /// Market or limit.
    pub order_type: OrderType,
    /// Quantity of base coin.
    pub qty: Qty,
    /// Limit price; ignored for market orders.
    pub price: Option<Price>,
    /// How long it lives; market orders are always IOC.
    pub time_in_force: TimeInForce,
    /// Only shrinks a position.
    pub reduce_only: bool,
    /// Only closes a position when it fires.
    pub close_on_trigger: bool,
    /// Makes it a conditional order.
    pub trigger: Option<Trigger>,
    /// Take profit and stop loss that the position gets at the first execution.
    pub brackets: Brackets,
    /// Slot of the position; only 0, one-way.
    pub position_idx: i64,
    /// When the request arrived.
    pub received: Moment,
}

impl NewOrder {
    /// A market order that rests on defaults for everything else.
    pub fn market(symbol: &str, side: Side, qty: Qty, received: Moment) -> Self {
        Self {
            symbol: symbol.to_owned(),
            link_id: String::new(),
            side,
            order_type: OrderType::Market,
            qty,
            price: None,
            time_in_force: TimeInForce::Ioc,
            reduce_only: false,
            close_on_trigger: false,
            trigger: None,
            brackets: Brackets::default(),
            position_idx: 0,
            received,
        }
    }

    /// A good-till-cancelled limit order that rests on defaults for everything else.
    pub fn limit(symbol: &str, side: Side, qty: Qty, price: Price, received: Moment) -> Self {
        Self {
            order_type: OrderType::Limit,
            price: Some(price),
            time_in_force: TimeInForce::Gtc,
            ..Self::market(symbol, side, qty, received)
        }
    }
}

/// When a conditional order fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// The price waited for.
    pub price: Decimal,
    /// Fires at or above the price if true, at or below it otherwise.
    pub rises: bool,
    /// Which price is watched.
    pub by: TriggerBy,
}

impl Trigger {
    /// Whether it fires at this quote.
    pub fn fires_at(&self, quote: super::Quote) -> bool {
        let current = self.watched(quote);
        if self.rises {
            current >= self.price
        } else {
            current <= self.price
        }
    }

    /// The price it watches.
    pub const fn watched(&self, quote: super::Quote) -> Decimal {
        match self.by {
            TriggerBy::Last => quote.last,
            TriggerBy::Mark => quote.mark,
            TriggerBy::Index => quote.index,
        }
    }
}

/// Take profit and stop loss attached to an order (whole-position mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brackets {
    /// Take profit, if asked for.
    pub take_profit: Option<Decimal>,
    /// Stop loss, if asked for.
    pub stop_loss: Option<Decimal>,
    /// What the take profit watches.
    pub take_profit_by: TriggerBy,
    /// What the stop loss watches.
    pub stop_loss_by: TriggerBy,
}

impl Default for Brackets {
    fn default() -> Self {
        Self {
            take_profit: None,
            stop_loss: None,
            take_profit_by: TriggerBy::Last,
            stop_loss_by: TriggerBy::Last,
        }
    }
}

impl Brackets {
    /// Whether neither is asked for.
    pub const fn is_empty(&self) -> bool {
        self.take_profit.is_none() && self.stop_loss.is_none()
    }
}

/// A change of one number: the wire leaves it out, says `"0"`, or gives a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change {
    /// Not mentioned.
    #[default]
    Keep,
    /// `"0"`: taken away.
    Clear,
    /// The new price.
    Set(Price),
}

/// What to change about an open order. Everything absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amendment {
    /// The new quantity, executions included.
    pub qty: Option<Qty>,
    /// The new limit price.
    pub price: Option<Price>,
    /// The new trigger price of a conditional order.
    pub trigger_price: Option<Price>,
    /// Take profit.
    pub take_profit: Change,
    /// Stop loss.
    pub stop_loss: Change,
    /// What the take profit watches.
    pub take_profit_by: Option<TriggerBy>,
    /// What the stop loss watches.
    pub stop_loss_by: Option<TriggerBy>,
}

/// An accepted order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The venue's id.
    pub id: String,
    /// The client's id; empty where it gave none and for orders that the venue made.
    pub link_id: String,
    /// Instrument.
    pub market: MarketId,
    /// Side.
    pub side: Side,
    /// Market or limit.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Limit price; `None` for market orders.
    pub price: Option<Decimal>,
    /// Quantity, executions included.
    pub qty: Decimal,
    /// Executed quantity.
    pub filled: Decimal,
    /// Executed value in settle coin.
    pub filled_value: Decimal,
    /// Fees paid in settle coin.
    pub fees: Decimal,
    /// Only shrinks a position.
    pub reduce_only: bool,
    /// Only closes a position when it fires.
    pub close_on_trigger: bool,
    /// What makes it conditional.
    pub stop_kind: Option<StopKind>,
    /// What its executions are of.
    pub kind: ExecKind,
    /// When it fires.
    pub trigger: Option<Trigger>,
    /// Attached take profit and stop loss.
    pub brackets: Brackets,
    /// Where it stands.
    pub status: Status,
    /// Why it ended without filling; the wire's `rejectReason`.
    pub reject_reason: &'static str,
    /// Who cancelled it; the wire's `cancelType`.
    pub cancel_type: &'static str,
    /// Last price when it was accepted.
    pub last_on_created: Decimal,
    /// When its request arrived.
    pub received: Moment,
    /// When it was accepted.
    pub created: Moment,
    /// When it last changed.
    pub updated: Moment,
    /// What it closed so far.
    pub closing: Closing,
    /// Its executions, as indexes into the venue's list.
    pub executions: Vec<usize>,
    /// How many orders had ended when this one did.
    pub finished_as: Option<usize>,
}

/// What the executions of one order closed, for its row of closed PnL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closing {
    /// Quantity closed.
    pub qty: Decimal,
    /// What that quantity was worth at entry.
    pub entry_value: Decimal,
    /// What it was worth at exit.
    pub exit_value: Decimal,
    /// Its share of the fees paid at entry.
    pub open_fee: Decimal,
    /// The fees paid at exit.
    pub close_fee: Decimal,
    /// Executions that closed something.
    pub fills: u32,
}

impl Order {
    /// A market order that the venue makes to close (part of) a position.
    pub(super) fn of_the_venue(
        id: String,
        market: MarketId,
        side: Side,
        qty: Decimal,
        last: Decimal,
        now: Moment,
    ) -> Self {
        Self {
            id,
            link_id: String::new(),
            market,
            side,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Ioc,
            price: None,
            qty,
            filled: Decimal::ZERO,
            filled_value: Decimal::ZERO,
            fees: Decimal::ZERO,
            reduce_only: true,
            close_on_trigger: true,
            stop_kind: None,
            kind: ExecKind::Trade,
            trigger: None,
            brackets: Brackets::default(),
            status: Status::New,
            reject_reason: "EC_NoError",
            cancel_type: "UNKNOWN",
            last_on_created: last,
            received: now,
            created: now,
            updated: now,
            closing: Closing::default(),
            executions: Vec::new(),
            finished_as: None,
        }
    }

    /// What can still execute.
    pub fn leaves(&self) -> Decimal {
        if self.status.is_final() {
            Decimal::ZERO
        } else {
            self.qty - self.filled
        }
    }

    /// Average price of its executions; zero before the first.
    pub fn average(&self) -> Decimal {
        if self.filled.is_zero() {
            Decimal::ZERO
        } else {
            (self.filled_value / self.filled).round_dp(8)
        }
    }

    /// Whether it can only shrink a position.
    pub const fn only_reduces(&self) -> bool {
        self.reduce_only || self.close_on_trigger
    }

    /// Whether the venue made it for a position's take profit or stop loss.
    pub const fn is_bracket(&self) -> bool {
        matches!(
            self.stop_kind,
            Some(StopKind::TakeProfit | StopKind::StopLoss)
        )
    }
}
