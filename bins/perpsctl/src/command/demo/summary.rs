//! The session, summed up against the simulator's ledger, and its journal stepped again.

use std::collections::BTreeMap;
use std::path::Path;

use daemon::deployment::Deployment;
use money::Amount;
use protocol::status::{Session, TradingState, Trip};
use replay::{Options, Source};
use serde::Serialize;
use testkit::{PlayError, Sim};

use super::story::Story;
use crate::picture::Picture;
use crate::screen::{BOLD, GREEN, PLAIN, RED};

/// What became of a session.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// What the guard said last; `None` if it did not answer.
    guard: Option<Guard>,
    exchange: Exchange,
    /// Lines of `logs/trading.log`, by tag.
    log: BTreeMap<&'static str, usize>,
    replay: Replayed,
    /// No order without an approval, and every decision comes out again.
    sound: bool,
}

#[derive(Debug, Serialize)]
struct Guard {
    state: TradingState,
    session: Session,
    equity: Option<Amount>,
    peak: Option<Amount>,
    realised_today: Amount,
    fees_today: Amount,
    trips: Vec<Trip>,
}

/// The simulated exchange's own ledger.
#[derive(Debug, Serialize)]
struct Exchange {
    orders: usize,
    openings: usize,
    openings_without_approval: usize,
    executions: usize,
    closed_trades: usize,
}

/// The session's journal, stepped through an engine of its own.
#[derive(Debug, Serialize)]
struct Replayed {
    inputs: u64,
    differences: u64,
    /// At least one decision was compared, and none differed.
    same: bool,
}

impl Summary {
    /// Sums up what the story, the last picture, the ledger and the journal tell.
    pub(super) fn of(
        story: Story,
        last: Picture,
        sim: &Sim,
        dir: &Path,
    ) -> Result<Self, PlayError> {
        let ledger = sim.ledger()?;
        let openings = ledger.orders.iter().filter(|order| order.opens());
        let strange = openings
            .clone()
            .filter(|order| !order.order_link_id.starts_with("pg-"));
        let exchange = Exchange {
            orders: ledger.orders.len(),
            openings: openings.count(),
            openings_without_approval: strange.count(),
            executions: ledger.executions.len(),
            closed_trades: ledger.closed_pnl.len(),
        };
        let guard = last.risk.map(|risk| Guard {
            state: risk.state,
            session: risk.session,
            equity: risk.account.equity,
            peak: risk.account.peak,
            realised_today: risk.account.realised_today,
            fees_today: risk.account.fees_today,
            trips: risk.trips,
        });
        let replay = replayed(dir)?;
        Ok(Self {
            guard,
            sound: exchange.openings_without_approval == 0 && replay.same,
            exchange,
            log: story.tags,
            replay,
        })
    }

    pub(super) fn sound(&self) -> bool {
        self.sound
    }

    /// For people.
    pub(super) fn words(&self) -> Vec<String> {
        let mut lines = vec![
            String::new(),
            format!("{BOLD}The session, against the simulated exchange's own ledger{PLAIN}"),
        ];
        if let Some(guard) = &self.guard {
            guard.words(&mut lines);
        }
        let Exchange {
            orders,
            openings,
            openings_without_approval: strange,
            executions,
            closed_trades,
        } = self.exchange;
        lines.push(format!(
            "  exchange  {orders} orders, {openings} of them opening, {executions} executions, \
             {closed_trades} closed trades"
        ));
        for (n, (tag, count)) in self.log.iter().enumerate() {
            let head = if n == 0 { "log" } else { "" };
            lines.push(format!("  {head:<9} {tag:<24} {count} lines"));
        }
        lines.push(match strange {
            0 => format!("  verdict   {GREEN}no order without an approval{PLAIN}"),
            _ => format!("  verdict   {RED}{strange} opening orders without an approval{PLAIN}"),
        });
        let Replayed {
            inputs,
            differences,
            same,
        } = self.replay;
        let verdict = if same {
            format!("{GREEN}every decision as it was recorded{PLAIN}")
        } else {
            format!("{RED}{differences} steps otherwise than recorded{PLAIN}")
        };
        lines.push(format!(
            "  replay    {inputs} inputs stepped again: {verdict}"
        ));
        lines
    }
}

impl Guard {
    fn words(&self, lines: &mut Vec<String>) {
        let session = &self.session;
        lines.push(format!(
            "  guard     {} trades, {} orders sent, {} refused, state {}",
            session.trades, session.sent, session.refused, self.state
        ));
        if let (Some(equity), Some(peak)) = (self.equity, self.peak) {
            lines.push(format!(
                "  money     equity {equity}, peak {peak}, realised today {} (fees {})",
                self.realised_today, self.fees_today
            ));
        }
        let trips = self.trips.iter();
        lines.extend(trips.map(|trip| format!("  blocked   {}: {}", trip.tag, trip.message)));
    }
}

fn replayed(dir: &Path) -> Result<Replayed, PlayError> {
    let failed = |error: replay::SourceError| PlayError::Ended {
        what: format!("the journal cannot be replayed: {error}"),
    };
    let state = Deployment::at(dir).data_dir().join("perps_state.json");
    let source = Source::open(&state).map_err(failed)?;
    let report = replay::replay(source, &Options::default(), &mut |_| {}).map_err(failed)?;
    let check = &report.check;
    Ok(Replayed {
        inputs: report.span.inputs,
        differences: check.differences,
        same: !check.is_empty() && !check.differs(),
    })
}
