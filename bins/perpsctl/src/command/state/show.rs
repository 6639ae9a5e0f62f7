//! `state show`: the files, and what the engine after the last record knows.

use risk::State;
use serde_json::json;
use state::UnixMs;

use super::look::{Look, look};
use super::place::Place;
use crate::exit::Exit;
use crate::failure::Done;
use crate::out::Form;
use crate::screen::{BOLD, GREEN, PLAIN, RED, YELLOW};

pub(super) fn run(place: &Place, form: Form) -> Done {
    let seen = look(place)?;
    let state = seen.rebuilt.as_ref().ok().map(|r| r.engine.state());
    let mut result = seen.as_json(place);
    result["state"] = json!(state);
    form.tell(&result, || {
        let mut lines = vec![title(&seen, place)];
        lines.extend(seen.files(place));
        lines.extend(state.into_iter().flat_map(known));
        lines
    });
    Ok(exit(&seen))
}

/// Damaged is a failure; nothing there yet is not.
pub(super) fn exit(seen: &Look) -> Exit {
    if seen.damage().is_some() {
        Exit::Degraded
    } else {
        Exit::Healthy
    }
}

/// The verdict on one line, and what to do about it.
pub(super) fn title(seen: &Look, place: &Place) -> String {
    let name = place.name();
    match (seen.damage(), seen.word()) {
        (Some(damage), _) => format!("{RED}{BOLD}{name} is DAMAGED{PLAIN}  {damage}"),
        (None, "none") => format!("{name} is not there: the next start begins anew"),
        (None, "deleted") => format!(
            "{YELLOW}{name} was deleted{PLAIN}: the next start resets peak, daily loss, streak and session"
        ),
        (None, _) => format!("{GREEN}{name} is sound{PLAIN}"),
    }
}

fn known(state: &State) -> Vec<String> {
    let at = |venue: protocol::VenueMs| UnixMs(venue.0).to_string();
    let session = &state.session;
    let mut lines = vec![
        format!("lineage    {} since {}", state.lineage, at(state.began)),
        format!("as of      {} venue time", at(state.clock.venue)),
        format!(
            "session    {}  trades {}  orders {} sent, {} refused",
            session.id, session.trades, session.sent, session.refused
        ),
        format!(
            "day        realised {}  fees {}  funding {}  closed PnL {}  losses in a row {}",
            state.day.cash,
            state.day.fees,
            state.day.funding,
            state.day.closed_pnl,
            state.loss_streak
        ),
    ];
    if let Some(peak) = state.wallet.peak {
        lines.push(format!("peak       {peak}"));
    }
    if let Some(since) = state.frozen {
        lines.push(format!("FROZEN     since {}", at(since)));
    }
    if let Some(since) = state.halted {
        lines.push(format!("HALTED     since {}", at(since)));
    }
    for (tag, trip) in &state.trips {
        lines.push(format!(
            "blocked    {} since {}: {}",
            tag.name(),
            at(trip.since),
            trip.message
        ));
    }
    for reservation in state.reservations.values() {
        let intent = &reservation.approval.intent;
        lines.push(format!(
            "approval   {} {} {} {}: {:?}",
            reservation.approval.link_id, intent.side, intent.qty, intent.symbol, reservation.stage
        ));
    }
    for (symbol, held) in &state.book.positions {
        lines.push(format!(
            "position   {} {} {symbol}, cost {}",
            held.side.position_word(),
            held.size,
            held.cost
        ));
    }
    let read = |until: Option<protocol::VenueMs>| until.map_or("never".to_owned(), at);
    lines.push(format!(
        "read up to executions {}, closed trades {}",
        read(state.ingested.executions_until),
        read(state.ingested.closed_until)
    ));
    if let Some(until) = state.venue.banned_until {
        lines.push(format!("banned     until {}", at(until)));
    }
    if !state.outbox.is_empty() {
        lines.push(format!(
            "alerts     {} not delivered yet",
            state.outbox.len()
        ));
    }
    lines
}
