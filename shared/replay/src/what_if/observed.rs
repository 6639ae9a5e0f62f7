//! What was seen at the venue, less what would not have been there.

use money::{Amount, MoneyError, Price, Qty, Ratio};
use protocol::guard::{Observation, Observe};
use protocol::venue::{ClosedTrade, ExecKind, Execution, Position as Row, Wallet};
use protocol::{Symbol, VenueMs};
use risk::{Effects, Input, InputKind, State};

use super::fates::Fate;
use super::ledger::{Closed, Fill, Ledger, part, scaled};
use super::{ROW_PATIENCE_MS, WhatIf};

impl WhatIf {
    /// Tells the other engine what it would have seen.
    pub(super) fn observe(
        &mut self,
        number: u64,
        input: &Input,
        observe: &Observe,
        recorded: &State,
        effects: &Effects,
    ) {
        let differs = !self.touched.is_empty();
        let what = match &observe.what {
            Observation::Executions(all) => {
                let kept = self.executions(all, recorded);
                (!kept.is_empty()).then_some(Observation::Executions(kept))
            }
            Observation::ClosedTrades(all) => {
                let kept = self.rows(all);
                (!kept.is_empty()).then_some(Observation::ClosedTrades(kept))
            }
            Observation::Wallet(wallet) if differs => {
                let adjusted = self.wallet(wallet, recorded);
                let adjusted = adjusted.inspect_err(|e| self.lost(e));
                Some(Observation::Wallet(
                    adjusted.unwrap_or_else(|_| wallet.clone()),
                ))
            }
            Observation::Positions(all) if differs => {
                Some(Observation::Positions(self.positions(all)))
            }
            Observation::OpenOrders(all) => {
                let all = all.iter().filter_map(|order| self.order(order));
                Some(Observation::OpenOrders(all.collect()))
            }
            Observation::Orders(all) => {
                let all = all.iter().filter_map(|order| self.order(order));
                Some(Observation::Orders(all.collect()))
            }
            // Rows that would have been others come when their executions do, not when these did.
            Observation::ClosedTradesComplete(_) if differs => None,
            what @ (Observation::Instruments(_)
            | Observation::Tickers(_)
            | Observation::Wallet(_)
            | Observation::Positions(_)
            | Observation::ExecutionsComplete(_)
            | Observation::ClosedTradesComplete(_)
            | Observation::Synced
            | Observation::ClockSkew(_)
            | Observation::Banned(_)
            | Observation::AccessDenied(_)
            | Observation::CandlesStale { .. }) => Some(what.clone()),
        };
        if let Some(what) = what {
            let seen = Input {
                stamp: input.stamp,
                kind: InputKind::Observe(Observe {
                    what,
                    ..observe.clone()
                }),
            };
            self.step(number, &seen, effects);
        }
        match &observe.what {
            Observation::Executions(_) => self.release_rows(number, input, None),
            Observation::ExecutionsComplete(until) => {
                self.release_rows(number, input, Some(*until));
            }
            Observation::Synced => self.meet(recorded),
            Observation::Instruments(_)
            | Observation::Tickers(_)
            | Observation::Wallet(_)
            | Observation::Positions(_)
            | Observation::OpenOrders(_)
            | Observation::Orders(_)
            | Observation::ClosedTrades(_)
            | Observation::ClosedTradesComplete(_)
            | Observation::ClockSkew(_)
            | Observation::Banned(_)
            | Observation::AccessDenied(_)
            | Observation::CandlesStale { .. } => {}
        }
    }

    fn executions(&mut self, all: &[Execution], recorded: &State) -> Vec<Execution> {
        let mut kept = Vec::with_capacity(all.len());
        for execution in all {
            if execution.at < recorded.began {
                // From before this history: the engine knows what to do.
                kept.push(execution.clone());
                continue;
            }
            if !self.seen.insert(execution.exec_id) {
                continue;
            }
            match self.execution(execution) {
                Ok(Some(here)) => kept.push(here),
                Ok(None) => self.report.fills_removed += 1,
                Err(e) => self.lost(&e),
            }
        }
        kept
    }

