//! Series of candles: what has closed, what runs, what is missing. Pure.
//!
//! The venue's newest candle may still run; every other one is closed and is told once. A simulated
//! market may close its candles sooner than their name says, never later.

use std::collections::{BTreeMap, BTreeSet};

use protocol::gateway::{CandleNews, CandleTopic};
use protocol::venue::Candle;
use protocol::{Symbol, VenueMs};

/// How long a series that is overdue is read at once.
const LOOKS_MS: u64 = 5_000;

/// How many candles of each series are kept.
pub const KEPT: usize = 1000;

/// One series.
#[derive(Debug, Default)]
struct Series {
    candles: BTreeMap<VenueMs, Candle>,
    read: bool,
    /// The newest candle that listeners have heard to be closed.
    closed: Option<VenueMs>,
}

/// When candles are too old, or too far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soundness {
    /// How long after its end the newest candle may be the newest, milliseconds.
    pub staleness_ms: u64,
    /// How far apart two candles may begin, in thousandths of an interval.
    pub gap_thousandths: u64,
}

/// All series that anyone has asked for.
#[derive(Debug, Default)]
pub struct Candles {
    series: BTreeMap<CandleTopic, Series>,
    /// Whether each symbol was last told to be at fault.
    told: BTreeMap<Symbol, bool>,
}

/// What a read of a series brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// What listeners should hear: closed candles once each, then the one that runs if it changed.
    pub news: Vec<CandleNews>,
    /// The read did not reach back to what was known: a longer one is needed before anything of it
    /// may be told.
    pub too_short: bool,
}

impl Candles {
    /// Takes a read of a series, oldest first. The first read of a series is history and tells of
    /// nothing but the candle that runs.
    pub fn take(&mut self, topic: CandleTopic, read: Vec<Candle>, longest: bool) -> Read {
        let series = self.series.entry(topic).or_default();
        let newest_known = series.candles.last_key_value().map(|(start, _)| *start);
        if let (Some(known), Some(oldest)) = (newest_known, read.first())
            && oldest.start > known
            && !longest
        {
            return Read {
                news: Vec::new(),
                too_short: true,
            };
        }
        let Some(last) = read.last().map(|candle| candle.start) else {
            return Read::default();
        };
        let mut news = Vec::new();
        for candle in read {
            let closed = candle.start < last;
            let overtaken = !closed && series.knows_better(candle.start);
            if overtaken {
                continue;
            }
            let before = series.candles.insert(candle.start, candle.clone());
            // It was the newest until now, or was never seen: it has closed since, and a stream
            // has not told so.
            let ended_since = closed
                && newest_known.is_some_and(|known| candle.start >= known)
                && series.closed.is_none_or(|told| candle.start > told);
            let moves = !closed && before.as_ref() != Some(&candle);
            if closed {
                series.closed = series.closed.max(Some(candle.start));
            }
            if (ended_since && series.read) || moves {
                news.push(CandleNews {
                    symbol: topic.symbol,
                    interval: topic.interval,
                    candle,
                    closed,
                });
            }
        }
        series.read = true;
        series.trim();
        Read {
            news,
            too_short: false,
        }
    }

    /// Takes a candle that a stream told. What has closed unseen before it must be read:
    /// [`Read::too_short`]. Before the first read of a series nothing of it is told.
    pub fn told(&mut self, topic: CandleTopic, candle: Candle, closed: bool) -> Read {
        let mut read = Read::default();
        let Some(series) = self.series.get_mut(&topic).filter(|series| series.read) else {
            return read;
        };
        let newest = series.candles.last_key_value().map(|(start, _)| *start);
        if newest.is_some_and(|newest| candle.start < newest) {
            return read;
        }
        let begins = newest != Some(candle.start);
        // The one before must have been told to be closed, and must be the one before. A market
        // that runs faster than time has shorter steps.
        let step = series.last_step().unwrap_or(u64::MAX).min(topic.step_ms());
        let follows = newest.is_some_and(|newest| candle.start.since(newest) <= step);
        if begins && (series.closed != newest || !follows) {
            read.too_short = true;
            return read;
        }
        let before = series.candles.insert(candle.start, candle.clone());
        series.trim();
        let ends = closed && series.closed.is_none_or(|told| candle.start > told);
        if ends {
            series.closed = Some(candle.start);
        }
        let moves = !closed && before.as_ref() != Some(&candle);
        if ends || moves {
            read.news.push(CandleNews {
                symbol: topic.symbol,
                interval: topic.interval,
                candle,
                closed,
            });
        }
        read
    }

