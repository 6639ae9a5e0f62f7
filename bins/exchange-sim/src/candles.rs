//! Candles of one instrument, all intervals, built from its trades.
//!
//! A candle of N minutes lasts N market minutes of wall time and starts at a whole multiple of its
//! length since the epoch. Each interval keeps a bounded number of candles.

use std::collections::VecDeque;
use std::ops::Range;

use money::Decimal;

use crate::prices::Bar;

/// Intervals in the venue's words, with their length in minutes.
const INTERVALS: [(&str, i64); 9] = [
    ("1", 1),
    ("3", 3),
    ("5", 5),
    ("15", 15),
    ("30", 30),
    ("60", 60),
    ("120", 120),
    ("240", 240),
    ("D", 1_440),
];

/// Candles kept for each interval.
const KEPT: usize = 6_000;

/// One candle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candle {
    /// When it began, in wall milliseconds.
    pub start_ms: i64,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Base coin traded.
    pub volume: Decimal,
    /// Settle coin traded.
    pub turnover: Decimal,
}

/// The candles of one instrument.
#[derive(Debug)]
pub struct Candles {
    minute_ms: i64,
    series: Vec<VecDeque<Candle>>,
    /// Candles that begin in this span are not shown.
    hidden: Option<Range<i64>>,
}

impl Candles {
    /// No candles yet.
    pub fn new(minute_ms: i64) -> Self {
        Self {
            minute_ms,
            series: INTERVALS.iter().map(|_| VecDeque::new()).collect(),
            hidden: None,
        }
    }

    /// Books a trade at a wall time.
    pub fn trade(&mut self, at_ms: i64, price: Decimal, volume: Decimal) {
        let bar = Bar {
            open: price,
            high: price,
            low: price,
            close: price,
            volume,
        };
        let minute = at_ms.div_euclid(self.minute_ms);
        self.merge(minute, 1, &bar);
    }

    /// Books a bar of the past that spans so many market minutes, oldest first, into every interval
    /// that it divides.
    pub fn past(&mut self, start_minute: i64, minutes: i64, bar: &Bar) {
        self.merge(start_minute, minutes, bar);
    }

    /// Shows no candle that begins in this span of wall time; `None`: shows them all again.
    pub fn hide(&mut self, span: Option<Range<i64>>) {
        self.hidden = span;
    }

    /// Candles of an interval, newest first, that begin within the times given (both included).
    /// `None` for a word that is no interval.
    pub fn newest_first(
        &self,
        interval: &str,
        start_ms: Option<i64>,
        end_ms: Option<i64>,
        limit: usize,
    ) -> Option<Vec<Candle>> {
        let place = INTERVALS.iter().position(|(word, _)| *word == interval)?;
        let newest = self.series.get(place)?.iter().rev();
        // Ordered by time, so whoever follows the newest candle looks at few.
        let found = newest
            .skip_while(|candle| end_ms.is_some_and(|end| candle.start_ms > end))
            .take_while(|candle| start_ms.is_none_or(|start| candle.start_ms >= start))
            .filter(|candle| !self.hides(candle))
            .take(limit)
            .copied();
        Some(found.collect())
    }

    /// How long a candle of an interval lasts, in wall milliseconds. `None` for a word that is no
    /// interval.
    pub fn length_ms(&self, interval: &str) -> Option<i64> {
        let (_, minutes) = INTERVALS.iter().find(|(word, _)| *word == interval)?;
        Some(minutes * self.minute_ms)
    }

    fn hides(&self, candle: &Candle) -> bool {
        let hidden = self.hidden.as_ref();
        hidden.is_some_and(|span| span.contains(&candle.start_ms))
    }

    fn merge(&mut self, minute: i64, span: i64, bar: &Bar) {
        for ((_, length), series) in INTERVALS.iter().zip(&mut self.series) {
            if length % span != 0 {
                continue;
            }
            let start_ms = minute.div_euclid(*length) * length * self.minute_ms;
            let turnover = (bar.close * bar.volume).round_dp(4);
            match series.back_mut() {
                Some(last) if last.start_ms >= start_ms => {
                    last.high = last.high.max(bar.high);
                    last.low = last.low.min(bar.low);
                    last.close = bar.close;
                    last.volume += bar.volume;
                    last.turnover += turnover;
                }
                _ => {
                    if series.len() == KEPT {
                        series.pop_front();
                    }
                    series.push_back(Candle {
                        start_ms,
                        open: bar.open,
                        high: bar.high,
                        low: bar.low,
                        close: bar.close,
                        volume: bar.volume,
                        turnover,
                    });
                }
            }
        }
    }
}
