//! A one-way position and what an execution does to it.

use money::Decimal;

use super::order::OrderNo;
use super::{Moment, Side};

/// The position of one instrument. Flat when its size is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Direction; meaningless when flat.
    pub side: Side,
    /// Quantity of base coin, zero or above.
    pub size: Decimal,
    /// What the quantity was worth at entry.
    pub entry_value: Decimal,
    /// Fees paid at entry that have not yet gone into a row of closed PnL.
    pub open_fee: Decimal,
    /// Realised result of all closes of this instrument, net of fees.
    pub realised: Decimal,
    /// Its take profit, a conditional order of the venue's.
    pub take_profit: Option<OrderNo>,
    /// Its stop loss, a conditional order of the venue's.
    pub stop_loss: Option<OrderNo>,
    /// When it was last opened.
    pub created: Moment,
    /// When it last changed.
    pub updated: Moment,
}

/// What one execution did to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// Quantity that it closed.
    pub closed: Decimal,
    /// What that quantity was worth at entry.
    pub entry_value: Decimal,
    /// What it was worth at exit.
    pub exit_value: Decimal,
    /// Its share of the entry fees.
    pub open_fee: Decimal,
    /// The part of this execution's fee that belongs to the close.
    pub close_fee: Decimal,
    /// Price difference realised, without fees.
    pub gross: Decimal,
    /// Quantity that it opened.
    pub opened: Decimal,
}

impl Position {
    /// A flat position.
    pub const fn flat(now: Moment) -> Self {
        Self {
            side: Side::Buy,
            size: Decimal::ZERO,
            entry_value: Decimal::ZERO,
            open_fee: Decimal::ZERO,
            realised: Decimal::ZERO,
            take_profit: None,
            stop_loss: None,
            created: now,
            updated: now,
        }
    }

    /// Whether there is nothing.
    pub fn is_flat(&self) -> bool {
        self.size.is_zero()
    }

    /// Average entry price; zero when flat.
    pub fn average(&self) -> Decimal {
        if self.is_flat() {
            Decimal::ZERO
        } else {
            (self.entry_value / self.size).round_dp(8)
        }
    }

    /// Result if closed at this price without fees.
    pub fn unrealised(&self, mark: Decimal) -> Decimal {
        let value = mark * self.size;
        match self.side {
            Side::Buy => value - self.entry_value,
            Side::Sell => self.entry_value - value,
        }
    }

    /// How much an order of this side could close.
    pub fn closable_by(&self, side: Side) -> Decimal {
        if self.side == side {
            Decimal::ZERO
        } else {
            self.size
        }
    }

    /// Books one execution: closes first, then opens with what is left. `fee` is the whole fee of
    /// the execution; it is split between both parts by quantity.
    pub fn apply(
        &mut self,
        side: Side,
        qty: Decimal,
        price: Decimal,
        fee: Decimal,
        now: Moment,
    ) -> Shift {
        let closed = qty.min(self.closable_by(side));
        let opened = qty - closed;
        let close_fee = share(fee, closed, qty);
        let mut shift = Shift {
            closed,
            entry_value: Decimal::ZERO,
            exit_value: closed * price,
            open_fee: Decimal::ZERO,
            close_fee,
            gross: Decimal::ZERO,
            opened,
        };
        if closed > Decimal::ZERO {
            shift.entry_value = share(self.entry_value, closed, self.size);
            shift.open_fee = share(self.open_fee, closed, self.size);
            shift.gross = match self.side {
                Side::Buy => shift.exit_value - shift.entry_value,
                Side::Sell => shift.entry_value - shift.exit_value,
            };
            self.size -= closed;
            self.entry_value -= shift.entry_value;
            self.open_fee -= shift.open_fee;
            self.realised += shift.gross - shift.open_fee - close_fee;
        }
        if opened > Decimal::ZERO {
            if self.is_flat() {
                self.side = side;
                self.created = now;
            }
            self.size += opened;
            self.entry_value += opened * price;
            self.open_fee += fee - close_fee;
        }
        self.updated = now;
        shift
    }
}

/// The share of `total` that `part` of `whole` has, to eight decimals; all of it for the whole, so
/// that nothing is left over when a position ends.
fn share(total: Decimal, part: Decimal, whole: Decimal) -> Decimal {
    if part == whole {
        total
    } else if part.is_zero() {
        Decimal::ZERO
    } else {
        (total * part / whole).round_dp(8)
    }
}
