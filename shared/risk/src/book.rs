//! Positions and prices: our own count from executions, and the venue's word beside it.

use money::{Amount, Decimal, MoneyError, Notional, Price, Qty};
use protocol::venue::{ExecKind, Execution, Instrument, Order, Position, Ticker};
use protocol::{Context, Side, Symbol, Tag, VenueMs};

use crate::effects::Effects;
use crate::state::{Held, MarkAt};
use crate::{Engine, trips};

/// Places of the settle coin to which a part of a cost is rounded; what is left at the end of a
/// position is its exact rest, so nothing is ever lost.
const COST_PLACES: u32 = 12;

/// An execution this far behind what has all been told is a repeat, remembered or not.
const REPEATS_MS: u64 = 600_000;

impl Held {
    /// Average entry price.
    pub(crate) fn entry(&self) -> Option<Price> {
        let quotient = self.cost.get().checked_div(self.size.get())?;
        Price::new(quotient.round_dp(COST_PLACES)).ok()
    }
}

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
        self.settle_over(begun);
        if self.state.venue.compared {
            self.compare_positions(begun, effects);
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
        if old || !self.state.ingested.executions.insert(execution.exec_id) {
            return;
        }
        let last = self
            .state
            .book
            .last_execution
            .entry(execution.symbol)
            .or_insert(execution.at);
        *last = (*last).max(execution.at);
        let ours = execution.at >= self.state.began;
        let booked = match execution.kind {
            ExecKind::Funding => self.book_funding(execution),
            // Before this history began only the closed-PnL rows tell what was earned.
            ExecKind::Trade | ExecKind::Bust | ExecKind::Adl | ExecKind::Unknown if !ours => Ok(()),
            ExecKind::Trade | ExecKind::Bust | ExecKind::Adl | ExecKind::Unknown => {
                self.book_trade(execution)
            }
        };
        if let Err(error) = booked {
            self.state.book.fault = Some(format!("execution {}: {error}", execution.exec_id));
        }
        if ours && execution.kind != ExecKind::Funding {
            self.fill_booked(
                execution.link_id.as_ref(),
                &execution.order_id,
                execution.qty,
            );
        }
        if ours && matches!(execution.kind, ExecKind::Bust | ExecKind::Adl) {
            let message = format!(
                "the venue closed {} {} by force at {}",
                execution.qty, execution.symbol, execution.price
            );
            let context = Context::new()
                .with("symbol", execution.symbol)
                .with("qty", execution.qty)
                .with("price", execution.price);
            trips::begin(self, Tag::Liquidation, message, context, None, effects);
        }
    }

    fn book_funding(&mut self, execution: &Execution) -> Result<(), MoneyError> {
        self.cash(execution.at, execution.fee.negated())?;
        if execution.at.day() == self.state.day.number {
            self.state.day.funding = self.state.day.funding.plus(execution.fee)?;
        }
        Ok(())
    }

    fn book_trade(&mut self, execution: &Execution) -> Result<(), MoneyError> {
        let earned = self.move_position(execution)?;
        self.cash(execution.at, earned.minus(execution.fee)?)?;
        if execution.at.day() == self.state.day.number {
            self.state.day.fees = self.state.day.fees.plus(execution.fee)?;
        }
        Ok(())
    }

    /// Moves our position by an execution; what its closing part earned, before fees.
    fn move_position(&mut self, execution: &Execution) -> Result<Amount, MoneyError> {
        let positions = &mut self.state.book.positions;
        let held = positions.get(&execution.symbol).copied();
        let value = execution.price.times(execution.qty)?.amount();
        let Some(held) = held.filter(|held| held.side != execution.side) else {
            let adopted = held.is_some_and(|held| held.adopted);
            let (size, cost) = held.map_or((Qty::ZERO, Amount::ZERO), |h| (h.size, h.cost));
            let grown = Held {
                side: execution.side,
                size: size.plus(execution.qty)?,
                cost: cost.plus(value)?,
                adopted,
            };
            positions.insert(execution.symbol, grown);
            return Ok(Amount::ZERO);
        };
        let closed = execution.qty.min(held.size);
        let cost = part_of(held.cost, closed, held.size)?;
        let proceeds = execution.price.times(closed)?.amount();
        let earned = match held.side {
            Side::Buy => proceeds.minus(cost)?,
            Side::Sell => cost.minus(proceeds)?,
        };
        let left = held.size.less(closed);
        let beyond = execution.qty.less(closed);
        if !left.is_zero() {
            let kept = Held {
                size: left,
                cost: held.cost.minus(cost)?,
                ..held
            };
            positions.insert(execution.symbol, kept);
        } else if beyond.is_zero() {
            positions.remove(&execution.symbol);
        } else {
            let turned = Held {
                side: execution.side,
                size: beyond,
                cost: execution.price.times(beyond)?.amount(),
                adopted: false,
            };
            positions.insert(execution.symbol, turned);
        }
        Ok(earned)
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

/// The part of a cost that belongs to a part of a size; all of it for the whole.
fn part_of(cost: Amount, part: Qty, whole: Qty) -> Result<Amount, MoneyError> {
    if part == whole {
        return Ok(cost);
    }
    let overflow = MoneyError::Overflow {
        what: "part of a cost",
    };
    let share: Decimal = cost
        .get()
        .checked_mul(part.get())
        .and_then(|product| product.checked_div(whole.get()))
        .ok_or(overflow)?;
    Amount::new(share.round_dp(COST_PLACES))
}
