//! Our book against the venue's: at the start adopt or block, later block what stays different.

use protocol::venue::{Order, Position};
use protocol::{Context, Side, Symbol, Tag, VenueMs};

use crate::effects::Effects;
use crate::state::Held;
use crate::{Engine, StoreCondition, trips};

/// Foreign orders that are remembered.
const FOREIGN_MOST: usize = 1024;

impl Engine {
    /// The start-up order has been walked through on this connection: compare, then allow.
    pub(crate) fn synced(&mut self, effects: &mut Effects) {
        self.state.venue.synced = true;
        if !self.state.venue.compared {
            self.state.venue.compared = true;
            self.compare_at_start(effects);
        }
    }

    /// A block outranks an adoption.
    fn compare_at_start(&mut self, effects: &mut Effects) {
        effects.must_be_durable = true;
        let mut problems = Vec::new();
        let mut adopt = Vec::new();
        let corrupt = self.state.corrupt.is_some();
        // Before the first comparison of a new history the book is only what was executed since.
        let fresh = self.state.venue.condition == StoreCondition::Fresh;
        for position in self.state.book.venue_positions.values() {
            let Some(side) = position.side else { continue };
            let held = self.state.book.positions.get(&position.symbol);
            if !fresh && held.is_some_and(|held| held.side == side && held.size == position.size) {
                continue;
            }
            let live = format!(
                "{} {} {}",
                side.position_word(),
                position.size,
                position.symbol
            );
            if !self.state.limits.supported_sides.allows(side) {
                problems.push(format!("a live {live}, which this harness does not open"));
            } else if held.is_some() && !fresh {
                problems.push(format!(
                    "the venue holds {live}, the book {}",
                    in_words(held)
                ));
            } else if corrupt {
                problems.push(format!("a live {live}, and no state to judge it by"));
            } else {
                adopt.push(position.clone());
            }
        }
        for (symbol, held) in &self.state.book.positions {
            if !fresh && !self.state.book.venue_positions.contains_key(symbol) {
                problems.push(format!(
                    "the book holds {} {symbol}, the venue nothing",
                    in_words(Some(held))
                ));
            }
        }
        problems.extend(self.standing_problems());
        if problems.is_empty() {
            if fresh {
                self.state.book.positions.clear();
            }
            for position in &adopt {
                self.adopt(position, effects);
            }
        } else {
            self.block(&problems, effects);
        }
    }

    /// What is wrong whenever it is seen: hedge legs, and orders of somebody else.
    fn standing_problems(&self) -> Vec<String> {
        let known = &self.state.book.acknowledged_legs;
        let legs = self
            .state
            .book
            .hedge_legs
            .iter()
            .filter(|leg| !known.iter().any(|k| same_leg(k, leg)))
            .map(|leg| {
                format!(
                    "a leg of hedge mode: {} {} (index {})",
                    leg.size, leg.symbol, leg.index
                )
            });
        let orders = self.state.book.foreign_orders.values().map(|order| {
            format!(
                "an open order that is not ours: {} {} {} ({})",
                order.side, order.qty, order.symbol, order.order_id
            )
        });
        legs.chain(orders).collect()
    }

    fn adopt(&mut self, position: &Position, effects: &mut Effects) {
        let (Some(side), Some(entry)) = (position.side, position.entry) else {
            let problem = format!(
                "a live position in {} without an entry price",
                position.symbol
            );
            return self.block(&[problem], effects);
        };
        let Ok(cost) = entry.times(position.size) else {
            return;
        };
        let held = Held {
            side,
            size: position.size,
            cost: cost.amount(),
            adopted: true,
        };
        self.state.book.positions.insert(position.symbol, held);
        let stop = position
            .stop_loss
            .map_or("no stop at the venue".to_owned(), |s| format!("stop {s}"));
        let message = format!(
            "taken over: {} {} {} @ {entry}, {stop}",
            side.position_word(),
            position.size,
            position.symbol
        );
        let context = Context::new()
            .with("symbol", position.symbol)
            .with("side", side)
            .with("size", position.size)
            .with("entry", entry);
        let severity = Tag::ReconAdopt.severity();
        self.tell(Tag::ReconAdopt, severity, message, context, true, effects);
    }

    fn block(&mut self, problems: &[String], effects: &mut Effects) {
        let context = Context::new().with("differences", problems.len());
        trips::begin(
            self,
            Tag::ReconBlock,
            problems.join("; "),
            context,
            None,
            effects,
        );
    }