    /// One execution in both histories; what is left of it in the other.
    fn execution(&mut self, execution: &Execution) -> Result<Option<Execution>, MoneyError> {
        if execution.kind == ExecKind::Funding {
            return self.funding(execution);
        }
        let order = self
            .fates
            .approval_of(execution.link_id.as_ref(), Some(&execution.order_id));
        if let Some(order) = order {
            self.fates.name(execution.order_id, order);
        }
        let (qty, link) = match order.and_then(|order| Some((order, self.fates.of(order)?))) {
            Some((_, Fate::Never)) => (Qty::ZERO, None),
            Some((
                order,
                Fate::Sent {
                    link,
                    qty,
                    opens: true,
                    ..
                },
            )) => (self.fates.fills(order, execution.qty, qty), Some(link)),
            Some((
                _,
                Fate::Sent {
                    link, opens: false, ..
                },
            )) => (self.in_proportion(execution)?, Some(link)),
            Some((_, Fate::InProportion)) => (self.in_proportion(execution)?, None),
            None => (self.in_proportion(execution)?, execution.link_id),
        };
        let fee = part(execution.fee, qty, execution.qty)?;
        let fill = |qty, fee| Fill {
            symbol: execution.symbol,
            side: execution.side,
            price: execution.price,
            qty,
            fee,
        };
        let was = self.was.fill(&fill(execution.qty, execution.fee))?;
        let would = if qty.is_zero() {
            NOTHING
        } else {
            self.would.fill(&fill(qty, fee))?
        };
        let sums = self
            .results
            .entry(execution.order_id)
            .or_insert((NOTHING, NOTHING));
        sums.0 = sums.0.plus(was)?;
        sums.1 = sums.1.plus(would)?;
        if qty.is_zero() {
            return Ok(None);
        }
        let closed = execution.closed;
        Ok(Some(Execution {
            link_id: link,
            qty,
            fee,
            closed: closed.map(|closed| closed.min(qty)),
            ..execution.clone()
        }))
    }

    /// What an exit still fills: the closing part in the proportion of the two positions.
    fn in_proportion(&self, execution: &Execution) -> Result<Qty, MoneyError> {
        if !self.touched.contains(&execution.symbol) {
            return Ok(execution.qty);
        }
        let (was, would) = self.sizes(execution.symbol, |side| side != execution.side);
        let closing = execution.qty.min(was);
        let beyond = execution.qty.less(closing);
        if closing.is_zero() {
            return Ok(beyond);
        }
        scaled(would, closing, was)?.plus(beyond)
    }

    /// The position's size in both histories, where its side is one that is asked for.
    fn sizes(&self, symbol: Symbol, side: impl Fn(protocol::Side) -> bool) -> (Qty, Qty) {
        let size = |ledger: &Ledger| {
            let held = ledger.positions.get(&symbol).filter(|held| side(held.side));
            held.map_or(Qty::ZERO, |held| held.size)
        };
        (size(&self.was), size(&self.would))
    }

    fn funding(&mut self, execution: &Execution) -> Result<Option<Execution>, MoneyError> {
        let (was, would) = self.sizes(execution.symbol, |_| true);
        let fee = if self.touched.contains(&execution.symbol) && !was.is_zero() {
            part(execution.fee, would, was)?
        } else {
            execution.fee
        };
        self.was.pay(execution.fee)?;
        self.would.pay(fee)?;
        Ok(Some(Execution {
            fee,
            ..execution.clone()
        }))
    }

    fn rows(&mut self, all: &[ClosedTrade]) -> Vec<ClosedTrade> {
        let mut kept = Vec::with_capacity(all.len());
        for row in all {
            if !self.touched.contains(&row.symbol) {
                self.rows_seen.insert(row.order_id);
                kept.push(row.clone());
            } else if self.rows_seen.insert(row.order_id) {
                if self.results.contains_key(&row.order_id) {
                    kept.extend(self.row(row));
                } else {
                    self.held_rows.push(row.clone());
                }
            }
        }
        kept
    }

    /// A closed trade as the other history has it; `None`: it closed nothing there.
    fn row(&mut self, row: &ClosedTrade) -> Option<ClosedTrade> {
        let Some((was, would)) = self.results.get(&row.order_id) else {
            self.report.rows_unexplained += 1;
            return Some(row.clone());
        };
        if would.qty.is_zero() {
            self.report.rows_removed += 1;
            return None;
        }
        let pnl = row.pnl.plus(would.net).and_then(|sum| sum.minus(was.net));
        match pnl {
            Ok(pnl) => Some(ClosedTrade {
                qty: would.qty,
                pnl,
                ..row.clone()
            }),
            Err(e) => {
                self.lost(&e);
                Some(row.clone())
            }
        }
    }

