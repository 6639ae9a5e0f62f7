//! Carries a flatten out, round by round, until the venue says flat.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use daemon::clock::boot_now;
use money::{Price, Ratio};
use protocol::guard::{CommandResult, Observation};
use protocol::venue::{Instrument, Order, Position};
use protocol::{BootMs, CommandId, Outcome, Side, Symbol};
use tokio::time::sleep;

use super::plan::{Confirmation, Reduction, Round, Scene, Tries, round};
use crate::exits_alone::send_reducing;
use crate::guard::Reducing;
use crate::hands::Hands;
use crate::openers;
use crate::venue::Fault;

/// Rounds before the command is given back as not done; the guard repeats it.
const ROUNDS: u32 = 40;
/// Pause between rounds.
const PAUSE: Duration = Duration::from_millis(250);
/// Flat twice, at least this far apart, even where the venue is said to have no lag.
const CONFIRM_LEAST_MS: u64 = 250;

/// What a flatten is to do.
#[derive(Debug, Clone)]
pub struct Task {
    /// The command; part of the orders' names.
    pub command_id: CommandId,
    /// Only this symbol; all if absent.
    pub symbol: Option<Symbol>,
    /// How far from the mark orders may fill.
    pub max_slippage: Ratio,
    /// How late the venue may show what happened.
    pub lag_ms: u64,
    /// An operator's own word, which even a freeze lets through.
    pub explicit: bool,
    /// Whether the guard does not want it any more.
    pub withdrawn: Rc<Cell<bool>>,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDone {
    /// Something is in the way for now: the guard repeats it.
    Yet(String),
    /// It can never be done.
    Ever(String),
}

/// What one round read.
struct Seen {
    positions: Vec<Position>,
    orders: Vec<Order>,
    marks: BTreeMap<Symbol, Price>,
    /// What could not be read of a single symbol.
    trouble: Option<String>,
}

/// One flatten on its way.
struct Flatten<'a> {
    hands: &'a Hands,
    task: Task,
    instruments: BTreeMap<Symbol, Instrument>,
    tries: Tries,
    cancels: usize,
    reductions: usize,
    /// What was in the way last.
    obstacle: Option<String>,
    told: String,
}

/// Goes flat. What was done, or what is in the way.
pub async fn flatten(hands: &Hands, task: Task) -> Result<String, NotDone> {
    let (lag_ms, explicit) = (task.lag_ms, task.explicit);
    let mut way = Flatten {
        hands,
        task,
        instruments: BTreeMap::new(),
        tries: Tries::default(),
        cancels: 0,
        reductions: 0,
        obstacle: None,
        told: String::new(),
    };
    let mut certain = Confirmation::default();
    let mut unread = false;
    for n in 0..ROUNDS {
        if n > 0 {
            sleep(PAUSE).await;
        }
        if way.is_withdrawn() {
            return Err(NotDone::Yet(way.withdrawn()));
        }
        if !explicit && hands.guard.leave().frozen() {
            let why = "frozen by the operator; it goes on after perpsctl resume";
            return Err(NotDone::Yet(why.to_owned()));
        }
        let begun = boot_now();
        let seen = match way.look().await {
            Ok(seen) => seen,
            Err(fault) => {
                unread = true;
                way.obstacle = Some(format!("the venue cannot be read: {fault}"));
                way.tell("reading the venue");
                continue;
            }
        };
        if let Some(why) = way.no_such_symbol(&seen).await {
            return Err(NotDone::Ever(why));
        }
        let next = way.plan(&seen);
        if std::mem::take(&mut unread) || next.is_flat() {
            // It stands in the way no longer.
            way.obstacle = None;
        }
        if certain.take(next.is_flat(), begun, lag_ms.max(CONFIRM_LEAST_MS)) {
            return Ok(way.done(&seen));
        }
        way.say_where(&seen, &next);
        way.act(next, &seen, begun).await;
    }
    let last = way.obstacle.unwrap_or_else(|| way.told.clone());
    Err(NotDone::Yet(format!("not flat yet: {last}")))
}