    /// The newest candles of a series, oldest first; fewer if fewer are known.
    pub fn newest(&self, topic: CandleTopic, limit: usize) -> Vec<Candle> {
        let Some(series) = self.series.get(&topic) else {
            return Vec::new();
        };
        let skip = series.candles.len().saturating_sub(limit);
        series.candles.values().skip(skip).cloned().collect()
    }

    /// Series whose newest candle should have been followed by another that long ago, for a few
    /// looks: what is still missing then is read by the plan.
    pub fn overdue(&self, now: VenueMs, ms: u64) -> Vec<CandleTopic> {
        let late = |(topic, series): (&CandleTopic, &Series)| {
            let (newest, _) = series.candles.last_key_value()?;
            let lasts = topic.step_ms().saturating_add(ms);
            let late = now.since(*newest).checked_sub(lasts)?;
            (late < LOOKS_MS).then_some(*topic)
        };
        self.series.iter().filter_map(late).collect()
    }

    /// Forgets series that nobody follows any more.
    pub fn keep(&mut self, topics: &BTreeSet<CandleTopic>) {
        self.series.retain(|topic, _| topics.contains(topic));
    }

    /// Symbols whose soundness has changed since it was last asked for, and what is wrong with
    /// them now. A symbol of `followed` without a series is sound.
    pub fn changes(
        &mut self,
        followed: &BTreeSet<Symbol>,
        now: VenueMs,
        sound: Soundness,
    ) -> Vec<(Symbol, Option<String>)> {
        let told = self.told.keys().copied();
        let mut faults: BTreeMap<Symbol, Option<String>> = told
            .chain(followed.iter().copied())
            .map(|symbol| (symbol, None))
            .collect();
        for (topic, series) in &self.series {
            let fault = faults.entry(topic.symbol).or_default();
            if fault.is_none() {
                *fault = series.fault(*topic, now, sound);
            }
        }
        let told = &mut self.told;
        faults
            .retain(|symbol, fault| told.insert(*symbol, fault.is_some()) != Some(fault.is_some()));
        faults.into_iter().collect()
    }

    /// The next [`changes`](Self::changes) tells of every symbol, changed or not.
    pub fn tell_all_again(&mut self) {
        self.told.clear();
    }
}

impl Series {
    /// Whether a stream has told more of a candle than a read that shows it as running.
    fn knows_better(&self, start: VenueMs) -> bool {
        let newest = self.candles.last_key_value().map(|(newest, _)| *newest);
        self.closed.is_some_and(|closed| start <= closed)
            || newest.is_some_and(|newest| start < newest)
    }

    /// From the beginning of the last candle but one to that of the last.
    fn last_step(&self) -> Option<u64> {
        let mut starts = self.candles.keys().rev();
        let (last, before) = (starts.next()?, starts.next()?);
        Some(last.since(*before))
    }

    fn trim(&mut self) {
        while self.candles.len() > KEPT {
            self.candles.pop_first();
        }
    }

