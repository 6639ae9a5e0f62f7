//! What a soak leaves behind, held against each other: the venue's ledger, the guard's journal
//! stepped again, the guard's own word, the log files.

use std::collections::{BTreeMap, BTreeSet};

use daemon::logline::LogLine;
use money::Qty;
use protocol::SessionId;
use protocol::status::{ChildState, RiskStatus};
use serde::Serialize;

use super::{Approvals, wrong};
use crate::{Harness, Ledger, LedgerOrder, PlayError, Sim, until};

/// What was found. Sound if `faults` is empty.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Blows that fell.
    pub blows: usize,
    /// Orders of ours at the venue that could open a position.
    pub openings: usize,
    /// How many of them executed.
    pub executed: usize,
    /// Orders of ours at the venue that only shrink one.
    pub reducers: usize,
    /// Approvals that the guard's journal has held.
    pub approvals: usize,
    /// The oldest record that the journal still holds: above 1 once it has dropped segments.
    pub journal_from: u64,
    /// Trades that the guard has counted in the session.
    pub trades: u32,
    /// Lines in the log files.
    pub log_lines: usize,
    /// What does not agree, a sentence each.
    pub faults: Vec<String>,
}

/// Waits until the guard has heard of everything, then judges.
pub(super) fn judge(
    harness: &Harness,
    sim: &Sim,
    session: SessionId,
    blows: usize,
    mut approvals: Approvals,
) -> Result<Verdict, PlayError> {
    // Executions are read within seconds; a counter that is off stays off.
    let heard = until(60, "the guard to have heard of every trade", || {
        let ledger = sim.ledger().map_err(|e| e.to_string())?;
        let risk = harness.risk().map_err(|e| e.to_string())?;
        let executed = executed(&ledger).len();
        let resting = resting(&ledger);
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let (trades, live) = (count(risk.session.trades), count(risk.session.live_openers));
        if risk.unresolved == 0 && trades == executed && live == resting {
            Ok((ledger, risk))
        } else {
            let unresolved = risk.unresolved;
            Err(format!(
                "{trades} trades counted, {executed} executed; {live} live, {resting} resting; {unresolved} unresolved"
            ))
        }
    });
    let mut faults = Vec::new();
    let (ledger, risk) = match heard {
        Ok(heard) => heard,
        Err(late) => {
            faults.push(late.to_string());
            (sim.ledger()?, harness.risk()?)
        }
    };
    approvals.catch_up(harness.dir())?;
    of_orders(&ledger, approvals.found(), &mut faults);
    of_session(&risk, session, &mut faults);
    of_position(&ledger, &risk, &mut faults)?;
    of_processes(harness, &mut faults)?;
    let log_lines = of_logs(harness, &mut faults)?;
    let ours = |order: &&LedgerOrder| !order.order_link_id.is_empty();
    let (openings, reducers): (Vec<_>, Vec<_>) = ledger
        .orders
        .iter()
        .filter(ours)
        .partition(|order| order.opens());
    Ok(Verdict {
        blows,
        openings: openings.len(),
        executed: executed(&ledger).len(),
        reducers: reducers.len(),
        approvals: approvals.found().len(),
        journal_from: approvals.kept_from(),
        trades: risk.session.trades,
        log_lines,
        faults,
    })
}

/// Link ids of opening orders with an execution.
fn executed(ledger: &Ledger) -> BTreeSet<String> {
    let opening: BTreeSet<&str> = ledger
        .orders
        .iter()
        .filter(|order| order.opens() && !order.order_link_id.is_empty())
        .map(|order| order.order_link_id.as_str())
        .collect();
    let links = ledger.executions.iter().filter_map(|row| {
        let link = row.get("orderLinkId")?.as_str()?;
        opening.contains(link).then(|| link.to_owned())
    });
    links.collect()
}

/// Opening orders of ours that rest and have not executed.
fn resting(ledger: &Ledger) -> usize {
    let rests = |order: &&LedgerOrder| {
        order.opens() && !order.order_link_id.is_empty() && order.status == "New"
    };
    ledger.orders.iter().filter(rests).count()
}

/// No order without an approval, no link and no intent with two orders.
fn of_orders(ledger: &Ledger, approvals: &BTreeMap<String, String>, faults: &mut Vec<String>) {
    let mut intents = BTreeMap::new();
    let mut links = BTreeSet::new();
    for order in &ledger.orders {
        let link = order.order_link_id.as_str();
        if link.is_empty() {
            continue;
        }
        if !links.insert(link) {
            faults.push(format!("two orders carry the link id {link}"));
        }
        match approvals.get(link) {
            Some(intent) => {
                if let Some(other) = intents.insert(intent, link) {
                    faults.push(format!(
                        "intent {intent} became two orders: {other} and {link}"
                    ));
                }
            }
            // The gateway may send an exit alone while the guard is silent; never an opening.
            None if order.opens() => {
                faults.push(format!(
                    "opening order {link} has no approval in the journal"
                ));
            }
            None => {}
        }
    }
}

fn of_session(risk: &RiskStatus, session: SessionId, faults: &mut Vec<String>) {
    if risk.session.id != session {
        faults.push(format!("session {session} became {}", risk.session.id));
    }
    if !risk.trips.is_empty() {
        faults.push(format!("tripped: {:?}", risk.trips));
    }
}

/// The guard's book has the position that the executions make.
fn of_position(
    ledger: &Ledger,
    risk: &RiskStatus,
    faults: &mut Vec<String>,
) -> Result<(), PlayError> {
    let mut net = 0_i64;
    for row in &ledger.executions {
        let text = |key: &str| row.get(key).and_then(serde_json::Value::as_str);
        let (Some(side), Some(qty)) = (text("side"), text("qty")) else {
            faults.push(format!("an execution without side or quantity: {row}"));
            continue;
        };
        let qty: i64 = qty
            .parse()
            .map_err(|e: std::num::ParseIntError| wrong(&e))?;
        net += if side == "Buy" { qty } else { -qty };
    }
    let held: Vec<Qty> = risk.positions.iter().map(|p| p.size).collect();
    let net = Qty::parse(&net.to_string()).map_err(|e| wrong(&e))?;
    let wanted: Vec<Qty> = (net != Qty::ZERO).then_some(net).into_iter().collect();
    if held != wanted {
        faults.push(format!(
            "the guard holds {held:?}, the executions make {wanted:?}"
        ));
    }
    Ok(())
}

fn of_processes(harness: &Harness, faults: &mut Vec<String>) -> Result<(), PlayError> {
    for child in harness.status()?.children {
        if child.state != ChildState::Ready {
            faults.push(format!("{} is {:?}", child.process, child.state));
        }
    }
    Ok(())
}

/// Every line of every log is whole.
fn of_logs(harness: &Harness, faults: &mut Vec<String>) -> Result<usize, PlayError> {
    let mut lines = 0;
    let dir = harness.dir().join("logs");
    let files = std::fs::read_dir(&dir).map_err(PlayError::io("list logs/"))?;
    for file in files.flatten() {
        let text = std::fs::read_to_string(file.path()).map_err(PlayError::io("read a log"))?;
        for line in text.lines() {
            lines += 1;
            if line.parse::<LogLine>().is_err() {
                faults.push(format!("{}: no whole line: {line}", file.path().display()));
            }
        }
    }
    Ok(lines)
}