    /// Closed trades whose execution has been told by now, or will not be told any more.
    fn release_rows(&mut self, number: u64, input: &Input, complete: Option<VenueMs>) {
        if self.held_rows.is_empty() {
            return;
        }
        let late = |row: &ClosedTrade| {
            complete.is_some_and(|until| until.since(row.created) > ROW_PATIENCE_MS)
        };
        let (ready, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held_rows)
            .into_iter()
            .partition(|row| self.results.contains_key(&row.order_id) || late(row));
        self.held_rows = held;
        let ready: Vec<ClosedTrade> = ready.iter().filter_map(|row| self.row(row)).collect();
        if !ready.is_empty() {
            self.tell(number, input.stamp, Observation::ClosedTrades(ready));
        }
    }

    /// The wallet without what refused orders earned, lost, paid and hold.
    fn wallet(&self, wallet: &Wallet, recorded: &State) -> Result<Wallet, MoneyError> {
        let mark = |symbol: Symbol| -> Option<Price> {
            recorded.book.marks.get(&symbol).map(|mark| mark.price)
        };
        let leverage = |symbol: Symbol| {
            let known = recorded.book.leverage.get(&symbol).copied();
            known.filter(|l| !l.is_zero()).unwrap_or(Ratio::ONE)
        };
        let cash = self.would.cash.minus(self.was.cash)?;
        let open = self
            .would
            .unrealised(mark)?
            .minus(self.was.unrealised(mark)?)?;
        let margin = self
            .would
            .margin(leverage)?
            .minus(self.was.margin(leverage)?)?;
        let equity = wallet.equity.plus(cash)?.plus(open)?;
        let held = |margins: Amount| margins.plus(margin).map(|sum| sum.max(Amount::ZERO));
        let rate = |rate: Ratio| {
            let margins = held(wallet.equity.times(rate)?)?;
            margins.over(equity)
        };
        Ok(Wallet {
            coin: wallet.coin,
            equity,
            balance: wallet.balance.plus(cash)?,
            position_margin: wallet.position_margin.map(held).transpose()?,
            order_margin: wallet.order_margin,
            account_margin_rate: wallet.account_margin_rate.map(rate).transpose()?,
            unrealised: wallet.unrealised.map(|all| all.plus(open)).transpose()?,
        })
    }

    /// The venue's positions; in a symbol where the histories differ, what the remaining fills made.
    fn positions(&self, all: &[Row]) -> Vec<Row> {
        let adjusted = |row: &Row| {
            if !self.touched.contains(&row.symbol) || row.index != 0 {
                return row.clone();
            }
            match self.would.positions.get(&row.symbol) {
                Some(held) => Row {
                    side: Some(held.side),
                    size: held.size,
                    entry: held.entry(),
                    unrealised: None,
                    ..row.clone()
                },
                None => Row {
                    side: None,
                    size: Qty::ZERO,
                    entry: None,
                    unrealised: None,
                    ..row.clone()
                },
            }
        };
        let mut rows: Vec<Row> = all.iter().map(adjusted).collect();
        // What the recording closed and this history would still hold.
        for (symbol, held) in &self.would.positions {
            let told = rows.iter().any(|row| row.symbol == *symbol);
            if self.touched.contains(symbol) && !told {
                rows.push(Row {
                    symbol: *symbol,
                    side: Some(held.side),
                    size: held.size,
                    entry: held.entry(),
                    mark: None,
                    leverage: None,
                    unrealised: None,
                    stop_loss: None,
                    take_profit: None,
                    index: 0,
                });
            }
        }
        rows
    }
}

const NOTHING: Closed = Closed {
    qty: Qty::ZERO,
    net: Amount::ZERO,
};

impl Closed {
    fn plus(self, other: Self) -> Result<Self, MoneyError> {
        Ok(Self {
            qty: self.qty.plus(other.qty)?,
            net: self.net.plus(other.net)?,
        })
    }
}
