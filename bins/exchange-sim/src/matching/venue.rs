//! The venue's books, and the requests that change them.

use std::collections::{BTreeSet, HashMap};

use money::Decimal;

use super::order::OrderNo;
use super::records::{EquityMark, Funding, Ids, Transfer};
use super::{
    AccountKind, ClosedRow, Event, Execution, Instrument, MarketId, Moment, NewOrder, Order,
    Placement, Position, Quote, Refusal, Side, Status, StopKind, parameter,
};

/// Leverage of every instrument at first, as a new account has it.
const FIRST_LEVERAGE: Decimal = Decimal::TEN;

/// Funding rate of every instrument at first.
const FIRST_FUNDING_RATE: Decimal = Decimal::from_parts(1, 0, 0, false, 4);

/// How many finished orders `/order/realtime` still answers for.
const RECENT_FINISHED: usize = 500;

/// How a venue begins.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What may be traded.
    pub instruments: Vec<Instrument>,
    /// The account's type.
    pub account: AccountKind,
    /// Wallet balance in settle coin.
    pub balance: Decimal,
    /// Makes this venue's ids differ from those of any other run.
    pub salt: u64,
    /// When it begins.
    pub now: Moment,
}

/// One instrument with everything that the account has in it.
#[derive(Debug, Clone)]
pub struct Market {
    /// The instrument.
    pub instrument: Instrument,
    /// Its prices.
    pub quote: Quote,
    /// Leverage set.
    pub leverage: Decimal,
    /// Funding rate last charged, or to be charged next.
    pub funding_rate: Decimal,
    /// The one-way position.
    pub position: Position,
    /// The long and the short leg of hedge mode. Nothing trades them: they are there to be found.
    pub legs: [Position; 2],
    /// Open orders, oldest first.
    pub(super) open: BTreeSet<OrderNo>,
}

impl Market {
    /// Every position that is not flat, with its slot.
    pub fn positions(&self) -> impl Iterator<Item = (u8, &Position)> {
        let legs = (1_u8..).zip(&self.legs);
        std::iter::once((0, &self.position))
            .chain(legs)
            .filter(|(_, position)| !position.is_flat())
    }
}

/// Which open orders `cancel_all` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelScope {
    /// All kinds, take profits and stop losses too.
    All,
    /// Plain orders only.
    Plain,
    /// Conditional orders that a client asked for.
    Conditional,
    /// Take profits and stop losses only.
    Brackets,
}

/// The simulated venue with its one account.
#[derive(Debug)]
pub struct Venue {
    pub(super) account: AccountKind,
    pub(super) markets: Vec<Market>,
    by_symbol: HashMap<String, MarketId>,
    pub(super) orders: Vec<Order>,
    by_id: HashMap<String, OrderNo>,
    by_link: HashMap<String, OrderNo>,
    finished: usize,
    pub(super) executions: Vec<Execution>,
    pub(super) closed: Vec<ClosedRow>,
    pub(super) funding: Vec<Funding>,
    pub(super) transfers: Vec<Transfer>,
    pub(super) placements: Vec<Placement>,
    equity_marks: Vec<EquityMark>,
    pub(super) balance: Decimal,
    pub(super) realised: Decimal,
    pub(super) ids: Ids,
    pub(super) book: Book,
    events: Vec<Event>,
}

/// How much of what it wants an order finds in the made-up book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Book {
    /// All that the levels hold.
    Whole,
    /// Half of what it wants, in whole lots.
    Half,
}

impl Venue {
    /// A venue with a fresh account, every price at its instrument's start.
    pub fn new(setup: Setup) -> Self {
        let markets: Vec<Market> = setup
            .instruments
            .into_iter()
            .map(|instrument| Market {
                quote: Quote::flat(instrument.start_price),
                leverage: FIRST_LEVERAGE,
                funding_rate: FIRST_FUNDING_RATE,
                position: Position::flat(setup.now),
                legs: [Position::flat(setup.now), Position::flat(setup.now)],
                open: BTreeSet::new(),
                instrument,
            })
            .collect();
        let by_symbol = markets
            .iter()
            .enumerate()
            .map(|(n, market)| (market.instrument.symbol.clone(), MarketId(n)))
            .collect();
        let mut venue = Self {
            account: setup.account,
            markets,
            by_symbol,
            orders: Vec::new(),
            by_id: HashMap::new(),
            by_link: HashMap::new(),
            finished: 0,
            executions: Vec::new(),
            closed: Vec::new(),
            funding: Vec::new(),
            transfers: Vec::new(),
            placements: Vec::new(),
            equity_marks: Vec::new(),
            balance: setup.balance,
            realised: Decimal::ZERO,
            ids: Ids::new(setup.salt),
            book: Book::Whole,
            events: Vec::new(),
        };
        venue.mark_equity(setup.now);
        venue
    }

