//! The past before the start: bars made up backwards from the first price.
//!
//! Short intervals need few days, long ones years; so the recent past is made of minutes and the
//! distant past of ever longer bars, and each interval is put together from those that divide it.

use fastrand::Rng;
use money::Decimal;

use super::Bar;
use super::generator::bell;

/// Spread of one minute's return, in billionths.
const MINUTE_SPREAD: i64 = 350_000;

const BILLION: i64 = 1_000_000_000;

/// Length of the bars in minutes, how far back they reach (in minutes), and the multiple of
/// minutes at which they begin, so that the longer bars before them fit.
const LAYERS: [(i64, i64, i64); 4] = [
    (1, 5_100, 15),
    (15, 121_500, 240),
    (240, 252_000, 1_440),
    (1_440, 1_512_000, 1_440),
];

/// How far back the past reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Days of minutes, years of days.
    Years,
    /// A day and an hour of minutes, for every interval up to an hour.
    Day,
}

/// The one layer of a short past.
const DAY: [(i64, i64, i64); 1] = [(1, 1_500, 60)];

/// A bar of the past with its place: how many minutes it spans and when it began.
pub(super) struct PastBar {
    pub(super) minutes: i64,
    pub(super) start_minute: i64,
    pub(super) bar: Bar,
}

/// The past up to (not including) the minute given, oldest first; the last close is `price`.
pub(super) fn past(
    seed: u64,
    price: Decimal,
    reach: Past,
    until_minute: i64,
    on_tick: impl Fn(Decimal) -> Decimal,
) -> Vec<PastBar> {
    let mut rng = Rng::with_seed(seed);
    let mut bars = Vec::new();
    let mut close = price;
    let mut end = until_minute;
    let layers = match reach {
        Past::Years => &LAYERS[..],
        Past::Day => &DAY[..],
    };
    for &(minutes, reach, multiple) in layers {
        let first = (until_minute - reach).div_euclid(multiple) * multiple;
        // The first layer may begin anywhere; the others end on their own grid already.
        while end - minutes >= first {
            let spread = MINUTE_SPREAD * minutes.isqrt();
            let open = on_tick(moved(close, -bell(&mut rng, spread)));
            let high = on_tick(moved(open.max(close), rng.i64(0..=spread)));
            let low = on_tick(moved(open.min(close), -rng.i64(0..=spread)));
            let volume = Decimal::new(rng.i64(1_000..100_000) * minutes, 3);
            end -= minutes;
            bars.push(PastBar {
                minutes,
                start_minute: end,
                bar: Bar {
                    open,
                    high: high.max(open).max(close),
                    low: low.min(open).min(close),
                    close,
                    volume,
                },
            });
            close = open;
        }
    }
    bars.reverse();
    bars
}

/// A price moved by billionths, kept within a third and three times of itself.
fn moved(price: Decimal, by: i64) -> Decimal {
    let by = by.clamp(-BILLION * 2 / 3, BILLION * 2);
    price * (Decimal::ONE + Decimal::new(by, 9))
}