    /// After the start a difference blocks once it has outlived the venue's lag with nothing of
    /// ours under way.
    pub(crate) fn compare_positions(&mut self, begun: VenueMs, effects: &mut Effects) {
        let lag = self.state.limits.venue_lag_ms;
        let mut symbols: Vec<Symbol> = self.state.book.positions.keys().copied().collect();
        symbols.extend(self.state.book.venue_positions.keys().copied());
        symbols.sort();
        symbols.dedup();
        let mut problems = Vec::new();
        for symbol in symbols {
            let held = self.state.book.positions.get(&symbol);
            let live = self.state.book.venue_positions.get(&symbol);
            let same = match (held, live) {
                (Some(held), Some(live)) => Some(held.side) == live.side && held.size == live.size,
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            let recent = self
                .state
                .book
                .last_execution
                .get(&symbol)
                .is_some_and(|last| begun <= last.after(lag));
            if same || recent || self.under_way(symbol) {
                self.state.book.disagreeing.remove(&symbol);
                continue;
            }
            let told = self
                .state
                .ingested
                .executions_until
                .is_some_and(|until| until > begun.after(lag));
            let since = *self.state.book.disagreeing.entry(symbol).or_insert(begun);
            if begun > since.after(lag.saturating_mul(2))
                && (told || begun > since.after(lag.saturating_mul(10)))
            {
                let theirs = live.map_or("nothing".to_owned(), |p| {
                    format!("{} {}", p.side.map_or("?", Side::position_word), p.size)
                });
                problems.push(format!(
                    "{symbol}: the book holds {}, the venue {theirs}",
                    in_words(held)
                ));
            }
        }
        problems.extend(self.standing_problems());
        if !problems.is_empty() && !self.state.trips.contains_key(&Tag::ReconBlock) {
            self.block(&problems, effects);
        }
    }

    /// Whether an order of this symbol may be executing now. A resting limit order is not: its
    /// executions come on their own.
    fn under_way(&self, symbol: Symbol) -> bool {
        use crate::state::Stage;
        self.state.reservations.values().any(|r| {
            r.approval.intent.symbol == symbol
                && match r.stage {
                    Stage::Approved | Stage::Ambiguous | Stage::Over { .. } => true,
                    Stage::Live => r.approval.intent.price.is_none(),
                }
        })
    }

    /// Orders that nobody here has placed, and that could open a position.
    pub(crate) fn note_foreign_orders(
        &mut self,
        all: &[Order],
        _begun: VenueMs,
        effects: &mut Effects,
    ) {
        let lineage = self.state.lineage.clone();
        // Ours is what was approved and is not over for good; an order that was given up as never
        // arrived and turns up all the same is nobody's.
        let ours = |order: &Order| {
            let link = order.link_id.as_ref();
            let approval = link.and_then(|link| crate::names::approval_of(&lineage, link));
            approval.is_some_and(|id| {
                self.state.reservations.contains_key(&id) || self.state.book.over.contains(&id)
            })
        };
        let foreign = all
            .iter()
            .filter(|order| !order.only_reduces() && !ours(order))
            .filter(|order| !self.state.book.acknowledged.contains(&order.order_id))
            .take(FOREIGN_MOST);
        self.state.book.foreign_orders = foreign
            .map(|order| (order.order_id, order.clone()))
            .collect();
        let open: std::collections::BTreeSet<_> = all.iter().map(|order| order.order_id).collect();
        self.state.book.acknowledged.retain(|id| open.contains(id));
        let found = !self.state.book.foreign_orders.is_empty();
        if found && self.state.venue.compared && !self.state.trips.contains_key(&Tag::ReconBlock) {
            let problems = self.standing_problems();
            self.block(&problems, effects);
        }
    }

    /// The operator has looked: the venue's word becomes the book.
    pub(crate) fn acknowledge(&mut self, effects: &mut Effects) -> String {
        if !self.state.venue.synced {
            return "not done: the venue has not been read; try again when it has".to_owned();
        }
        let mut taken = Vec::new();
        let live: Vec<Position> = self.state.book.venue_positions.values().cloned().collect();
        self.state.book.positions.clear();
        for position in &live {
            let (Some(side), Some(entry)) = (position.side, position.entry) else {
                continue;
            };
            let Ok(cost) = entry.times(position.size) else {
                continue;
            };
            let held = Held {
                side,
                size: position.size,
                cost: cost.amount(),
                adopted: true,
            };
            self.state.book.positions.insert(position.symbol, held);
            taken.push(format!(
                "{} {} {}",
                side.position_word(),
                position.size,
                position.symbol
            ));
        }
        let orders: Vec<_> = self.state.book.foreign_orders.keys().copied().collect();
        self.state.book.acknowledged.extend(orders);
        self.state.book.foreign_orders.clear();
        self.state
            .book
            .acknowledged_legs
            .clone_from(&self.state.book.hedge_legs);
        self.state.book.disagreeing.clear();
        self.state.book.fault = None;
        trips::end(
            self,
            Tag::ReconBlock,
            "acknowledged by the operator",
            effects,
        );
        if taken.is_empty() {
            "acknowledged; the account is flat".to_owned()
        } else {
            format!("acknowledged; the book now holds {}", taken.join(", "))
        }
    }
}

fn in_words(held: Option<&Held>) -> String {
    held.map_or("nothing".to_owned(), |held| {
        format!("{} {}", held.side.position_word(), held.size)
    })
}

fn same_leg(one: &Position, other: &Position) -> bool {
    (one.symbol, one.index, one.size) == (other.symbol, other.index, other.size)
}
