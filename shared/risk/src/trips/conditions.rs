//! The conditions that begin and end trips by themselves, each held against the state after every
//! input. What ends only by an operator's word ends in `verbs`.

use money::Ratio;
use protocol::{Context, Tag};

use super::{begin, end};
use crate::Engine;
use crate::effects::Effects;

/// Holds every condition against the state.
pub(super) fn evaluate(engine: &mut Engine, effects: &mut Effects) {
    store(engine, effects);
    streak(engine, effects);
    daily_loss(engine, effects);
    drawdown(engine, effects);
    session_trades(engine, effects);
    session_runtime(engine, effects);
    staleness(engine, effects);
    drift(engine, effects);
}

/// Whether a trip stands already; then nothing about it needs to be put into words.
fn stands(engine: &Engine, tag: Tag) -> bool {
    engine.state.trips.contains_key(&tag)
}

fn store(engine: &mut Engine, effects: &mut Effects) {
    let state = &engine.state;
    if state.store_fault.is_none() && state.corrupt.is_none() {
        return end(
            engine,
            Tag::StateCorrupt,
            "the state can be written",
            effects,
        );
    }
    if stands(engine, Tag::StateCorrupt) {
        return;
    }
    let message = match (&state.corrupt, &state.store_fault) {
        (Some(damage), _) => format!("the state was found damaged: {damage}"),
        (None, Some(fault)) => format!("the state cannot be written: {fault}"),
        (None, None) => return,
    };
    begin(
        engine,
        Tag::StateCorrupt,
        message,
        Context::new(),
        None,
        effects,
    );
}

fn streak(engine: &mut Engine, effects: &mut Effects) {
    if stands(engine, Tag::CircuitBreaker) {
        return;
    }
    let losses = engine.state.loss_streak;
    if let Some(most) = engine
        .state
        .limits
        .consecutive_loss_limit
        .filter(|most| losses >= *most)
    {
        let message = format!("{losses} losing closes in a row, the limit is {most}");
        let context = Context::new().with("losses", losses).with("limit", most);
        begin(engine, Tag::CircuitBreaker, message, context, None, effects);
    }
}

fn daily_loss(engine: &mut Engine, effects: &mut Effects) {
    let limit = engine.state.limits.max_daily_risk;
    let loss = engine.daily_loss();
    if let Some(loss) = loss.filter(|loss| *loss > limit) {
        if stands(engine, Tag::DailyLoss) {
            return;
        }
        let message = format!(
            "Daily loss {} exceeded limit {}",
            loss.percent(),
            limit.percent()
        );
        let context = Context::new()
            .with("daily_loss", loss)
            .with("limit", limit)
            .with("realised_today", engine.state.day.cash);
        begin(engine, Tag::DailyLoss, message, context, None, effects);
        return;
    }
    let over = engine.state.trips.get(&Tag::DailyLoss).is_some_and(|trip| {
        engine.state.clock.day() > trip.day
            && engine.state.clock.age_ms(trip.since_elapsed)
                >= engine.state.limits.daily_loss_cooldown_ms
    });
    // Without a balance nobody knows that the new day is sound.
    if over && loss.is_some() {
        end(
            engine,
            Tag::DailyLoss,
            "a new UTC day by venue time",
            effects,
        );
    }
}

fn drawdown(engine: &mut Engine, effects: &mut Effects) {
    let limits = &engine.state.limits;
    let (limit, latch, hysteresis) = (
        limits.drawdown_threshold,
        limits.drawdown_latch,
        limits.drawdown_hysteresis,
    );
    let Some(drawdown) = engine.drawdown() else {
        return;
    };
    if drawdown > limit {
        if stands(engine, Tag::Drawdown) {
            return;
        }
        let message = format!(
            "Drawdown {} exceeded limit {}",
            drawdown.percent(),
            limit.percent()
        );
        let context = Context::new()
            .with("drawdown", drawdown)
            .with("limit", limit)
            .with_some("peak", engine.state.wallet.peak)
            .with_some(
                "equity",
                engine
                    .state
                    .wallet
                    .last
                    .as_ref()
                    .map(|read| read.wallet.equity),
            );
        begin(
            engine,
            Tag::Drawdown,
            message,
            context,
            Some(limit),
            effects,
        );
        return;
    }
    let bound = engine
        .state
        .trips
        .get(&Tag::Drawdown)
        .map(|trip| trip.bound.unwrap_or(limit).min(limit));
    let Some(bound) = bound.filter(|_| !latch && engine.fresh_equity().is_some()) else {
        return;
    };
    let inside = Ratio::ONE
        .minus(hysteresis)
        .and_then(|part| bound.times(part));
    let worst = engine.drawdown_at_worst();
    if inside.is_ok_and(|inside| worst.is_some_and(|worst| worst <= inside)) {
        end(
            engine,
            Tag::Drawdown,
            &format!("drawdown is {} again", drawdown.percent()),
            effects,
        );
    }
}

