//! The matching core: account, orders, positions, fills, fees, margin, brackets, closed PnL.
//!
//! What this room is for: deciding what the venue would do. What it does not do: input and output,
//! clocks, threads, randomness. Time and prices come in as values, so the same calls always end in
//! the same books, under a virtual clock as well as behind the HTTP face.
//!
//! ```text
//!             place                       trigger fires
//!  client ---------> Untriggered -----------------------> Triggered
//!             |          | cancel                             |
//!             |          v                                    v
//!             |      Deactivated        taker stage: walks the made-up book
//!             +----------------------->   |            |             |
//!                                      Filled   New/PartiallyFilled  Cancelled (IOC, FOK,
//!                                         ^            |    |         PostOnly, market band)
//!                                         +--- maker --+    +--> Cancelled
//! ```
//!
//! Arithmetic is plain `Decimal`: every number is bounded at the door (`admit`, and the checks of
//! each request), far below where 96 bits of digits would overflow.
//! The book is made up around the last price and refills at once; our orders are the only real ones.

mod account;
mod admit;
mod amend;
mod brackets;
mod catalogue;
mod execute;
mod instrument;
mod liquidation;
mod moment;
mod order;
mod outside;
mod position;
mod records;
mod refusal;
mod venue;
mod words;

pub use account::Wallet;
pub use brackets::StopChange;
pub use catalogue::{FAITHFUL, MOST, catalogue};
pub use instrument::{Instrument, MAKER_FEE, MIN_NOTIONAL, MarketId, Quote, TAKER_FEE};
pub use moment::Moment;
pub use order::{Amendment, Brackets, Change, Closing, NewOrder, Order, OrderNo, Trigger};
pub use position::{Position, Shift};
pub use records::{
    ClosedRow, EquityMark, Event, Execution, Funding, Placement, Transfer, stop_word,
};
pub use refusal::Refusal;
pub use venue::{Book, CancelScope, Market, Setup, Venue};
pub use words::{AccountKind, ExecKind, OrderType, Side, Status, StopKind, TimeInForce, TriggerBy};

pub(crate) use records::Ids;
pub(crate) use refusal::parameter;
