//! How often each thing may be read under the configured request caps.
//!
//! One computation for the gateway, which polls by it, and `perpsctl config check`, which prints
//! it. What it does not do: count requests (the rate limiter does).

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

    /// Whether it is read once for each symbol.
    const fn per_symbol(self) -> bool {
        matches!(self, Self::Ticker | Self::Candles)
    }

    /// Whether entries stop when it grows old.
    const fn vital(self) -> bool {
        matches!(self, Self::Ticker | Self::Wallet | Self::Positions)
    }

    /// Whether its pace bends to the caps. The clock's does not: it is rare, and it is set.
    const fn stretches(self) -> bool {
        !matches!(self, Self::ServerTime)
    }
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
    /// The plan.
    pub plan: Vec<Poll>,
}

/// A fifth of the cap is kept for orders.
const RESERVED_PERCENT: u32 = 20;
/// Rates are counted in thousandths of a request a minute.
const MILLI_MINUTE: u64 = 60_000 * 1000;

impl Config {
    /// The polling budget for the configured symbol.
    pub fn request_budget(&self) -> Budget {
        self.request_budget_for(1)
    }

    /// The polling budget for that many symbols; none counts as one.
    pub fn request_budget_for(&self, symbols: u32) -> Budget {
        let perps = &self.perps;
        let caps = (perps.max_requests_per_second, perps.max_requests_per_minute);
        Budget::new(caps, perps.time_sync_interval_ms, symbols.max(1))
    }
}

impl Budget {
    fn new((per_second, per_minute): (u32, u32), time_sync_ms: u64, symbols: u32) -> Self {
        let cap = per_minute.min(per_second.saturating_mul(60));
        let reserved = cap.saturating_mul(RESERVED_PERCENT).div_ceil(100);
        let load = |read: Read| {
            let times = if read.per_symbol() {
                u64::from(symbols)
            } else {
                1
            };
            (MILLI_MINUTE / read.wanted_ms(time_sync_ms).max(1)).saturating_mul(times)
        };
        let sum = |stretches: bool| -> u64 {
            Read::ALL
                .into_iter()
                .filter(|read| read.stretches() == stretches)
                .map(load)
                .sum()
        };
        let free = u64::from(cap.saturating_sub(reserved)).saturating_mul(1000);
        let free = free.saturating_sub(sum(false)).max(1);
        let wanted = sum(true);
        let plan = Read::ALL.into_iter().map(|read| {
            let wanted_ms = read.wanted_ms(time_sync_ms);
            let stretched = wanted_ms.saturating_mul(wanted).div_ceil(free);
            let every_ms = if read.stretches() {
                stretched.max(wanted_ms)
            } else {
                wanted_ms
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
            symbols,
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
            .filter(|p| p.read.vital())
            .map(|p| p.every_ms)
            .max()
            .unwrap_or(u64::MAX)
    }
}
