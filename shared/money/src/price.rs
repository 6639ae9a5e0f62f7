//! Prices: settle coin for one unit of the base coin.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::newtype::money_type;
use crate::{MoneyError, Notional, Qty, Ratio};

/// A price in settle coin for one unit of base coin; above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(Decimal);

money_type!(Price, "price", "above zero", |v| v.is_sign_positive()
    && !v.is_zero());

/// Which way a price goes when it does not lie on the instrument's tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the tick below.
    Down,
    /// To the tick above.
    Up,
}

impl Price {
    /// The value of a quantity at this price.
    pub fn times(self, qty: Qty) -> Result<Notional, MoneyError> {
        let product = self.0.checked_mul(qty.get());
        Notional::new(product.ok_or(MoneyError::Overflow {
            what: "price x quantity",
        })?)
    }

    /// This price moved by a fraction of itself: `Ratio` 0.01 is one per cent up, -0.01 down.
    pub fn shifted(self, by: Ratio) -> Result<Self, MoneyError> {
        let overflow = MoneyError::Overflow {
            what: "price shift",
        };
        let factor = Decimal::ONE.checked_add(by.get()).ok_or(overflow.clone())?;
        Self::new(self.0.checked_mul(factor).ok_or(overflow)?)
    }

    /// The price on the instrument's tick, below or above.
    pub fn on_tick(self, tick: Self, rounding: Rounding) -> Result<Self, MoneyError> {
        let overflow = MoneyError::Overflow {
            what: "price on tick",
        };
        let ticks = self.0.checked_div(tick.0).ok_or(overflow.clone())?;
        let strategy = match rounding {
            Rounding::Down => RoundingStrategy::ToNegativeInfinity,
            Rounding::Up => RoundingStrategy::ToPositiveInfinity,
        };
        let whole = ticks.round_dp_with_strategy(0, strategy);
        Self::new(whole.checked_mul(tick.0).ok_or(overflow)?.normalize())
    }

    /// How far this price lies from `other`, as a fraction of `other`; never negative.
    pub fn distance_from(self, other: Self) -> Result<Ratio, MoneyError> {
        let overflow = MoneyError::Overflow {
            what: "price distance",
        };
        let difference = self.0.checked_sub(other.0).ok_or(overflow.clone())?.abs();
        Ratio::new(difference.checked_div(other.0).ok_or(overflow)?)
    }
}
