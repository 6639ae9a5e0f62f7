//! Positions and cash at average cost: once as they were, once as they would have been.
//!
//! The engine's own book counts one history. A comparison needs two side by side, and what each
//! closing order earned in both; that is all this room is for.

use std::collections::BTreeMap;

use money::{Amount, Decimal, MoneyError, Notional, Price, Qty, Ratio};
use protocol::{Side, Symbol};
use risk::state::Held;

/// Places to which a part of a cost or a fee is rounded; the last part takes the exact rest.
const PLACES: u32 = 12;

/// One position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) side: Side,
    pub(super) size: Qty,
    /// Size times average entry.
    cost: Amount,
    /// What opening it cost in fees, as far as it is still open.
    fees: Amount,
}

/// An execution, as far as money goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill {
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) fee: Amount,
}

/// What a fill closed, and what that earned with the fees of both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) qty: Qty,
    pub(super) net: Amount,
}

/// One history's positions and cash.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) positions: BTreeMap<Symbol, Position>,
    /// Received, less paid, since the beginning.
    pub(super) cash: Amount,
}

impl Position {
    /// What the guard's book holds.
    pub(super) const fn of(held: &Held) -> Self {
        Self {
            side: held.side,
            size: held.size,
            cost: held.cost,
            fees: Amount::ZERO,
        }
    }

    pub(super) fn entry(&self) -> Option<Price> {
        let entry = self.cost.get().checked_div(self.size.get())?;
        Price::new(entry.round_dp(PLACES)).ok()
    }

    /// Open profit at a price.
    pub(super) fn unrealised(&self, mark: Price) -> Result<Amount, MoneyError> {
        let worth = mark.times(self.size)?.amount();
        match self.side {
            Side::Buy => worth.minus(self.cost),
            Side::Sell => self.cost.minus(worth),
        }
    }
}

impl Ledger {
    /// These positions, no cash.
    pub(super) const fn new(positions: BTreeMap<Symbol, Position>) -> Self {
        Self {
            positions,
            cash: Amount::ZERO,
        }
    }

    /// Takes a fill; what it closed.
    pub(super) fn fill(&mut self, fill: &Fill) -> Result<Closed, MoneyError> {
        let held = self.positions.get(&fill.symbol).copied();
        let closed = held
            .filter(|held| held.side != fill.side)
            .map_or(Qty::ZERO, |held| held.size.min(fill.qty));
        let opened = fill.qty.less(closed);
        let closing_fee = part(fill.fee, closed, fill.qty)?;
        let opening_fee = fill.fee.minus(closing_fee)?;
        let mut net = Amount::ZERO;
        if let Some(held) = held.filter(|_| !closed.is_zero()) {
            let cost = part(held.cost, closed, held.size)?;
            let fees = part(held.fees, closed, held.size)?;
            let proceeds = fill.price.times(closed)?.amount();
            let earned = match held.side {
                Side::Buy => proceeds.minus(cost)?,
                Side::Sell => cost.minus(proceeds)?,
            };
            net = earned.minus(closing_fee)?.minus(fees)?;
            self.cash = self.cash.plus(earned)?;
            let left = Position {
                size: held.size.less(closed),
                cost: held.cost.minus(cost)?,
                fees: held.fees.minus(fees)?,
                ..held
            };
            if left.size.is_zero() {
                self.positions.remove(&fill.symbol);
            } else {
                self.positions.insert(fill.symbol, left);
            }
        }
        if !opened.is_zero() {
            let value = fill.price.times(opened)?.amount();
            let before = self.positions.get(&fill.symbol);
            let grown = Position {
                side: fill.side,
                size: before.map_or(Qty::ZERO, |p| p.size).plus(opened)?,
                cost: before.map_or(Amount::ZERO, |p| p.cost).plus(value)?,
                fees: before.map_or(Amount::ZERO, |p| p.fees).plus(opening_fee)?,
            };
            self.positions.insert(fill.symbol, grown);
        }
        self.cash = self.cash.minus(fill.fee)?;
        Ok(Closed { qty: closed, net })
    }

