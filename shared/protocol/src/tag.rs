//! The catalogue of safety tags: each one once, with what it means and what to do.
//!
//! Logs, alerts, `perpsctl explain`, status and the docs all read it. A tag is added here and
//! nowhere else.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the curious; never an alert.
    Debug,
    /// Good to know; logged, never an alert.
    Info,
    /// Someone should look; an alert.
    Warning,
    /// Someone must act; an alert.
    Critical,
}

impl Severity {
    /// Whether it goes to the alert-forwarder.
    pub const fn alerts(self) -> bool {
        matches!(self, Self::Warning | Self::Critical)
    }
}

/// All that is known about a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TagInfo {
    /// As it stands in logs: `SAFETY_DAILY_LOSS`.
    pub name: &'static str,
    /// As it stands in alerts: `safety_daily_loss`.
    pub category: &'static str,
    /// How bad it is when it begins.
    pub severity: Severity,
    /// What happened, in a sentence.
    pub meaning: &'static str,
    /// What it stops, in a few words.
    pub blocks: &'static str,
    /// How it ends.
    pub clears: &'static str,
    /// What an operator should do.
    pub action: &'static str,
}

macro_rules! catalogue {
    ($($variant:ident $name:literal $category:literal $severity:ident
        meaning: $meaning:literal blocks: $blocks:literal clears: $clears:literal action: $action:literal)*) => {
        /// A safety tag.
        #[allow(clippy::doc_markdown, reason = "the meanings are also shown to people, as they are")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Tag {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl Tag {
            /// Every tag, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// What is known about it.
            pub const fn info(self) -> TagInfo {
                match self {
                    $(Self::$variant => TagInfo {
                        name: $name,
                        category: $category,
                        severity: Severity::$severity,
                        meaning: $meaning,
                        blocks: $blocks,
                        clears: $clears,
                        action: $action,
                    },)*
                }
            }
        }
    };
}

