//! Our book against the venue's: at the start adopt or block, later block what stays different.
//! Every difference is logged once with both sides.

use protocol::venue::{Order, Position};
use protocol::{Context, Side, Symbol, Tag, VenueMs};
use serde::{Deserialize, Serialize};

use crate::effects::Effects;
use crate::flows::CENT;
use crate::state::Held;
use crate::{Engine, trips};

/// Foreign orders that are remembered.
const FOREIGN_MOST: usize = 1024;

/// Differences that are remembered; of more, the first are enough.
const DIFFERENCES_MOST: usize = 64;

/// Something on which the book and the venue do not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is about: one of them stands at a time.
    pub about: String,
    /// Which instrument, if it is about one.
    pub symbol: Option<Symbol>,
    /// Our side.
    pub book: String,
    /// The venue's side.
    pub venue: String,
    /// Both in a sentence.
    pub said: String,
}

impl Difference {
    fn context(&self) -> Context {
        Context::new()
            .with("about", &self.about)
            .with_some("symbol", self.symbol)
            .with("book", &self.book)
            .with("venue", &self.venue)
    }
}

impl Engine {
    /// The start-up order has been walked through on this connection: compare, then allow.
    pub(crate) fn synced(&mut self, effects: &mut Effects) {
        self.state.venue.synced = true;
        self.compare_if_awaited(effects);
    }

    /// Compares as soon as the venue has been read; again while executions may explain what is
    /// different.
    pub(crate) fn compare_if_awaited(&mut self, effects: &mut Effects) {
        if self.state.venue.synced && !self.state.venue.compared {
            self.compare_at_start(effects);
        }
    }

    /// A block outranks an adoption.
    fn compare_at_start(&mut self, effects: &mut Effects) {
        effects.must_be_durable = true;
        // Before the first comparison of a new history there is no book to disagree with.
        let first = self.state.book.since.is_none();
        let mut wrong = self.standing_problems();
        let mut adopt = Vec::new();
        let mut differing = Vec::new();
        for position in self.state.book.venue_positions.values() {
            let held = self.state.book.positions.get(&position.symbol);
            match self.judge_found(position, held.filter(|_| !first)) {
                Found::Same => {}
                Found::Wrong(why) => wrong.push(why),
                Found::Adopt => adopt.push(position.clone()),
                Found::Differs => differing.push(position.symbol),
            }
        }
        let book = &self.state.book;
        let vanished = book.positions.keys().copied();
        let vanished = vanished.filter(|symbol| !book.venue_positions.contains_key(symbol));
        differing.extend(vanished.filter(|_| !first));
        // What may be explained by an execution that the venue does not show yet is waited for.
        if wrong.is_empty() && self.may_be_explained(&differing) {
            return;
        }
        self.state.venue.compared = true;
        self.state.book.disagreeing.clear();
        wrong.extend(
            differing
                .into_iter()
                .map(|symbol| self.disagreement(symbol)),
        );
        if wrong.is_empty() {
            for position in &adopt {
                self.adopt(position, effects);
            }
        } else {
            self.block(wrong, effects);
        }
        if first {
            self.state.book.since = self.state.venue.positions_begun;
        }
        let off = self.unexplained().map(|off| off.get().abs());
        self.state.wallet.unproven = off.is_some_and(|off| off > CENT);
    }

    /// What a live position is to the book.
    fn judge_found(&self, position: &Position, held: Option<&Held>) -> Found {
        let Some(side) = position.side else {
            return Found::Same;
        };
        if held.is_some_and(|held| held.is(position)) {
            return Found::Same;
        }
        let limits = &self.state.limits;
        let why = if !limits.supported_sides.allows(side) {
            "which this harness does not open"
        } else if held.is_some() {
            return Found::Differs;
        } else if self.state.corrupt.is_some() {
            "and no state to judge it by"
        } else if !limits.is_ours(position.symbol) {
            "in a symbol that is not ours to trade"
        } else {
            return Found::Adopt;
        };
        let live = live_in_words(Some(position));
        Found::Wrong(Difference {
            about: format!("position {}", position.symbol),
            symbol: Some(position.symbol),
            said: format!("a live {live} {}, {why}", position.symbol),
            book: in_words(held),
            venue: live,
        })
    }