    /// The instrument of that name.
    pub fn market_id(&self, symbol: &str) -> Result<MarketId, Refusal> {
        self.by_symbol
            .get(symbol)
            .copied()
            .ok_or_else(|| parameter(format!("symbol invalid {symbol}")))
    }

    /// One instrument's books.
    pub fn market(&self, id: MarketId) -> &Market {
        &self.markets[id.0]
    }

    /// All instruments, with their ids.
    pub fn markets(&self) -> impl Iterator<Item = (MarketId, &Market)> {
        self.markets
            .iter()
            .enumerate()
            .map(|(n, market)| (MarketId(n), market))
    }

    /// The account's type.
    pub const fn account(&self) -> AccountKind {
        self.account
    }

    /// One order.
    pub fn order(&self, no: OrderNo) -> &Order {
        &self.orders[no.0]
    }

    /// Every order ever accepted, oldest first.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The order of that number in the order of acceptance.
    pub fn order_no(&self, number: usize) -> Option<OrderNo> {
        (number < self.orders.len()).then_some(OrderNo(number))
    }

    /// The order with that id, or else that link id, open or finished.
    pub fn find(&self, id: Option<&str>, link_id: Option<&str>) -> Option<OrderNo> {
        match (id, link_id) {
            (Some(id), _) => self.by_id.get(id).copied(),
            (None, Some(link_id)) => self.by_link.get(link_id).copied(),
            (None, None) => None,
        }
    }