fn session_trades(engine: &mut Engine, effects: &mut Effects) {
    let (trades, live) = (engine.state.session.trades, engine.live_openers());
    let used = trades.saturating_add(live);
    match engine.state.limits.session_max_trades {
        Some(most) if used >= most => {
            if stands(engine, Tag::SessionTrades) {
                return;
            }
            let id = engine.state.session.id;
            let message = format!(
                "session {id} has used its trades: {trades} executed and {live} live of {most}"
            );
            let context = Context::new()
                .with("trades", trades)
                .with("live", live)
                .with("limit", most);
            let bound = Ratio::new(most.into()).ok();
            begin(engine, Tag::SessionTrades, message, context, bound, effects);
        }
        Some(_) | None => {
            // An order that ended without executing gives its slot back; a looser limit does not.
            let bound = engine
                .state
                .trips
                .get(&Tag::SessionTrades)
                .and_then(|trip| trip.bound);
            let freed = bound
                .zip(Ratio::new(used.into()).ok())
                .is_some_and(|(bound, used)| used < bound);
            if freed {
                end(
                    engine,
                    Tag::SessionTrades,
                    "an order ended without executing",
                    effects,
                );
            }
        }
    }
}

fn session_runtime(engine: &mut Engine, effects: &mut Effects) {
    if stands(engine, Tag::SessionRuntime) {
        return;
    }
    let age = engine.session_age_ms();
    let most = engine.state.limits.session_max_runtime_ms;
    if let Some(most) = most.filter(|most| age > *most) {
        let minutes = |ms: u64| ms / 60_000;
        let id = engine.state.session.id;
        let message = format!(
            "session {id} is {} min old, the limit is {} min",
            minutes(age),
            minutes(most)
        );
        let context = Context::new().with("age_ms", age).with("limit_ms", most);
        begin(engine, Tag::SessionRuntime, message, context, None, effects);
    }
}

/// A view that was fresh once and is not any more. Before the first sync there is nothing to be
/// stale; entries wait then without a trip.
fn staleness(engine: &mut Engine, effects: &mut Effects) {
    let state = &engine.state;
    if !state.venue.compared {
        return;
    }
    let most = state.limits.max_data_staleness_ms;
    let oldest = [
        state.wallet.last.as_ref().map(|read| read.elapsed),
        state.venue.positions_elapsed,
    ];
    let outdated = oldest
        .iter()
        .any(|elapsed| elapsed.is_none_or(|at| state.clock.age_ms(at) > most));
    if outdated && stands(engine, Tag::StaleData) {
        return;
    }
    if outdated {
        let message = "equity or positions have not been read in time".to_owned();
        let context = Context::new().with("limit_ms", most);
        begin(engine, Tag::StaleData, message, context, None, effects);
    } else {
        end(
            engine,
            Tag::StaleData,
            "equity and positions are fresh",
            effects,
        );
    }
}

fn drift(engine: &mut Engine, effects: &mut Effects) {
    let most = engine.state.limits.time_sync_max_skew_ms;
    let Some(skew) = engine.state.venue.skew_ms else {
        return;
    };
    if skew.unsigned_abs() > most {
        if stands(engine, Tag::TimeDrift) {
            return;
        }
        let message = format!(
            "this machine's clock and the venue's are {skew} ms apart, the limit is {most} ms"
        );
        let context = Context::new().with("skew_ms", skew).with("limit_ms", most);
        begin(engine, Tag::TimeDrift, message, context, None, effects);
    } else {
        end(
            engine,
            Tag::TimeDrift,
            "the clocks are close again",
            effects,
        );
    }
}

impl Engine {
    /// The larger of venue time and boot-clock time since the session began; downtime counts.
    pub(crate) fn session_age_ms(&self) -> u64 {
        let clock = &self.state.clock;
        let session = &self.state.session;
        clock
            .venue
            .since(session.started)
            .max(clock.age_ms(session.started_elapsed))
    }
}
