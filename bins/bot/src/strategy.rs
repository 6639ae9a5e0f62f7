//! When to be long: a fast average above a slow one, on closed candles only.
//!
//! Pure: candles in, a view out. It knows nothing of orders, sizes or sockets.

use money::{Decimal, Price};
use protocol::venue::Candle;

/// How many candles each figure looks back over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookback {
    /// The fast average.
    pub fast: usize,
    /// The slow average; longer than the fast one.
    pub slow: usize,
    /// The average true range.
    pub atr: usize,
}

/// What the reference bot looks back over.
pub const LOOKBACK: Lookback = Lookback {
    fast: 5,
    slow: 13,
    atr: 14,
};

/// What the closed candles say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The fast average is above the slow one.
    pub rising: bool,
    /// The close of the newest closed candle.
    pub close: Price,
    /// Average true range, in settle coin.
    pub atr: Decimal,
}

/// Reads the market from closed candles, oldest first; `None` until there are enough of them.
pub fn view(closed: &[Candle], lookback: Lookback) -> Option<View> {
    Some(View {
        rising: average(closed, lookback.fast)? > average(closed, lookback.slow)?,
        close: closed.last()?.close,
        atr: average_true_range(closed, lookback.atr)?,
    })
}

fn average(candles: &[Candle], length: usize) -> Option<Decimal> {
    mean(last(candles, length)?.iter().map(|c| Some(c.close.get())))
}

/// The mean of the larger of each candle's own range and its gaps to the close before it.
fn average_true_range(candles: &[Candle], length: usize) -> Option<Decimal> {
    let pairs = last(candles, length.checked_add(1)?)?;
    mean(pairs.windows(2).map(|pair| {
        let [before, candle] = pair else { return None };
        let (high, low, close) = (candle.high.get(), candle.low.get(), before.close.get());
        let own = high.checked_sub(low)?;
        let up = high.checked_sub(close)?.abs();
        let down = low.checked_sub(close)?.abs();
        Some(own.max(up).max(down))
    }))
}

fn last(candles: &[Candle], length: usize) -> Option<&[Candle]> {
    candles.get(candles.len().checked_sub(length)?..)
}

fn mean(values: impl ExactSizeIterator<Item = Option<Decimal>>) -> Option<Decimal> {
    let count = Decimal::from(values.len());
    let mut sum = Decimal::ZERO;
    for value in values {
        sum = sum.checked_add(value?)?;
    }
    sum.checked_div(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use money::Qty;
    use protocol::VenueMs;

    const SHORT: Lookback = Lookback {
        fast: 2,
        slow: 4,
        atr: 3,
    };

    fn candles(closes: &[u32]) -> Vec<Candle> {
        let price = |n: u32| Price::new(Decimal::from(n)).unwrap();
        closes
            .iter()
            .map(|&c| Candle {
                start: VenueMs(0),
                open: price(c),
                high: price(c + 1),
                low: price(c - 1),
                close: price(c),
                volume: Qty::ZERO,
            })
            .collect()
    }

    #[test]
    fn too_few_candles_are_no_view() {
        assert_eq!(view(&candles(&[10, 10, 10]), SHORT), None);
        assert_eq!(view(&[], SHORT), None);
    }

    #[test]
    fn the_trend_follows_the_newest_candles() {
        assert!(
            view(&candles(&[10, 10, 10, 10, 10, 14]), SHORT)
                .unwrap()
                .rising
        );
        assert!(
            !view(&candles(&[15, 14, 13, 12, 11, 10]), SHORT)
                .unwrap()
                .rising
        );
        assert!(
            !view(&candles(&[10, 10, 10, 10, 10, 10]), SHORT)
                .unwrap()
                .rising
        );
    }

    #[test]
    fn the_true_range_counts_gaps() {
        // Ranges: 2 (quiet), 2 (quiet), then a gap from 10 to a candle of 13..15: 5.
        let seen = view(&candles(&[10, 10, 10, 10, 10, 14]), SHORT).unwrap();
        assert_eq!(seen.atr, Decimal::from(9) / Decimal::from(3));
    }
}
