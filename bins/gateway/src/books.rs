//! What the venue last said, and when it was asked. Pure.
//!
//! Bots are answered from here, with the age of the read. Nothing is guessed: what has not been
//! read is absent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use money::{Amount, Price};
use protocol::guard::Observation;
use protocol::venue::{Execution, Instrument, Order, Position, Ticker, Wallet};
use protocol::{BootMs, ExecId, Symbol};

use crate::candles::Candles;
use crate::guard::is_ours;
use crate::orders::Orders;

/// How many execution ids are remembered, so that each is told to bots once.
const EXECUTIONS_KEPT: usize = 10_000;

/// Something read, and when the read was begun.
#[derive(Debug, Clone)]
pub struct Read<T> {
    /// What it said.
    pub value: T,
    /// Boot clock when it was begun.
    pub begun: BootMs,
}

/// The gateway's picture of the account and the market.
#[derive(Debug, Default)]
pub struct Books {
    /// Steps of each instrument that matters here.
    pub instruments: BTreeMap<Symbol, Instrument>,
    /// Prices, by symbol.
    pub tickers: BTreeMap<Symbol, Read<Ticker>>,
    /// The settle coin's row.
    pub wallet: Option<Read<Wallet>>,
    /// All positions.
    pub positions: Option<Read<Vec<Position>>>,
    /// All open orders.
    pub open_orders: Option<Read<Vec<Order>>>,
    /// Our orders and what became of them.
    pub orders: Orders,
    /// Series of candles.
    pub candles: Candles,
    told: Told,
}

/// What an observation changed, for those who listen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Orders of ours that have changed.
    pub orders: Vec<Order>,
    /// Executions not told before.
    pub executions: Vec<Execution>,
    /// Prices that have changed.
    pub tickers: Vec<Ticker>,
}

#[derive(Debug, Default)]
struct Told {
    ids: BTreeSet<ExecId>,
    order: VecDeque<ExecId>,
}

impl Books {
    /// Takes an observation in, and says what is new in it. An execution without a link id gets
    /// that of its order, in the observation too.
    pub fn take(&mut self, what: &mut Observation, begun: BootMs) -> News {
        let mut news = News::default();
        match what {
            Observation::Instruments(rows) => {
                self.instruments
                    .extend(rows.drain(..).map(|row| (row.symbol, row)));
                // The guard takes it for all that matter: one more must not drop the others.
                rows.extend(self.instruments.values().cloned());
            }
            Observation::Tickers(rows) => {
                for row in rows.iter() {
                    if self.take_tick(row, begun) {
                        news.tickers.push(row.clone());
                    }
                }
            }
            Observation::Wallet(wallet) => put(&mut self.wallet, wallet, begun),
            Observation::Positions(rows) => put(&mut self.positions, rows, begun),
            Observation::OpenOrders(rows) => {
                self.open_orders = Some(Read {
                    value: rows.clone(),
                    begun,
                });
                for row in rows.iter().filter(|row| is_ours(row)) {
                    self.orders.adopt(row, None, begun);
                }
                news.orders = self.changed(rows);
            }
            Observation::Orders(rows) => news.orders = self.changed(rows),
            Observation::Executions(rows) => {
                for row in rows.iter_mut() {
                    row.link_id = row.link_id.or_else(|| self.orders.link_of(row.order_id));
                    if self.told.first_time(row.exec_id) {
                        news.executions.push(row.clone());
                    }
                }
            }
            Observation::ClosedTrades(_)
            | Observation::ExecutionsComplete(_)
            | Observation::ClosedTradesComplete(_)
            | Observation::Synced
            | Observation::ClockSkew(_)
            | Observation::Banned(_)
            | Observation::AccessDenied(_)
            | Observation::CandlesStale { .. } => {}
        }
        news
    }

    /// Takes a price that a stream told; whether it moved.
    pub fn take_tick(&mut self, ticker: &Ticker, begun: BootMs) -> bool {
        let known = self.tickers.get_mut(&ticker.symbol);
        let Some(known) = known else {
            let value = ticker.clone();
            self.tickers.insert(ticker.symbol, Read { value, begun });
            return true;
        };
        if begun < known.begun {
            return false;
        }
        let moved = known.value != *ticker;
        known.value.clone_from(ticker);
        known.begun = begun;
        moved
    }

    /// Takes the best bid and ask into a known price, which comes back if they moved.
    pub fn take_quote(
        &mut self,
        symbol: Symbol,
        bid: Option<Price>,
        ask: Option<Price>,
    ) -> Option<Ticker> {
        let ticker = &mut self.tickers.get_mut(&symbol)?.value;
        let moved = (ticker.bid, ticker.ask) != (bid, ask);
        (ticker.bid, ticker.ask) = (bid, ask);
        moved.then(|| ticker.clone())
    }

