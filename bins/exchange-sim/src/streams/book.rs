//! The order book as a stream: a snapshot, then what changed.

use std::collections::BTreeMap;

use money::Decimal;
use serde_json::{Value, json};

use crate::matching::{Instrument, MarketId, Moment, Side, Venue};

/// A book that did not change for so long is sent whole once more.
const REMINDER_MS: i64 = 3_000;

/// One book as its listeners know it.
#[derive(Debug)]
pub(super) struct Book {
    depth: u32,
    last: Decimal,
    bids: Levels,
    asks: Levels,
    update: u64,
    sent_ms: i64,
}

type Levels = BTreeMap<Decimal, Decimal>;

impl Book {
    pub(super) fn new(venue: &Venue, id: MarketId, depth: u32, now: Moment) -> Self {
        Self {
            depth,
            last: venue.market(id).quote.last,
            bids: levels(venue, id, Side::Sell, depth),
            asks: levels(venue, id, Side::Buy, depth),
            // 1 would mean that the venue began anew.
            update: 2,
            sent_ms: now.ms(),
        }
    }

    /// The book as its listeners know it.
    pub(super) fn snapshot(&self, instrument: &Instrument) -> (&'static str, Value) {
        let bids = self.bids.iter().rev().map(|(price, size)| (*price, *size));
        let asks = self.asks.iter().map(|(price, size)| (*price, *size));
        let data = self.data(instrument, bids.collect(), asks.collect());
        ("snapshot", data)
    }

    /// What changed since the last message, if anything did.
    pub(super) fn next(
        &mut self,
        venue: &Venue,
        id: MarketId,
        now: Moment,
    ) -> Option<(&'static str, Value)> {
        let market = venue.market(id);
        if market.quote.last == self.last {
            if now.ms() - self.sent_ms < REMINDER_MS {
                return None;
            }
            self.sent_ms = now.ms();
            return Some(self.snapshot(&market.instrument));
        }
        self.last = market.quote.last;
        self.update += 1;
        self.sent_ms = now.ms();
        let bids = change(&mut self.bids, levels(venue, id, Side::Sell, self.depth));
        let asks = change(&mut self.asks, levels(venue, id, Side::Buy, self.depth));
        let bids = bids.into_iter().rev().collect();
        Some(("delta", self.data(&market.instrument, bids, asks)))
    }

    fn data(
        &self,
        instrument: &Instrument,
        bids: Vec<(Decimal, Decimal)>,
        asks: Vec<(Decimal, Decimal)>,
    ) -> Value {
        let rows = |levels: Vec<(Decimal, Decimal)>| -> Vec<Value> {
            levels
                .into_iter()
                .map(|(price, size)| {
                    let size = if size.is_zero() {
                        "0".to_owned()
                    } else {
                        instrument.qty_text(size)
                    };
                    json!([instrument.price_text(price), size])
                })
                .collect()
        };
        json!({
            "s": instrument.symbol,
            "b": rows(bids),
            "a": rows(asks),
            "u": self.update,
            "seq": self.update,
        })
    }
}

fn levels(venue: &Venue, id: MarketId, taker: Side, depth: u32) -> Levels {
    venue.depth(id, taker, depth).into_iter().collect()
}

/// Puts new levels in place of the old, and says which differ; a level that is gone has size zero.
fn change(old: &mut Levels, new: Levels) -> Vec<(Decimal, Decimal)> {
    let mut changed = Levels::new();
    for price in old.keys().filter(|price| !new.contains_key(price)) {
        changed.insert(*price, Decimal::ZERO);
    }
    for (price, size) in &new {
        if old.get(price) != Some(size) {
            changed.insert(*price, *size);
        }
    }
    *old = new;
    changed.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_applied_to_the_old_levels_give_the_new() {
        let book = |from: i64| -> Levels {
            (0..5)
                .map(|k| (Decimal::from(from + k), Decimal::from(k + 1)))
                .collect()
        };
        let mut known = book(100);
        let mut held = known.clone();
        for (price, size) in change(&mut known, book(102)) {
            if size.is_zero() {
                assert!(held.remove(&price).is_some(), "{price} was never there");
            } else {
                held.insert(price, size);
            }
        }
        assert_eq!(held, book(102));
        assert!(change(&mut known, book(102)).is_empty());
    }
}
