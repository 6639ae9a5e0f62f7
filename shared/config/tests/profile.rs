//! Files that must load, and what comes out of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

use config::{AccountType, Config, LoadError, LogLevel, TriggerBy, parse};
use money::{Notional, Qty, Ratio};
use protocol::{OpeningSides, Symbol};
use risk::{DailyLossBasis, Limits, OnTrip};

const PROFILE: &str = "\
trading:
  max_daily_risk: 0.02
risk_management:
  crisis_mode:
    drawdown_threshold: 0.05
perps:
  sessionMaxTrades: 10
  sessionMaxRuntimeMinutes: 120
  consecutiveLossLimit: 3
  maxMarginRatio: 0.80
  useTestnet: true
";

fn loaded(text: &str) -> Config {
    parse(text, "file.yaml").unwrap_or_else(|e| panic!("{e}"))
}

fn ratio(text: &str) -> Ratio {
    Ratio::parse(text).unwrap()
}

/// What holds where nothing is said.
fn defaults() -> Limits {
    Limits {
        max_daily_risk: ratio("0.05"),
        daily_loss_basis: DailyLossBasis::OpeningBalance,
        daily_loss_cooldown_ms: 0,
        drawdown_threshold: ratio("0.10"),
        drawdown_hysteresis: ratio("0.10"),
        drawdown_latch: false,
        consecutive_loss_limit: None,
        max_margin_ratio: ratio("0.8"),
        session_max_trades: None,
        session_max_runtime_ms: None,
        max_order_qty: None,
        max_order_notional: None,
        max_position_notional: None,
        max_gross_exposure: None,
        price_collar: None,
        max_orders_per_minute: None,
        max_open_orders: None,
        allowed_symbols: None,
        symbol: Symbol::new("SOLUSDT").ok(),
        max_leverage: None,
        require_stop_loss: false,
        supported_sides: OpeningSides::Long,
        on_trip: OnTrip::Block,
        flatten_max_slippage: ratio("0.01"),
        lease_ms: 3000,
        venue_lag_ms: 3000,
        recv_window_ms: 5000,
        max_data_staleness_ms: 30_000,
        time_sync_max_skew_ms: 1000,
        reminder_ms: 1_800_000,
    }
}

#[test]
fn the_runbooks_profile_gives_its_limits() {
    let expected = Limits {
        max_daily_risk: ratio("0.02"),
        drawdown_threshold: ratio("0.05"),
        session_max_trades: Some(10),
        session_max_runtime_ms: Some(7_200_000),
        consecutive_loss_limit: Some(3),
        ..defaults()
    };
    let config = loaded(PROFILE);
    assert_eq!(config.limits, expected);
    assert_eq!(config.perps.use_testnet, Some(true));
    // Without its last line end it means the same, and is told to look.
    let cut = loaded(PROFILE.trim_end());
    assert_eq!(cut.limits, expected);
    assert!(cut.notes.warnings.iter().any(|w| w.contains("no line end")));
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = loaded("perps:\n  useTestnet: true\n");
    assert_eq!(config.limits, defaults());
    assert_eq!(config.exchange.name, config::VenueName::Zoomex);
    assert_eq!(config.exchange.base_url, None);
    assert_eq!(config.exchange.account, AccountType::Auto);
    assert_eq!(config.perps.state_file, "data/perps_state.json");
    assert_eq!(config.perps.max_requests_per_second, 5);
    assert_eq!(config.perps.max_requests_per_minute, 60);
    assert_eq!(config.perps.symbol, Symbol::new("SOLUSDT").unwrap());
    assert_eq!(
        (config.perps.interval.wire(), config.perps.interval.ms()),
        ("5", 300_000)
    );
    assert_eq!(config.perps.trigger_by, TriggerBy::LastPrice);
    assert_eq!(config.logging.level, LogLevel::Info);
    assert_eq!(config.logging.file, "logs/trading.log");
    assert_eq!(config.logging.max_size_bytes, 10 * 1024 * 1024);
    assert!(!config.bot.enabled);
}