catalogue! {
    CircuitBreaker "SAFETY_CIRCUIT_BREAKER" "safety_circuit_breaker" Critical
        meaning: "Too many losing closes in a row (perps.consecutiveLossLimit)."
        blocks: "entries"
        clears: "a winning close, or perpsctl reset circuit-breaker"
        action: "Look at the losing trades; if the strategy is sound, perpsctl reset circuit-breaker."
    DailyLoss "SAFETY_DAILY_LOSS" "safety_daily_loss" Critical
        meaning: "The day's realised loss passed trading.max_daily_risk."
        blocks: "entries"
        clears: "the next UTC day by venue time (not sooner than the cooldown), or perpsctl reset daily-loss"
        action: "Stop the bot and review the account's PnL; a reset opens a fresh allowance from that moment."
    Drawdown "SAFETY_DRAWDOWN" "safety_drawdown" Critical
        meaning: "Equity fell from its peak by more than risk_management.crisis_mode.drawdown_threshold."
        blocks: "entries"
        clears: "equity back inside the limit with hysteresis (unless latched), or perpsctl reset drawdown --keep-peak | --rebase"
        action: "Decide whether to close what is open (perpsctl halt --flatten) before anything else."
    MarginBlock "SAFETY_MARGIN_BLOCK" "safety_margin_block" Warning
        meaning: "The margin ratio with this order, or an unknown one, is above perps.maxMarginRatio."
        blocks: "that entry"
        clears: "by itself, when the ratio allows the order"
        action: "Let positions shrink, or use smaller orders."
    ReconAdopt "SAFETY_RECON_ADOPT" "safety_recon_adopt" Warning
        meaning: "Start-up found a live supported position that the book lacked and took it over."
        blocks: "nothing"
        clears: "nothing to clear"
        action: "Check that the position is yours and has a stop at the venue."
    ReconBlock "SAFETY_RECON_BLOCK" "safety_recon_block" Critical
        meaning: "The venue's positions or orders contradict the guard's book, or are of a kind it does not support."
        blocks: "entries"
        clears: "the account flat or in agreement and perpsctl recon acknowledge"
        action: "Look at the account at the venue, close or cancel what does not belong, then perpsctl recon acknowledge."
    SessionTrades "SAFETY_SESSION_TRADES" "safety_session_trades" Warning
        meaning: "The session has used its trades (perps.sessionMaxTrades)."
        blocks: "entries"
        clears: "perpsctl session new"
        action: "Review the session; perpsctl session new starts the next one."
    SessionRuntime "SAFETY_SESSION_RUNTIME" "safety_session_runtime" Warning
        meaning: "The session is older than perps.sessionMaxRuntimeMinutes."
        blocks: "entries"
        clears: "perpsctl session new"
        action: "Review the session; perpsctl session new starts the next one."
    RateLimit "SAFETY_RATE_LIMIT" "safety_rate_limit" Debug
        meaning: "The client sleeps to honour the configured request caps or the venue's own word."
        blocks: "nothing"
        clears: "by itself"
        action: "None; if it is frequent, raise the caps or the candle interval."
    StateLoad "SAFETY_STATE_LOAD" "safety_state_load" Info
        meaning: "Risk state was restored from perps.stateFile."
        blocks: "nothing"
        clears: "nothing to clear"
        action: "None."
    StateReset "SAFETY_STATE_RESET" "safety_state_reset" Warning
        meaning: "The state was reset, or its file was gone at the start: peak, daily loss, streak and session start fresh."
        blocks: "nothing"
        clears: "nothing to clear"
        action: "If it was not you, find out who; halt, freeze, unresolved approvals and bans were kept."
    StateCorrupt "SAFETY_STATE_CORRUPT" "safety_state_corrupt" Critical
        meaning: "The risk state could not be read or written; what was damaged is in quarantine."
        blocks: "entries"
        clears: "perpsctl state restore, or perpsctl state reset"
        action: "Check the disk and perpsctl state verify; restore a backup with the harness stopped, or perpsctl state reset to go on with what can be read."
    ModeGuard "SAFETY_MODE_GUARD" "safety_mode_guard" Critical
        meaning: "Venue, host, account type or useTestnet contradict --mode."
        blocks: "start"
        clears: "a config that agrees with --mode"
        action: "Fix the config or the --mode argument; nothing was started."
    Flow "SAFETY_FLOW" "safety_flow" Critical
        meaning: "The balance jumped and no execution explains it."
        blocks: "entries"
        clears: "perpsctl flow confirm"
        action: "If it was your deposit or withdrawal, perpsctl flow confirm; otherwise secure the account."
    StaleData "SAFETY_STALE_DATA" "safety_stale_data" Warning
        meaning: "Equity, positions or prices are older than perps.maxDataStalenessSeconds, or not yet read."
        blocks: "entries"
        clears: "by itself, with fresh data"
        action: "Check the venue and the network; exits still go."
    TimeDrift "SAFETY_TIME_DRIFT" "safety_time_drift" Warning
        meaning: "This machine's clock and the venue's differ by more than perps.timeSyncMaxSkewMs."
        blocks: "entries"
        clears: "by itself, when a sync finds them close again"
        action: "Check the machine's time service (timedatectl)."
    InflightIntent "SAFETY_INFLIGHT_INTENT" "safety_inflight_intent" Warning
        meaning: "Nobody knows yet whether an order arrived; it is being looked up."
        blocks: "entries of that symbol"
        clears: "by itself, when the venue has answered"
        action: "None; if it lasts minutes, look at the venue's status."
    GuardLost "SAFETY_GUARD_LOST" "safety_guard_lost" Critical
        meaning: "The gateway has heard nothing from the risk-guard for longer than the lease."
        blocks: "entries; our resting opening orders were cancelled, stops kept"
        clears: "by itself, when the guard answers"
        action: "perpsctl logs risk-guard; the supervisor restarts it."
    ConfigRejected "SAFETY_CONFIG_REJECTED" "safety_config_rejected" Warning
        meaning: "An edited config was refused; the previous one stays in force everywhere."
        blocks: "nothing"
        clears: "a config that is accepted"
        action: "perpsctl config check FILE shows line, column and reason."
    ConfigApplied "SAFETY_CONFIG_APPLIED" "safety_config_applied" Info
        meaning: "A new config is in force in every process."
        blocks: "nothing"
        clears: "nothing to clear"
        action: "None."
    ProcessDown "SAFETY_PROCESS_DOWN" "safety_process_down" Critical
        meaning: "A process of the harness died, hung or was given up."
        blocks: "entries, while it is the guard or the gateway"
        clears: "by itself, when it is ready again; a latched one needs perpsctl restart PROCESS"
        action: "perpsctl status names it; perpsctl logs PROCESS has its last words."
    Halt "SAFETY_HALT" "safety_halt" Critical
        meaning: "The operator's kill switch: no entries, resting opening orders cancelled; or a freeze: nothing is sent at all."
        blocks: "entries; under a freeze everything"
        clears: "perpsctl resume"
        action: "perpsctl resume when the reason is gone."
    Resume "SAFETY_RESUME" "safety_resume" Warning
        meaning: "The operator ended a halt or a freeze."
        blocks: "nothing"
        clears: "nothing to clear"
        action: "None."
    OrderLimit "SAFETY_ORDER_LIMIT" "safety_order_limit" Warning
        meaning: "The order itself breaks a rule: quantity, notional, symbol, side, leverage, shape or a missing stop loss."
        blocks: "that order"
        clears: "by itself, with an order inside the limits"
        action: "Fix the bot, or the limit if it is wrong."
    PriceCollar "SAFETY_PRICE_COLLAR" "safety_price_collar" Warning
        meaning: "The order's price lies too far from the mark price."
        blocks: "that order"
        clears: "by itself, with a price inside the collar"
        action: "Look for stale prices in the bot."
    Exposure "SAFETY_EXPOSURE" "safety_exposure" Warning
        meaning: "Position or gross exposure, with resting and reserved orders, would pass its limit."
        blocks: "that entry"
        clears: "by itself, when exposure shrinks"
        action: "None, unless the bot should have known."
    OrderRate "SAFETY_ORDER_RATE" "safety_order_rate" Warning
        meaning: "Too many opening orders in a minute, or too many open orders."
        blocks: "that entry"
        clears: "by itself"
        action: "Look for a bot that repeats itself."
    DuplicateOrder "SAFETY_DUPLICATE_ORDER" "safety_duplicate_order" Warning
        meaning: "An intent came again with other contents, or is too old to be remembered."
        blocks: "that order"
        clears: "by itself, with a fresh intent id"
        action: "Fix the bot: one intent id, one order."
    Liquidation "SAFETY_LIQUIDATION" "safety_liquidation" Critical
        meaning: "The venue liquidated or auto-deleveraged a position."
        blocks: "entries"
        clears: "perpsctl reset liquidation"
        action: "Look at the account at the venue before anything else."
}

