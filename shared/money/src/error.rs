//! What can be wrong with a number of money.

use thiserror::Error;

/// Why a value of money could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// The text is not a plain decimal number (`1e5`, `NaN`, an empty string and blanks are not).
    #[error("{text:?} is not a decimal number")]
    NotANumber {
        /// The text as given, cut at 64 characters.
        text: String,
    },
    /// The number is outside what its type allows.
    #[error("{value} is not a {what}: it must be {rule}")]
    OutOfRange {
        /// The type that refused it, in words.
        what: &'static str,
        /// The number.
        value: rust_decimal::Decimal,
        /// What would be allowed, in words.
        rule: &'static str,
    },
    /// The result does not fit into 96 bits of digits.
    #[error("{what} overflows")]
    Overflow {
        /// The operation, in words.
        what: &'static str,
    },
    /// Something was divided by zero.
    #[error("{what}: division by zero")]
    DivisionByZero {
        /// The operation, in words.
        what: &'static str,
    },
}