#[test]
fn every_extra_limit_reaches_the_guard() {
    let text = "\
perps:
  maxOrderQty: 1.5
  maxOrderNotional: 1000
  maxPositionNotional: 2000.25
  maxGrossExposure: 3000
  priceCollar: .03
  maxOrdersPerMinute: 6
  maxOpenOrders: 7
  allowedSymbols: [SOLUSDT, BTCUSDT, SOLUSDT]
  maxLeverage: 5
  requireStopLoss: true
  supportedSides: both
  onTrip: flatten
  flattenMaxSlippage: 0.02
  leaseMs: 2000
  venueLagMs: 1
  recvWindowMs: 6000
  maxDataStalenessSeconds: 2.5
  timeSyncMaxSkewMs: 250
  sessionMaxRuntimeMinutes: 0.1
trading:
  daily_loss_basis: current_equity
  daily_loss_cooldown_minutes: 90
risk_management:
  crisis_mode: {hysteresis: 0, latch: true}
alerts: {reminderMinutes: 1}
";
    let expected = Limits {
        max_order_qty: Some(Qty::parse("1.5").unwrap()),
        max_order_notional: Some(Notional::parse("1000").unwrap()),
        max_position_notional: Some(Notional::parse("2000.25").unwrap()),
        max_gross_exposure: Some(Notional::parse("3000").unwrap()),
        price_collar: Some(ratio("0.03")),
        max_orders_per_minute: Some(6),
        max_open_orders: Some(7),
        allowed_symbols: Some(vec![
            Symbol::new("BTCUSDT").unwrap(),
            Symbol::new("SOLUSDT").unwrap(),
        ]),
        max_leverage: Some(ratio("5")),
        require_stop_loss: true,
        supported_sides: OpeningSides::Both,
        on_trip: OnTrip::Flatten,
        flatten_max_slippage: ratio("0.02"),
        lease_ms: 2000,
        venue_lag_ms: 1,
        recv_window_ms: 6000,
        max_data_staleness_ms: 2500,
        time_sync_max_skew_ms: 250,
        session_max_runtime_ms: Some(6000),
        daily_loss_basis: DailyLossBasis::CurrentEquity,
        daily_loss_cooldown_ms: 5_400_000,
        drawdown_hysteresis: ratio("0"),
        drawdown_latch: true,
        reminder_ms: 60_000,
        ..defaults()
    };
    assert_eq!(loaded(text).limits, expected);
}

/// A file in the manner of existing bots: every key the runbook names, most of them foreign.
const EXISTING: &str = r#"
app_mode: perps
exchange: {name: Zoomex, testnet: true, base_url: "https://openapi-testnet.zoomex.com/"}
trading:
  initial_capital: 10000
  risk_per_trade: 0.02
  max_daily_risk: 0.05
  max_positions: 3
  max_sector_exposure: 0.3
  symbols: [BTCUSDT, ETHUSDT]
risk_management:
  ladder_entries: {enabled: true, levels: [0.25, 0.35]}
  stops: {soft: 0.01}
  crisis_mode:
    drawdown_threshold: 0.10
    consecutive_losses: 3
    volatility_multiplier: 3.0
    position_size_reduction: 0.5
strategy: {regime: {min_confidence: 0.6}}
data: ~
database: {path: x.db}
backtesting: []
paper: {fee_bps: 7}
replay: {}
dashboard: {port: 8000}
messaging: {redis_url: "redis://localhost"}
shadow_paper: {enabled: false}
logging: {level: warning, file: logs/trading.log, max_size: 10485760, backup_count: 5}
perps:
  enabled: true
  exchange: zoomex
  symbol: BTCUSDT
  interval: 5m
  leverage: 2
  mode: oneway
  positionIdx: 0
  riskPct: 0.005
  stopLossPct: 0.01
  takeProfitPct: 0.03
  cashDeployCap: 0.20
  triggerBy: MarkPrice
  stateFile: data/perps_state.json
  maxRequestsPerSecond: 5
  maxRequestsPerMinute: 60
  earlyExitOnCross: false
  maxDataStalenessSeconds: 600
  maxDataGapMultiplier: 3.0
  timeSyncIntervalSeconds: 3600
  timeSyncMaxSkewMs: 1000
  consecutiveLossLimit: null
  useTestnet: true
  useMultiTfAtrStrategy: true
  useAdvancedStrategy: yes
  htfInterval: "60"
  atrPeriod: 14
  atrStopMultiple: 1.5
  hardStopMinPct: 0.01
  tp1Multiple: 1
  tp2Multiple: 2
  maxBarsInTrade: 50
  minAtrPct: 0.001
  minAtrUsd: 0
  useRsiFilter: true
  rsiPeriod: 14
  rsiMin: 30
  rsiMax: 70
  useVolumeFilter: false
  volumeLookback: 20
  volumeSpikeMultiplier: 1.5
  exitOnTrendFlip: true
  maxEmaDistanceAtr: 2
  wickAtrBuffer: 0.2
  atrRiskScaling: true
  atrRiskScalingThreshold: 0.01
  atrRiskScalingFactor: 0.5
  breakevenAfterTp1: true
