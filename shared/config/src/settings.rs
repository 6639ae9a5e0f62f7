//! What each process is handed, already checked: no text to parse, no default to choose.
//!
//! The limits stand in [`risk::Limits`]; here is the rest.

use std::collections::BTreeMap;

use money::Ratio;
use protocol::Symbol;

use crate::address::BaseUrl;
use crate::interval::CandleInterval;
use crate::venues::VenueName;

/// The venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeSettings {
    /// `exchange.name`.
    pub name: VenueName,
    /// `exchange.testnet`, if it is written.
    pub testnet: Option<bool>,
    /// `exchange.base_url`, if it is written; `Config::base_url` has the address to use.
    pub base_url: Option<BaseUrl>,
    /// `exchange.account_type`.
    pub account: AccountType,
}

/// Which wallet holds the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountType {
    /// Whichever answers.
    Auto,
    /// The trading account (`UNIFIED`).
    Unified,
    /// The classic contract account (`CONTRACT`).
    Classic,
}

/// What is traded and how the gateway speaks to the venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerpsSettings {
    /// `perps.enabled`.
    pub enabled: bool,
    /// `perps.useTestnet`, if it is written.
    pub use_testnet: Option<bool>,
    /// `perps.symbol`.
    pub symbol: Symbol,
    /// `perps.interval`.
    pub interval: CandleInterval,
    /// `perps.leverage`.
    pub leverage: Ratio,
    /// `perps.triggerBy`.
    pub trigger_by: TriggerBy,
    /// `perps.stateFile`; a relative path is below the deployment's directory.
    pub state_file: String,
    /// `perps.maxRequestsPerSecond`.
    pub max_requests_per_second: u32,
    /// `perps.maxRequestsPerMinute`.
    pub max_requests_per_minute: u32,
    /// `perps.timeSyncIntervalSeconds`, in milliseconds.
    pub time_sync_interval_ms: u64,
    /// `perps.maxDataGapMultiplier`, in thousandths of an interval.
    pub max_data_gap_thousandths: u64,
}

/// Which price sets off a stop or target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerBy {
    /// The last trade.
    LastPrice,
    /// The mark price.
    MarkPrice,
    /// The index price.
    IndexPrice,
}

impl TriggerBy {
    /// The venue's word for it (its page "Place Order").
    pub const fn wire(self) -> &'static str {
        match self {
            Self::LastPrice => "LastPrice",
            Self::MarkPrice => "MarkPrice",
            Self::IndexPrice => "IndexPrice",
        }
    }
}

/// What the reference bot decides by. Other bots may read it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategySettings {
    /// `perps.symbol`.
    pub symbol: Symbol,
    /// `perps.interval`.
    pub interval: CandleInterval,
    /// `perps.riskPct`: fraction of equity one trade may lose at its stop.
    pub risk_pct: Ratio,
    /// `perps.stopLossPct`: fraction of the entry price.
    pub stop_loss_pct: Ratio,
    /// `perps.takeProfitPct`: fraction of the entry price.
    pub take_profit_pct: Ratio,
    /// `perps.cashDeployCap`: fraction of equity that one position may tie up.
    pub cash_deploy_cap: Ratio,
    /// `perps.earlyExitOnCross`.
    pub early_exit_on_cross: bool,
}

/// How logs are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggingSettings {
    /// `logging.level`.
    pub level: LogLevel,
    /// `logging.file`: where `trading.log` lies; a relative path is below the deployment's directory.
    pub file: String,
    /// `logging.max_size`, in bytes.
    pub max_size_bytes: u64,
    /// `logging.backup_count`.
    pub backup_count: u32,
    /// `logging.json`.
    pub json: bool,
}

/// The least severe line that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// With the rate limiter's waits.
    Debug,
    /// The normal course of things.
    Info,
    /// What wants a look (`WARNING` in Python's words).
    Warn,
    /// What went wrong (`CRITICAL` counts as this).
    Error,
}

impl LogLevel {
    /// The level's name, in capitals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// How the supervisor keeps its children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorSettings {
    /// `supervisor.operatorGroup`.
    pub operator_group: Option<String>,
    /// `supervisor.restartBudget`: deaths in one window.
    pub restart_budget: u32,
    /// `supervisor.restartWindowMinutes`, in milliseconds.
    pub restart_window_ms: u64,
    /// `supervisor.backoffMinMs`.
    pub backoff_min_ms: u64,
    /// `supervisor.backoffMaxSeconds`, in milliseconds; never below the least.
    pub backoff_max_ms: u64,
    /// `supervisor.steadyAfterSeconds`, in milliseconds.
    pub steady_after_ms: u64,
    /// `supervisor.readyTimeoutSeconds`, in milliseconds.
    pub ready_timeout_ms: u64,
    /// `supervisor.heartbeatTimeoutSeconds`, in milliseconds.
    pub heartbeat_timeout_ms: u64,
    /// `supervisor.stopTimeoutSeconds`, in milliseconds.
    pub stop_timeout_ms: u64,
    /// `supervisor.reloadDebounceMs`.
    pub reload_debounce_ms: u64,
    /// `supervisor.reloadPollSeconds`, in milliseconds.
    pub reload_poll_ms: u64,
    /// `supervisor.confirmLoosening`.
    pub confirm_loosening: bool,
}

/// The bot to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotSettings {
    /// Whether to start it: `bot.enabled` and `perps.enabled` and a command.
    pub enabled: bool,
    /// `bot.command` and `bot.args`: the program first; empty without a command.
    pub command: Vec<String>,
    /// `bot.user`.
    pub user: Option<String>,
    /// `bot.environment`.
    pub environment: BTreeMap<String, String>,
}

/// How alerts are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSettings {
    /// `alerts.reminderMinutes`, in milliseconds.
    pub reminder_ms: u64,
}
