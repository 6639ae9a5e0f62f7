//! From checked values to what each process is handed, and the rules that take two keys to break.

use protocol::OpeningSides;
use risk::{DailyLossBasis, Limits, OnTrip};

use crate::Config;
use crate::address::BaseUrl;
use crate::check::Checked;
use crate::effective::Effective;
use crate::interval::CandleInterval;
use crate::notes::Notes;
use crate::problem::Problem;
use crate::settings::{
    AccountType, AlertSettings, BotSettings, ExchangeSettings, LogLevel, LoggingSettings,
    PerpsSettings, StrategySettings, SupervisorSettings, TriggerBy,
};
use crate::venues::VenueName;

const MS: u32 = 1;
const THOUSANDTHS: u32 = 1000;
const SECOND: u32 = 1000;
const MINUTE: u32 = 60_000;

type Made<T> = Result<T, Problem>;

/// Makes the config, or says which keys contradict one another.
pub(crate) fn assemble(checked: &Checked) -> Result<Config, Vec<Problem>> {
    let all = Effective::new(checked).map_err(|problem| vec![problem])?;
    let mut config = build(&all).map_err(|problem| vec![problem])?;
    let problems = contradictions(&config, &all);
    if !problems.is_empty() {
        return Err(problems);
    }
    config.settings = all.into_settings();
    config.notes = Notes::new(&config, checked);
    Ok(config)
}

fn build(all: &Effective) -> Made<Config> {
    let perps = perps(all)?;
    let bot = bot(all, perps.enabled)?;
    Ok(Config {
        limits: limits(all)?,
        exchange: exchange(all)?,
        strategy: strategy(all)?,
        perps,
        logging: logging(all)?,
        supervisor: supervisor(all)?,
        bot,
        alerts: AlertSettings {
            reminder_ms: all.span_ms("alerts.reminderMinutes", MINUTE)?,
        },
        notes: Notes::default(),
        settings: Vec::new(),
    })
}

fn limits(all: &Effective) -> Made<Limits> {
    Ok(Limits {
        max_daily_risk: all.ratio("trading.max_daily_risk")?,
        daily_loss_basis: all.word("trading.daily_loss_basis", |word| match word {
            "opening_balance" => Some(DailyLossBasis::OpeningBalance),
            "current_equity" => Some(DailyLossBasis::CurrentEquity),
            _ => None,
        })?,
        daily_loss_cooldown_ms: all.span_ms("trading.daily_loss_cooldown_minutes", MINUTE)?,
        drawdown_threshold: all.ratio("risk_management.crisis_mode.drawdown_threshold")?,
        drawdown_hysteresis: all.ratio("risk_management.crisis_mode.hysteresis")?,
        drawdown_latch: all.flag("risk_management.crisis_mode.latch")?,
        consecutive_loss_limit: all.count_or_off("perps.consecutiveLossLimit")?,
        max_margin_ratio: all.ratio("perps.maxMarginRatio")?,
        session_max_trades: all.count_or_off("perps.sessionMaxTrades")?,
        session_max_runtime_ms: all.span_ms_or_off("perps.sessionMaxRuntimeMinutes", MINUTE)?,
        max_order_qty: all.qty_or_off("perps.maxOrderQty")?,
        max_order_notional: all.notional_or_off("perps.maxOrderNotional")?,
        max_position_notional: all.notional_or_off("perps.maxPositionNotional")?,
        max_gross_exposure: all.notional_or_off("perps.maxGrossExposure")?,
        price_collar: all.ratio_or_off("perps.priceCollar")?,
        max_orders_per_minute: all.count_or_off("perps.maxOrdersPerMinute")?,
        max_open_orders: all.count_or_off("perps.maxOpenOrders")?,
        allowed_symbols: all.symbols_or_off("perps.allowedSymbols")?,
        symbol: Some(all.symbol("perps.symbol")?),
        max_leverage: all.ratio_or_off("perps.maxLeverage")?,
        require_stop_loss: all.flag("perps.requireStopLoss")?,
        supported_sides: all.word("perps.supportedSides", |word| match word {
            "both" => Some(OpeningSides::Both),
            "long" => Some(OpeningSides::Long),
            "short" => Some(OpeningSides::Short),
            _ => None,
        })?,
        on_trip: all.word("perps.onTrip", |word| match word {
            "block" => Some(OnTrip::Block),
            "cancel" => Some(OnTrip::Cancel),
            "flatten" => Some(OnTrip::Flatten),
            _ => None,
        })?,
        flatten_max_slippage: all.ratio("perps.flattenMaxSlippage")?,
        lease_ms: all.span_ms("perps.leaseMs", MS)?,
        venue_lag_ms: all.span_ms("perps.venueLagMs", MS)?,
        recv_window_ms: all.span_ms("perps.recvWindowMs", MS)?,
        max_data_staleness_ms: all.span_ms("perps.maxDataStalenessSeconds", SECOND)?,
        time_sync_max_skew_ms: all.span_ms("perps.timeSyncMaxSkewMs", MS)?,
        reminder_ms: all.span_ms("alerts.reminderMinutes", MINUTE)?,
    })
}