    /// Pays funding (receives it, if negative).
    pub(super) fn pay(&mut self, funding: Amount) -> Result<(), MoneyError> {
        self.cash = self.cash.minus(funding)?;
        Ok(())
    }

    /// Open profit of all positions; of one without a mark, nothing.
    pub(super) fn unrealised(
        &self,
        mark: impl Fn(Symbol) -> Option<Price>,
    ) -> Result<Amount, MoneyError> {
        let known = self
            .positions
            .iter()
            .filter_map(|(symbol, position)| Some((position, mark(*symbol)?)));
        known
            .map(|(position, mark)| position.unrealised(mark))
            .try_fold(Amount::ZERO, |sum, one| sum.plus(one?))
    }

    /// Initial margin of all positions by their cost.
    pub(super) fn margin(&self, leverage: impl Fn(Symbol) -> Ratio) -> Result<Amount, MoneyError> {
        self.positions
            .iter()
            .map(|(symbol, position)| {
                Notional::new(position.cost.get().abs())?.over_leverage(leverage(*symbol))
            })
            .try_fold(Amount::ZERO, |sum, one| sum.plus(one?))
    }
}

/// The part of an amount that belongs to a part of a quantity; all of it for the whole.
pub(super) fn part(amount: Amount, part: Qty, whole: Qty) -> Result<Amount, MoneyError> {
    if part == whole {
        return Ok(amount);
    }
    Amount::new(share(amount.get(), part, whole)?)
}

/// A quantity in the proportion of two others; all of it for the whole.
pub(super) fn scaled(qty: Qty, part: Qty, whole: Qty) -> Result<Qty, MoneyError> {
    if part == whole {
        return Ok(qty);
    }
    Qty::new(share(qty.get(), part, whole)?)
}

fn share(of: Decimal, part: Qty, whole: Qty) -> Result<Decimal, MoneyError> {
    if whole.is_zero() {
        return Ok(Decimal::ZERO);
    }
    let share = of
        .checked_mul(part.get())
        .and_then(|product| product.checked_div(whole.get()));
    let share = share.ok_or(MoneyError::Overflow { what: "share" })?;
    Ok(share.round_dp(PLACES).normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(side: Side, price: &str, qty: &str, fee: &str) -> Fill {
        Fill {
            symbol: Symbol::new("SOLUSDT").unwrap(),
            side,
            price: Price::parse(price).unwrap(),
            qty: Qty::parse(qty).unwrap(),
            fee: Amount::parse(fee).unwrap(),
        }
    }

    #[test]
    fn a_round_trip_earns_its_price_less_both_fees() {
        let mut ledger = Ledger::new(BTreeMap::new());
        ledger.fill(&fill(Side::Buy, "100", "3", "0.3")).unwrap();
        let half = ledger.fill(&fill(Side::Sell, "110", "1", "0.1")).unwrap();
        assert_eq!(half.net, Amount::parse("9.8").unwrap());
        let rest = ledger.fill(&fill(Side::Sell, "90", "2", "0.2")).unwrap();
        assert_eq!(rest.net, Amount::parse("-20.4").unwrap());
        assert!(ledger.positions.is_empty());
        assert_eq!(ledger.cash, Amount::parse("-10.6").unwrap());
    }

    #[test]
    fn a_fill_through_zero_turns_the_position() {
        let mut ledger = Ledger::new(BTreeMap::new());
        ledger.fill(&fill(Side::Buy, "100", "1", "0")).unwrap();
        let closed = ledger.fill(&fill(Side::Sell, "101", "3", "0.3")).unwrap();
        assert_eq!(
            (closed.qty.to_string(), closed.net.to_string()),
            ("1".into(), "0.9".into())
        );
        let turned = ledger.positions.values().next().unwrap();
        assert_eq!(
            (turned.side, turned.size.to_string()),
            (Side::Sell, "2".into())
        );
        assert_eq!(
            turned
                .unrealised(Price::parse("100").unwrap())
                .unwrap()
                .to_string(),
            "2"
        );
    }
}