impl Tag {
    /// The field that carries a tag's name in journald: `journalctl SAFETY_TAG=...`.
    pub const JOURNAL_FIELD: &str = "SAFETY_TAG";

    /// As it stands in logs: `SAFETY_DAILY_LOSS`.
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// As it stands in alerts: `safety_daily_loss`.
    pub const fn category(self) -> &'static str {
        self.info().category
    }

    /// How bad it is when it begins.
    pub const fn severity(self) -> Severity {
        self.info().severity
    }

    /// The tag of that name or category, whatever its case.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|tag| tag.name().eq_ignore_ascii_case(text))
    }
}

/// The catalogue as a page of Markdown: `docs/tags.md` (`make reference`).
pub fn markdown() -> String {
    let mut page = "# Tags\n\nWritten by `make reference` from the catalogue in \
        `shared/protocol/src/tag.rs`. `grep SAFETY_ logs/trading.log` is the whole story; \
        `perpsctl explain TAG` says the same as this page. Warnings and critical ones are alerts \
        too.\n"
        .to_owned();
    for tag in Tag::ALL {
        let info = tag.info();
        // Writing to a string cannot fail.
        let written = write!(
            page,
            "\n## {}\n\n{:?}. {}\n\n| blocks | clears | do |\n| --- | --- | --- |\n| {} | {} | {} |\n",
            info.name,
            info.severity,
            info.meaning,
            info.blocks,
            info.clears.replace('|', "or"),
            info.action,
        );
        debug_assert!(written.is_ok());
    }
    page
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_catalogue_is_whole() {
        let mut names = BTreeSet::new();
        for tag in Tag::ALL {
            let info = tag.info();
            assert!(info.name.starts_with("SAFETY_"), "{}", info.name);
            assert_eq!(info.category, info.name.to_lowercase());
            assert!(names.insert(info.name), "{} stands twice", info.name);
            for text in [info.meaning, info.blocks, info.clears, info.action] {
                assert!(!text.is_empty(), "{} has an empty text", info.name);
            }
            assert_eq!(Tag::named(info.category), Some(*tag));
            assert_eq!(
                serde_json::to_string(tag).unwrap(),
                format!("{:?}", info.name)
            );
        }
    }
}
