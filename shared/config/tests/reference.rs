//! The written reference is what the catalogue says, and the shipped files hold to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};

use config::catalogue::keys;
use config::{Config, PLACEHOLDER_BASE_URL, load};
use protocol::Mode;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shipped(file: &str) -> Config {
    load(&root().join("configs").join(file)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_written_reference_is_up_to_date() {
    for (file, text) in [
        ("docs/tags.md", protocol::tag::markdown()),
        ("docs/config.md", config::reference::markdown()),
        ("docs/config.schema.json", config::reference::schema()),
    ] {
        let written = fs::read_to_string(root().join(file)).unwrap();
        assert!(written == text, "{file} is old: run `make reference`");
    }
}

#[test]
fn the_schema_knows_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&config::reference::schema()).unwrap();
    for key in keys() {
        let pointer = format!("/properties/{}", key.path.replace('.', "/properties/"));
        let property = schema
            .pointer(&pointer)
            .unwrap_or_else(|| panic!("{}", key.path));
        assert_eq!(property.get("description").unwrap(), key.doc);
    }
}

#[test]
fn the_example_shows_every_used_key() {
    let config = shipped("zoomex_example.yaml");
    let missing: Vec<_> = config
        .notes
        .defaulted
        .iter()
        .map(|held| &held.path)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(config.notes.unused, []);
    assert_eq!(config.notes.warnings, [""; 0]);
    config.mode_guard(Mode::Testnet).unwrap();
    config.mode_guard(Mode::Mainnet).unwrap_err();
}

#[test]
fn the_demo_and_the_drill_load() {
    let demo = shipped("demo.yaml");
    assert!(demo.bot.enabled);
    assert!(demo.limits.session_max_trades.is_some());
    assert_eq!(demo.perps.interval.ms(), 60_000);

    let names = [
        "normal",
        "session_trades",
        "session_runtime",
        "margin_block",
        "daily_loss",
        "drawdown",
        "circuit_breaker",
        "rate_limiter",
        "faults",
    ];
    for name in names {
        let file = format!("drill/{name}.yaml");
        let config = shipped(&file);
        config.mode_guard(Mode::Testnet).unwrap();
        assert_eq!(config.notes.unused, [], "{file}");
        let text = fs::read_to_string(root().join("configs").join(&file)).unwrap();
        assert_eq!(text.matches(PLACEHOLDER_BASE_URL).count(), 1, "{file}");
    }
    let percent = |file: &str| shipped(&format!("drill/{file}.yaml")).limits;
    assert_eq!(percent("margin_block").max_margin_ratio.to_string(), "0.1");
    assert_eq!(percent("daily_loss").max_daily_risk.to_string(), "0.001");
    assert_eq!(percent("drawdown").drawdown_threshold.to_string(), "0.02");
    assert_eq!(percent("circuit_breaker").consecutive_loss_limit, Some(1));
    assert_eq!(
        percent("session_runtime").session_max_runtime_ms,
        Some(60_000)
    );
    let slow = shipped("drill/rate_limiter.yaml");
    assert_eq!(slow.perps.max_requests_per_second, 1);
    assert_eq!(slow.logging.level.name(), "DEBUG");
}
