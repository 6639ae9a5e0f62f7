//! Quantities of the base coin.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::MoneyError;
use crate::newtype::{checked_sums, money_type};

/// A quantity of base coin; zero or above. Its direction is a side, never a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Qty(Decimal);

money_type!(Qty, "quantity", "zero or above", |v| !v.is_sign_negative()
    || v.is_zero());
checked_sums!(Qty, "quantities");

impl Qty {
    /// The largest multiple of the instrument's lot step that is not above this quantity.
    pub fn floor_to(self, step: Self) -> Result<Self, MoneyError> {
        if step.is_zero() {
            return Err(MoneyError::DivisionByZero {
                what: "quantity on lot step",
            });
        }
        let overflow = MoneyError::Overflow {
            what: "quantity on lot step",
        };
        let steps = self.0.checked_div(step.0).ok_or(overflow.clone())?;
        let whole = steps.round_dp_with_strategy(0, RoundingStrategy::ToZero);
        Self::new(whole.checked_mul(step.0).ok_or(overflow)?.normalize())
    }

    /// The smaller of two quantities' difference and nothing: `self - other`, or zero.
    pub fn less(self, other: Self) -> Self {
        self.minus(other).unwrap_or(Self::ZERO)
    }
}
