//! Each closing order twice: by our own executions, and by the venue's row of closed PnL. The two
//! must agree to the cent.
//!
//! ```text
//!  executions ─▶ own figure ─┐
//!                            ├─▶ agree ─▶ settled
//!  row of closed PnL ────────┘   later than the venue's lag: SAFETY_RECON_BLOCK, both numbers
//! ```
//! A row, or an execution, that merely lags is no disagreement. What was taken over has no figure of
//! our own. What this room does not do: the streak is the rows' alone, `book` moves the positions.

use std::collections::{BTreeMap, VecDeque};

use money::{Amount, MoneyError, Qty};
use protocol::status::{CloseCheck, CloseResult};
use protocol::venue::{ClosedTrade, Execution};
use protocol::{OrderId, Side, Symbol, Tag, VenueMs};
use serde::{Deserialize, Serialize};

use crate::effects::Effects;
use crate::flows::CENT;
use crate::positions::{Closed, earned};
use crate::reconcile::Difference;
use crate::{Engine, trips};

/// Closing orders that may wait for their other half.
const OPEN_MOST: usize = 128;

/// Closing orders that are kept after they were settled: a row may still grow.
const SETTLED_MOST: usize = 64;

/// Closing orders that a status shows.
const SHOWN_MOST: usize = 20;

/// Rows whose order in time is kept, for the streak.
const ROWS_MOST: usize = 256;

/// What closing orders brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closings {
    /// Those that wait for their other half.
    pub open: BTreeMap<OrderId, Closing>,
    /// The newest that do not, newest last.
    pub settled: VecDeque<Settled>,
    /// The newest rows in the order of time: when, which, and whether it was a loss.
    pub rows: VecDeque<(VenueMs, OrderId, bool)>,
    /// Losses in a row up to the oldest of these.
    pub rows_base: u32,
}

/// One closing order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Which instrument.
    pub symbol: Symbol,
    /// Direction of the position that is closed.
    pub side: Side,
    /// By our executions.
    pub own: Option<Own>,
    /// By the venue's row.
    pub row: Option<Row>,
}

/// What our executions say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// How much was closed.
    pub qty: Qty,
    /// What it was worth at entry.
    pub entry_value: Amount,
    /// What it was worth at exit.
    pub exit_value: Amount,
    /// The opening's share of fees; `None` where part of it was taken over.
    pub open_fee: Option<Amount>,
    /// The closing's fees.
    pub close_fee: Amount,
    /// Its share of funding; `None` as above.
    pub funding: Option<Amount>,
    /// The last execution.
    pub last: VenueMs,
}

/// What the venue's row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// How much was closed.
    pub qty: Qty,
    /// Result, net of fees, without funding.
    pub pnl: Amount,
    /// When it last changed.
    pub updated: VenueMs,
}

/// A closing order that waits no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Which order.
    pub order_id: OrderId,
    /// What it brought.
    pub closing: Closing,
    /// How the two compared.
    pub check: CloseCheck,
}

impl Own {
    fn gross(&self, side: Side) -> Result<Amount, MoneyError> {
        earned(side, self.entry_value, self.exit_value)
    }

    fn fees(&self) -> Option<Amount> {
        self.open_fee?.plus(self.close_fee).ok()
    }

    /// As the venue counts: net of fees, without funding.
    fn pnl(&self, side: Side) -> Option<Amount> {
        self.gross(side).ok()?.minus(self.fees()?).ok()
    }

    fn with(self, closed: &Closed, at: VenueMs) -> Result<Self, MoneyError> {
        let both = |one: Option<Amount>, other: Option<Amount>| {
            one.zip(other).map(|(a, b)| a.plus(b)).transpose()
        };
        Ok(Self {
            qty: self.qty.plus(closed.qty)?,
            entry_value: self.entry_value.plus(closed.entry_value)?,
            exit_value: self.exit_value.plus(closed.exit_value)?,
            open_fee: both(self.open_fee, closed.open_fee)?,
            close_fee: self.close_fee.plus(closed.close_fee)?,
            funding: both(self.funding, closed.funding)?,
            last: self.last.max(at),
        })
    }

