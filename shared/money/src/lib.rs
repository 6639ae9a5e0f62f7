//! Quantities of money, each in a type of its own, and only checked arithmetic between them.
//!
//! What this room is for: a price cannot be added to a quantity, a ratio cannot stand for a
//! balance, and no operation can overflow, divide by zero or lose digits in silence. What it does
//! not do: parse exchange JSON (`exchange::number` does, once), round for display, or know symbols.
//!
//! Everything is `rust_decimal` underneath; there is no float in this crate. On the wire and on
//! disk each value is a JSON string, so no reader turns it into a float by accident.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::indexing_slicing
)]

mod amount;
mod error;
mod newtype;
mod price;
mod qty;
mod ratio;

pub use amount::{Amount, Notional};
pub use error::MoneyError;
pub use price::{Price, Rounding};
pub use qty::Qty;
pub use ratio::Ratio;
pub use rust_decimal::Decimal;
