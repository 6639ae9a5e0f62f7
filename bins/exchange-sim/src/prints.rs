//! Trades of everybody, as the public sees them: made up from the moves of prices.

use std::collections::VecDeque;

use money::Decimal;

use crate::matching::{MarketId, Moment, Side};

/// Trades kept for each instrument.
const KEPT: usize = 1_000;

/// One trade of the made-up market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    /// How many there were before it.
    pub no: u64,
    /// Side of the taker.
    pub side: Side,
    /// Price.
    pub price: Decimal,
    /// Base coin.
    pub qty: Decimal,
    /// When.
    pub at: Moment,
}

impl Print {
    /// Its id in the venue's words.
    pub fn id(&self) -> String {
        format!("2{:018}", self.no)
    }
}

/// The last trades of every instrument.
#[derive(Debug, Default)]
pub struct Prints {
    made: u64,
    last: Vec<VecDeque<Print>>,
}

impl Prints {
    /// How many there were ever.
    pub const fn made(&self) -> u64 {
        self.made
    }

    /// The last trades of an instrument, newest first.
    pub fn newest_first(&self, id: MarketId) -> impl Iterator<Item = &Print> {
        self.last
            .get(id.0)
            .into_iter()
            .flat_map(|own| own.iter().rev())
    }

    /// Books a trade, if anything was traded. Its taker bought if the price did not fall.
    pub(crate) fn book(&mut self, id: MarketId, price: Decimal, qty: Decimal, at: Moment) {
        if qty.is_zero() {
            return;
        }
        if self.last.len() <= id.0 {
            self.last.resize_with(id.0 + 1, VecDeque::new);
        }
        let own = &mut self.last[id.0];
        let fell = own.back().is_some_and(|before| price < before.price);
        if own.len() == KEPT {
            own.pop_front();
        }
        own.push_back(Print {
            no: self.made,
            side: if fell { Side::Sell } else { Side::Buy },
            price,
            qty,
            at,
        });
        self.made += 1;
    }
}
