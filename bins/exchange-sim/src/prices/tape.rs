//! One instrument's prices over time: its path, its pin, its candles.

use money::Decimal;
use thiserror::Error;

use super::history::{Past, past};
use super::{Bar, Generator};
use crate::candles::Candles;

/// How fast the market moves against the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Wall milliseconds that a market minute lasts.
    pub minute_ms: i64,
    /// Whether prices stand still. Candles then roll by real minutes.
    pub frozen: bool,
}

/// A speed that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("speed {speed} is out of range: 0 freezes prices, 1 is real time, at most 6000")]
pub struct PaceError {
    /// The speed asked for.
    pub speed: Decimal,
}

/// A price that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The price, on the tick.
    pub price: Decimal,
    /// When, in wall milliseconds.
    pub at_ms: i64,
    /// Base coin traded since the price before it.
    pub volume: Decimal,
}

const REAL_MINUTE_MS: i64 = 60_000;

/// Price steps in a market minute.
const STEPS: i64 = 60;

impl Pace {
    /// The pace of a speed. The minute is rounded to whole milliseconds, so that candles start at
    /// whole milliseconds and are all of one length.
    pub fn of_speed(speed: Decimal) -> Result<Self, PaceError> {
        if speed.is_sign_negative() || speed > Decimal::from(6_000) {
            return Err(PaceError { speed });
        }
        if speed.is_zero() {
            return Ok(Self {
                minute_ms: REAL_MINUTE_MS,
                frozen: true,
            });
        }
        let minute = (Decimal::from(REAL_MINUTE_MS) / speed).round();
        let minute_ms = i64::try_from(minute).map_err(|_| PaceError { speed })?;
        Ok(Self {
            minute_ms: minute_ms.max(1),
            frozen: false,
        })
    }

    /// The market second of a wall time: how many there were since the epoch.
    const fn second_of(self, ms: i64) -> i64 {
        (ms * STEPS).div_euclid(self.minute_ms)
    }

    /// The first whole wall millisecond of a market second.
    const fn ms_of(self, second: i64) -> i64 {
        let scaled = second * self.minute_ms;
        let whole = scaled.div_euclid(STEPS);
        if scaled.rem_euclid(STEPS) == 0 {
            whole
        } else {
            whole + 1
        }
    }
}

#[derive(Debug)]
enum Path {
    Made(Generator),
    Replayed { bars: Vec<Bar>, first_minute: i64 },
}

/// One instrument's prices.
#[derive(Debug)]
pub struct Tape {
    pace: Pace,
    tick: Decimal,
    path: Path,
    pin: Option<Decimal>,
    price: Decimal,
    next_second: i64,
    candles: Candles,
    volumes: fastrand::Rng,
}

impl Tape {
    /// A tape of made-up prices.
    pub fn made(
        pace: Pace,
        tick: Decimal,
        start: Decimal,
        seed: u64,
        past: Past,
        now_ms: i64,
    ) -> Self {
        let path = Path::Made(Generator::new(seed, start));
        Self::begin(pace, tick, (path, start), seed, past, now_ms)
    }

    /// A tape of replayed bars; `None` without any. The first bar begins with the next whole
    /// market minute; until then the price is its open.
    pub fn replayed(
        pace: Pace,
        tick: Decimal,
        bars: Vec<Bar>,
        seed: u64,
        past: Past,
        now_ms: i64,
    ) -> Option<Self> {
        let start = bars.first()?.open;
        let path = Path::Replayed {
            first_minute: now_ms.div_euclid(pace.minute_ms) + 1,
            bars,
        };
        Some(Self::begin(pace, tick, (path, start), seed, past, now_ms))
    }

    /// The price now.
    pub const fn price(&self) -> Decimal {
        self.price
    }

    /// Its candles.
    pub const fn candles(&self) -> &Candles {
        &self.candles
    }

    /// Its candles, to be hidden or shown.
    pub const fn candles_mut(&mut self) -> &mut Candles {
        &mut self.candles
    }

    /// Holds the price, or lets it go again. A made-up path goes on from the held price; a replay
    /// goes on where it would have been.
    pub fn pin(&mut self, price: Option<Decimal>, now_ms: i64) {
        self.pin = price;
        if let Some(price) = price {
            self.price = price;
            if let Path::Made(generator) = &mut self.path {
                generator.continue_from(price);
            }
            self.candles.trade(now_ms, price, Decimal::ZERO);
        }
    }

    /// The next price that is due by that wall time; `None` when there is no more.
    pub fn next_due(&mut self, now_ms: i64) -> Option<Due> {
        let at_ms = self.pace.ms_of(self.next_second);
        if at_ms > now_ms {
            return None;
        }
        let second = self.next_second;
        self.next_second += 1;
        let volume = self.move_to(second);
        self.candles.trade(at_ms, self.price, volume);
        Some(Due {
            price: self.price,
            at_ms,
            volume,
        })
    }

    fn begin(
        pace: Pace,
        tick: Decimal,
        (path, start): (Path, Decimal),
        seed: u64,
        reach: Past,
        now_ms: i64,
    ) -> Self {
        let start = on_tick(start, tick);
        let minute = now_ms.div_euclid(pace.minute_ms);
        let mut candles = Candles::new(pace.minute_ms);
        let to_tick = |price| on_tick(price, tick);
        for past in past(seed ^ 0x5eed, start, reach, minute, to_tick) {
            candles.past(past.start_minute, past.minutes, &past.bar);
        }
        candles.trade(now_ms, start, Decimal::ZERO);
        Self {
            pace,
            tick,
            path,
            pin: None,
            price: start,
            next_second: pace.second_of(now_ms) + 1,
            candles,
            volumes: fastrand::Rng::with_seed(seed ^ 0x7013),
        }
    }

    /// Moves the price on to a market second, and says what was traded in it.
    fn move_to(&mut self, second: i64) -> Decimal {
        if self.pace.frozen {
            return Decimal::ZERO;
        }
        if self.pin.is_some() {
            return self.made_volume();
        }
        match &mut self.path {
            Path::Made(generator) => {
                self.price = on_tick(generator.step(), self.tick);
                self.made_volume()
            }
            Path::Replayed { bars, first_minute } => {
                let bar = usize::try_from(second.div_euclid(STEPS) - *first_minute)
                    .ok()
                    .and_then(|n| bars.get(n % bars.len()));
                let step = u32::try_from(second.rem_euclid(STEPS));
                let (Some(bar), Ok(step)) = (bar, step) else {
                    return Decimal::ZERO;
                };
                self.price = on_tick(bar.price_at(step), self.tick);
                let each = (bar.volume / Decimal::from(STEPS)).round_dp(4);
                if i64::from(step) == STEPS - 1 {
                    bar.volume - each * Decimal::from(STEPS - 1)
                } else {
                    each
                }
            }
        }
    }

    fn made_volume(&mut self) -> Decimal {
        Decimal::new(self.volumes.i64(0..2_000), 3)
    }
}

fn on_tick(price: Decimal, tick: Decimal) -> Decimal {
    ((price / tick).round() * tick).max(tick)
}
