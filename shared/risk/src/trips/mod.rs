//! Trips: conditions that block entries, with a beginning, reminders and an end.
//!
//! Every condition is evaluated after every input. A trip ends only by its own rule; a config that
//! tightens or loosens a limit ends none.

mod conditions;

use money::Ratio;
use protocol::guard::CommandKind;
use protocol::{Context, Severity, Tag, VenueMs};

use crate::effects::Effects;
use crate::state::TripRecord;
use crate::{Engine, OnTrip};

/// Begins a trip, unless it stands already.
pub(crate) fn begin(
    engine: &mut Engine,
    tag: Tag,
    message: String,
    context: Context,
    bound: Option<Ratio>,
    effects: &mut Effects,
) {
    if engine.state.trips.contains_key(&tag) {
        return;
    }
    let clock = engine.state.clock;
    let record = TripRecord {
        since: clock.venue,
        since_elapsed: clock.elapsed_ms,
        day: clock.day(),
        message: message.clone(),
        context: context.clone(),
        bound,
        told: clock.elapsed_ms,
    };
    engine.state.trips.insert(tag, record);
    engine.tell(tag, tag.severity(), message, context, true, effects);
    let cancel = CommandKind::CancelOpeners { symbol: None };
    match (engine.state.limits.on_trip, reach(engine, tag)) {
        (OnTrip::Block, _) | (_, Reach::Nothing) => {}
        (OnTrip::Cancel, Reach::Openers | Reach::Positions) | (OnTrip::Flatten, Reach::Openers) => {
            engine.command(cancel, false, effects);
        }
        (OnTrip::Flatten, Reach::Positions) => {
            let max_slippage = engine.state.limits.flatten_max_slippage;
            engine.command(
                CommandKind::Flatten {
                    symbol: None,
                    max_slippage,
                },
                false,
                effects,
            );
        }
    }
}

/// Ends a trip, if it stands.
pub(crate) fn end(engine: &mut Engine, tag: Tag, why: &str, effects: &mut Effects) {
    if let Some(record) = engine.state.trips.remove(&tag) {
        let lasted = engine.state.clock.age_ms(record.since_elapsed) / 1_000;
        let message = format!("ended after {lasted} s: {why}");
        engine.tell(
            tag,
            Severity::Warning,
            message,
            Context::new(),
            true,
            effects,
        );
    }
}

/// How far `perps.onTrip` may go for a trip.
enum Reach {
    /// It only blocks.
    Nothing,
    /// Opening orders may be cancelled, but positions are not touched: they may not be ours, or
    /// an operator must look first.
    Openers,
    /// Positions may be closed.
    Positions,
}

fn reach(engine: &Engine, tag: Tag) -> Reach {
    match tag {
        // A view that is merely stale, and slots used by orders that still rest.
        Tag::StaleData | Tag::TimeDrift | Tag::StateCorrupt => Reach::Nothing,
        Tag::SessionTrades if engine.live_openers() > 0 => Reach::Nothing,
        Tag::CircuitBreaker
        | Tag::DailyLoss
        | Tag::Drawdown
        | Tag::SessionTrades
        | Tag::SessionRuntime => Reach::Positions,
        Tag::MarginBlock
        | Tag::ReconAdopt
        | Tag::ReconBlock
        | Tag::RateLimit
        | Tag::StateLoad
        | Tag::StateReset
        | Tag::ModeGuard
        | Tag::Flow
        | Tag::InflightIntent
        | Tag::GuardLost
        | Tag::ConfigRejected
        | Tag::ConfigApplied
        | Tag::ProcessDown
        | Tag::Halt
        | Tag::Resume
        | Tag::OrderLimit
        | Tag::PriceCollar
        | Tag::Exposure
        | Tag::OrderRate
        | Tag::DuplicateOrder
        | Tag::Liquidation => Reach::Openers,
    }
}

/// Holds every condition against the state, and reminds of what lasts.
pub(crate) fn evaluate(engine: &mut Engine, effects: &mut Effects) {
    conditions::evaluate(engine, effects);
    remind(engine, effects);
}

/// When a condition may change by time alone (elapsed milliseconds).
pub(crate) fn deadlines(engine: &Engine) -> impl Iterator<Item = u64> + '_ {
    let state = &engine.state;
    let now = state.clock.elapsed_ms;
    let until_midnight =
        VenueMs::DAY_MS.saturating_sub(state.clock.venue.0.rem_euclid(VenueMs::DAY_MS));
    let midnight = now.saturating_add(u64::try_from(until_midnight).unwrap_or(0));
    let runtime = state
        .limits
        .session_max_runtime_ms
        .filter(|_| !state.trips.contains_key(&Tag::SessionRuntime))
        .map(|most| {
            state
                .session
                .started_elapsed
                .saturating_add(most)
                .saturating_add(1)
        });
    let view_ends = state
        .wallet
        .last
        .as_ref()
        .filter(|_| !state.trips.contains_key(&Tag::StaleData))
        .map(|read| {
            read.elapsed
                .saturating_add(state.limits.max_data_staleness_ms)
                .saturating_add(1)
        });
    let cooldown = state
        .trips
        .get(&Tag::DailyLoss)
        .map(|trip| {
            trip.since_elapsed
                .saturating_add(state.limits.daily_loss_cooldown_ms)
        })
        .filter(|at| *at > now);
    let reminders = state
        .trips
        .values()
        .map(move |trip| trip.told.saturating_add(state.limits.reminder_ms));
    [Some(midnight), runtime, view_ends, cooldown]
        .into_iter()
        .flatten()
        .chain(reminders)
}

fn remind(engine: &mut Engine, effects: &mut Effects) {
    let now = engine.state.clock.elapsed_ms;
    let reminder = engine.state.limits.reminder_ms;
    let due: Vec<(Tag, String, Context)> = engine
        .state
        .trips
        .iter_mut()
        .filter(|(_, trip)| now.saturating_sub(trip.told) >= reminder)
        .map(|(tag, trip)| {
            trip.told = now;
            (
                *tag,
                format!("still: {}", trip.message),
                trip.context.clone(),
            )
        })
        .collect();
    for (tag, message, context) in due {
        engine.tell(tag, tag.severity(), message, context, true, effects);
    }
}
