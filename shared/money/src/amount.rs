//! Money in the settle coin: what is owned, earned or paid, and what a position is worth.

use rust_decimal::Decimal;

use crate::newtype::{checked_sums, money_type};
use crate::{MoneyError, Price, Qty, Ratio};

/// An amount of settle coin that may be negative: equity, balances, PnL, fees, funding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(Decimal);

money_type!(Amount, "amount", "a number", |_| true);
checked_sums!(Amount, "amounts");

/// The value of a position or order in settle coin; zero or above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Notional(Decimal);

money_type!(Notional, "notional", "zero or above", |v| !v
    .is_sign_negative()
    || v.is_zero());
checked_sums!(Notional, "notionals");

impl Amount {
    /// This amount as a fraction of another.
    pub fn over(self, whole: Self) -> Result<Ratio, MoneyError> {
        if whole.is_zero() {
            return Err(MoneyError::DivisionByZero {
                what: "amount / amount",
            });
        }
        let quotient = self.0.checked_div(whole.0);
        Ratio::new(quotient.ok_or(MoneyError::Overflow {
            what: "amount / amount",
        })?)
    }

    /// A fraction of this amount.
    pub fn times(self, ratio: Ratio) -> Result<Self, MoneyError> {
        let product = self.0.checked_mul(ratio.get());
        Self::new(product.ok_or(MoneyError::Overflow {
            what: "amount x ratio",
        })?)
    }

    /// The same amount with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        let mut value = self.0;
        value.set_sign_negative(!value.is_sign_negative() && !value.is_zero());
        Self(value)
    }

    /// The quantity that this amount buys at a price; an error if it is negative.
    pub fn buys_at(self, price: Price) -> Result<Qty, MoneyError> {
        let quotient = self.0.checked_div(price.get());
        Qty::new(quotient.ok_or(MoneyError::Overflow {
            what: "amount / price",
        })?)
    }
}

impl Notional {
    /// The same value as an amount, for sums with PnL and fees.
    pub const fn amount(self) -> Amount {
        Amount(self.0)
    }

    /// A fraction of this value (a fee at a rate, a margin at a rate).
    pub fn times(self, ratio: Ratio) -> Result<Amount, MoneyError> {
        self.amount().times(ratio)
    }

    /// Initial margin: this value over the leverage.
    pub fn over_leverage(self, leverage: Ratio) -> Result<Amount, MoneyError> {
        if leverage.is_zero() {
            return Err(MoneyError::DivisionByZero {
                what: "notional / leverage",
            });
        }
        let quotient = self.0.checked_div(leverage.get());
        Amount::new(quotient.ok_or(MoneyError::Overflow {
            what: "notional / leverage",
        })?)
    }
}
