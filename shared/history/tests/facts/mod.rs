//! What must be the same in a state, whatever version wrote it and whatever version reads it.

use money::Amount;
use risk::State;
use serde_json::{Value, json};

fn unconfirmed(state: &State) -> Amount {
    let jumps = state.wallet.unconfirmed.iter();
    jumps.fold(Amount::ZERO, |sum, jump| sum.plus(jump.amount).unwrap())
}

/// The facts that an operator's money hangs on.
pub(crate) fn of(state: &State) -> Value {
    let links: Vec<String> = state
        .reservations
        .values()
        .map(|r| format!("{} {:?} {}", r.approval.link_id, r.stage, r.booked))
        .collect();
    let positions: Vec<String> = state
        .book
        .positions
        .iter()
        .map(|(symbol, held)| format!("{symbol} {} {} {}", held.side, held.size, held.cost))
        .collect();
    let trips: Vec<&str> = state.trips.keys().map(|tag| tag.name()).collect();
    json!({
        "lineage": state.lineage,
        "venue_time": state.clock.venue,
        "given": [state.given.approvals, state.given.events, state.given.commands],
        "halted": state.halted,
        "frozen": state.frozen,
        "session": [state.session.id.0, u64::from(state.session.trades), state.session.sent, state.session.refused],
        "day": [state.day.cash.to_string(), state.day.fees.to_string(), state.day.closed_pnl.to_string()],
        "loss_streak": state.loss_streak,
        "peak": state.wallet.peak,
        "unconfirmed_flow": unconfirmed(state),
        "positions": positions,
        "foreign_orders": state.book.foreign_orders.len(),
        "reservations": links,
        "amends": state.amends.len(),
        "intents": state.intents.known.len(),
        "trips": trips,
        "commands": state.commands.len(),
        "alerts_waiting": state.outbox.len(),
        "executions_until": state.ingested.executions_until,
        "closed_until": state.ingested.closed_until,
        "banned_until": state.venue.banned_until,
    })
}
