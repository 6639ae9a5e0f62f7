//! One public topic with all who listen to it: a snapshot for the newcomer, then what changed for
//! all at once.

use std::collections::BTreeSet;

use money::Decimal;
use serde_json::{Map, Value, json};

use super::book::Book;
use super::topic::{Form, PublicTopic};
use crate::candles::Candle;
use crate::matching::{MarketId, Moment};
use crate::rows::{kline_row, streamed_print, ticker_row};
use crate::sim::Sim;

/// Which of the open streams one is.
pub(crate) type ListenerId = u64;

/// A candle that did not change for so long is told once more.
const REMINDER_MS: i64 = 1_000;

/// What a ticker tells beyond the direction of the last tick.
const TICKER_FIELDS: [&str; 19] = [
    "symbol",
    "price24hPcnt",
    "lastPrice",
    "prevPrice24h",
    "highPrice24h",
    "lowPrice24h",
    "prevPrice1h",
    "markPrice",
    "indexPrice",
    "openInterest",
    "openInterestValue",
    "turnover24h",
    "volume24h",
    "nextFundingTime",
    "fundingRate",
    "bid1Price",
    "bid1Size",
    "ask1Price",
    "ask1Size",
];

/// A public topic as its listeners know it.
#[derive(Debug)]
pub(super) struct Feed {
    name: String,
    market: MarketId,
    state: State,
    pub(super) listeners: BTreeSet<ListenerId>,
}

#[derive(Debug)]
enum State {
    Ticker(Ticker),
    Kline(Kline),
    Book(Book),
    /// The number of the next trade to tell.
    Trades(u64),
}

#[derive(Debug)]
struct Ticker {
    fields: Map<String, Value>,
    last: Decimal,
    direction: &'static str,
    sequence: u64,
}

#[derive(Debug)]
struct Kline {
    interval: String,
    length_ms: i64,
    candle: Candle,
    sent_ms: i64,
}

impl Feed {
    /// A feed that begins now; `None` where there is nothing to tell of yet.
    pub(super) fn new(name: &str, topic: &PublicTopic, sim: &Sim, now: Moment) -> Option<Self> {
        let market = topic.market;
        let state = match &topic.form {
            Form::Ticker => State::Ticker(Ticker::new(sim, market, now)),
            Form::Kline { interval } => State::Kline(Kline::new(sim, market, interval)?),
            Form::Book { depth } => State::Book(Book::new(&sim.venue, market, *depth, now)),
            Form::Trades => State::Trades(sim.prints().made()),
        };
        Some(Self {
            name: name.to_owned(),
            market,
            state,
            listeners: BTreeSet::new(),
        })
    }

    /// Whether it goes by the beat of 100 ms; all others tell a change at once.
    pub(super) const fn is_beaten(&self) -> bool {
        matches!(self.state, State::Ticker(_))
    }

    /// What a newcomer is told first: the state as the other listeners know it.
    pub(super) fn snapshot(&self, sim: &Sim, now: Moment) -> Option<String> {
        let (data, sequence) = match &self.state {
            State::Ticker(ticker) => (
                Value::Object(ticker.fields.clone()),
                Some(("cs", ticker.sequence)),
            ),
            State::Kline(kline) => (json!([kline.row(sim, self.market, false, now)]), None),
            State::Book(book) => {
                let instrument = &sim.venue.market(self.market).instrument;
                (book.snapshot(instrument).1, None)
            }
            State::Trades(_) => return None,
        };
        Some(self.message("snapshot", &data, sequence, now))
    }

    /// What has changed since, as messages for all listeners.
    pub(super) fn next(&mut self, sim: &Sim, now: Moment) -> Vec<String> {
        let id = self.market;
        match &mut self.state {
            State::Ticker(ticker) => {
                let data = ticker.next(sim, id, now);
                let sequence = Some(("cs", ticker.sequence));
                vec![self.message("delta", &data, sequence, now)]
            }
            State::Kline(kline) => {
                let rows = kline.next(sim, id, now);
                rows.into_iter()
                    .map(|row| self.message("snapshot", &json!([row]), None, now))
                    .collect()
            }
            State::Book(book) => {
                let told = book.next(&sim.venue, id, now);
                told.into_iter()
                    .map(|(kind, data)| self.message(kind, &data, None, now))
                    .collect()
            }
            State::Trades(from) => {
                let rows = trades(sim, id, *from);
                *from = sim.prints().made();
                if rows.is_empty() {
                    return Vec::new();
                }
                vec![self.message("snapshot", &Value::Array(rows), None, now)]
            }
        }
    }