    /// Open orders of one instrument, oldest first.
    pub fn open_orders(&self, market: MarketId) -> impl DoubleEndedIterator<Item = OrderNo> + '_ {
        self.markets[market.0].open.iter().copied()
    }

    /// Whether an order is open or among the last 500 to have ended.
    pub fn is_recent(&self, no: OrderNo) -> bool {
        self.orders[no.0]
            .finished_as
            .is_none_or(|nth| self.finished.saturating_sub(nth) < RECENT_FINISHED)
    }

    /// Every execution, oldest first.
    pub fn executions(&self) -> &[Execution] {
        &self.executions
    }

    /// Every row of closed PnL, oldest first.
    pub fn closed(&self) -> &[ClosedRow] {
        &self.closed
    }

    /// Every funding fee, oldest first.
    pub fn funding(&self) -> &[Funding] {
        &self.funding
    }

    /// Every transfer, oldest first.
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// Every position set from outside, oldest first.
    pub fn placements(&self) -> &[Placement] {
        &self.placements
    }

    /// The account's worth over time; one mark for each change.
    pub fn equity_marks(&self) -> &[EquityMark] {
        &self.equity_marks
    }

    /// How much orders find from here on.
    pub const fn show_takers(&mut self, book: Book) {
        self.book = book;
    }

    /// What happened since this was last asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Takes an order, or says why not. Accepted is not filled: look at the order.
    pub fn place(&mut self, order: &NewOrder, now: Moment) -> Result<OrderNo, Refusal> {
        let accepted = self.admit(order, now)?;
        let conditional = accepted.trigger.is_some();
        let no = self.enter(accepted);
        if !conditional {
            self.work(no, now);
        }
        self.mark_equity(now);
        Ok(no)
    }

    /// Cancels an open order.
    pub fn cancel(&mut self, no: OrderNo, now: Moment) -> Result<(), Refusal> {
        if self.orders[no.0].status.is_final() {
            return Err(Refusal::NoSuchOrder);
        }
        self.end(no, "CancelByUser", "EC_PerCancelRequest", now);
        Ok(())
    }

    /// Cancels the open orders of one instrument, and says which.
    pub fn cancel_all(
        &mut self,
        market: MarketId,
        scope: CancelScope,
        now: Moment,
    ) -> Vec<OrderNo> {
        let chosen: Vec<OrderNo> = self
            .open_orders(market)
            .filter(|no| {
                let kind = self.orders[no.0].stop_kind;
                match scope {
                    CancelScope::All => true,
                    CancelScope::Plain => kind.is_none(),
                    CancelScope::Conditional => kind == Some(StopKind::Stop),
                    CancelScope::Brackets => {
                        matches!(kind, Some(StopKind::TakeProfit | StopKind::StopLoss))
                    }
                }
            })
            .take(500)
            .collect();
        for no in &chosen {
            self.end(*no, "CancelByUser", "EC_PerCancelRequest", now);
        }
        chosen
    }

    /// New prices of one instrument: fires triggers, then fills resting orders that they reach.
    pub fn on_quote(&mut self, market: MarketId, quote: Quote, now: Moment) {
        self.markets[market.0].quote = quote;
        let open: Vec<OrderNo> = self.open_orders(market).collect();
        for no in open {
            let order = &self.orders[no.0];
            match order.status {
                Status::Untriggered => {
                    if order.trigger.is_some_and(|trigger| trigger.fires_at(quote)) {
                        self.fire(no, now);
                    }
                }
                Status::New | Status::PartiallyFilled => {
                    let reached = order.price.is_some_and(|price| match order.side {
                        Side::Buy => quote.last <= price,
                        Side::Sell => quote.last >= price,
                    });
                    if reached {
                        self.fill_resting(no, now);
                    }
                }
                // Ended by an order before it in this very loop.
                Status::Filled
                | Status::Cancelled
                | Status::Rejected
                | Status::Deactivated
                | Status::Triggered => {}
            }
        }
        self.liquidate_if_due(now);
    }

    /// Writes the account's worth down, if it has changed.
    pub fn mark_equity(&mut self, now: Moment) {
        let mark = EquityMark {
            equity: self.equity(),
            balance: self.balance,
            at: now,
        };
        let unchanged = self
            .equity_marks
            .last()
            .is_some_and(|last| last.equity == mark.equity && last.balance == mark.balance);
        if !unchanged {
            self.equity_marks.push(mark);
        }
    }

    /// Enters an accepted order into the books.
    pub(super) fn enter(&mut self, order: Order) -> OrderNo {
        let no = OrderNo(self.orders.len());
        self.by_id.insert(order.id.clone(), no);
        if !order.link_id.is_empty() {
            self.by_link.insert(order.link_id.clone(), no);
        }
        self.markets[order.market.0].open.insert(no);
        self.orders.push(order);
        self.tell(Event::Order(no));
        no
    }

    /// Takes an order out of the open ones, in the final status given, and writes its row of closed
    /// PnL if it closed anything.
    pub(super) fn finish(&mut self, no: OrderNo, status: Status, now: Moment) {
        let order = &mut self.orders[no.0];
        order.status = status;
        order.updated = now;
        order.finished_as = Some(self.finished);
        self.finished += 1;
        let market = &mut self.markets[order.market.0];
        market.open.remove(&no);
        let closing = order.closing;
        if closing.qty > Decimal::ZERO {
            let gross = match order.side {
                Side::Sell => closing.exit_value - closing.entry_value,
                Side::Buy => closing.entry_value - closing.exit_value,
            };
            let fees = closing.open_fee + closing.close_fee;
            self.closed.push(ClosedRow {
                order: no,
                market: order.market,
                side: order.side,
                order_type: order.order_type,
                qty: order.qty,
                closed: closing.qty,
                kind: order.kind,
                entry_value: closing.entry_value,
                exit_value: closing.exit_value,
                order_price: order.price.unwrap_or_else(|| order.average()),
                pnl: gross - fees,
                fees,
                fills: closing.fills,
                leverage: market.leverage,
                at: now,
            });
            self.events.push(Event::Closed(self.closed.len() - 1));
        }
        self.tell(Event::Order(no));
    }

    /// Ends an order without filling (the rest of) it.
    pub(super) fn end(
        &mut self,
        no: OrderNo,
        cancel_type: &'static str,
        reason: &'static str,
        now: Moment,
    ) {
        let order = &mut self.orders[no.0];
        order.cancel_type = cancel_type;
        order.reject_reason = reason;
        let status = if order.status == Status::Untriggered {
            Status::Deactivated
        } else {
            Status::Cancelled
        };
        let (id, bracket) = (order.market, order.is_bracket());
        let position = &mut self.markets[id.0].position;
        position.take_profit = position.take_profit.filter(|held| *held != no);
        position.stop_loss = position.stop_loss.filter(|held| *held != no);
        self.finish(no, status, now);
        if bracket {
            self.tell(Event::Position(id));
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(super) fn link_is_used(&self, link_id: &str) -> bool {
        self.by_link.contains_key(link_id)
    }
}
