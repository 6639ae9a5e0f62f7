//! The whole simulated exchange under one roof: venue, prices, faults. Time comes in as a value.

use std::ops::Range;

use money::Decimal;

use crate::candles::Candles;
use crate::faults::Faults;
use crate::matching::{
    AccountKind, FAITHFUL, Instrument, MarketId, Moment, Quote, Refusal, Setup, Venue, catalogue,
    parameter,
};
use crate::prices::{Bar, Pace, Past, Tape};
use crate::prints::Prints;

/// The instrument that replayed bars are for.
const REPLAYED: &str = "BTCUSDT";

/// What the exchange is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed of every made-up price.
    pub seed: u64,
    /// How fast prices move.
    pub pace: Pace,
    /// Wallet balance at the start, in settle coin.
    pub balance: Decimal,
    /// The account's type.
    pub account: AccountKind,
    /// How many instruments there are.
    pub symbols: usize,
    /// Bars to replay as BTCUSDT; made-up prices without any.
    pub bars: Option<Vec<Bar>>,
}

/// The simulated exchange without its wire.
#[derive(Debug)]
pub struct Sim {
    options: Options,
    /// The books.
    pub venue: Venue,
    /// Faults that wait.
    pub faults: Faults,
    tapes: Vec<Tape>,
    prints: Prints,
    skew_ms: i64,
    marked_minute: i64,
}

impl Sim {
    /// An exchange that begins at that wall time.
    pub fn new(options: Options, wall: Moment) -> Self {
        let instruments = catalogue(options.symbols);
        let tapes: Vec<Tape> = instruments
            .iter()
            .enumerate()
            .map(|(n, instrument)| tape(&options, n, instrument, wall))
            .collect();
        let mut sim = Self {
            venue: fresh_venue(&options, instruments, wall),
            faults: Faults::default(),
            tapes,
            prints: Prints::default(),
            skew_ms: 0,
            marked_minute: 0,
            options,
        };
        sim.quote_all(wall);
        sim
    }

    /// Brings everything up to a wall time: every price that was due, in the order of time. Gives
    /// the venue's own time back, which all stamps carry.
    pub fn advance(&mut self, wall: Moment) -> Moment {
        // All tapes step on one grid, so taking a step of each in turn keeps the order of time.
        let mut moved = true;
        while moved {
            moved = false;
            for (n, tape) in self.tapes.iter_mut().enumerate() {
                if let Some(due) = tape.next_due(wall.ms()) {
                    let at = Moment::from_ms(due.at_ms).plus_ms(self.skew_ms);
                    self.venue.on_quote(MarketId(n), Quote::flat(due.price), at);
                    let lot = self.venue.market(MarketId(n)).instrument.lot;
                    let traded = (due.volume / lot).floor() * lot;
                    self.prints.book(MarketId(n), due.price, traded, at);
                    moved = true;
                }
            }
        }
        let now = wall.plus_ms(self.skew_ms);
        let minute = wall.ms().div_euclid(self.options.pace.minute_ms);
        if minute > self.marked_minute {
            self.marked_minute = minute;
            self.venue.mark_equity(now);
        }
        now
    }

    /// How far the venue's clock is off, in ms.
    pub const fn skew_ms(&self) -> i64 {
        self.skew_ms
    }

    /// The last trades of everybody.
    pub const fn prints(&self) -> &Prints {
        &self.prints
    }

    /// The candles of an instrument. Their times are wall time; the venue's clock may be off.
    pub fn candles(&self, id: MarketId) -> Option<&Candles> {
        self.tapes.get(id.0).map(Tape::candles)
    }

    /// Shows no candle of an instrument that begins in this span of wall time; `None`: all again.
    pub fn hide_candles(&mut self, symbol: &str, span: Option<Range<i64>>) -> Result<(), Refusal> {
        let id = self.venue.market_id(symbol)?;
        if let Some(tape) = self.tapes.get_mut(id.0) {
            tape.candles_mut().hide(span);
        }
        Ok(())
    }

    /// Holds the price of an instrument, or lets it go, and acts on it at once.
    pub fn pin(
        &mut self,
        symbol: &str,
        price: Option<Decimal>,
        wall: Moment,
    ) -> Result<(), Refusal> {
        let id = self.venue.market_id(symbol)?;
        let instrument = &self.venue.market(id).instrument;
        if let Some(price) = price {
            let possible = price >= instrument.tick && price <= instrument.max_price;
            if !possible || !instrument.on_tick(price) {
                return Err(parameter(format!(
                    "price {price} is not on the tick {} of {symbol}",
                    instrument.tick
                )));
            }
        }
        let now = self.advance(wall);
        if let Some(tape) = self.tapes.get_mut(id.0) {
            tape.pin(price, wall.ms());
            self.venue.on_quote(id, Quote::flat(tape.price()), now);
            self.venue.mark_equity(now);
        }
        Ok(())
    }

    /// Sets the venue's clock off by so many ms; 0 sets it right.
    pub fn set_skew(&mut self, ms: i64) {
        self.skew_ms = ms;
    }

    /// A fresh account at a fresh venue: no orders, no history, no faults, no pins, clock right.
    /// Prices and candles go on.
    pub fn reset(&mut self, wall: Moment) {
        self.advance(wall);
        self.faults = Faults::default();
        self.skew_ms = 0;
        self.venue = fresh_venue(&self.options, catalogue(self.options.symbols), wall);
        for tape in &mut self.tapes {
            tape.pin(None, wall.ms());
            tape.candles_mut().hide(None);
        }
        self.quote_all(wall);
    }

    fn quote_all(&mut self, wall: Moment) {
        for (n, tape) in self.tapes.iter().enumerate() {
            self.venue
                .on_quote(MarketId(n), Quote::flat(tape.price()), wall);
        }
    }
}

fn tape(options: &Options, n: usize, instrument: &Instrument, wall: Moment) -> Tape {
    let (pace, tick, now_ms) = (options.pace, instrument.tick, wall.ms());
    let seed = options.seed.wrapping_mul(31) ^ (n as u64 + 1);
    // Many instruments are there to be streamed: a short past keeps them cheap.
    let past = if n < FAITHFUL { Past::Years } else { Past::Day };
    let bars = options
        .bars
        .clone()
        .filter(|_| instrument.symbol == REPLAYED);
    bars.and_then(|bars| Tape::replayed(pace, tick, bars, seed, past, now_ms))
        .unwrap_or_else(|| Tape::made(pace, tick, instrument.start_price, seed, past, now_ms))
}

fn fresh_venue(options: &Options, instruments: Vec<Instrument>, wall: Moment) -> Venue {
    Venue::new(Setup {
        instruments,
        account: options.account,
        balance: options.balance,
        // Ids differ between runs and after a reset; only the prices are for the seed to say.
        salt: wall.ns().unsigned_abs() ^ options.seed,
        now: wall,
    })
}