    fn fault(&self, topic: CandleTopic, now: VenueMs, sound: Soundness) -> Option<String> {
        if !self.read {
            return None;
        }
        let step = topic.step_ms();
        let Some((newest, _)) = self.candles.last_key_value() else {
            return Some(format!("no candle of {} {}", topic.symbol, topic.interval));
        };
        let age = now.since(*newest);
        if age > step.saturating_add(sound.staleness_ms) {
            let seconds = age / 1000;
            return Some(format!(
                "the newest candle of {} {} began {seconds} s ago",
                topic.symbol, topic.interval
            ));
        }
        let most = step.saturating_mul(sound.gap_thousandths) / 1000;
        let starts = self.candles.keys().rev();
        let gap = starts
            .clone()
            .zip(starts.skip(1))
            .take(50)
            .find(|(later, earlier)| later.since(**earlier) > most)?;
        Some(format!(
            "{} {} has a gap of {} s",
            topic.symbol,
            topic.interval,
            gap.0.since(*gap.1) / 1000
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use money::{Price, Qty};
    use protocol::Symbol;
    use protocol::venue::Interval;

    const SOUND: Soundness = Soundness {
        staleness_ms: 30_000,
        gap_thousandths: 2_000,
    };

    fn topic() -> CandleTopic {
        CandleTopic {
            symbol: Symbol::new("SOLUSDT").unwrap(),
            interval: Interval::M1,
        }
    }

    fn candle(minute: i64, close: &str) -> Candle {
        let price = Price::parse(close).unwrap();
        Candle {
            start: VenueMs(minute * 60_000),
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Qty::ZERO,
        }
    }

    fn run(minutes: std::ops::RangeInclusive<i64>) -> Vec<Candle> {
        minutes.map(|m| candle(m, "10")).collect()
    }

    fn told(read: &Read) -> Vec<(i64, bool)> {
        read.news
            .iter()
            .map(|n| (n.candle.start.0 / 60_000, n.closed))
            .collect()
    }

    #[test]
    fn history_is_not_news_and_closed_candles_are_told_once() {
        let mut candles = Candles::default();
        assert_eq!(
            told(&candles.take(topic(), run(1..=5), false)),
            [(5, false)]
        );
        assert_eq!(told(&candles.take(topic(), run(1..=5), false)), []);
        assert_eq!(
            told(&candles.take(topic(), run(3..=7), false)),
            [(5, true), (6, true), (7, false)]
        );
        assert_eq!(told(&candles.take(topic(), run(3..=7), false)), []);
        assert_eq!(
            told(&candles.take(topic(), vec![candle(7, "11")], false)),
            [(7, false)]
        );
        assert_eq!(candles.newest(topic(), 2).len(), 2);
        assert_eq!(candles.newest(topic(), 99).len(), 7);
    }

    #[test]
    fn a_read_that_does_not_reach_back_tells_nothing() {
        let mut candles = Candles::default();
        candles.take(topic(), run(1..=5), false);
        let read = candles.take(topic(), run(8..=9), false);
        assert!(read.too_short && read.news.is_empty());
        assert_eq!(candles.newest(topic(), 1)[0].start, VenueMs(5 * 60_000));
        // The longest there is: the hole stays and shows as a gap.
        let read = candles.take(topic(), run(8..=9), true);
        assert_eq!(told(&read), [(8, true), (9, false)]);
        let changes = candles.changes(&none(), VenueMs(9 * 60_000), SOUND);
        assert!(
            changes[0].1.as_ref().unwrap().contains("gap"),
            "{changes:?}"
        );
    }

    fn none() -> BTreeSet<Symbol> {
        BTreeSet::new()
    }

    #[test]
    fn staleness_is_told_when_it_begins_and_when_it_ends() {
        let mut candles = Candles::default();
        candles.take(topic(), run(1..=5), false);
        let symbol = topic().symbol;
        assert_eq!(
            candles.changes(&none(), VenueMs(6 * 60_000), SOUND),
            [(symbol, None)]
        );
        let late = VenueMs(6 * 60_000 + 31_000);
        let changes = candles.changes(&none(), late, SOUND);
        assert!(
            changes[0].1.as_ref().unwrap().contains("began 91 s ago"),
            "{changes:?}"
        );
        assert_eq!(candles.changes(&none(), late, SOUND), []);
        candles.tell_all_again();
        assert_eq!(candles.changes(&none(), late, SOUND), changes);
        candles.take(topic(), run(4..=6), false);
        assert_eq!(candles.changes(&none(), late, SOUND), [(symbol, None)]);
    }

    #[test]
    fn a_symbol_is_sound_when_all_its_series_are_or_nobody_follows_one() {
        let mut candles = Candles::default();
        candles.take(topic(), run(1..=5), false);
        let slow = CandleTopic {
            interval: Interval::D1,
            ..topic()
        };
        candles.take(slow, run(1..=2), false);
        let late = VenueMs(60 * 60_000);
        assert!(candles.changes(&none(), late, SOUND)[0].1.is_some());
        candles.keep(&BTreeSet::from([slow]));
        assert_eq!(
            candles.changes(&none(), late, SOUND),
            [(topic().symbol, None)]
        );
        let other = Symbol::new("ETHUSDT").unwrap();
        assert_eq!(
            candles.changes(&BTreeSet::from([other]), late, SOUND),
            [(other, None)]
        );
    }

    #[test]
    fn a_stream_tells_each_close_once_whoever_was_first() {
        let mut candles = Candles::default();
        assert_eq!(
            candles.told(topic(), candle(5, "10"), false),
            Read::default(),
            "nothing before the first read"
        );
        candles.take(topic(), run(1..=5), false);
        assert_eq!(
            told(&candles.told(topic(), candle(5, "11"), false)),
            [(5, false)]
        );
        assert_eq!(told(&candles.told(topic(), candle(5, "11"), false)), []);
        assert_eq!(
            told(&candles.told(topic(), candle(5, "12"), true)),
            [(5, true)]
        );
        assert_eq!(
            told(&candles.told(topic(), candle(6, "12"), false)),
            [(6, false)]
        );
        // The same close by a read is no news, the next one is.
        assert_eq!(
            told(&candles.take(topic(), vec![candle(5, "12"), candle(6, "12")], false)),
            []
        );
        let read = vec![candle(5, "12"), candle(6, "13"), candle(7, "13")];
        assert_eq!(
            told(&candles.take(topic(), read, false)),
            [(6, true), (7, false)]
        );
        assert_eq!(
            told(&candles.told(topic(), candle(6, "13"), true)),
            [],
            "old"
        );
        // A candle that ended unseen is read before the next is told.
        let read = candles.told(topic(), candle(8, "14"), false);
        assert!(read.too_short && read.news.is_empty());
        assert_eq!(
            told(&candles.told(topic(), candle(7, "14"), true)),
            [(7, true)]
        );
        assert!(
            candles.told(topic(), candle(9, "14"), false).too_short,
            "8 is missing"
        );
        assert_eq!(
            told(&candles.told(topic(), candle(8, "14"), false)),
            [(8, false)]
        );
    }

    #[test]
    fn how_wide_a_gap_may_be_is_configured() {
        let mut candles = Candles::default();
        candles.take(topic(), vec![candle(1, "1"), candle(4, "1")], true);
        let now = VenueMs(4 * 60_000);
        assert!(candles.changes(&none(), now, SOUND)[0].1.is_some());
        let wide = Soundness {
            gap_thousandths: 3_000,
            ..SOUND
        };
        assert_eq!(
            candles.changes(&none(), now, wide),
            [(topic().symbol, None)]
        );
    }

    #[test]
    fn the_memory_of_a_series_is_bounded() {
        let mut candles = Candles::default();
        candles.take(topic(), run(1..=5000), false);
        assert_eq!(candles.newest(topic(), usize::MAX).len(), KEPT);
        candles.keep(&BTreeSet::new());
        assert_eq!(candles.newest(topic(), 9).len(), 0);
    }
}
