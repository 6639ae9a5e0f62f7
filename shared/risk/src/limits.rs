//! The limits the engine enforces, already checked by `config`.
//!
//! `None` means the limit is off, and every face shows it as off. The meaning of each limit stands
//! in `docs/config.md`; the tag it raises in `protocol::tag`.

use money::{Notional, Qty, Ratio};
use protocol::{OpeningSides, Symbol};
use serde::{Deserialize, Serialize};

/// Everything an operator may bound. Comes from one config generation and is replaced as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// `trading.max_daily_risk`: the fraction of the day's opening balance that may be lost.
    pub max_daily_risk: Ratio,
    /// `trading.daily_loss_basis`: what the day's loss is measured against.
    pub daily_loss_basis: DailyLossBasis,
    /// `trading.daily_loss_cooldown_minutes`, in milliseconds: the least time a daily-loss trip lasts.
    pub daily_loss_cooldown_ms: u64,
    /// `risk_management.crisis_mode.drawdown_threshold`: fraction below the equity peak.
    pub drawdown_threshold: Ratio,
    /// `risk_management.crisis_mode.hysteresis`: the trip ends when drawdown <= threshold x (1 - this).
    pub drawdown_hysteresis: Ratio,
    /// `risk_management.crisis_mode.latch`: only an operator's reset ends the trip.
    pub drawdown_latch: bool,
    /// `perps.consecutiveLossLimit`: losing closes in a row that open the circuit breaker.
    pub consecutive_loss_limit: Option<u32>,
    /// `perps.maxMarginRatio`: initial margin over equity, projected with the order.
    pub max_margin_ratio: Ratio,
    /// `perps.sessionMaxTrades`: opening intents that may execute in one session.
    pub session_max_trades: Option<u32>,
    /// `perps.sessionMaxRuntimeMinutes`, in milliseconds.
    pub session_max_runtime_ms: Option<u64>,

    /// `perps.maxOrderQty`: base coin of one order.
    pub max_order_qty: Option<Qty>,
    /// `perps.maxOrderNotional`: settle coin of one order.
    pub max_order_notional: Option<Notional>,
    /// `perps.maxPositionNotional`: one symbol's projected position with resting and reserved orders.
    pub max_position_notional: Option<Notional>,
    /// `perps.maxGrossExposure`: all symbols' projected positions with resting and reserved orders.
    pub max_gross_exposure: Option<Notional>,
    /// `perps.priceCollar`: how far a limit price may lie from the mark, as a fraction of the mark.
    pub price_collar: Option<Ratio>,
    /// `perps.maxOrdersPerMinute`: opening orders allowed in any 60 s.
    pub max_orders_per_minute: Option<u32>,
    /// `perps.maxOpenOrders`: resting orders of ours, all symbols, with the new one.
    pub max_open_orders: Option<u32>,
    /// `perps.allowedSymbols`: anything else is refused.
    pub allowed_symbols: Option<Vec<Symbol>>,
    /// `perps.symbol`: where a position that is found may be taken over, with the allowed symbols.
    #[serde(default)]
    pub symbol: Option<Symbol>,
    /// `perps.maxLeverage`: leverage of the symbol as the venue last reported it.
    pub max_leverage: Option<Ratio>,
    /// `perps.requireStopLoss`: an opening order must carry a stop loss.
    pub require_stop_loss: bool,

    /// `perps.supportedSides`: what may be opened and adopted.
    pub supported_sides: OpeningSides,
    /// `perps.onTrip`: what a trip does beyond blocking entries.
    pub on_trip: OnTrip,
    /// `perps.flattenMaxSlippage`: how far from the mark a flattening order may fill.
    pub flatten_max_slippage: Ratio,

    /// `perps.leaseMs`: how long a gateway may open orders without a word from the guard.
    pub lease_ms: u64,
    /// `perps.venueLagMs`: how late the venue's history may show what it accepted.
    pub venue_lag_ms: u64,
    /// `perps.recvWindowMs`: how long after signing the venue still accepts a request.
    pub recv_window_ms: u64,
    /// `perps.maxDataStalenessSeconds`, in milliseconds: oldest equity, position and mark read that still allows entries.
    pub max_data_staleness_ms: u64,
    /// `perps.timeSyncMaxSkewMs`: largest clock skew that still allows entries.
    pub time_sync_max_skew_ms: u64,
    /// `alerts.reminderMinutes`, in milliseconds: how often a lasting condition is told again.
    pub reminder_ms: u64,
}

impl Limits {
    /// Whether a position found in this symbol may be ours to take over.
    pub(crate) fn is_ours(&self, symbol: Symbol) -> bool {
        match (&self.allowed_symbols, self.symbol) {
            (Some(allowed), _) => allowed.contains(&symbol),
            (None, Some(ours)) => ours == symbol,
            (None, None) => true,
        }
    }
}

/// What a day's loss is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DailyLossBasis {
    /// Cash result of the day's executions over the balance at the day's open.
    OpeningBalance,
    /// Closed-PnL rows of the day over the equity of now (the Python bot's arithmetic).
    CurrentEquity,
}

/// What a trip does beyond blocking entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTrip {
    /// Nothing more.
    Block,
    /// Our resting opening orders are cancelled.
    Cancel,
    /// The account goes flat.
    Flatten,
}