fn exchange(all: &Effective) -> Made<ExchangeSettings> {
    // It only has to agree with `exchange.name`, which is looked at with the other pairs of keys.
    all.text_or_off("perps.exchange")?;
    let base_url = match all.text_or_off("exchange.base_url")? {
        None => None,
        Some(_) => Some(all.word("exchange.base_url", |text| BaseUrl::parse(text).ok())?),
    };
    Ok(ExchangeSettings {
        name: all.word("exchange.name", VenueName::named)?,
        testnet: all.flag_or_unsaid("exchange.testnet")?,
        base_url,
        account: all.word("exchange.account_type", |word| match word {
            "auto" => Some(AccountType::Auto),
            "unified" => Some(AccountType::Unified),
            "classic" => Some(AccountType::Classic),
            _ => None,
        })?,
    })
}

fn perps(all: &Effective) -> Made<PerpsSettings> {
    // One-way mode is the only one there is.
    all.text("perps.mode")?;
    all.count("perps.positionIdx")?;
    Ok(PerpsSettings {
        enabled: all.flag("perps.enabled")?,
        use_testnet: all.flag_or_unsaid("perps.useTestnet")?,
        symbol: all.symbol("perps.symbol")?,
        interval: interval(all)?,
        leverage: all.ratio("perps.leverage")?,
        trigger_by: all.word("perps.triggerBy", |word| match word {
            "LastPrice" => Some(TriggerBy::LastPrice),
            "MarkPrice" => Some(TriggerBy::MarkPrice),
            "IndexPrice" => Some(TriggerBy::IndexPrice),
            _ => None,
        })?,
        state_file: all.text("perps.stateFile")?,
        max_requests_per_second: all.count("perps.maxRequestsPerSecond")?,
        max_requests_per_minute: all.count("perps.maxRequestsPerMinute")?,
        time_sync_interval_ms: all.span_ms("perps.timeSyncIntervalSeconds", SECOND)?,
        max_data_gap_thousandths: all.span_ms("perps.maxDataGapMultiplier", THOUSANDTHS)?,
    })
}

fn interval(all: &Effective) -> Made<CandleInterval> {
    all.word("perps.interval", |text| CandleInterval::parse(text).ok())
}

fn strategy(all: &Effective) -> Made<StrategySettings> {
    Ok(StrategySettings {
        symbol: all.symbol("perps.symbol")?,
        interval: interval(all)?,
        risk_pct: all.ratio("perps.riskPct")?,
        stop_loss_pct: all.ratio("perps.stopLossPct")?,
        take_profit_pct: all.ratio("perps.takeProfitPct")?,
        cash_deploy_cap: all.ratio("perps.cashDeployCap")?,
        early_exit_on_cross: all.flag("perps.earlyExitOnCross")?,
    })
}

fn logging(all: &Effective) -> Made<LoggingSettings> {
    Ok(LoggingSettings {
        level: all.word("logging.level", |word| match word {
            "TRACE" => Some(LogLevel::Trace),
            "DEBUG" => Some(LogLevel::Debug),
            "INFO" => Some(LogLevel::Info),
            "WARN" | "WARNING" => Some(LogLevel::Warn),
            "ERROR" | "CRITICAL" => Some(LogLevel::Error),
            _ => None,
        })?,
        file: all.text("logging.file")?,
        max_size_bytes: all.bytes("logging.max_size")?,
        backup_count: all.count("logging.backup_count")?,
        json: all.flag("logging.json")?,
    })
}

