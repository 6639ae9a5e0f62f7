//! What is worked out of a config: the gate between the two worlds, the diff, the polling budget.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use config::{Change, Config, Direction, Read, Streams, VenueName, diff, parse};
use protocol::{Mode, Process};

fn loaded(text: &str) -> Config {
    parse(text, "file.yaml").unwrap_or_else(|e| panic!("{e}"))
}

fn perps(keys: &str) -> Config {
    loaded(&format!("perps: {{symbol: SOLUSDT, {keys}}}\n"))
}

fn at(url: &str) -> Config {
    loaded(&format!(
        "perps: {{useTestnet: true}}\nexchange: {{base_url: \"{url}\"}}\n"
    ))
}

#[test]
fn testnet_takes_its_own_host_and_this_machine() {
    for url in [
        "https://openapi-testnet.zoomex.com",
        "https://OPENAPI-TESTNET.zoomex.com:443/",
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://localhost:1",
        "http://[::1]:9",
    ] {
        assert_eq!(at(url).mode_guard(Mode::Testnet), Ok(()), "{url}");
    }
    for url in [
        "https://openapi.zoomex.com",
        "https://openapi-testnet.zoomex.com.example.com",
        "https://example.com",
        "http://openapi-testnet.zoomex.com",
        "http://128.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://[::2]",
        "http://0.0.0.0",
    ] {
        let error = at(url).mode_guard(Mode::Testnet).unwrap_err();
        assert_eq!(error.contradictions.len(), 1, "{url}: {error}");
    }
    for url in [
        "openapi-testnet.zoomex.com",
        "ftp://127.0.0.1",
        "http://127.0.0.1/path",
        "http://127.0.0.1?x",
        "http://user@127.0.0.1",
        "http://127.0.0.1:",
        "http://127.0.0.1:99999",
        "http://127.1",
        "http://2130706433",
        "http://0177.0.0.1",
        "http://[::1",
        "http://",
        "https://openapi-testnet.zoomex.com\\\\.example.com",
        "https://openapi-testnet.zoomex.com%2eexample.com",
    ] {
        let text = format!("perps: {{useTestnet: true}}\nexchange: {{base_url: \"{url}\"}}\n");
        assert!(parse(&text, "f.yaml").is_err(), "{url}");
    }
}

#[test]
fn flags_must_agree_with_the_mode() {
    let own = perps("useTestnet: true");
    assert_eq!(
        own.base_url(Mode::Testnet).as_str(),
        "https://openapi-testnet.zoomex.com"
    );
    assert_eq!(
        own.base_url(Mode::Mainnet).as_str(),
        "https://openapi.zoomex.com"
    );
    assert!(own.mode_guard(Mode::Testnet).is_ok());
    assert!(perps("leverage: 1").mode_guard(Mode::Testnet).is_ok());

    let error = perps("useTestnet: false")
        .mode_guard(Mode::Testnet)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the config contradicts --mode testnet: perps.useTestnet is false: set it to true or use the other mode"
    );
    let both = loaded("perps: {useTestnet: true}\nexchange: {testnet: false}\n");
    assert!(both.mode_guard(Mode::Testnet).is_err());
    assert!(both.mode_guard(Mode::Mainnet).is_err());

    assert!(perps("useTestnet: false").mode_guard(Mode::Mainnet).is_ok());
    let unsaid = perps("leverage: 1").mode_guard(Mode::Mainnet).unwrap_err();
    assert!(unsaid.to_string().contains("useTestnet: false"));
    for url in [
        "http://127.0.0.1:1",
        "https://openapi-testnet.zoomex.com",
        "http://openapi.zoomex.com",
    ] {
        let text = format!("perps: {{useTestnet: false}}\nexchange: {{base_url: \"{url}\"}}\n");
        assert!(loaded(&text).mode_guard(Mode::Mainnet).is_err(), "{url}");
    }
}

fn only(old: &Config, new: &Config) -> Change {
    let mut changes = diff(old, new);
    assert_eq!(changes.len(), 1, "{changes:?}");
    changes.remove(0)
}

