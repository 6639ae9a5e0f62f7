//! The bots that are connected, and what each wants to hear.

use std::collections::{BTreeMap, BTreeSet};

use daemon::server::Peer;
use protocol::gateway::{CandleNews, CandleTopic, GatewayPush, Subscribe};
use protocol::venue::{Execution, Order, Ticker};
use protocol::{Alert, Symbol};

/// Series and symbols that one bot may follow; more would eat the request budget.
const MOST_TOPICS: usize = 16;

/// Everyone on `gateway.sock`.
#[derive(Debug, Default)]
pub struct Listeners {
    by_peer: BTreeMap<u64, Listener>,
}

#[derive(Debug)]
struct Listener {
    peer: Peer,
    name: Option<String>,
    wants: Option<Subscribe>,
}

impl Listeners {
    /// A connection has begun.
    pub fn joined(&mut self, peer: Peer) {
        self.by_peer.insert(
            peer.id(),
            Listener {
                peer,
                name: None,
                wants: None,
            },
        );
    }

    /// A connection has ended; the name it gave.
    pub fn left(&mut self, peer: &Peer) -> Option<String> {
        self.by_peer
            .remove(&peer.id())
            .and_then(|listener| listener.name)
    }

    /// A bot has said who it is.
    pub fn named(&mut self, peer: &Peer, name: String) {
        if let Some(listener) = self.by_peer.get_mut(&peer.id()) {
            listener.name = Some(name);
        }
    }

    /// Whether this peer has said hello.
    pub fn knows(&self, peer: &Peer) -> bool {
        self.by_peer
            .get(&peer.id())
            .is_some_and(|listener| listener.name.is_some())
    }

    /// What a bot wants to hear from now on; an error if it is too much.
    pub fn subscribe(&mut self, peer: &Peer, wants: Subscribe) -> Result<(), String> {
        if wants.candles.len() > MOST_TOPICS || wants.tickers.len() > MOST_TOPICS {
            return Err(format!(
                "at most {MOST_TOPICS} series and {MOST_TOPICS} symbols"
            ));
        }
        if let Some(listener) = self.by_peer.get_mut(&peer.id()) {
            listener.wants = Some(wants);
        }
        Ok(())
    }

    /// Every series that someone follows.
    pub fn topics(&self) -> BTreeSet<CandleTopic> {
        self.wants()
            .flat_map(|wants| wants.candles.iter().copied())
            .collect()
    }

    /// Every symbol whose prices someone follows.
    pub fn symbols(&self) -> BTreeSet<Symbol> {
        self.wants()
            .flat_map(|wants| wants.tickers.iter().copied())
            .collect()
    }

    /// How many bots are connected.
    pub fn count(&self) -> u32 {
        let named = self
            .by_peer
            .values()
            .filter(|listener| listener.name.is_some());
        u32::try_from(named.count()).unwrap_or(u32::MAX)
    }

    /// Tells of a candle to those who follow its series.
    pub fn candle(&self, news: &CandleNews) {
        let topic = CandleTopic {
            symbol: news.symbol,
            interval: news.interval,
        };
        let push = GatewayPush::Candle(news.clone());
        self.push(&push, |wants| wants.candles.contains(&topic));
    }

    /// Tells of prices to those who follow the symbol.
    pub fn ticker(&self, ticker: &Ticker) {
        let push = GatewayPush::Ticker(ticker.clone());
        self.push(&push, |wants| wants.tickers.contains(&ticker.symbol));
    }

    /// Tells everyone of an order of ours.
    pub fn order(&self, order: &Order) {
        self.push(&GatewayPush::Order(order.clone()), |_| true);
    }

    /// Tells everyone of an execution.
    pub fn execution(&self, execution: &Execution) {
        self.push(&GatewayPush::Execution(execution.clone()), |_| true);
    }

    /// Tells everyone of a safety event.
    pub fn safety(&self, alert: &Alert) {
        self.push(&GatewayPush::Safety(alert.clone()), |_| true);
    }

    fn wants(&self) -> impl Iterator<Item = &Subscribe> {
        self.by_peer
            .values()
            .filter_map(|listener| listener.wants.as_ref())
    }

    fn push(&self, push: &GatewayPush, wanted: impl Fn(&Subscribe) -> bool) {
        for listener in self.by_peer.values() {
            if listener.wants.as_ref().is_some_and(&wanted) {
                listener.peer.push(push);
            }
        }
    }
}
