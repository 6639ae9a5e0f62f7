//! What the public stream tells: prices put together from snapshots and deltas, candles, quotes.

use std::collections::BTreeMap;

use money::Price;
use protocol::{Symbol, VenueMs};
use serde::de::DeserializeOwned;

use super::event::News;
use super::frame::Data;
use super::topic::Topic;
use crate::number::{FieldError, plain};
use crate::wire::market::{BookRow, KlineRow, TickerNews, TickerRow};

/// What has been told of each symbol on this connection.
#[derive(Debug, Default)]
pub(super) struct Market {
    tickers: BTreeMap<Symbol, (TickerRow, VenueMs)>,
    quotes: BTreeMap<Symbol, Quote>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Quote {
    bid: Option<Price>,
    ask: Option<Price>,
}

/// What a message came to.
#[derive(Debug)]
pub(super) enum Read {
    News(News),
    /// Older than what is known: a message that was overtaken.
    Old,
    /// A delta of something that is not known: a snapshot must be asked for.
    NoSnapshot,
}

impl Market {
    /// A new connection: everything begins with a snapshot.
    pub(super) fn clear(&mut self) {
        self.tickers.clear();
        self.quotes.clear();
    }

    /// What is known of a topic is not to be trusted any more.
    pub(super) fn forget(&mut self, topic: Topic) {
        match topic {
            Topic::Tickers(symbol) => drop(self.tickers.remove(&symbol)),
            Topic::Quotes(symbol) => drop(self.quotes.remove(&symbol)),
            Topic::Candles(..)
            | Topic::Position
            | Topic::Execution
            | Topic::Order
            | Topic::Wallet => {}
        }
    }

    /// Puts a message into what is known.
    pub(super) fn read(&mut self, data: &Data<'_>) -> Result<Read, String> {
        match data.topic {
            Topic::Tickers(symbol) => self.ticker(symbol, data),
            Topic::Quotes(symbol) => self.quote(symbol, data),
            topic @ Topic::Candles(..) => candle(topic, data),
            Topic::Position | Topic::Execution | Topic::Order | Topic::Wallet => {
                Err("it belongs to the other connection".to_owned())
            }
        }
    }

    fn ticker(&mut self, symbol: Symbol, data: &Data<'_>) -> Result<Read, String> {
        let news: TickerNews = from(data)?;
        let field = |e: FieldError| e.to_string();
        let whose: Symbol = news.symbol().map_err(field)?;
        if whose != symbol {
            return Err(format!("field symbol: is {whose}"));
        }
        let (row, made) = match self.tickers.get_mut(&symbol) {
            Some((row, made)) if data.delta => {
                if data.made < *made {
                    return Ok(Read::Old);
                }
                row.take(news);
                *made = data.made;
                (&*row, *made)
            }
            None if data.delta => return Ok(Read::NoSnapshot),
            Some(_) | None => {
                let mut row = TickerRow::default();
                row.take(news);
                self.tickers.insert(symbol, (row, data.made));
                let Some((row, made)) = self.tickers.get(&symbol) else {
                    return Ok(Read::NoSnapshot);
                };
                (row, *made)
            }
        };
        row.ticker(made)
            .map(News::Ticker)
            .map(Read::News)
            .map_err(field)
    }

    fn quote(&mut self, symbol: Symbol, data: &Data<'_>) -> Result<Read, String> {
        let row: BookRow = from(data)?;
        let whole = !data.delta || row.starts_anew();
        if !whole && !self.quotes.contains_key(&symbol) {
            return Ok(Read::NoSnapshot);
        }
        let quote = self.quotes.entry(symbol).or_default();
        if whole {
            *quote = Quote::default();
        }
        let field = |e: FieldError| e.to_string();
        quote.bid = row.best_bid(quote.bid).map_err(field)?;
        quote.ask = row.best_ask(quote.ask).map_err(field)?;
        let Quote { bid, ask } = *quote;
        Ok(Read::News(News::Quote { symbol, bid, ask }))
    }
}

fn candle(topic: Topic, data: &Data<'_>) -> Result<Read, String> {
    let rows: Vec<KlineRow> = from(data)?;
    let row = rows.last().ok_or("field data: is empty")?;
    let (candle, closed) = row.candle().map_err(|e| e.to_string())?;
    Ok(Read::News(News::Candle {
        topic,
        candle,
        closed,
    }))
}

fn from<T: DeserializeOwned>(data: &Data<'_>) -> Result<T, String> {
    serde_json::from_str(data.rows.get()).map_err(|e| plain(&format!("data: {e}")))
}
