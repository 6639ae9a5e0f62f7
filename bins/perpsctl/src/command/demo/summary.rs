//! The session, summed up against the simulator's ledger, and its journal stepped again.

use std::path::Path;

use daemon::deployment::Deployment;
use replay::{Options, Source};
use testkit::{PlayError, Sim};

use super::story::Story;
use crate::out;
use crate::picture::Picture;
use crate::screen::{BOLD, GREEN, PLAIN, RED};

/// Sums the session up against the simulator's ledger; true if the ledger agrees.
pub(super) fn summary(story: &Story, last: &Picture, sim: &Sim) -> Result<bool, PlayError> {
    let ledger = sim.ledger()?;
    let openings = ledger.orders.iter().filter(|order| order.opens()).count();
    let approved = ledger
        .orders
        .iter()
        .filter(|order| order.opens() && order.order_link_id.starts_with("pg-"))
        .count();
    out::line("");
    out::line(&format!(
        "{BOLD}The session, against the simulated exchange's own ledger{PLAIN}"
    ));
    if let Some(risk) = &last.risk {
        let session = &risk.session;
        out::line(&format!(
            "  guard     {} trades, {} orders sent, {} refused, state {}",
            session.trades, session.sent, session.refused, risk.state
        ));
        if let (Some(equity), Some(peak)) = (risk.account.equity, risk.account.peak) {
            out::line(&format!(
                "  money     equity {equity}, peak {peak}, realised today {} (fees {})",
                risk.account.realised_today, risk.account.fees_today
            ));
        }
        for trip in &risk.trips {
            out::line(&format!("  blocked   {}: {}", trip.tag, trip.message));
        }
    }
    out::line(&format!(
        "  exchange  {} orders, {openings} of them opening, {} executions, {} closed trades",
        ledger.orders.len(),
        ledger.executions.len(),
        ledger.closed_pnl.len()
    ));
    for (n, (tag, lines)) in story.tags.iter().enumerate() {
        let head = if n == 0 { "log" } else { "" };
        out::line(&format!("  {head:<9} {tag:<24} {lines} lines"));
    }
    let sound = openings == approved;
    let verdict = if sound {
        format!("{GREEN}no order without an approval{PLAIN}")
    } else {
        format!(
            "{RED}{} opening orders without an approval{PLAIN}",
            openings.saturating_sub(approved)
        )
    };
    out::line(&format!("  verdict   {verdict}"));
    Ok(sound)
}

/// Steps the session's journal through an engine of its own; true if every decision came out again.
pub(super) fn replayed(dir: &Path) -> Result<bool, PlayError> {
    let failed = |error: replay::SourceError| PlayError::Ended {
        what: format!("the journal cannot be replayed: {error}"),
    };
    let state = Deployment::at(dir).data_dir().join("perps_state.json");
    let source = Source::open(&state).map_err(failed)?;
    let report = replay::replay(source, &Options::default(), &mut |_| {}).map_err(failed)?;
    let (inputs, check) = (report.span.inputs, &report.check);
    let same = !check.is_empty() && !check.differs();
    let verdict = if same {
        format!("{GREEN}every decision as it was recorded{PLAIN}")
    } else {
        format!(
            "{RED}{} steps otherwise than recorded{PLAIN}",
            check.differences
        )
    };
    out::line(&format!(
        "  replay    {inputs} inputs stepped again: {verdict}"
    ));
    Ok(same)
}
