//! Positions and prices: our own count from executions, and the venue's word beside it.

use money::{Amount, MoneyError, Notional, Price, Qty};
use protocol::venue::{ExecKind, Execution, Instrument, Order, Position, Ticker};
use protocol::{Context, Side, Symbol, Tag, VenueMs};

use crate::effects::Effects;
use crate::state::MarkAt;
use crate::{Engine, trips};

/// An execution this far behind what has all been told is a repeat, remembered or not.
const REPEATS_MS: u64 = 600_000;

impl Engine {
    pub(crate) fn note_instruments(&mut self, all: &[Instrument]) {
        let instruments = &mut self.state.book.instruments;
        instruments.clear();
        instruments.extend(
            all.iter()
                .map(|instrument| (instrument.symbol, instrument.clone())),
        );
    }

    pub(crate) fn note_tickers(&mut self, all: &[Ticker], elapsed: u64) {
        for ticker in all {
            let mark = MarkAt {
                price: ticker.mark,
                elapsed,
            };
            let known = self.state.book.marks.entry(ticker.symbol).or_insert(mark);
            if known.elapsed <= elapsed {
                *known = mark;
            }
        }
    }

    pub(crate) fn note_candles(
        &mut self,
        symbol: Symbol,
        why: Option<&str>,
        effects: &mut Effects,
    ) {
        let known = &mut self.state.venue.stale_candles;
        let (tag, context) = (Tag::StaleData, Context::new().with("symbol", symbol));
        match why {
            Some(why) if known.get(&symbol).map(String::as_str) != Some(why) => {
                let first = known.insert(symbol, why.to_owned()).is_none();
                let message = format!("{symbol}: {why}");
                self.tell(tag, tag.severity(), message, context, first, effects);
            }
            None if known.remove(&symbol).is_some() => {
                let message = format!("{symbol}: candles are fresh again");
                self.tell(
                    tag,
                    protocol::Severity::Info,
                    message,
                    context,
                    false,
                    effects,
                );
            }
            Some(_) | None => {}
        }
    }

    /// Takes the venue's positions: all of them, with flat ones only for their leverage.
    pub(crate) fn note_positions(
        &mut self,
        all: &[Position],
        begun: VenueMs,
        elapsed: u64,
        effects: &mut Effects,
    ) {
        if self
            .state
            .venue
            .positions_elapsed
            .is_some_and(|last| elapsed < last)
        {
            return;
        }
        self.state.venue.positions_elapsed = Some(elapsed);
        let book = &mut self.state.book;
        book.venue_positions.clear();
        book.hedge_legs.clear();
        for position in all {
            if let Some(leverage) = position.leverage {
                book.leverage.insert(position.symbol, leverage);
            }
            if let Some(price) = position.mark {
                let mark = book
                    .marks
                    .entry(position.symbol)
                    .or_insert(MarkAt { price, elapsed });
                if mark.elapsed <= elapsed {
                    *mark = MarkAt { price, elapsed };
                }
            }
            if position.size.is_zero() {
                continue;
            }
            if position.index == 0 {
                book.venue_positions
                    .insert(position.symbol, position.clone());
            } else {
                book.hedge_legs.push(position.clone());
            }
        }
        self.state.venue.positions_begun = Some(begun);
        self.settle_over(begun);
        if self.state.venue.compared {
            self.compare_positions(begun, effects);
        } else {
            self.compare_if_awaited(effects);
        }
    }

    /// Takes the venue's open orders: all of them.
    pub(crate) fn note_open_orders(
        &mut self,
        all: &[Order],
        begun: VenueMs,
        elapsed: u64,
        effects: &mut Effects,
    ) {
        if self
            .state
            .venue
            .orders_elapsed
            .is_some_and(|last| elapsed < last)
        {
            return;
        }
        self.state.venue.orders_elapsed = Some(elapsed);
        for order in all {
            self.order_news(order, effects);
        }
        self.note_foreign_orders(all, begun, effects);
    }

    /// Books an execution once: positions, cash, fees, funding.
    pub(crate) fn book_execution(&mut self, execution: &Execution, effects: &mut Effects) {
        let told = self.state.ingested.executions_until;
        let old = told.is_some_and(|until| until.since(execution.at) > REPEATS_MS);
        let ingested = &mut self.state.ingested.executions;
        if old || !ingested.insert(execution.exec_id, execution.at) {
            return;
        }
        let last = self
            .state
            .book
            .last_execution
            .entry(execution.symbol)
            .or_insert(execution.at);
        *last = (*last).max(execution.at);
        let ours = self.is_since_compared(execution.at);
        let booked = match execution.kind {
            ExecKind::Funding => self.book_funding(execution, effects),
            ExecKind::Trade | ExecKind::Bust | ExecKind::Adl | ExecKind::Unknown => {
                self.book_trade(execution, ours, effects)
            }
        };
        if let Err(error) = booked {
            self.state.book.fault = Some(format!("execution {}: {error}", execution.exec_id));
        }
        if execution.kind == ExecKind::Unknown {
            let what = format!("execution {} is of an unknown kind", execution.exec_id);
            self.state.book.fault = Some(what);
        }
        if execution.kind != ExecKind::Funding
            && (ours || self.knows(execution.link_id.as_ref(), &execution.order_id))
        {
            self.fill_booked(
                execution.link_id.as_ref(),
                &execution.order_id,
                execution.qty,
            );
        }
        self.tell_forced(execution, effects);
    }