    const fn nothing(at: VenueMs) -> Self {
        Self {
            qty: Qty::ZERO,
            entry_value: Amount::ZERO,
            exit_value: Amount::ZERO,
            open_fee: Some(Amount::ZERO),
            close_fee: Amount::ZERO,
            funding: Some(Amount::ZERO),
            last: at,
        }
    }
}

impl Closing {
    fn agrees(&self) -> bool {
        let both = self.own.zip(self.row);
        both.is_some_and(|(own, row)| {
            let off = own.pnl(self.side).and_then(|pnl| pnl.minus(row.pnl).ok());
            own.qty == row.qty && off.is_some_and(|off| off.get().abs() <= CENT)
        })
    }

    fn result(&self, order_id: OrderId, check: CloseCheck) -> Option<CloseResult> {
        let own = self.own;
        Some(CloseResult {
            order_id,
            symbol: self.symbol,
            side: self.side,
            qty: own.map(|own| own.qty).or(self.row.map(|row| row.qty))?,
            gross: own.and_then(|own| own.gross(self.side).ok()),
            fees: own.and_then(|own| own.fees()),
            funding: own.and_then(|own| own.funding),
            pnl: own.and_then(|own| own.pnl(self.side)),
            venue_pnl: self.row.map(|row| row.pnl),
            check,
            at: self.at()?,
        })
    }

    fn at(&self) -> Option<VenueMs> {
        let row = self.row.map(|row| row.updated);
        self.own.map(|own| own.last).or(row)
    }

    /// Both sides in words, ours first.
    fn sides(&self) -> (String, String) {
        let unknown = || "an unknown result".to_owned();
        let ours = self.own.map_or("no execution".to_owned(), |own| {
            let pnl = own
                .pnl(self.side)
                .map_or_else(unknown, |pnl| pnl.to_string());
            format!("{pnl} on {}", own.qty)
        });
        let theirs = self.row.map_or("no row of closed PnL".to_owned(), |row| {
            format!("{} on {}", row.pnl, row.qty)
        });
        (ours, theirs)
    }
}

impl Closings {
    /// The closing order, also if it was settled before; a new one if it is not known.
    fn reopen(&mut self, order_id: OrderId, symbol: Symbol, side: Side) -> &mut Closing {
        let known = self.settled.iter().position(|s| s.order_id == order_id);
        let before = known.and_then(|place| self.settled.remove(place));
        let blank = Closing {
            symbol,
            side,
            own: None,
            row: None,
        };
        let closing = before.map_or(blank, |settled| settled.closing);
        self.open.entry(order_id).or_insert(closing)
    }

    fn known(&self, order_id: &OrderId) -> Option<&Closing> {
        let settled = self.settled.iter().find(|s| s.order_id == *order_id);
        self.open
            .get(order_id)
            .or(settled.map(|settled| &settled.closing))
    }

    fn settle(&mut self, order_id: OrderId, check: CloseCheck) {
        let Some(closing) = self.open.remove(&order_id) else {
            return;
        };
        self.settled.push_back(Settled {
            order_id,
            closing,
            check,
        });
        while self.settled.len() > SETTLED_MOST {
            self.settled.pop_front();
        }
    }

    /// Puts a row in its place in time; the streak it makes.
    fn streak_with(&mut self, at: VenueMs, order_id: OrderId, loss: bool, before: u32) -> u32 {
        if self.rows.is_empty() {
            self.rows_base = before;
        }
        if let Some(known) = self.rows.iter_mut().find(|(_, id, _)| *id == order_id) {
            known.2 = loss;
        } else {
            let later = self.rows.iter().rev().take_while(|row| row.0 > at).count();
            let place = self.rows.len().saturating_sub(later);
            self.rows.insert(place, (at, order_id, loss));
        }
        while self.rows.len() > ROWS_MOST {
            if let Some((_, _, loss)) = self.rows.pop_front() {
                self.rows_base = if loss {
                    self.rows_base.saturating_add(1)
                } else {
                    0
                };
            }
        }
        let trailing = self.rows.iter().rev().take_while(|row| row.2).count();
        let base = if trailing == self.rows.len() {
            self.rows_base
        } else {
            0
        };
        base.saturating_add(u32::try_from(trailing).unwrap_or(u32::MAX))
    }
}

