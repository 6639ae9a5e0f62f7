//! The scenarios of the runbook, one function each. Prices are frozen at 100; the account holds
//! 10,000 USDT.

use protocol::status::TradingState;
use protocol::{Side, Tag};

use super::Scenario;
use super::stage::Stage;
use crate::PlayError;

macro_rules! profile {
    ($name:literal) => {
        (
            concat!("configs/drill/", $name, ".yaml"),
            include_str!(concat!("../../../../configs/drill/", $name, ".yaml")),
        )
    };
}

macro_rules! scenario {
    ($name:literal, $profile:literal, [$($tag:ident),*], $play:ident) => {
        Scenario {
            name: $name,
            config: profile!($profile).0,
            text: profile!($profile).1,
            expected: &[$(Tag::$tag),*],
            play: $play,
        }
    };
}

/// Every scenario, in the runbook's order.
pub const SCENARIOS: &[Scenario] = &[
    scenario!("normal session", "normal", [], normal_session),
    scenario!(
        "session trade cap",
        "session_trades",
        [SessionTrades],
        session_trade_cap
    ),
    scenario!(
        "session runtime cap",
        "session_runtime",
        [SessionRuntime],
        session_runtime_cap
    ),
    scenario!("margin block", "margin_block", [MarginBlock], margin_block),
    scenario!("daily loss", "daily_loss", [DailyLoss], daily_loss),
    scenario!("drawdown", "drawdown", [Drawdown], drawdown),
    scenario!(
        "circuit breaker",
        "circuit_breaker",
        [CircuitBreaker],
        circuit_breaker
    ),
    scenario!(
        "reconciliation block on a short",
        "normal",
        [ReconBlock],
        recon_block
    ),
    scenario!(
        "reconciliation adopt on a long",
        "normal",
        [ReconAdopt],
        recon_adopt
    ),
    scenario!(
        "state kept across a restart",
        "normal",
        [StateLoad],
        state_kept
    ),
    scenario!("rate limiter", "rate_limiter", [RateLimit], rate_limiter),
];

fn normal_session(stage: &mut Stage) -> Result<(), PlayError> {
    stage.begin()?;
    stage.buy("1")?;
    stage.close("1")?;
    let risk = stage.await_trades(1)?;
    Stage::must(risk.state == TradingState::Active, || {
        format!("{} at the end", risk.state)
    })
}

fn session_trade_cap(stage: &mut Stage) -> Result<(), PlayError> {
    stage.begin()?;
    for trade in 1..=2 {
        stage.buy("1")?;
        stage.close("1")?;
        stage.await_trades(trade)?;
    }
    stage.buy_refused("1", Tag::SessionTrades)
}

fn session_runtime_cap(stage: &mut Stage) -> Result<(), PlayError> {
    stage.begin()?;
    stage.buy("1")?;
    stage.await_trip(Tag::SessionRuntime)?;
    stage.buy_refused("1", Tag::SessionRuntime)?;
    stage.close("1")
}

fn margin_block(stage: &mut Stage) -> Result<(), PlayError> {
    stage.begin()?;
    stage.buy("1")?;
    // 150 at 100 with a leverage of two needs 7,500 of 10,000: more than a tenth.
    stage.buy_refused("150", Tag::MarginBlock)
}

fn daily_loss(stage: &mut Stage) -> Result<(), PlayError> {
    stage.begin()?;
    stage.buy("10")?;
    stage.price("98")?;
    stage.close("10")?;
    stage.await_trip(Tag::DailyLoss)?;
    stage.buy_refused("1", Tag::DailyLoss)
}

fn drawdown(stage: &mut Stage) -> Result<(), PlayError> {
    stage.begin()?;
    stage.buy("50")?;
    stage.price("94")?;
    stage.await_trip(Tag::Drawdown)?;
    stage.buy_refused("1", Tag::Drawdown)?;
    stage.close("50")
}

fn circuit_breaker(stage: &mut Stage) -> Result<(), PlayError> {
    stage.begin()?;
    stage.buy("1")?;
    stage.price("99")?;
    stage.close("1")?;
    stage.await_trip(Tag::CircuitBreaker)?;
    stage.buy_refused("1", Tag::CircuitBreaker)
}

fn recon_block(stage: &mut Stage) -> Result<(), PlayError> {
    stage.position(Side::Sell, "2")?;
    stage.begin()?;
    stage.await_trip(Tag::ReconBlock)?;
    stage.buy_refused("1", Tag::ReconBlock)
}

fn recon_adopt(stage: &mut Stage) -> Result<(), PlayError> {
    stage.position(Side::Buy, "2")?;
    let risk = stage.begin()?;
    Stage::must(
        risk.positions.iter().any(|position| position.adopted),
        || format!("the long is not in the book: {:?}", risk.positions),
    )?;
    stage.close("2")
}

fn state_kept(stage: &mut Stage) -> Result<(), PlayError> {
    stage.begin()?;
    stage.buy("1")?;
    stage.price("99")?;
    stage.close("1")?;
    stage.await_streak(1)?;
    let before = stage.await_trades(1)?;
    let after = stage.restart()?;
    let kept = after.session.id == before.session.id
        && after.session.started == before.session.started
        && after.session.trades == before.session.trades
        && after.account.loss_streak == before.account.loss_streak
        && after.account.peak == before.account.peak
        && after.account.realised_today == before.account.realised_today;
    Stage::must(kept, || format!("before {before:?}, after {after:?}"))
}

fn rate_limiter(stage: &mut Stage) -> Result<(), PlayError> {
    stage.begin()?;
    stage.buy("1")?;
    stage.harness()?.await_tag(Tag::RateLimit)?;
    stage.close("1")
}