"#;

#[test]
fn existing_files_load_and_say_what_has_no_effect() {
    let config = loaded(EXISTING);
    assert_eq!(config.limits.consecutive_loss_limit, None);
    assert_eq!(config.logging.level, LogLevel::Warn);
    assert_eq!(config.perps.trigger_by, TriggerBy::MarkPrice);
    assert_eq!(config.perps.interval.wire(), "5");
    let url = config.exchange.base_url.expect("it is written");
    assert_eq!(url.as_str(), "https://openapi-testnet.zoomex.com");

    let unused: Vec<_> = config
        .notes
        .unused
        .iter()
        .map(|u| u.path.as_str())
        .collect();
    assert_eq!(unused.len(), 45, "{unused:?}");
    for path in [
        "app_mode",
        "strategy",
        "risk_management.stops",
        "trading.symbols",
        "perps.rsiMax",
    ] {
        assert!(unused.contains(&path), "{path}");
    }
    assert!(!unused.contains(&"perps.maxMarginRatio"));
    let used = config
        .notes
        .used
        .iter()
        .find(|held| held.path == "perps.leverage")
        .unwrap();
    assert_eq!((used.value.as_str(), used.place.unwrap().line), ("2", 34));
    let off = config
        .notes
        .defaulted
        .iter()
        .find(|held| held.path == "perps.sessionMaxTrades");
    assert_eq!(off.unwrap().value, "off");
    let written_off = config
        .notes
        .used
        .iter()
        .find(|h| h.path == "perps.consecutiveLossLimit");
    assert_eq!(written_off.unwrap().value, "off");
}

#[test]
fn the_bot_is_any_command_line() {
    let with = |bot: &str| loaded(&format!("perps: {{useTestnet: true}}\nbot: {bot}\n")).bot;
    let split = with("{command: python3 -u bot.py, args: ['--name', \"a b\"]}");
    assert_eq!(split.command, ["python3", "-u", "bot.py", "--name", "a b"]);
    assert!(split.enabled);
    let listed = with("{command: [./bot, ''], user: trader, environment: {PORT: 8000}}");
    assert_eq!(listed.command, ["./bot", ""]);
    assert_eq!(listed.user.as_deref(), Some("trader"));
    assert_eq!(
        listed.environment.get("PORT").map(String::as_str),
        Some("8000")
    );
    assert!(!with("{command: ./bot, enabled: false}").enabled);
    let asleep = loaded("perps: {enabled: false}\nbot: {command: ./bot}\n");
    assert!(!asleep.bot.enabled);
}

#[test]
fn a_missing_file_says_where_to_begin() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none.yaml");
    let error = config::load(&path).unwrap_err();
    assert!(matches!(error, LoadError::Missing { .. }));
    let message = error.to_string();
    assert!(message.contains("make demo") && message.contains("configs/zoomex_example.yaml"));

    let unreadable = config::load(directory.path()).unwrap_err();
    assert!(matches!(unreadable, LoadError::Unreadable { .. }));
    std::fs::write(&path, "perps:\n  leverage: -1\n").unwrap();
    let refused = config::load(&path).unwrap_err().to_string();
    assert!(
        refused.starts_with(&format!("{}:2:13: perps.leverage: -1 ", path.display())),
        "{refused}"
    );
}