impl Engine {
    /// An execution of ours has closed something.
    pub(crate) fn note_closing(
        &mut self,
        execution: &Execution,
        closed: Closed,
    ) -> Result<(), MoneyError> {
        let closings = &mut self.state.closings;
        let closing = closings.reopen(execution.order_id, execution.symbol, closed.side);
        let own = closing.own.unwrap_or_else(|| Own::nothing(execution.at));
        closing.own = Some(own.with(&closed, execution.at)?);
        Ok(())
    }

    /// Counts a closed trade once: the streak, and the day's sum of rows. A row that has grown since
    /// counts with its difference.
    pub(crate) fn count_close(&mut self, trade: &ClosedTrade, effects: &mut Effects) {
        let id = trade.order_id;
        let first = self.state.ingested.closed.insert(id, trade.created);
        let newest = &mut self.state.ingested.closed_until;
        *newest = (*newest).max(Some(trade.created));
        let row = Row {
            qty: trade.qty,
            pnl: trade.pnl,
            updated: trade.updated,
        };
        let known = self.state.closings.known(&id).and_then(|known| known.row);
        if !first && known.is_none_or(|known| known == row) {
            return;
        }
        let before = known.filter(|_| !first).map_or(Amount::ZERO, |row| row.pnl);
        let ours = self.is_since_compared(trade.created);
        if let Err(e) = self.add_row(trade, before, first, ours, effects) {
            self.state.book.fault = Some(format!("closed trade {id}: {e}"));
        }
        if !ours {
            return;
        }
        let closed = trade.side.opposite();
        self.state.closings.reopen(id, trade.symbol, closed).row = Some(row);
        let loss = trade.pnl.get().is_sign_negative() && !trade.pnl.is_zero();
        let streak = self.state.loss_streak;
        let counted = self
            .state
            .closings
            .streak_with(trade.created, id, loss, streak);
        self.state.loss_streak = counted;
        if !loss && (counted == 0 || counted < streak) {
            trips::end(self, Tag::CircuitBreaker, "a close without a loss", effects);
        }
    }

    fn add_row(
        &mut self,
        trade: &ClosedTrade,
        before: Amount,
        first: bool,
        ours: bool,
        effects: &mut Effects,
    ) -> Result<(), MoneyError> {
        if let Some(day) = self.day_at(trade.created) {
            day.closed_pnl = day.closed_pnl.plus(trade.pnl)?.minus(before)?;
            day.closes = day.closes.saturating_add(u32::from(first));
        }
        if !ours {
            // Of what was closed before the books were ours only the rows tell what it earned; its
            // fees are with the executions.
            self.cash(trade.created, earned_by(trade)?, effects)?;
        }
        Ok(())
    }

    /// Closed trades up to a moment have all been told.
    pub(crate) fn rows_complete(&mut self, until: VenueMs, effects: &mut Effects) {
        let told = &mut self.state.ingested.rows_until;
        *told = (*told).max(Some(until));
        self.check_closings(effects);
    }

    /// The loss streak is zero from here on.
    pub(crate) fn forget_streak(&mut self) {
        self.state.loss_streak = 0;
        self.state.closings.rows.clear();
        self.state.closings.rows_base = 0;
    }

