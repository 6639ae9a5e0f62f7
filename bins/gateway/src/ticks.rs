//! Prices on their way to the guard, thinned. Pure.
//!
//! A stream tells each symbol's price ten times a second; the guard judges by marks that are
//! seconds old at most. The first tick after a pause goes at once, further ones wait for each
//! other and go together. Bots hear every tick.

use std::collections::BTreeMap;

use protocol::venue::Ticker;
use protocol::{BootMs, Symbol};

use crate::venue::Begun;

/// The shortest time between two batches for the guard.
const EVERY_MS: u64 = 250;

/// Ticks that have not been told yet.
#[derive(Debug, Default)]
pub struct Ticks {
    waiting: BTreeMap<Symbol, Ticker>,
    /// When the oldest of them was said.
    begun: Option<Begun>,
    told: Option<BootMs>,
}

impl Ticks {
    /// A price was told, made then.
    pub fn add(&mut self, begun: Begun, ticker: Ticker) {
        self.waiting.insert(ticker.symbol, ticker);
        // A batch is as old as its oldest tick.
        let oldest = self.begun.map_or(begun, |oldest| {
            if begun.boot < oldest.boot {
                begun
            } else {
                oldest
            }
        });
        self.begun = Some(oldest);
    }

    /// What the guard is to hear now, and when it was said at the earliest.
    pub fn due(&mut self, now: BootMs) -> Option<(Begun, Vec<Ticker>)> {
        if self.deadline().is_none_or(|at| now < at) {
            return None;
        }
        let begun = self.begun.take()?;
        self.told = Some(now);
        Some((
            begun,
            std::mem::take(&mut self.waiting).into_values().collect(),
        ))
    }

    /// When there is something to be told.
    pub fn deadline(&self) -> Option<BootMs> {
        self.begun?;
        Some(self.told.map_or(BootMs(0), |told| told.after(EVERY_MS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use money::Price;
    use protocol::VenueMs;

    fn tick(symbol: &str, price: &str) -> Ticker {
        let price = Price::parse(price).unwrap();
        Ticker {
            symbol: Symbol::new(symbol).unwrap(),
            last: price,
            mark: price,
            bid: None,
            ask: None,
            at: VenueMs(1),
        }
    }

    fn begun(boot: u64) -> Begun {
        Begun {
            venue: VenueMs(1),
            boot: BootMs(boot),
        }
    }

    #[test]
    fn the_first_goes_at_once_and_the_rest_go_together_with_the_newest_price() {
        let mut ticks = Ticks::default();
        assert_eq!(ticks.deadline(), None);
        ticks.add(begun(1000), tick("SOLUSDT", "1"));
        assert_eq!(ticks.due(BootMs(1000)).unwrap().1.len(), 1);
        for n in 2..9 {
            ticks.add(begun(1000 + n), tick("SOLUSDT", &n.to_string()));
            ticks.add(begun(1000 + n), tick("ETHUSDT", &n.to_string()));
            assert_eq!(ticks.due(BootMs(1000 + n)), None);
        }
        assert_eq!(ticks.deadline(), Some(BootMs(1250)));
        let (said, batch) = ticks.due(BootMs(1250)).unwrap();
        assert_eq!(said.boot, BootMs(1002), "as old as its oldest");
        assert_eq!(batch, [tick("ETHUSDT", "8"), tick("SOLUSDT", "8")]);
        assert_eq!((ticks.deadline(), ticks.due(BootMs(9999))), (None, None));
    }
}
