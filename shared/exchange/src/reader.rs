//! Everything that can be asked without changing anything. Clones share one connection, one
//! limiter and one clock.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::venue::{
    Candle, ClosedTrade, ExecKind, Execution, Instrument, Interval, Order, Position, Ticker, Wallet,
};
use protocol::{BootMs, OrderLinkId, Symbol, VenueMs};
use serde::de::DeserializeOwned;

use crate::answer::Answer;
use crate::call::{Call, What};
use crate::client::Shared;
use crate::clock::VenueClock;
use crate::error::ExchangeError;
use crate::limiter::Class;
use crate::stream::{Feed, Stream};
use crate::wire::envelope::Page;
use crate::wire::executions::{ClosedRow, ExecutionRow};
use crate::wire::market::{InstrumentRow, Klines, TickerRow};
use crate::wire::orders::OrderRow;
use crate::wire::positions::PositionRow;
use crate::wire::wallet::{AccountRow, AccountType};

/// Most days a call about the past may span (venue documentation, closed PnL and executions): a
/// little under seven, so that no rounding makes it more.
const WINDOW_MS: u64 = 7 * 86_400_000 - 60_000;

/// Pages of one list that are read at most; a venue that never ends its list is an error.
const PAGES_MOST: usize = 200;

/// The reading half of the client.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
    class: Class,
}

