//! The books as the venue's rows: one place for each row, whether a call or a stream carries it.
//!
//! What this room is for: which keys there are, and which of their values are empty, `"0"`, or a
//! bare number. What it does not do: choose rows, put them into envelopes, send them.

mod market;
mod orders;
mod positions;
mod wallet;

pub(crate) use market::{
    candle_row, instrument_row, kline_row, print_row, streamed_print, ticker_row,
};
pub(crate) use orders::{
    closed_row, execution_row, order_row, streamed_execution, streamed_order, with_capitals,
};
pub(crate) use positions::{position_rows, streamed_positions};
pub(crate) use wallet::{coin_row, wallet_row};

use money::Decimal;

/// A number as the wire has it: no digits that say nothing.
fn text(value: Decimal) -> String {
    value.normalize().to_string()
}