    /// Holds our figure of each closing order against the venue's.
    pub(crate) fn check_closings(&mut self, effects: &mut Effects) {
        let open = self.state.closings.open.iter();
        let mut judged: Vec<(OrderId, CloseCheck)> = open
            .map(|(id, closing)| (*id, self.judge_closing(id, closing)))
            .filter(|(_, check)| *check != CloseCheck::Waiting)
            .collect();
        if self.state.closings.open.len() > OPEN_MOST {
            // The other halves have not come for so long that something is wrong with them.
            let oldest = self.state.closings.open.iter().min_by_key(|(_, c)| c.at());
            judged.extend(oldest.map(|(id, _)| (*id, CloseCheck::Disagrees)));
        }
        let mut differences = Vec::new();
        for (id, check) in judged {
            if check == CloseCheck::Disagrees
                && let Some(closing) = self.state.closings.open.get(&id)
            {
                let (ours, theirs) = closing.sides();
                differences.push(Difference {
                    about: format!("closing order {id}"),
                    symbol: Some(closing.symbol),
                    said: format!(
                        "{} closed by order {id}: {ours} by our executions, {theirs} by the venue",
                        closing.symbol
                    ),
                    book: ours,
                    venue: theirs,
                });
            }
            self.state.closings.settle(id, check);
        }
        self.block(differences, effects);
    }

    fn judge_closing(&self, id: &OrderId, closing: &Closing) -> CloseCheck {
        let lag = self.state.limits.venue_lag_ms;
        let ingested = &self.state.ingested;
        let past = |until: Option<VenueMs>, at: VenueMs| until.is_some_and(|u| u > at.after(lag));
        let rows = |at| past(ingested.rows_until, at);
        let executions = |at| past(ingested.executions_until, at);
        let late = match (closing.own, closing.row) {
            (Some(own), row) if own.open_fee.is_none() => {
                let over = row.is_some() || rows(own.last);
                return if over {
                    CloseCheck::Exempt
                } else {
                    CloseCheck::Waiting
                };
            }
            (Some(_), Some(_)) if closing.agrees() => return CloseCheck::Agrees,
            (Some(own), Some(row)) => {
                let last = own.last.max(row.updated);
                rows(last) && executions(last)
            }
            (Some(own), None) => rows(own.last),
            (None, Some(row)) => executions(row.updated),
            (None, None) => false,
        };
        // An order that still rests has a row that still grows.
        let rests = || {
            let mut all = self.state.reservations.values();
            all.any(|r| r.order_id.as_ref() == Some(id) && r.rests())
        };
        if late && !rests() {
            CloseCheck::Disagrees
        } else {
            CloseCheck::Waiting
        }
    }

    /// The operator has looked: what waits is not compared any more.
    pub(crate) fn settle_closings(&mut self) {
        let open: Vec<OrderId> = self.state.closings.open.keys().copied().collect();
        for id in open {
            self.state.closings.settle(id, CloseCheck::Exempt);
        }
    }

    /// The newest closing orders, newest last.
    pub(crate) fn closes(&self) -> Vec<CloseResult> {
        let closings = &self.state.closings;
        let settled = closings.settled.iter();
        let settled = settled.map(|s| (s.order_id, &s.closing, s.check));
        let open = closings.open.iter();
        let open = open.map(|(id, closing)| (*id, closing, CloseCheck::Waiting));
        let mut all: Vec<CloseResult> = settled
            .chain(open)
            .filter_map(|(id, closing, check)| closing.result(id, check))
            .collect();
        all.sort_by_key(|close| close.at);
        all.split_off(all.len().saturating_sub(SHOWN_MOST))
    }
}

/// The price difference that a row tells of: exactly where it gives the values, else by its average
/// prices.
fn earned_by(trade: &ClosedTrade) -> Result<Amount, MoneyError> {
    let entry = trade.entry.times(trade.qty)?;
    let exit = trade.exit.times(trade.qty)?;
    let (entry, exit) = (
        trade.entry_value.unwrap_or(entry).amount(),
        trade.exit_value.unwrap_or(exit).amount(),
    );
    earned(trade.side.opposite(), entry, exit)
}