impl Reader {
    pub(crate) fn over(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            class: Class::Routine,
        }
    }

    /// The same reader for look-ups that must not wait for the config's caps: of exits, and of
    /// orders whose outcome is unknown.
    #[must_use]
    pub fn urgent(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            class: Class::Urgent,
        }
    }

    /// One of the venue's streams, for what settles in this coin. It shares keys, clock and bans
    /// with the calls.
    pub fn stream(&self, feed: Feed, settle_coin: Symbol) -> Stream {
        Stream::over(Arc::clone(&self.shared), feed, settle_coin)
    }

    /// Asks the venue's time and sets the clock by it.
    pub async fn sync_clock(&self) -> Result<VenueMs, ExchangeError> {
        self.shared.sync_clock().await
    }

    /// The venue's clock as last synced.
    pub fn clock(&self) -> VenueClock {
        self.shared.clock()
    }

    /// New caps from a new config.
    pub fn set_caps(&self, per_second: u32, per_minute: u32) {
        self.shared
            .limiter(|limiter| limiter.set_caps(per_second, per_minute));
    }

    /// Another receive window from a new config.
    pub fn set_recv_window(&self, ms: u32) {
        self.shared.set_recv_window(ms);
    }

    /// The venue banned the address in an earlier life of this process.
    pub fn banned_until(&self, until: BootMs) {
        self.shared.limiter(|limiter| limiter.venue_bans(until));
    }

    /// Requests sent and milliseconds slept in the last minute, and until when the address is
    /// banned, if it is.
    pub fn load(&self) -> (usize, u64, Option<BootMs>) {
        let now = self.shared.now();
        self.shared.limiter(|limiter| {
            let (requests, slept) = limiter.last_minute(now);
            (requests, slept, limiter.banned_until(now))
        })
    }

    /// Every linear instrument that settles in this coin. One that cannot be read is left out, with
    /// a warning: it cannot be traded, all others can.
    pub async fn instruments(&self, settle_coin: Symbol) -> Result<Vec<Instrument>, ExchangeError> {
        let name = "market/instruments-info";
        let query = "category=linear&limit=1000";
        let rows: Vec<InstrumentRow> = self.pages(name, "/market/instruments-info", query).await?;
        let mut all = Vec::new();
        let mut odd = None;
        for row in rows.iter().filter(|row| row.settles_in(settle_coin)) {
            match row.instrument() {
                Ok(instrument) => all.push(instrument),
                Err(error) => {
                    tracing::warn!("{name}: {} is left out: {error}", row.name());
                    odd = Some(error);
                }
            }
        }
        match odd {
            Some(error) if all.is_empty() => Err(ExchangeError::field(name)(error)),
            _ => Ok(all),
        }
    }

    /// Prices of one instrument, as old as the venue says its answer is.
    pub async fn ticker(&self, symbol: Symbol) -> Result<Ticker, ExchangeError> {
        let name = "market/tickers";
        let query = format!("category=linear&symbol={symbol}");
        let answer = self.answer(name, "/market/tickers", &query).await?;
        let page: Page<TickerRow> = answer.result()?;
        // A stamp ahead of the clock must not make a price look fresh for longer than it is.
        let made = answer.made()?;
        let at = self
            .clock()
            .at(self.shared.now())
            .map_or(made, |now| made.min(now));
        let row = page.list.first().ok_or_else(|| nothing(name, &symbol))?;
        row.ticker(at).map_err(ExchangeError::field(name))
    }

    /// The newest candles, oldest first; the last may still run.
    pub async fn candles(
        &self,
        symbol: Symbol,
        interval: Interval,
        limit: u16,
    ) -> Result<Vec<Candle>, ExchangeError> {
        let name = "market/kline";
        let query = format!("category=linear&symbol={symbol}&interval={interval}&limit={limit}");
        let klines: Klines = self.get(name, "/market/kline", &query).await?;
        klines.candles().map_err(ExchangeError::field(name))
    }

    /// The settle coin's row of the wallet.
    pub async fn wallet(
        &self,
        account: AccountType,
        coin: Symbol,
    ) -> Result<Wallet, ExchangeError> {
        let name = "account/wallet-balance";
        let query = format!("accountType={}&coin={coin}", account.word());
        let page: Page<AccountRow> = self.get(name, "/account/wallet-balance", &query).await?;
        let row = page.list.first().ok_or_else(|| nothing(name, &coin))?;
        row.wallet(coin).map_err(ExchangeError::field(name))
    }

    /// All positions that are not flat.
    pub async fn positions(&self, settle_coin: Symbol) -> Result<Vec<Position>, ExchangeError> {
        let name = "position/list";
        let query = format!("category=linear&settleCoin={settle_coin}&limit=200");
        let rows: Vec<PositionRow> = self.pages(name, "/position/list", &query).await?;
        let all: Result<Vec<_>, _> = rows.iter().map(PositionRow::position).collect();
        let all = all.map_err(ExchangeError::field(name))?;
        Ok(all
            .into_iter()
            .filter(|position| !position.size.is_zero())
            .collect())
    }

    /// The position of one symbol, flat or not, with its leverage.
    pub async fn position(&self, symbol: Symbol) -> Result<Position, ExchangeError> {
        let name = "position/list";
        let query = format!("category=linear&symbol={symbol}");
        let page: Page<PositionRow> = self.get(name, "/position/list", &query).await?;
        let row = page.list.first().ok_or_else(|| nothing(name, &symbol))?;
        row.position().map_err(ExchangeError::field(name))
    }

    /// All open orders, conditional ones included.
    pub async fn open_orders(&self, settle_coin: Symbol) -> Result<Vec<Order>, ExchangeError> {
        let query = format!("category=linear&settleCoin={settle_coin}&limit=50");
        let all = self
            .orders("order/realtime", "/order/realtime", &query)
            .await?;
        // Asked for a coin the venue may add orders that have just ended.
        Ok(all
            .into_iter()
            .filter(|order| !order.status.is_final())
            .collect())
    }

    /// An order by its link id: among the open and recently ended ones, then in the history.
    /// `None` means that neither knew it when asked; history may lag.
    pub async fn find_order(
        &self,
        symbol: Symbol,
        link_id: OrderLinkId,
    ) -> Result<Option<Order>, ExchangeError> {
        let query = format!("category=linear&symbol={symbol}&orderLinkId={link_id}");
        self.find(&query, |order| order.link_id == Some(link_id))
            .await
    }

    /// An order of this link id by the executions of its symbol in that time, for a venue whose
    /// lists of orders lag behind. REST executions need not carry a link id (the published row has
    /// none): then their order tells. An error if an execution names an order that neither list
    /// shows yet: whose it is cannot be known, and "not there" would be a guess.
    pub async fn find_by_executions(
        &self,
        symbol: Symbol,
        link_id: OrderLinkId,
        since: VenueMs,
        until: VenueMs,
    ) -> Result<Option<Order>, ExchangeError> {
        let name = "execution/list";
        let mut named = BTreeSet::new();
        for window in windows(since, until) {
            let query = format!("category=linear&symbol={symbol}&{window}&limit=100");
            let rows: Vec<ExecutionRow> = self.pages(name, "/execution/list", &query).await?;
            for row in &rows {
                let row = row.execution().map_err(ExchangeError::field(name))?;
                let ours = row.link_id.is_none_or(|link| link == link_id);
                if ours && row.symbol == symbol && row.kind == ExecKind::Trade {
                    named.insert(row.order_id);
                }
            }
        }
        for order_id in named {
            if self
                .shared
                .whose(|whose| whose.is_anothers(order_id, link_id))
            {
                continue;
            }
            let query = format!("category=linear&symbol={symbol}&orderId={order_id}");
            let found = self
                .find(&query, |order| order.order_id == order_id)
                .await?;
            match found {
                Some(order) if order.link_id == Some(link_id) => return Ok(Some(order)),
                Some(order) => self
                    .shared
                    .whose(|whose| whose.learn(order_id, order.link_id)),
                None => {
                    let why = format!("an execution names order {order_id}, which no list shows");
                    return Err(ExchangeError::Unreadable { call: name, why });
                }
            }
        }
        Ok(None)
    }

    /// The first order that fits: among the open and recently ended ones, then in the history.
    async fn find(
        &self,
        query: &str,
        fits: impl Fn(&Order) -> bool,
    ) -> Result<Option<Order>, ExchangeError> {
        for (name, path) in [
            ("order/realtime", "/order/realtime"),
            ("order/history", "/order/history"),
        ] {
            let page: Page<OrderRow> = self.get(name, path, query).await?;
            for row in &page.list {
                let order = row.order().map_err(ExchangeError::field(name))?;
                if fits(&order) {
                    return Ok(Some(order));
                }
            }
        }
        Ok(None)
    }

    /// All executions from `since` up to `until`, oldest first.
    pub async fn executions(
        &self,
        since: VenueMs,
        until: VenueMs,
    ) -> Result<Vec<Execution>, ExchangeError> {
        let name = "execution/list";
        let mut all = Vec::new();
        for window in windows(since, until) {
            let query = format!("category=linear&{window}&limit=100");
            let rows: Vec<ExecutionRow> = self.pages(name, "/execution/list", &query).await?;
            for row in &rows {
                all.push(row.execution().map_err(ExchangeError::field(name))?);
            }
        }
        // A stable sort of the venue's newest-first rows keeps equal times in their order.
        all.reverse();
        all.sort_by_key(|execution| execution.at);
        Ok(all)
    }

    /// All rows of closed PnL from `since` up to `until`, oldest first.
    pub async fn closed_trades(
        &self,
        since: VenueMs,
        until: VenueMs,
    ) -> Result<Vec<ClosedTrade>, ExchangeError> {
        let name = "position/closed-pnl";
        let mut all = Vec::new();
        for window in windows(since, until) {
            let query = format!("category=linear&{window}&limit=100");
            let rows: Vec<ClosedRow> = self.pages(name, "/position/closed-pnl", &query).await?;
            for row in &rows {
                all.push(row.trade().map_err(ExchangeError::field(name))?);
            }
        }
        all.reverse();
        all.sort_by_key(|trade| trade.created);
        Ok(all)
    }

    async fn orders(
        &self,
        name: &'static str,
        path: &'static str,
        query: &str,
    ) -> Result<Vec<Order>, ExchangeError> {
        let rows: Vec<OrderRow> = self.pages(name, path, query).await?;
        let all: Result<Vec<_>, _> = rows.iter().map(OrderRow::order).collect();
        all.map_err(ExchangeError::field(name))
    }

    /// Every page of a list, in the venue's order.
    async fn pages<T: DeserializeOwned>(
        &self,
        name: &'static str,
        path: &'static str,
        query: &str,
    ) -> Result<Vec<T>, ExchangeError> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        for _ in 0..PAGES_MOST {
            let page: Page<T> = if cursor.is_empty() {
                self.get(name, path, query).await?
            } else {
                self.get(name, path, &format!("{query}&cursor={}", escaped(&cursor)))
                    .await?
            };
            let last = page.list.is_empty();
            rows.extend(page.list);
            let next = page.next_page_cursor.as_str();
            if last || next.is_empty() || next == cursor {
                return Ok(rows);
            }
            next.clone_into(&mut cursor);
        }
        let why = format!("more than {PAGES_MOST} pages");
        Err(ExchangeError::Unreadable { call: name, why })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        name: &'static str,
        path: &'static str,
        query: &str,
    ) -> Result<T, ExchangeError> {
        self.answer(name, path, query).await?.result()
    }

    async fn answer(
        &self,
        name: &'static str,
        path: &'static str,
        query: &str,
    ) -> Result<Answer, ExchangeError> {
        let what = if path.starts_with("/market/") {
            What::Public(query)
        } else {
            What::Get(query)
        };
        let class = self.class;
        self.shared
            .send(&Call {
                name,
                path,
                what,
                class,
            })
            .await
    }
}

