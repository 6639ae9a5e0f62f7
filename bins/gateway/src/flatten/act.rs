//! Carries a flatten out, round by round, until the venue says flat.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use daemon::clock::boot_now;
use money::{Price, Ratio};
use protocol::guard::Observation;
use protocol::venue::{Instrument, Order, Position};
use protocol::{CommandId, Outcome, Symbol};
use tokio::time::sleep;

use super::plan::{Confirmation, Scene, Step, step};
use crate::guard::Reducing;
use crate::hands::Hands;
use crate::openers;
use crate::placing::send_reducing;
use crate::venue::Fault;

/// Rounds before the command is given back as not done; the guard repeats it.
const ROUNDS: u32 = 40;
/// Pause between rounds.
const PAUSE: Duration = Duration::from_millis(250);
/// Flat twice, at least this far apart, even where the venue is said to have no lag.
const CONFIRM_LEAST_MS: u64 = 250;

/// What a flatten is to do.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// The command; part of the orders' names.
    pub command_id: CommandId,
    /// Only this symbol; all if absent.
    pub symbol: Option<Symbol>,
    /// How far from the mark orders may fill.
    pub max_slippage: Ratio,
    /// How late the venue may show what happened.
    pub lag_ms: u64,
}

struct Seen {
    positions: Vec<Position>,
    orders: Vec<Order>,
    instruments: BTreeMap<Symbol, Instrument>,
    marks: BTreeMap<Symbol, Price>,
}

/// Goes flat. What was done, or what is in the way.
pub async fn flatten(hands: &Hands, task: Task) -> Result<String, String> {
    let mut certain = Confirmation::default();
    let mut instruments = BTreeMap::new();
    let (mut cancels, mut reductions) = (0_usize, 0_usize);
    let mut last = "rounds used up".to_owned();
    for round in 0..ROUNDS {
        if round > 0 {
            sleep(PAUSE).await;
        }
        let begun = boot_now();
        let seen = match look(hands, &task, std::mem::take(&mut instruments)).await {
            Ok(seen) => seen,
            Err(fault) => {
                last = format!("the venue cannot be read: {fault}");
                continue;
            }
        };
        let next = step(&Scene {
            symbol: task.symbol,
            positions: &seen.positions,
            orders: &seen.orders,
            instruments: &seen.instruments,
            marks: &seen.marks,
            max_slippage: task.max_slippage,
        });
        if certain.take(&next, begun, task.lag_ms.max(CONFIRM_LEAST_MS)) {
            return Ok(format!(
                "flat: {cancels} cancels, {reductions} closing orders"
            ));
        }
        match next {
            Step::Flat => {}
            Step::Stuck(why) => last = why,
            Step::Cancel(orders) => {
                cancels = cancels.saturating_add(orders.len());
                if let Err(why) = openers::send_all(hands, &orders).await {
                    last = why;
                }
            }
            Step::Reduce(reductions_due) => {
                for (n, reduction) in reductions_due.iter().enumerate() {
                    // A name of its own for each order of each round, across restarts too.
                    let name = format!("flat-{}-{}-{n}", task.command_id, begun.0);
                    match Reducing::flatten(reduction, &seen.positions, &seen.orders, &name) {
                        Ok(permit) => {
                            reductions = reductions.saturating_add(1);
                            if let Some(why) = trouble(send_reducing(hands, permit, None).await) {
                                last = format!("{}: {why}", reduction.symbol);
                            }
                        }
                        Err(why) => last = why,
                    }
                }
            }
        }
        instruments = seen.instruments;
    }
    Err(format!("not flat yet: {last}"))
}

fn trouble(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Accepted { .. } | Outcome::Pending => None,
        Outcome::Rejected { code, message } => Some(format!("refused: {message} ({code})")),
        Outcome::NotSent { why } | Outcome::Ambiguous { why } => Some(why),
        Outcome::Denied(denial) => Some(denial.message),
    }
}

/// Reads everything a round needs, and tells the owner what it saw.
async fn look(
    hands: &Hands,
    task: &Task,
    mut instruments: BTreeMap<Symbol, Instrument>,
) -> Result<Seen, Fault> {
    let begun = hands.venue.begun();
    let orders = hands.venue.open_orders_now().await?;
    hands.seen(begun, Observation::OpenOrders(orders.clone()));
    let begun = hands.venue.begun();
    let positions = hands.venue.positions_now().await?;
    hands.seen(begun, Observation::Positions(positions.clone()));
    let open = positions
        .iter()
        .filter(|p| !p.size.is_zero())
        .map(|p| p.symbol);
    let symbols: BTreeSet<Symbol> = open
        .filter(|symbol| task.symbol.is_none_or(|only| only == *symbol))
        .collect();
    let mut marks = BTreeMap::new();
    for symbol in symbols {
        if let std::collections::btree_map::Entry::Vacant(place) = instruments.entry(symbol)
            && let Some(instrument) = hands.venue.instrument(symbol).await?
        {
            place.insert(instrument);
        }
        let begun = hands.venue.begun();
        let ticker = hands.venue.ticker_now(symbol).await?;
        marks.insert(symbol, ticker.mark);
        hands.seen(begun, Observation::Tickers(vec![ticker]));
    }
    Ok(Seen {
        positions,
        orders,
        instruments,
        marks,
    })
}