fn supervisor(all: &Effective) -> Made<SupervisorSettings> {
    Ok(SupervisorSettings {
        operator_group: all.text_or_off("supervisor.operatorGroup")?,
        restart_budget: all.count("supervisor.restartBudget")?,
        restart_window_ms: all.span_ms("supervisor.restartWindowMinutes", MINUTE)?,
        backoff_min_ms: all.span_ms("supervisor.backoffMinMs", MS)?,
        backoff_max_ms: all.span_ms("supervisor.backoffMaxSeconds", SECOND)?,
        steady_after_ms: all.span_ms("supervisor.steadyAfterSeconds", SECOND)?,
        ready_timeout_ms: all.span_ms("supervisor.readyTimeoutSeconds", SECOND)?,
        heartbeat_timeout_ms: all.span_ms("supervisor.heartbeatTimeoutSeconds", SECOND)?,
        stop_timeout_ms: all.span_ms("supervisor.stopTimeoutSeconds", SECOND)?,
        reload_debounce_ms: all.span_ms("supervisor.reloadDebounceMs", MS)?,
        reload_poll_ms: all.span_ms("supervisor.reloadPollSeconds", SECOND)?,
        confirm_loosening: all.flag("supervisor.confirmLoosening")?,
    })
}

fn bot(all: &Effective, perps_enabled: bool) -> Made<BotSettings> {
    // Read all of them whatever the first one says, so that each is checked.
    let (enabled, command) = (all.flag("bot.enabled")?, all.list_or_off("bot.command")?);
    let (args, user) = (all.list_or_off("bot.args")?, all.text_or_off("bot.user")?);
    let environment = all.table("bot.environment")?;
    let named = command.is_some();
    let command = command
        .into_iter()
        .flatten()
        .chain(args.into_iter().flatten())
        .collect();
    Ok(BotSettings {
        enabled: perps_enabled && enabled && named,
        command,
        user,
        environment,
    })
}

/// Pairs of keys that cannot both be meant.
fn contradictions(config: &Config, all: &Effective) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut say = |key: &str, what: String, hint: &str| {
        found.push(Problem::at(all.place(key), what).about(key).hint(hint));
    };
    let (limits, perps, supervisor) = (&config.limits, &config.perps, &config.supervisor);
    if let Some(allowed) = &limits.allowed_symbols
        && !allowed.contains(&perps.symbol)
    {
        let what = format!("does not hold perps.symbol, {}", perps.symbol);
        say(
            "perps.allowedSymbols",
            what,
            "every entry would be refused: add it",
        );
    }
    if let Some(most) = limits.max_leverage
        && perps.leverage > most
    {
        let what = format!("{} is above perps.maxLeverage, {most}", perps.leverage);
        say(
            "perps.leverage",
            what,
            "every entry would be refused: lower it",
        );
    }
    let venue = config.exchange.name.word();
    if let Ok(Some(again)) = all.text_or_off("perps.exchange")
        && again != venue
    {
        let what = format!("{again} is not exchange.name, {venue}");
        say(
            "perps.exchange",
            what,
            "name one venue, or leave this key out",
        );
    }
    if supervisor.backoff_max_ms < supervisor.backoff_min_ms {
        let what = "is shorter than supervisor.backoffMinMs".to_owned();
        say("supervisor.backoffMaxSeconds", what, "raise it");
    }
    let unnamed = matches!(all.list_or_off("bot.command"), Ok(None));
    if unnamed && !config.bot.command.is_empty() {
        say(
            "bot.args",
            "stands without bot.command".to_owned(),
            "name the program in bot.command",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Effective, build};
    use crate::catalogue::keys;
    use crate::check::Checked;

    #[test]
    fn every_used_key_reaches_someone() {
        let all = Effective::new(&Checked::default()).unwrap();
        build(&all).unwrap();
        let asked = all.asked.borrow();
        let idle: Vec<_> = keys()
            .iter()
            .filter(|k| k.is_used() && !asked.contains(k.path))
            .map(|k| k.path)
            .collect();
        assert!(
            idle.is_empty(),
            "in the catalogue and read by nobody: {idle:?}"
        );
    }
}