    /// Puts orders that a stream told into the picture of all open orders.
    pub fn take_orders(&mut self, rows: &[Order]) {
        let Some(read) = &mut self.open_orders else {
            return;
        };
        for row in rows {
            let known = read.value.iter_mut();
            let known = known.enumerate().find(|(_, o)| o.order_id == row.order_id);
            match known {
                // What was overtaken by a read says nothing new.
                Some((_, known)) if row.updated < known.updated => {}
                Some((n, _)) if row.status.is_final() => drop(read.value.remove(n)),
                Some((_, known)) => known.clone_from(row),
                None if row.status.is_final() => {}
                None => read.value.push(row.clone()),
            }
        }
    }

    /// All positions as last read, with these rows in place of what was known of the same legs;
    /// `None` if they have not been read.
    pub fn with_positions(&self, rows: Vec<Position>) -> Option<Vec<Position>> {
        let mut all = self.positions.as_ref()?.value.clone();
        for row in rows {
            match all
                .iter_mut()
                .find(|known| (known.symbol, known.index) == (row.symbol, row.index))
            {
                Some(known) => *known = row,
                None => all.push(row),
            }
        }
        Some(all)
    }

    /// The settle coin's balance as last read.
    pub fn balance(&self) -> Option<Amount> {
        self.wallet.as_ref().map(|read| read.value.balance)
    }

    /// The mark price last read.
    pub fn mark(&self, symbol: Symbol) -> Option<Price> {
        self.tickers.get(&symbol).map(|read| read.value.mark)
    }

    /// Every symbol with a position or an open order of ours.
    pub fn symbols_in_play(&self) -> BTreeSet<Symbol> {
        let held = self.positions.iter().flat_map(|read| &read.value);
        let held = held
            .filter(|position| !position.size.is_zero())
            .map(|p| p.symbol);
        let resting = self
            .open_orders
            .iter()
            .flat_map(|read| &read.value)
            .map(|o| o.symbol);
        held.chain(resting).chain(self.orders.symbols()).collect()
    }

    fn changed(&mut self, rows: &[Order]) -> Vec<Order> {
        rows.iter()
            .filter(|row| self.orders.news(row))
            .cloned()
            .collect()
    }
}

/// Takes a read in, unless a stream has told something newer while it was under way.
fn put<T: Clone>(known: &mut Option<Read<T>>, value: &T, begun: BootMs) {
    if known.as_ref().is_none_or(|known| known.begun <= begun) {
        let value = value.clone();
        *known = Some(Read { value, begun });
    }
}

