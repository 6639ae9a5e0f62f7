//! What the venue writes down: executions, closed PnL, transfers, equity. Only ever appended to.

use money::Decimal;

use super::order::OrderNo;
use super::{ExecKind, MarketId, Moment, OrderType, Side, StopKind};

/// One execution of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The venue's id.
    pub id: String,
    /// What it is of.
    pub kind: ExecKind,
    /// The order that executed; `None` for funding.
    pub order: Option<OrderNo>,
    /// That order's id; one of its own for funding.
    pub order_id: String,
    /// Instrument.
    pub market: MarketId,
    /// Side; for funding, the position's.
    pub side: Side,
    /// Price; for funding, the mark price.
    pub price: Decimal,
    /// Quantity; for funding, the position's.
    pub qty: Decimal,
    /// Fee in settle coin, positive when paid.
    pub fee: Decimal,
    /// Fee as a fraction of the value.
    pub fee_rate: Decimal,
    /// Whether it made liquidity.
    pub is_maker: bool,
    /// Quantity that it closed.
    pub closed: Decimal,
    /// What is left of the order.
    pub leaves: Decimal,
    /// Mark price at that moment.
    pub mark: Decimal,
    /// When.
    pub at: Moment,
}

/// One row of closed PnL: one closing order's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedRow {
    /// The closing order.
    pub order: OrderNo,
    /// Instrument.
    pub market: MarketId,
    /// Side of the closing order.
    pub side: Side,
    /// Market or limit.
    pub order_type: OrderType,
    /// Quantity of the order.
    pub qty: Decimal,
    /// Quantity that it closed.
    pub closed: Decimal,
    /// What closed it.
    pub kind: ExecKind,
    /// What that quantity was worth at entry.
    pub entry_value: Decimal,
    /// What it was worth at exit.
    pub exit_value: Decimal,
    /// Limit price, or the average where it had none.
    pub order_price: Decimal,
    /// Result in settle coin: net of the opening and closing fees, without funding.
    pub pnl: Decimal,
    /// Fees in the result, opening share and closing.
    pub fees: Decimal,
    /// Executions that closed something.
    pub fills: u32,
    /// Leverage of the instrument.
    pub leverage: Decimal,
    /// When the order ended.
    pub at: Moment,
}

/// Money that came from, or went, outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Amount in settle coin, negative for a withdrawal.
    pub amount: Decimal,
    /// Wallet balance after it.
    pub balance: Decimal,
    /// When.
    pub at: Moment,
}

/// A funding fee of one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funding {
    /// Its execution, as an index into the venue's list.
    pub execution: usize,
    /// Slot of the position.
    pub position_idx: u8,
    /// Fee as a fraction of the position's value, positive when longs pay.
    pub rate: Decimal,
    /// Wallet balance after it.
    pub balance: Decimal,
}

/// A position that was set from outside, without an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Instrument.
    pub market: MarketId,
    /// Slot: 0 for the one-way position, 1 and 2 for the legs of hedge mode.
    pub position_idx: u8,
    /// Direction.
    pub side: Side,
    /// Size; zero took the position away.
    pub size: Decimal,
    /// Entry price.
    pub average: Decimal,
    /// When.
    pub at: Moment,
}

/// The account's worth at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EquityMark {
    /// Wallet balance and unrealised result.
    pub equity: Decimal,
    /// Wallet balance.
    pub balance: Decimal,
    /// When.
    pub at: Moment,
}

/// Something happened that a listener may want to hear of. The core keeps the news until the shell
/// takes them; it knows nothing of who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An order was accepted or changed.
    Order(OrderNo),
    /// An execution, as an index into the venue's list.
    Execution(usize),
    /// A position changed.
    Position(MarketId),
    /// The wallet changed.
    Wallet,
    /// A row of closed PnL, as an index into the venue's list.
    Closed(usize),
}

/// Kind of stop for which an order stands, in the wire's word: empty for a plain order.
pub fn stop_word(kind: Option<StopKind>) -> &'static str {
    kind.map_or("", StopKind::word)
}

/// Makes ids that look like the venue's and never repeat: a counter, mixed with a salt.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    salt: u64,
    made: u64,
}

impl Ids {
    pub(crate) const fn new(salt: u64) -> Self {
        Self { salt, made: 0 }
    }

    pub(crate) fn next(&mut self) -> String {
        self.made = self.made.wrapping_add(1);
        let high = mixed(self.salt ^ self.made.rotate_left(32));
        let low = mixed(high ^ self.made);
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            // The counter itself, so that two ids of one salt always differ.
            (low & 0xff00_0000_0000) | (self.made & 0x00ff_ffff_ffff),
        )
    }
}

/// The finishing step of the splitmix generator: spreads a counter over all bits.
const fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
