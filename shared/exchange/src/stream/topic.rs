//! What can be subscribed to, in the venue's words (V3 documentation, WebSocket).

use std::fmt;

use protocol::Symbol;
use protocol::venue::Interval;

/// Characters of `args` that one connection may hold (venue documentation, WebSocket limits).
const ARGS_MOST: usize = 21_000;
/// Characters of `args` in one message: far below what any server takes.
const BATCH_MOST: usize = 1_000;

/// One of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feed {
    /// The account: signed in.
    Account,
    /// Public market data.
    Market,
}

impl Feed {
    /// Its name, for a log line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Market => "market",
        }
    }
}

/// One subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Positions that change.
    Position,
    /// Executions.
    Execution,
    /// Orders that change.
    Order,
    /// The wallet when it changes.
    Wallet,
    /// Prices of one symbol: a snapshot, then deltas.
    Tickers(Symbol),
    /// The candle that runs, until it is confirmed closed.
    Candles(Symbol, Interval),
    /// Best bid and ask.
    Quotes(Symbol),
}

impl Topic {
    /// All that is told of the account.
    pub const ACCOUNT: [Self; 4] = [Self::Position, Self::Execution, Self::Order, Self::Wallet];

    /// Which connection carries it.
    pub const fn feed(self) -> Feed {
        match self {
            Self::Position | Self::Execution | Self::Order | Self::Wallet => Feed::Account,
            Self::Tickers(_) | Self::Candles(..) | Self::Quotes(_) => Feed::Market,
        }
    }

    /// The topic of that name; `None` if we never ask for it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "position" => return Some(Self::Position),
            "execution" => return Some(Self::Execution),
            "order" => return Some(Self::Order),
            "wallet" => return Some(Self::Wallet),
            _ => {}
        }
        let (kind, rest) = name.split_once('.')?;
        let symbol = |text: &str| Symbol::new(text).ok();
        match kind {
            "tickers" => symbol(rest).map(Self::Tickers),
            "orderbook" => symbol(rest.strip_prefix("1.")?).map(Self::Quotes),
            "kline" => {
                let (interval, name) = rest.split_once('.')?;
                Some(Self::Candles(symbol(name)?, Interval::named(interval)?))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position => f.write_str("position"),
            Self::Execution => f.write_str("execution"),
            Self::Order => f.write_str("order"),
            Self::Wallet => f.write_str("wallet"),
            Self::Tickers(symbol) => write!(f, "tickers.{symbol}"),
            Self::Candles(symbol, interval) => write!(f, "kline.{interval}.{symbol}"),
            Self::Quotes(symbol) => write!(f, "orderbook.1.{symbol}"),
        }
    }
}

/// How many characters of `args` a topic takes: its name, its quotes, a comma.
fn length(topic: Topic) -> usize {
    topic.to_string().len().saturating_add(3)
}

/// The topics that one connection can hold, in order, and those for which there is no room.
pub(crate) fn fitting(topics: impl IntoIterator<Item = Topic>) -> (Vec<Topic>, Vec<Topic>) {
    let mut used = 0_usize;
    topics.into_iter().partition(|topic| {
        used = used.saturating_add(length(*topic));
        used <= ARGS_MOST
    })
}

/// Topics in batches that each fit one message.
pub(crate) fn batches(topics: &[Topic]) -> Vec<Vec<Topic>> {
    let mut batches: Vec<Vec<Topic>> = Vec::new();
    let mut used = 0_usize;
    for topic in topics {
        used = used.saturating_add(length(*topic));
        match batches.last_mut() {
            Some(batch) if used <= BATCH_MOST => batch.push(*topic),
            Some(_) | None => {
                used = length(*topic);
                batches.push(vec![*topic]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(count: usize) -> Vec<Topic> {
        (0..count)
            .map(|n| Topic::Tickers(Symbol::new(&format!("COIN{n}USDT")).unwrap()))
            .collect()
    }

    #[test]
    fn names_are_the_venues_and_read_back() {
        let sol = Symbol::new("SOLUSDT").unwrap();
        for (topic, name) in [
            (Topic::Execution, "execution"),
            (Topic::Tickers(sol), "tickers.SOLUSDT"),
            (Topic::Candles(sol, Interval::M5), "kline.5.SOLUSDT"),
            (Topic::Quotes(sol), "orderbook.1.SOLUSDT"),
        ] {
            assert_eq!(topic.to_string(), name);
            assert_eq!(Topic::named(name), Some(topic));
        }
        for odd in [
            "",
            "tickers",
            "tickers.",
            "kline.7.SOLUSDT",
            "orderbook.50.SOLUSDT",
            "x.y",
        ] {
            assert_eq!(Topic::named(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_connection_never_holds_more_than_the_venue_takes() {
        let (fit, rest) = fitting(symbols(2000));
        let held: usize = fit.iter().map(|topic| length(*topic)).sum();
        assert!(held <= ARGS_MOST && !rest.is_empty());
        assert_eq!(fit.len() + rest.len(), 2000);
        let (fit, rest) = fitting(symbols(60));
        assert!(rest.is_empty());
        let batches = batches(&fit);
        assert!(batches.len() > 1);
        for batch in &batches {
            assert!(batch.iter().map(|topic| length(*topic)).sum::<usize>() <= BATCH_MOST);
        }
        assert_eq!(batches.concat(), fit, "none lost, none twice");
    }
}