#[test]
fn a_diff_tells_loosening_from_tightening() {
    use Direction::{Loosening, Neutral, Tightening};
    for (old, new, expected) in [
        ("maxMarginRatio: 0.5", "maxMarginRatio: 0.6", Loosening),
        ("maxMarginRatio: 0.5", "maxMarginRatio: 0.4", Tightening),
        ("maxMarginRatio: 0.5", "leverage: 1", Loosening),
        ("sessionMaxTrades: 5", "leverage: 1", Loosening),
        ("sessionMaxTrades: 5", "sessionMaxTrades: null", Loosening),
        ("leverage: 1", "sessionMaxTrades: 5", Tightening),
        ("requireStopLoss: true", "leverage: 1", Loosening),
        (
            "allowedSymbols: [SOLUSDT, BTCUSDT]",
            "allowedSymbols: [SOLUSDT]",
            Tightening,
        ),
        (
            "allowedSymbols: [SOLUSDT]",
            "allowedSymbols: [SOLUSDT, BTCUSDT]",
            Loosening,
        ),
        ("allowedSymbols: [SOLUSDT]", "leverage: 1", Loosening),
        ("onTrip: cancel", "onTrip: block", Loosening),
        ("onTrip: cancel", "onTrip: flatten", Tightening),
        ("supportedSides: both", "supportedSides: short", Tightening),
        ("supportedSides: short", "supportedSides: long", Loosening),
        ("venueLagMs: 100", "venueLagMs: 200", Tightening),
        ("stopLossPct: 0.1", "stopLossPct: 0.2", Neutral),
    ] {
        assert_eq!(
            only(&perps(old), &perps(new)).direction,
            expected,
            "{old} -> {new}"
        );
    }
}

#[test]
fn a_diff_names_what_to_restart() {
    let limit = only(&perps("sessionMaxTrades: 5"), &perps("leverage: 1"));
    assert_eq!(
        (limit.path, limit.old.as_str(), limit.new.as_str()),
        ("perps.sessionMaxTrades", "5", "off")
    );
    assert!(!limit.needs_restart);
    assert_eq!(limit.processes, [Process::RiskGuard]);

    let state = only(&perps("stateFile: a.json"), &perps("stateFile: b.json"));
    assert!(state.needs_restart);
    let mode = only(&perps("useTestnet: true"), &perps("leverage: 1"));
    assert_eq!(mode.new, "follows --mode");

    // The same in other words is no change.
    assert_eq!(
        diff(
            &perps("maxMarginRatio: 0.80, interval: 5m"),
            &perps("maxMarginRatio: 0.8, interval: 5")
        ),
        []
    );
    assert_eq!(
        diff(&perps("maxMarginRatio: 0.8"), &perps("leverage: 1")),
        []
    );
}

/// Requests a minute that the plan makes.
fn spent(config: &Config, symbols: u32, streams: Streams) -> u64 {
    let budget = config.request_budget_for(symbols, streams);
    let times = |read: Read| match read {
        Read::Ticker | Read::Candles => u64::from(symbols),
        Read::Wallet
        | Read::Positions
        | Read::OpenOrders
        | Read::Executions
        | Read::ClosedPnl
        | Read::ServerTime => 1,
    };
    budget
        .plan
        .iter()
        .map(|poll| (60_000_000 / poll.every_ms) * times(poll.read))
        .sum::<u64>()
        / 1000
}