impl Told {
    fn first_time(&mut self, id: ExecId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > EXECUTIONS_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use money::Qty;
    use protocol::venue::ExecKind;
    use protocol::{OrderId, OrderLinkId, Side, VenueMs};

    use crate::orders::Ours;

    #[test]
    fn executions_are_news_once_and_learn_their_link_id() {
        let mut books = Books::default();
        let link = OrderLinkId::new("pg-1").unwrap();
        let order_id = OrderId::new("o-1").unwrap();
        books.orders.sent(Ours {
            intent_id: None,
            link_id: link,
            symbol: Symbol::new("SOLUSDT").unwrap(),
            side: Side::Buy,
            opens: true,
            since: BootMs(0),
            last: None,
            misses: (0, BootMs(0)),
        });
        books.orders.accepted(link, order_id);
        let execution = Execution {
            exec_id: ExecId::new("e-1").unwrap(),
            order_id,
            link_id: None,
            symbol: Symbol::new("SOLUSDT").unwrap(),
            side: Side::Buy,
            price: Price::parse("1").unwrap(),
            qty: Qty::parse("1").unwrap(),
            fee: Amount::ZERO,
            kind: ExecKind::Trade,
            closed: None,
            at: VenueMs(1),
        };
        let mut seen = Observation::Executions(vec![execution]);
        let news = books.take(&mut seen, BootMs(1));
        assert_eq!(news.executions[0].link_id, Some(link));
        let Observation::Executions(rows) = &seen else {
            panic!()
        };
        assert_eq!(rows[0].link_id, Some(link));
        assert!(books.take(&mut seen, BootMs(2)).executions.is_empty());
        assert_eq!(books.symbols_in_play().len(), 1);
    }

    #[test]
    fn one_more_instrument_is_told_with_all_the_others() {
        let named = |name: &str| Instrument {
            symbol: Symbol::new(name).unwrap(),
            settle_coin: Symbol::new("USDT").unwrap(),
            trading: true,
            tick: Price::parse("0.1").unwrap(),
            lot: Qty::parse("1").unwrap(),
            min_qty: Qty::parse("1").unwrap(),
            max_qty: Qty::parse("1").unwrap(),
            max_market_qty: Qty::parse("1").unwrap(),
            min_notional: None,
            max_leverage: money::Ratio::ONE,
        };
        let mut books = Books::default();
        for (name, told) in [("SOLUSDT", 1), ("BTCUSDT", 2), ("SOLUSDT", 2)] {
            let mut seen = Observation::Instruments(vec![named(name)]);
            books.take(&mut seen, BootMs(1));
            let Observation::Instruments(rows) = &seen else {
                panic!()
            };
            assert_eq!(rows.len(), told, "{rows:?}");
        }
    }

    #[test]
    fn prices_are_news_when_they_move() {
        let mut books = Books::default();
        let price = Price::parse("10").unwrap();
        let ticker = Ticker {
            symbol: Symbol::new("SOLUSDT").unwrap(),
            last: price,
            mark: price,
            bid: None,
            ask: None,
            at: VenueMs(1),
        };
        let mut seen = Observation::Tickers(vec![ticker.clone()]);
        assert_eq!(books.take(&mut seen, BootMs(1)).tickers.len(), 1);
        assert_eq!(books.take(&mut seen, BootMs(2)).tickers.len(), 0);
        assert_eq!(books.mark(ticker.symbol), Some(price));
        assert_eq!(books.tickers[&ticker.symbol].begun, BootMs(2));
    }

    fn order(id: &str, status: protocol::venue::OrderStatus, updated: i64) -> Order {
        Order {
            order_id: OrderId::new(id).unwrap(),
            link_id: None,
            symbol: Symbol::new("SOLUSDT").unwrap(),
            side: Side::Buy,
            order_type: protocol::OrderType::Limit,
            price: None,
            qty: Qty::parse("1").unwrap(),
            filled: Qty::ZERO,
            status,
            reduce_only: false,
            close_on_trigger: false,
            venue_made: false,
            trigger_price: None,
            stop_loss: None,
            take_profit: None,
            time_in_force: None,
            created: VenueMs(1),
            updated: VenueMs(updated),
        }
    }

    #[test]
    fn orders_that_a_stream_tells_join_the_last_whole_read() {
        use protocol::venue::OrderStatus::{Cancelled, Filled, New, PartiallyFilled};
        let mut books = Books::default();
        books.take_orders(&[order("o-1", New, 1)]);
        assert!(books.open_orders.is_none(), "a part is not the whole");
        let mut read = Observation::OpenOrders(vec![order("o-1", New, 5), order("o-2", New, 5)]);
        books.take(&mut read, BootMs(1));
        let open = |books: &Books| -> Vec<(String, i64)> {
            let rows = &books.open_orders.as_ref().unwrap().value;
            rows.iter()
                .map(|o| (o.order_id.to_string(), o.updated.0))
                .collect()
        };
        books.take_orders(&[
            order("o-1", PartiallyFilled, 6),
            order("o-2", Cancelled, 6),
            order("o-3", New, 6),
            order("o-4", Filled, 6),
            order("o-1", Filled, 4),
        ]);
        assert_eq!(open(&books), [("o-1".to_owned(), 6), ("o-3".to_owned(), 6)]);
    }

    #[test]
    fn positions_that_a_stream_tells_join_the_last_whole_read() {
        let leg = |symbol: &str, size: &str, index: u8| Position {
            symbol: Symbol::new(symbol).unwrap(),
            side: Some(Side::Buy),
            size: Qty::parse(size).unwrap(),
            entry: None,
            mark: None,
            leverage: None,
            unrealised: None,
            stop_loss: None,
            take_profit: None,
            index,
        };
        let mut books = Books::default();
        assert_eq!(books.with_positions(vec![leg("SOLUSDT", "1", 0)]), None);
        let whole = vec![leg("SOLUSDT", "1", 0), leg("ETHUSDT", "2", 0)];
        books.take(&mut Observation::Positions(whole), BootMs(9));
        let told = vec![leg("SOLUSDT", "0", 0), leg("SOLUSDT", "3", 1)];
        let all = books.with_positions(told).unwrap();
        assert_eq!(
            all,
            [
                leg("SOLUSDT", "0", 0),
                leg("ETHUSDT", "2", 0),
                leg("SOLUSDT", "3", 1)
            ]
        );
        // A read that was overtaken by a stream takes nothing back.
        books.take(&mut Observation::Positions(Vec::new()), BootMs(8));
        assert_eq!(books.positions.as_ref().unwrap().value.len(), 2);
    }

    #[test]
    fn a_quote_moves_a_known_price_and_makes_none_up() {
        let mut books = Books::default();
        let price = Price::parse("10").unwrap();
        let sol = Symbol::new("SOLUSDT").unwrap();
        assert_eq!(books.take_quote(sol, Some(price), None), None);
        let ticker = Ticker {
            symbol: sol,
            last: price,
            mark: price,
            bid: None,
            ask: None,
            at: VenueMs(1),
        };
        assert!(books.take_tick(&ticker, BootMs(5)));
        assert!(!books.take_tick(&ticker, BootMs(6)), "no news");
        assert!(
            !books.take_tick(
                &Ticker {
                    ask: Some(price),
                    ..ticker
                },
                BootMs(4)
            ),
            "older"
        );
        let moved = books.take_quote(sol, Some(price), None).unwrap();
        assert_eq!((moved.bid, moved.mark), (Some(price), price));
        assert_eq!(books.take_quote(sol, Some(price), None), None);
    }
}
