//! What the venue last said, and when it was asked. Pure.
//!
//! Bots are answered from here, with the age of the read. Nothing is guessed: what has not been
//! read is absent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use money::Price;
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
                    .extend(rows.iter().map(|row| (row.symbol, row.clone())));
            }
            Observation::Tickers(rows) => {
                for row in rows.iter() {
                    let read = Read {
                        value: row.clone(),
                        begun,
                    };
                    let before = self.tickers.insert(row.symbol, read);
                    if before.is_none_or(|before| before.value != *row) {
                        news.tickers.push(row.clone());
                    }
                }
            }
            Observation::Wallet(wallet) => {
                self.wallet = Some(Read {
                    value: wallet.clone(),
                    begun,
                });
            }
            Observation::Positions(rows) => {
                self.positions = Some(Read {
                    value: rows.clone(),
                    begun,
                });
            }
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
            | Observation::Synced
            | Observation::ClockSkew(_)
            | Observation::Banned(_)
            | Observation::AccessDenied(_)
            | Observation::CandlesStale { .. } => {}
        }
        news
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
    use money::{Amount, Qty};
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
}