#[test]
fn polling_fits_the_caps() {
    for (caps, most) in [
        ("maxRequestsPerSecond: 5, maxRequestsPerMinute: 60", 48),
        ("maxRequestsPerSecond: 1, maxRequestsPerMinute: 6000", 48),
        ("maxRequestsPerSecond: 5, maxRequestsPerMinute: 10", 8),
        ("maxRequestsPerSecond: 5, maxRequestsPerMinute: 100", 80),
    ] {
        for symbols in [1, 3, 50] {
            for streams in [Streams::NONE, Streams::ALL] {
                let spent = spent(&perps(caps), symbols, streams);
                assert!(spent <= most, "{caps}, {symbols}, {streams:?}: {spent}");
            }
        }
        assert!(spent(&perps(caps), 1, Streams::NONE) + 2 > most, "{caps}");
    }
    let roomy = perps("maxRequestsPerSecond: 10, maxRequestsPerMinute: 600").request_budget();
    assert_eq!(roomy.reserved_per_minute, 120);
    assert_eq!(roomy.every_ms(Read::Wallet), 1000);
    assert!(
        roomy
            .plan
            .iter()
            .all(|poll| poll.every_ms == poll.wanted_ms)
    );
    let shared = perps("maxRequestsPerMinute: 60").request_budget();
    assert_eq!(shared.slowest_vital_ms(), shared.every_ms(Read::OpenOrders));
}

#[test]
fn while_streams_carry_the_load_polls_stretch_and_equity_gains() {
    let default = perps("maxRequestsPerMinute: 60");
    let alone = default.request_budget();
    for symbols in [1, 50] {
        let streaming = default.request_budget_for(symbols, Streams::ALL);
        assert!(streaming.every_ms(Read::Ticker) >= 30_000);
        assert!(streaming.every_ms(Read::Executions) >= 15_000);
        // No stream tells equity as prices move: it is read more often than without streams.
        assert!(streaming.every_ms(Read::Wallet) < alone.every_ms(Read::Wallet) / 2);
        // What stops entries when it is old stays far inside its age.
        assert!(streaming.slowest_vital_ms() <= 10_000, "{streaming:?}");
    }
    // A short staleness limit is heeded, however whole the streams are.
    let short =
        perps("maxRequestsPerSecond: 10, maxRequestsPerMinute: 600, maxDataStalenessSeconds: 6");
    let streaming = short.request_budget_for(1, Streams::ALL);
    assert_eq!(streaming.every_ms(Read::Positions), 2_000);
    // The market's stream alone changes nothing for the account.
    let market = Streams {
        market: true,
        account: false,
    };
    let halved = default.request_budget_for(1, market);
    assert!(halved.every_ms(Read::Positions) < 10_000);
}

#[test]
fn the_venue_decides_hosts_and_streams_follow_the_rest_address() {
    let bybit = loaded("perps: {useTestnet: true}\nexchange: {name: bybit}\n");
    assert_eq!(bybit.exchange.name, VenueName::Bybit);
    assert_eq!(
        bybit.base_url(Mode::Testnet).as_str(),
        "https://api-testnet.bybit.com"
    );
    assert_eq!(
        bybit.stream_url(Mode::Testnet),
        "wss://stream-testnet.bybit.com"
    );
    assert!(bybit.mode_guard(Mode::Testnet).is_ok());
    let zoomex = perps("useTestnet: true");
    assert_eq!(
        zoomex.stream_url(Mode::Testnet),
        "wss://stream-testnet.zoomex.com"
    );
    assert_eq!(zoomex.stream_url(Mode::Mainnet), "wss://stream.zoomex.com");
    assert_eq!(
        at("http://127.0.0.1:80").stream_url(Mode::Testnet),
        "ws://127.0.0.1:80"
    );
    assert_eq!(
        at("https://[::1]:9").stream_url(Mode::Testnet),
        "wss://[::1]:9"
    );
    // One venue's host is not the other's.
    let mixed = loaded(
        "perps: {useTestnet: true}\nexchange: {name: bybit, base_url: \"https://openapi-testnet.zoomex.com\"}\n",
    );
    assert!(mixed.mode_guard(Mode::Testnet).is_err());
}

#[test]
fn a_budget_too_small_for_the_staleness_limit_is_said() {
    let tight = perps("maxRequestsPerMinute: 10, maxDataStalenessSeconds: 5");
    assert!(
        tight
            .notes
            .warnings
            .iter()
            .any(|w| w.contains("maxDataStalenessSeconds"))
    );
    let fine = perps("maxRequestsPerMinute: 60");
    assert!(
        !fine
            .notes
            .warnings
            .iter()
            .any(|w| w.contains("maxDataStalenessSeconds"))
    );
}
