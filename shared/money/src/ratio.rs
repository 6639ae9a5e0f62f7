//! Fractions: limits, drawdowns, margin ratios.

use rust_decimal::Decimal;

use crate::MoneyError;
use crate::newtype::{checked_sums, money_type};

/// A fraction without unit; 0.05 is five per cent. May be negative (a loss over a balance).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(Decimal);

money_type!(Ratio, "ratio", "a number", |_| true);
checked_sums!(Ratio, "ratios");

impl Ratio {
    /// The whole.
    pub const ONE: Self = Self(Decimal::ONE);

    /// This fraction as text in per cent with two places: `6.20 %`.
    pub fn percent(self) -> String {
        match self.0.checked_mul(Decimal::ONE_HUNDRED) {
            Some(hundredfold) => format!("{hundredfold:.2} %"),
            None => format!("{} of one", self.0),
        }
    }

    /// The product of two fractions.
    pub fn times(self, other: Self) -> Result<Self, MoneyError> {
        let product = self.0.checked_mul(other.0);
        Self::new(product.ok_or(MoneyError::Overflow {
            what: "ratio x ratio",
        })?)
    }
}
