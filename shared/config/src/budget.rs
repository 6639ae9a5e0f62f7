//! How often each thing may be read under the configured request caps.
//!
//! One computation for the gateway, which polls by it, and `perpsctl config check`, which prints
//! it. While streams carry the load, polls are the safety net and the truth check: they come at
//! their relaxed pace, and what the caps leave goes to the one thing that no stream tells, equity
//! as prices move. What it does not do: count requests (the rate limiter does).

use serde::Serialize;

use crate::Config;

/// What the gateway polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// Last and mark price, once a symbol.
    Ticker,
    /// The settle coin's row.
    Wallet,
    /// All positions.
    Positions,
    /// All open orders.
    OpenOrders,
    /// Executions since the last one seen.
    Executions,
    /// Closed-PnL rows since the last one seen.
    ClosedPnl,
    /// Candles, once a symbol.
    Candles,
    /// The venue's clock.
    ServerTime,
}

impl Read {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ticker,
        Self::Wallet,
        Self::Positions,
        Self::OpenOrders,
        Self::Executions,
        Self::ClosedPnl,
        Self::Candles,
        Self::ServerTime,
    ];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ticker => "tickers",
            Self::Wallet => "wallet",
            Self::Positions => "positions",
            Self::OpenOrders => "open orders",
            Self::Executions => "executions",
            Self::ClosedPnl => "closed PnL",
            Self::Candles => "candles",
            Self::ServerTime => "server time",
        }
    }

    /// How often it is read where the caps leave room.
    const fn wanted_ms(self, time_sync_ms: u64) -> u64 {
        match self {
            Self::Ticker | Self::Wallet | Self::Positions => 1000,
            Self::OpenOrders | Self::Executions | Self::Candles => 2000,
            Self::ClosedPnl => 5000,
            Self::ServerTime => time_sync_ms,
        }
    }

    /// How often it is read while a stream tells it, too. Of prices and candles one symbol is read
    /// that often, whichever it is.
    const fn relaxed_ms(self, time_sync_ms: u64) -> u64 {
        match self {
            Self::Wallet | Self::Positions | Self::OpenOrders => 10_000,
            Self::Executions | Self::ClosedPnl => 15_000,
            Self::Ticker | Self::Candles => 30_000,
            Self::ServerTime => time_sync_ms,
        }
    }

    /// Which stream tells it, if one does.
    const fn told_by(self, streams: Streams) -> bool {
        match self {
            Self::Ticker | Self::Candles => streams.market,
            // No stream tells closed PnL, but each execution that closes says when to read it.
            Self::Wallet
            | Self::Positions
            | Self::OpenOrders
            | Self::Executions
            | Self::ClosedPnl => streams.account,
            Self::ServerTime => false,
        }
    }

    /// Whether it is read once for each symbol.
    const fn per_symbol(self) -> bool {
        matches!(self, Self::Ticker | Self::Candles)
    }

    /// Whether entries stop when the read of it grows old.
    const fn vital(self, streams: Streams) -> bool {
        match self {
            Self::Wallet | Self::Positions | Self::OpenOrders => true,
            Self::Ticker => !streams.market,
            Self::Executions | Self::ClosedPnl | Self::Candles | Self::ServerTime => false,
        }
    }

    /// Whether its pace bends to the caps. The clock's does not: it is rare, and it is set.
    const fn stretches(self) -> bool {
        !matches!(self, Self::ServerTime)
    }
}

/// Which streams are up and whole, so that polls need not carry the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Streams {
    /// Positions, executions, orders, wallet.
    pub account: bool,
    /// Prices and candles.
    pub market: bool,
}

impl Streams {
    /// Neither.
    pub const NONE: Self = Self {
        account: false,
        market: false,
    };
    /// Both.
    pub const ALL: Self = Self {
        account: true,
        market: true,
    };
}

/// One line of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Poll {
    /// What is read.
    pub read: Read,
    /// How often it would be read with room to spare, in milliseconds.
    pub wanted_ms: u64,
    /// How often it is read, in milliseconds.
    pub every_ms: u64,
}

/// What the caps leave for polling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// `perps.maxRequestsPerSecond`.
    pub per_second: u32,
    /// `perps.maxRequestsPerMinute`.
    pub per_minute: u32,
    /// Requests a minute kept free for orders and look-ups.
    pub reserved_per_minute: u32,
    /// Symbols that are polled.
    pub symbols: u32,
    /// Which streams it reckons with.
    pub streams: Streams,
    /// The plan.
    pub plan: Vec<Poll>,
}

/// A fifth of the cap is kept for orders.
const RESERVED_PERCENT: u32 = 20;
/// Rates are counted in thousandths of a request a minute.
const MILLI_MINUTE: u64 = 60_000 * 1000;