    /// Whether what was executed then moves our positions: what was executed before the books were
    /// first compared is in the positions that were taken over.
    pub(crate) fn is_since_compared(&self, at: VenueMs) -> bool {
        self.state.book.since.is_some_and(|since| at >= since)
    }

    fn tell_forced(&mut self, execution: &Execution, effects: &mut Effects) {
        let how = match execution.kind {
            ExecKind::Bust => "liquidated",
            ExecKind::Adl => "auto-deleveraged",
            ExecKind::Trade | ExecKind::Funding | ExecKind::Unknown => return,
        };
        if execution.at < self.state.began {
            return;
        }
        let message = format!(
            "the venue {how} {} {} at {}",
            execution.qty, execution.symbol, execution.price
        );
        let context = Context::new()
            .with("symbol", execution.symbol)
            .with("side", execution.side)
            .with("qty", execution.qty)
            .with("price", execution.price)
            .with("exec_id", execution.exec_id);
        if self.state.trips.contains_key(&Tag::Liquidation) {
            let severity = Tag::Liquidation.severity();
            return self.tell(Tag::Liquidation, severity, message, context, true, effects);
        }
        trips::begin(self, Tag::Liquidation, message, context, None, effects);
    }

    fn book_funding(
        &mut self,
        execution: &Execution,
        effects: &mut Effects,
    ) -> Result<(), MoneyError> {
        self.cash(execution.at, execution.fee.negated(), effects)?;
        if let Some(day) = self.day_at(execution.at) {
            day.funding = day.funding.plus(execution.fee)?;
        }
        let held = self.state.book.positions.get_mut(&execution.symbol);
        if let Some(held) = held
            && let Some(paid) = held.funding
        {
            held.funding = Some(paid.plus(execution.fee)?);
        }
        Ok(())
    }

    fn book_trade(
        &mut self,
        execution: &Execution,
        ours: bool,
        effects: &mut Effects,
    ) -> Result<(), MoneyError> {
        let mut earned = Amount::ZERO;
        if ours && let Some(closed) = self.move_position(execution)? {
            earned = closed.earned()?;
            self.note_closing(execution, closed)?;
        }
        self.cash(execution.at, earned.minus(execution.fee)?, effects)?;
        if let Some(day) = self.day_at(execution.at) {
            day.fees = day.fees.plus(execution.fee)?;
        }
        Ok(())
    }

    /// Size that may surely be closed by an order of this side: what our book and the venue's last
    /// word both hold on the other side, less the reducers that rest already.
    pub(crate) fn reducible(&self, symbol: Symbol, side: Side) -> Qty {
        let book = &self.state.book;
        let ours = book
            .positions
            .get(&symbol)
            .filter(|h| h.side != side)
            .map(|h| h.size);
        let theirs = book
            .venue_positions
            .get(&symbol)
            .filter(|p| p.side.is_some_and(|s| s != side))
            .map(|p| p.size);
        // A position that only one side knows of may still be shrunk; the venue refuses what is
        // not there, since the order is reduce-only.
        let held = match (ours, theirs) {
            (Some(ours), Some(theirs)) => ours.max(theirs),
            (one, other) => one.or(other).unwrap_or(Qty::ZERO),
        };
        let resting = self
            .state
            .reservations
            .values()
            .filter(|r| !r.approval.opens && r.approval.intent.symbol == symbol)
            .filter(|r| r.approval.intent.side == side && r.rests())
            .fold(Qty::ZERO, |sum, r| sum.plus(r.outstanding()).unwrap_or(sum));
        held.less(resting)
    }

    /// The larger of our size and the venue's on one side of a symbol.
    pub(crate) fn cautious_size(&self, symbol: Symbol, side: Side) -> Qty {
        let book = &self.state.book;
        let ours = book
            .positions
            .get(&symbol)
            .filter(|h| h.side == side)
            .map(|h| h.size);
        let theirs = book
            .venue_positions
            .get(&symbol)
            .filter(|p| p.side == Some(side))
            .map(|p| p.size);
        ours.unwrap_or(Qty::ZERO).max(theirs.unwrap_or(Qty::ZERO))
    }

    /// What one symbol could be worth at most on one side, with everything that is reserved.
    pub(crate) fn exposure(
        &self,
        symbol: Symbol,
        side: Side,
        price: Price,
        without: Option<protocol::ApprovalId>,
    ) -> Result<Notional, MoneyError> {
        let mut worth = price.times(self.cautious_size(symbol, side))?;
        for (id, reservation) in &self.state.reservations {
            let intent = &reservation.approval.intent;
            let counts = reservation.approval.opens
                && intent.symbol == symbol
                && intent.side == side
                && Some(*id) != without;
            if counts {
                let at = intent.price.map_or(price, |limit| limit.max(price));
                worth = worth.plus(at.times(reservation.outstanding())?)?;
            }
        }
        Ok(worth)
    }
}