    /// Whether the executions that have been told do not reach the read that showed a difference.
    fn may_be_explained(&mut self, differing: &[Symbol]) -> bool {
        let Some(begun) = self.state.venue.positions_begun else {
            return false;
        };
        let disagreeing = &mut self.state.book.disagreeing;
        disagreeing.retain(|symbol, _| differing.contains(symbol));
        let told = self.state.ingested.executions_until;
        let mut open = false;
        for symbol in differing {
            let since = *disagreeing.entry(*symbol).or_insert(begun);
            open |= told.is_none_or(|until| until < since);
        }
        open
    }

    fn disagreement(&self, symbol: Symbol) -> Difference {
        let held = self.state.book.positions.get(&symbol);
        let live = self.state.book.venue_positions.get(&symbol);
        let (book, venue) = (in_words(held), live_in_words(live));
        Difference {
            about: format!("position {symbol}"),
            symbol: Some(symbol),
            said: format!("{symbol}: the book holds {book}, the venue {venue}"),
            book,
            venue,
        }
    }

    /// What is wrong whenever it is seen: hedge legs, and orders of somebody else.
    fn standing_problems(&self) -> Vec<Difference> {
        let known = &self.state.book.acknowledged_legs;
        let legs = self.state.book.hedge_legs.iter();
        let legs = legs.filter(|leg| !known.iter().any(|k| same_leg(k, leg)));
        let legs = legs.map(|leg| Difference {
            about: format!("hedge leg {} {}", leg.symbol, leg.index),
            symbol: Some(leg.symbol),
            said: format!(
                "a leg of hedge mode: {} {} (index {})",
                live_in_words(Some(leg)),
                leg.symbol,
                leg.index
            ),
            book: "nothing".to_owned(),
            venue: live_in_words(Some(leg)),
        });
        let orders = self.state.book.foreign_orders.values();
        let orders = orders.map(|order| {
            let what = format!("{} {} {}", order.side, order.qty, order.symbol);
            Difference {
                about: format!("order {}", order.order_id),
                symbol: Some(order.symbol),
                said: format!(
                    "an open order that is not ours: {what} ({})",
                    order.order_id
                ),
                book: "nothing".to_owned(),
                venue: what,
            }
        });
        legs.chain(orders).collect()
    }

