//! What an execution does to one of our positions: size, cost, and the shares of fees and funding
//! that go with what it closes.

use money::{Amount, Decimal, MoneyError, Price, Qty};
use protocol::Side;
use protocol::venue::{Execution, Position};

use crate::Engine;
use crate::state::Held;

/// Places of the settle coin to which a share is rounded: those of the venue's own books. What is
/// left at the end of a position is its exact rest, so nothing is ever lost.
const SHARE_PLACES: u32 = 8;

/// What an execution has closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed {
    /// Direction of the position.
    pub(crate) side: Side,
    /// How much.
    pub(crate) qty: Qty,
    /// What that was worth at entry.
    pub(crate) entry_value: Amount,
    /// What it was worth at exit.
    pub(crate) exit_value: Amount,
    /// Its share of the fees paid at entry.
    pub(crate) open_fee: Option<Amount>,
    /// The part of the execution's fee that belongs to the close.
    pub(crate) close_fee: Amount,
    /// Its share of the funding paid.
    pub(crate) funding: Option<Amount>,
}

impl Closed {
    /// The price difference, before fees and funding.
    pub(crate) fn earned(&self) -> Result<Amount, MoneyError> {
        earned(self.side, self.entry_value, self.exit_value)
    }
}

/// The price difference that a position of this direction earned, before fees and funding.
pub(crate) fn earned(position: Side, entry: Amount, exit: Amount) -> Result<Amount, MoneyError> {
    match position {
        Side::Buy => exit.minus(entry),
        Side::Sell => entry.minus(exit),
    }
}

impl Held {
    /// A position that was found at the venue; `None` if it does not say what it is.
    pub(crate) fn found(position: &Position) -> Option<Self> {
        let cost = position.entry?.times(position.size).ok()?;
        Some(Self {
            side: position.side?,
            size: position.size,
            cost: cost.amount(),
            adopted: true,
            open_fee: None,
            funding: None,
        })
    }

    /// Average entry price.
    pub(crate) fn entry(&self) -> Option<Price> {
        let quotient = self.cost.get().checked_div(self.size.get())?;
        Price::new(quotient.round_dp(SHARE_PLACES)).ok()
    }

    /// Whether the venue's row shows the same.
    pub(crate) fn is(&self, live: &Position) -> bool {
        (Some(self.side), self.size) == (live.side, live.size)
    }

    fn nothing(side: Side) -> Self {
        Self {
            side,
            size: Qty::ZERO,
            cost: Amount::ZERO,
            adopted: false,
            open_fee: Some(Amount::ZERO),
            funding: Some(Amount::ZERO),
        }
    }

    fn grown(self, qty: Qty, value: Amount, fee: Amount) -> Result<Self, MoneyError> {
        Ok(Self {
            size: self.size.plus(qty)?,
            cost: self.cost.plus(value)?,
            open_fee: self.open_fee.map(|paid| paid.plus(fee)).transpose()?,
            ..self
        })
    }

    /// Takes a part out: what is left, and what the part cost.
    fn without(
        self,
        qty: Qty,
    ) -> Result<(Self, Amount, Option<Amount>, Option<Amount>), MoneyError> {
        let of = |whole: Amount| share(whole, qty, self.size);
        let some = |whole: Option<Amount>| whole.map(of).transpose();
        let less = |whole: Option<Amount>, part: Option<Amount>| {
            whole.zip(part).map(|(w, p)| w.minus(p)).transpose()
        };
        let (cost, open_fee, funding) = (of(self.cost)?, some(self.open_fee)?, some(self.funding)?);
        let left = Self {
            size: self.size.less(qty),
            cost: self.cost.minus(cost)?,
            open_fee: less(self.open_fee, open_fee)?,
            funding: less(self.funding, funding)?,
            ..self
        };
        Ok((left, cost, open_fee, funding))
    }
}

impl Engine {
    /// Moves our position by an execution: closes first, then opens with what is left. Says what
    /// was closed.
    pub(crate) fn move_position(
        &mut self,
        execution: &Execution,
    ) -> Result<Option<Closed>, MoneyError> {
        let Execution {
            symbol,
            side,
            price,
            qty,
            fee,
            ..
        } = *execution;
        let positions = &mut self.state.book.positions;
        let held = positions.get(&symbol).copied();
        let against = held.filter(|held| held.side != side);
        let closes = against.map_or(Qty::ZERO, |held| qty.min(held.size));
        let opens = qty.less(closes);
        let close_fee = share(fee, closes, qty)?;
        let mut closed = None;
        let mut left = held;
        if let Some(before) = against {
            let (rest, entry_value, open_fee, funding) = before.without(closes)?;
            closed = Some(Closed {
                side: before.side,
                qty: closes,
                entry_value,
                exit_value: price.times(closes)?.amount(),
                open_fee,
                close_fee,
                funding,
            });
            left = Some(rest).filter(|rest| !rest.size.is_zero());
        }
        if !opens.is_zero() {
            let base = left.unwrap_or_else(|| Held::nothing(side));
            let value = price.times(opens)?.amount();
            left = Some(base.grown(opens, value, fee.minus(close_fee)?)?);
        }
        match left {
            Some(held) => positions.insert(symbol, held),
            None => positions.remove(&symbol),
        };
        Ok(closed)
    }
}

/// The share of a whole that a part of a quantity has; all of it for the whole.
fn share(total: Amount, part: Qty, whole: Qty) -> Result<Amount, MoneyError> {
    if part == whole {
        return Ok(total);
    }
    let overflow = MoneyError::Overflow {
        what: "share of an amount",
    };
    let share: Decimal = total
        .get()
        .checked_mul(part.get())
        .and_then(|product| product.checked_div(whole.get()))
        .ok_or(overflow)?;
    Amount::new(share.round_dp(SHARE_PLACES))
}