impl Config {
    /// The polling budget for the configured symbol while no stream is up.
    pub fn request_budget(&self) -> Budget {
        self.request_budget_for(1, Streams::NONE)
    }

    /// The polling budget for that many symbols; none counts as one.
    pub fn request_budget_for(&self, symbols: u32, streams: Streams) -> Budget {
        let perps = &self.perps;
        let caps = (perps.max_requests_per_second, perps.max_requests_per_minute);
        let pace = Pace {
            time_sync_ms: perps.time_sync_interval_ms,
            staleness_ms: self.limits.max_data_staleness_ms,
            symbols: symbols.max(1),
            streams,
        };
        Budget::new(caps, pace)
    }
}

/// What decides how often a read is wanted.
#[derive(Debug, Clone, Copy)]
struct Pace {
    time_sync_ms: u64,
    staleness_ms: u64,
    symbols: u32,
    streams: Streams,
}

impl Pace {
    /// How often one read of this kind is wanted, milliseconds.
    fn wanted_ms(self, read: Read) -> u64 {
        let eager = read.wanted_ms(self.time_sync_ms);
        if !read.told_by(self.streams) {
            return eager;
        }
        let relaxed = read.relaxed_ms(self.time_sync_ms);
        let relaxed = if read.per_symbol() {
            relaxed.saturating_mul(u64::from(self.symbols))
        } else {
            relaxed
        };
        // What stops entries when it is old is read well inside its age.
        if read.vital(self.streams) {
            relaxed.min(self.staleness_ms / 3).max(eager)
        } else {
            relaxed
        }
    }

    /// Reads a minute at that pace, in thousandths.
    fn load(self, read: Read, every_ms: u64) -> u64 {
        let times = if read.per_symbol() { self.symbols } else { 1 };
        (MILLI_MINUTE / every_ms.max(1)).saturating_mul(u64::from(times))
    }

    fn loads(self, stretches: bool) -> u64 {
        let reads = Read::ALL.into_iter();
        let reads = reads.filter(|read| read.stretches() == stretches);
        reads
            .map(|read| self.load(read, self.wanted_ms(read)))
            .sum()
    }

    /// How often equity is read when other reads leave `free` thousandths of a request a minute.
    fn wallet_ms(self, free: u64, others: u64) -> u64 {
        let left = free.saturating_sub(others).max(1);
        MILLI_MINUTE
            .div_ceil(left)
            .max(Read::Wallet.wanted_ms(self.time_sync_ms))
    }
}

impl Budget {
    fn new((per_second, per_minute): (u32, u32), pace: Pace) -> Self {
        let cap = per_minute.min(per_second.saturating_mul(60));
        let reserved = cap.saturating_mul(RESERVED_PERCENT).div_ceil(100);
        let free = u64::from(cap.saturating_sub(reserved)).saturating_mul(1000);
        let free = free.saturating_sub(pace.loads(false)).max(1);
        let wanted = pace.loads(true);
        let plan = Read::ALL.into_iter().map(|read| {
            let wanted_ms = pace.wanted_ms(read);
            let stretched = wanted_ms.saturating_mul(wanted).div_ceil(free);
            let every_ms = if !read.stretches() {
                wanted_ms
            } else if read == Read::Wallet && pace.streams.account && wanted < free {
                let wallet = pace.load(read, wanted_ms);
                pace.wallet_ms(free, wanted.saturating_sub(wallet))
            } else {
                stretched.max(wanted_ms)
            };
            Poll {
                read,
                wanted_ms,
                every_ms,
            }
        });
        let plan = plan.collect();
        Self {
            per_second,
            per_minute,
            reserved_per_minute: reserved,
            symbols: pace.symbols,
            streams: pace.streams,
            plan,
        }
    }

    /// How often to read this, in milliseconds. A symbol's own reads come this often each.
    pub fn every_ms(&self, read: Read) -> u64 {
        // The plan holds every read; were one missing, the slowest pace is the safe one.
        let slowest = self
            .plan
            .iter()
            .map(|poll| poll.every_ms)
            .max()
            .unwrap_or(u64::MAX);
        self.plan
            .iter()
            .find(|poll| poll.read == read)
            .map_or(slowest, |poll| poll.every_ms)
    }

    /// The longest gap between two reads of anything whose age stops entries, in milliseconds.
    pub fn slowest_vital_ms(&self) -> u64 {
        self.plan
            .iter()
            .filter(|p| p.read.vital(self.streams))
            .map(|p| p.every_ms)
            .max()
            .unwrap_or(u64::MAX)
    }
}
