//! What can be listened to.

use crate::matching::{MarketId, Venue};
use crate::sim::Sim;

/// Depths of the order book that have a stream.
const DEPTHS: [u32; 3] = [1, 50, 200];

/// A topic of the private stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PrivateTopic {
    Execution,
    Order,
    Position,
    Wallet,
}

impl PrivateTopic {
    pub(super) const ALL: [Self; 4] = [Self::Execution, Self::Order, Self::Position, Self::Wallet];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::Order => "order",
            Self::Position => "position",
            Self::Wallet => "wallet",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

/// A topic of the public stream: one instrument's prices in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicTopic {
    pub(super) market: MarketId,
    pub(super) form: Form,
}

/// In which form prices are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// The last, mark and index price, the best bid and ask, the last day.
    Ticker,
    /// Candles of an interval.
    Kline { interval: String },
    /// So many levels of the book.
    Book { depth: u32 },
    /// Trades of everybody.
    Trades,
}

impl PublicTopic {
    /// The topic of that name; `None` for any other, and for instruments that are not here.
    pub(super) fn named(name: &str, sim: &Sim) -> Option<Self> {
        let mut parts = name.split('.');
        let (kind, second) = (parts.next()?, parts.next()?);
        let third = parts.next();
        if parts.next().is_some() {
            return None;
        }
        let market = |venue: &Venue, symbol: &str| venue.market_id(symbol).ok();
        let (symbol, form) = match (kind, third) {
            ("tickers", None) => (second, Form::Ticker),
            ("publicTrade", None) => (second, Form::Trades),
            ("orderbook", Some(symbol)) => {
                let depth = second.parse().ok().filter(|depth| DEPTHS.contains(depth))?;
                (symbol, Form::Book { depth })
            }
            ("kline", Some(symbol)) => {
                let interval = second.to_owned();
                (symbol, Form::Kline { interval })
            }
            _ => return None,
        };
        let market = market(&sim.venue, symbol)?;
        if let Form::Kline { interval } = &form {
            sim.candles(market)?.length_ms(interval)?;
        }
        Some(Self { market, form })
    }
}