    fn adopt(&mut self, position: &Position, effects: &mut Effects) {
        let (Some(held), Some(side), Some(entry)) =
            (Held::found(position), position.side, position.entry)
        else {
            let venue = live_in_words(Some(position));
            let difference = Difference {
                about: format!("position {}", position.symbol),
                symbol: Some(position.symbol),
                said: format!("a live {venue} {} without an entry price", position.symbol),
                book: "nothing".to_owned(),
                venue,
            };
            return self.block(vec![difference], effects);
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

    /// Blocks entries, and tells each difference that was not told before, with both sides.
    pub(crate) fn block(&mut self, found: Vec<Difference>, effects: &mut Effects) {
        let known = &self.state.book.differences;
        let news: Vec<Difference> = found
            .into_iter()
            .filter(|new| known.get(&new.about) != Some(new))
            .take(DIFFERENCES_MOST.saturating_sub(known.len()))
            .collect();
        if news.is_empty() {
            return;
        }
        let stood = self.state.trips.contains_key(&Tag::ReconBlock);
        for new in &news {
            let differences = &mut self.state.book.differences;
            differences.insert(new.about.clone(), new.clone());
        }
        let all = self.state.book.differences.values();
        let all: Vec<&str> = all.map(|difference| difference.said.as_str()).collect();
        let (message, count) = (all.join("; "), all.len());
        let context = match &news[..] {
            [only] if !stood => only.context(),
            _ => Context::new().with("differences", count),
        };
        if let Some(trip) = self.state.trips.get_mut(&Tag::ReconBlock) {
            trip.message.clone_from(&message);
            trip.context.clone_from(&context);
        }
        trips::begin(self, Tag::ReconBlock, message, context, None, effects);
        if !stood && news.len() == 1 {
            return;
        }
        let severity = Tag::ReconBlock.severity();
        for new in news {
            let context = new.context();
            // The trip's own alert holds those that it began with.
            self.tell(Tag::ReconBlock, severity, new.said, context, stood, effects);
        }
    }

    /// After the start a difference blocks once it has outlived the venue's lag with nothing of
    /// ours under way.
    pub(crate) fn compare_positions(&mut self, begun: VenueMs, effects: &mut Effects) {
        let lag = self.state.limits.venue_lag_ms;
        let mut symbols: Vec<Symbol> = self.state.book.positions.keys().copied().collect();
        symbols.extend(self.state.book.venue_positions.keys().copied());
        symbols.sort();
        symbols.dedup();
        let mut found = Vec::new();
        for symbol in symbols {
            let held = self.state.book.positions.get(&symbol);
            let live = self.state.book.venue_positions.get(&symbol);
            let same = match (held, live) {
                (Some(held), Some(live)) => held.is(live),
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
            let since = *self.state.book.disagreeing.entry(symbol).or_insert(begun);
            // Executions as old as the first read that showed it would have explained it.
            let told = self
                .state
                .ingested
                .executions_until
                .is_some_and(|until| until > since.after(lag));
            if begun > since.after(lag.saturating_mul(2))
                && (told || begun > since.after(lag.saturating_mul(10)))
            {
                found.push(self.disagreement(symbol));
            }
        }
        found.extend(self.standing_problems());
        self.block(found, effects);
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
        // An order that was given up as never arrived and turns up all the same is nobody's.
        let ours = |order: &Order| order.link_id.is_some_and(|link| self.is_ours(&link));
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
        if self.state.venue.compared {
            let found = self.standing_problems();
            self.block(found, effects);
        }
    }

    /// The operator has looked: the venue's word becomes the book.
    pub(crate) fn acknowledge(&mut self, effects: &mut Effects) -> String {
        if !self.state.venue.synced {
            return "not done: the venue has not been read; try again when it has".to_owned();
        }
        let mut taken = Vec::new();
        let ours = std::mem::take(&mut self.state.book.positions);
        for position in self.state.book.venue_positions.values() {
            let symbol = position.symbol;
            // Where the two agree the book knows more than the venue's row does.
            let same = ours.get(&symbol).filter(|held| held.is(position)).copied();
            if let Some(held) = same.or_else(|| Held::found(position)) {
                self.state.book.positions.insert(symbol, held);
                taken.push(format!("{} {symbol}", live_in_words(Some(position))));
            }
        }
        let orders: Vec<_> = self.state.book.foreign_orders.keys().copied().collect();
        self.state.book.acknowledged.extend(orders);
        self.state.book.foreign_orders.clear();
        self.state
            .book
            .acknowledged_legs
            .clone_from(&self.state.book.hedge_legs);
        self.state.book.disagreeing.clear();
        self.state.book.differences.clear();
        self.state.book.fault = None;
        self.settle_closings();
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

/// What a live position is to the book.
enum Found {
    /// The book has it.
    Same,
    /// It is nobody's: taken over.
    Adopt,
    /// The book has another.
    Differs,
    /// It should not be there, whatever the book says.
    Wrong(Difference),
}

fn in_words(held: Option<&Held>) -> String {
    held.map_or("nothing".to_owned(), |held| {
        format!("{} {}", held.side.position_word(), held.size)
    })
}

fn live_in_words(live: Option<&Position>) -> String {
    live.map_or("nothing".to_owned(), |live| {
        let side = live.side.map_or("?", Side::position_word);
        format!("{side} {}", live.size)
    })
}

fn same_leg(one: &Position, other: &Position) -> bool {
    (one.symbol, one.index, one.size) == (other.symbol, other.index, other.size)
}
