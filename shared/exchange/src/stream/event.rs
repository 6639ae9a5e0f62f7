//! What a stream has to say to whoever runs it.

use protocol::venue::{Candle, Execution, Order, Position, Ticker, Wallet};
use protocol::{Symbol, VenueMs};
use thiserror::Error;

use super::topic::Topic;
use crate::wire::wallet::AccountType;

/// What was seen on a stream, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Positions that changed, each leg as it now is; flat ones too.
    Positions(Vec<Position>),
    /// Executions, in the venue's order.
    Executions(Vec<Execution>),
    /// Orders that changed.
    Orders(Vec<Order>),
    /// The settle coin's row, of the account of this kind.
    Wallet(AccountType, Wallet),
    /// Prices, whole: deltas have been put into what was known.
    Ticker(Ticker),
    /// A candle as it now is; `closed` once nothing more can happen to it.
    Candle {
        /// Of which series: symbol and interval.
        topic: Topic,
        /// The candle.
        candle: Candle,
        /// Whether it has closed.
        closed: bool,
    },
    /// Best bid and ask.
    Quote {
        /// Which instrument.
        symbol: Symbol,
        /// Best bid, if there is one.
        bid: Option<money::Price>,
        /// Best ask, if there is one.
        ask: Option<money::Price>,
    },
}

/// A message that could not be read: which stream, and which field of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{stream} stream: a message could not be read: {why}")]
pub struct StreamError {
    /// The stream's name as the venue wrote it, or `account` or `market`.
    pub stream: String,
    /// The topic, where it is one of ours.
    pub topic: Option<Topic>,
    /// What was wrong, with the field where one was.
    pub why: String,
}

/// What happens on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// Every subscription stands: from here on nothing is missed. What happened before is to be
    /// asked of REST.
    Up,
    /// It is not up (any more), and why; another attempt follows on its own.
    Down(String),
    /// Something was seen, made by the venue at that time.
    Seen(VenueMs, News),
    /// A message could not be read: the truth is to be asked of REST.
    Unreadable(StreamError),
    /// The venue does not give this topic, in its words.
    Refused(Topic, String),
    /// The venue did not accept our signing in, in its words; another attempt follows.
    Denied(String),
}