impl Flatten<'_> {
    fn is_withdrawn(&self) -> bool {
        self.task.withdrawn.get()
    }

    fn withdrawn(&self) -> String {
        let (cancels, reductions) = (self.cancels, self.reductions);
        format!("withdrawn after {cancels} cancels and {reductions} closing orders")
    }

    /// Why there is nothing to close and never will be: the venue has no such instrument, and
    /// nothing of it is open. A position in one that is traded no more is closed like any other.
    async fn no_such_symbol(&self, seen: &Seen) -> Option<String> {
        let symbol = self.task.symbol?;
        let held = seen.positions.iter().any(|row| row.symbol == symbol);
        if held || seen.orders.iter().any(|row| row.symbol == symbol) {
            return None;
        }
        // A venue that cannot be asked has not said no.
        match self.hands.venue.instrument(symbol).await {
            Ok(None) => Some(format!("the venue has no instrument {symbol}")),
            Ok(Some(_)) | Err(_) => None,
        }
    }

    fn plan(&self, seen: &Seen) -> Round {
        let scene = Scene {
            symbol: self.task.symbol,
            positions: &seen.positions,
            orders: &seen.orders,
            instruments: &self.instruments,
            marks: &seen.marks,
            max_slippage: self.task.max_slippage,
        };
        round(&scene, &self.tries)
    }

    async fn act(&mut self, next: Round, seen: &Seen, begun: BootMs) {
        self.obstacle.clone_from(&seen.trouble);
        if let Some(why) = next.stuck.into_iter().next() {
            self.obstacle = Some(why);
        }
        if !next.cancel.is_empty() {
            self.cancels = self.cancels.saturating_add(next.cancel.len());
            self.tries.note(&next.cancel);
            if let Err(why) = openers::send_all(self.hands, &next.cancel).await {
                self.obstacle = Some(why);
            }
        }
        // An order that will not go must not count as one that closes the position already.
        let heeded: Vec<Order> = seen
            .orders
            .iter()
            .filter(|order| !self.tries.stubborn(order))
            .cloned()
            .collect();
        for (n, reduction) in next.reduce.iter().enumerate() {
            if self.is_withdrawn() {
                return;
            }
            // A name of its own for each order of each round, across restarts too.
            let name = format!("flat-{}-{}-{n}", self.task.command_id, begun.0);
            if let Err(why) = self.reduce(reduction, seen, &heeded, &name).await {
                self.obstacle = Some(format!("{}: {why}", reduction.symbol));
            }
        }
    }

    async fn reduce(
        &mut self,
        reduction: &Reduction,
        seen: &Seen,
        orders: &[Order],
        name: &str,
    ) -> Result<(), String> {
        let permit = Reducing::flatten(reduction, &seen.positions, orders, name)?;
        self.reductions = self.reductions.saturating_add(1);
        let (outcome, _) = send_reducing(self.hands, permit, None).await;
        trouble(outcome).map_or(Ok(()), Err)
    }

    /// Tells the guard how far it is, if that has changed.
    fn say_where(&mut self, seen: &Seen, next: &Round) {
        let asked = |symbol: Symbol| self.task.symbol.is_none_or(|only| only == symbol);
        let held = held(&seen.positions, asked);
        let mut left = Vec::new();
        if !next.cancel.is_empty() {
            left.push(format!("{} orders to cancel", next.cancel.len()));
        }
        if !held.is_empty() {
            left.push(format!("still open: {}", held.join(", ")));
        }
        if left.is_empty() {
            self.tell("flat by one read, to be confirmed by another");
        } else {
            self.tell(&left.join("; "));
        }
    }

    /// What it came to, and what is open beside the one symbol that was asked for.
    fn done(&self, seen: &Seen) -> String {
        let (cancels, reductions) = (self.cancels, self.reductions);
        let sent = format!("{cancels} cancels, {reductions} closing orders");
        let Some(symbol) = self.task.symbol else {
            return format!("flat: {sent}");
        };
        let others = held(&seen.positions, |other| other != symbol);
        if others.is_empty() {
            format!("flat in {symbol}: {sent}")
        } else {
            format!(
                "flat in {symbol}: {sent}; open beside it: {}",
                others.join(", ")
            )
        }
    }

    /// Without counts: who watches reads a line only where something has changed.
    fn tell(&mut self, what: &str) {
        let mut text = what.to_owned();
        if let Some(obstacle) = &self.obstacle {
            text = format!("{text}; in the way: {obstacle}");
        }
        if text != self.told {
            self.told.clone_from(&text);
            self.hands.guard.command_result(CommandResult {
                command_id: self.task.command_id,
                done: false,
                message: text,
                refused: false,
            });
        }
    }

    /// Reads everything a round needs, and tells the owner what it saw.
    async fn look(&mut self) -> Result<Seen, Fault> {
        let hands = self.hands;
        let begun = hands.venue.begun();
        let orders = hands.venue.open_orders_now().await?;
        hands.seen(begun, Observation::OpenOrders(orders.clone()));
        let begun = hands.venue.begun();
        let positions = hands.venue.positions_now().await?;
        hands.seen(begun, Observation::Positions(positions.clone()));
        let symbols: BTreeSet<Symbol> = positions
            .iter()
            .filter(|p| !p.size.is_zero())
            .map(|p| p.symbol)
            .filter(|symbol| self.task.symbol.is_none_or(|only| only == *symbol))
            .collect();
        let mut seen = Seen {
            positions,
            orders,
            marks: BTreeMap::new(),
            trouble: None,
        };
        for symbol in symbols {
            if let Err(fault) = self.look_at(symbol, &mut seen.marks).await {
                seen.trouble = Some(format!("{symbol}: {fault}"));
            }
        }
        Ok(seen)
    }

    async fn look_at(
        &mut self,
        symbol: Symbol,
        marks: &mut BTreeMap<Symbol, Price>,
    ) -> Result<(), Fault> {
        let venue = &self.hands.venue;
        if let std::collections::btree_map::Entry::Vacant(place) = self.instruments.entry(symbol)
            && let Some(instrument) = venue.instrument(symbol).await?
        {
            place.insert(instrument);
        }
        let begun = venue.begun();
        let ticker = venue.ticker_now(symbol).await?;
        marks.insert(symbol, ticker.mark);
        self.hands.seen(begun, Observation::Tickers(vec![ticker]));
        Ok(())
    }
}

/// The open positions of some symbols, in words.
fn held(positions: &[Position], of: impl Fn(Symbol) -> bool) -> Vec<String> {
    let open = positions.iter();
    open.filter(|p| of(p.symbol) && !p.size.is_zero())
        .map(|p| {
            let side = p.side.map_or("?", Side::position_word);
            format!("{side} {} {}", p.size, p.symbol)
        })
        .collect()
}

fn trouble(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Accepted { .. } | Outcome::Pending => None,
        Outcome::Rejected { code, message } => Some(format!("refused: {message} ({code})")),
        Outcome::NotSent { why } | Outcome::Ambiguous { why } => Some(why),
        Outcome::Denied(denial) => Some(denial.message),
    }
}