    fn message(
        &self,
        kind: &str,
        data: &Value,
        sequence: Option<(&str, u64)>,
        now: Moment,
    ) -> String {
        let mut message = json!({
            "topic": self.name,
            "type": kind,
            "ts": now.ms(),
            "data": data,
        });
        if let Some((key, number)) = sequence {
            message[key] = number.into();
        }
        message.to_string()
    }
}

impl Ticker {
    fn new(sim: &Sim, id: MarketId, now: Moment) -> Self {
        let direction = "ZeroPlusTick";
        Self {
            fields: ticker_fields(sim, id, direction, now),
            last: sim.venue.market(id).quote.last,
            direction,
            sequence: 1,
        }
    }

    fn next(&mut self, sim: &Sim, id: MarketId, now: Moment) -> Value {
        let last = sim.venue.market(id).quote.last;
        self.direction = match (last.cmp(&self.last), self.direction) {
            (std::cmp::Ordering::Greater, _) => "PlusTick",
            (std::cmp::Ordering::Less, _) => "MinusTick",
            (std::cmp::Ordering::Equal, "PlusTick" | "ZeroPlusTick") => "ZeroPlusTick",
            (std::cmp::Ordering::Equal, _) => "ZeroMinusTick",
        };
        self.last = last;
        self.sequence += 1;
        let fields = ticker_fields(sim, id, self.direction, now);
        let mut changed = Map::new();
        for (key, value) in &fields {
            if key == "symbol" || self.fields.get(key) != Some(value) {
                changed.insert(key.clone(), value.clone());
            }
        }
        self.fields = fields;
        Value::Object(changed)
    }
}

fn ticker_fields(sim: &Sim, id: MarketId, direction: &str, now: Moment) -> Map<String, Value> {
    let mut row = ticker_row(sim, id, now);
    let mut fields = Map::new();
    for name in TICKER_FIELDS {
        fields.insert(name.to_owned(), row[name].take());
    }
    fields.insert("tickDirection".to_owned(), direction.into());
    fields
}

impl Kline {
    fn new(sim: &Sim, id: MarketId, interval: &str) -> Option<Self> {
        let candles = sim.candles(id)?;
        let newest = candles.newest_first(interval, None, None, 1)?;
        Some(Self {
            interval: interval.to_owned(),
            length_ms: candles.length_ms(interval)?,
            candle: *newest.first()?,
            sent_ms: 0,
        })
    }

    fn row(&self, sim: &Sim, id: MarketId, confirm: bool, now: Moment) -> Value {
        kline_row(
            &sim.venue.market(id).instrument,
            (&self.interval, self.length_ms),
            &self.candle,
            confirm,
            sim.skew_ms(),
            now,
        )
    }

    /// Candles that have ended since, then the one under way if it has changed.
    fn next(&mut self, sim: &Sim, id: MarketId, now: Moment) -> Vec<Value> {
        let since = Some(self.candle.start_ms);
        let newer = sim
            .candles(id)
            .and_then(|candles| candles.newest_first(&self.interval, since, None, usize::MAX))
            .unwrap_or_default();
        let mut rows = Vec::new();
        for candle in newer.iter().rev() {
            if candle.start_ms > self.candle.start_ms {
                rows.push(self.row(sim, id, true, now));
            }
            let changed = *candle != self.candle;
            self.candle = *candle;
            let under_way = newer.first() == Some(candle);
            if under_way && (changed || now.ms() - self.sent_ms >= REMINDER_MS) {
                self.sent_ms = now.ms();
                rows.push(self.row(sim, id, false, now));
            }
        }
        rows
    }
}

fn trades(sim: &Sim, id: MarketId, from: u64) -> Vec<Value> {
    let instrument = &sim.venue.market(id).instrument;
    let newest = sim.prints().newest_first(id);
    let mut rows: Vec<Value> = newest
        .take_while(|print| print.no >= from)
        .map(|print| streamed_print(instrument, print))
        .collect();
    rows.reverse();
    rows
}