/// A cursor fit for a query string that is signed as it is sent. The venue hands most of them out
/// escaped already (`%3A`), so a percent sign stays.
fn escaped(cursor: &str) -> String {
    let mut text = String::with_capacity(cursor.len());
    for byte in cursor.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&hex::encode_upper([byte]));
        }
    }
    text
}

/// `startTime=..&endTime=..` for each stretch that one call may span, newest first like the rows.
fn windows(since: VenueMs, until: VenueMs) -> Vec<String> {
    let mut windows = Vec::new();
    let mut start = since;
    loop {
        let end = start.after(WINDOW_MS).min(until);
        windows.push(format!("startTime={}&endTime={}", start.0, end.0));
        if end >= until {
            windows.reverse();
            return windows;
        }
        start = end;
    }
}

fn nothing(call: &'static str, what: &dyn std::fmt::Display) -> ExchangeError {
    ExchangeError::Unreadable {
        call,
        why: format!("no row for {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_cannot_break_out_of_the_query() {
        assert_eq!(escaped("page_token%3D39380%26"), "page_token%3D39380%26");
        assert_eq!(escaped("a=b&symbol=X#y z"), "a%3Db%26symbol%3DX%23y%20z");
        assert_eq!(escaped("\"+/\u{e9}"), "%22%2B%2F%C3%A9");
    }

    #[test]
    fn a_long_past_is_asked_in_windows_under_seven_days() {
        let day = 86_400_000;
        assert_eq!(windows(VenueMs(5), VenueMs(9)), ["startTime=5&endTime=9"]);
        assert_eq!(windows(VenueMs(9), VenueMs(9)).len(), 1);
        let all = windows(VenueMs(0), VenueMs(20 * day));
        assert_eq!(all.len(), 3);
        assert!(all[0].ends_with(&format!("endTime={}", 20 * day)));
        assert!(all[2].starts_with("startTime=0&"));
    }
}
