//! The venue as the gateway asks it: one settle coin, one account, times stamped before each read.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use daemon::clock::{boot_now, wall_now};
use exchange::stream::{Feed, Stream};
use exchange::{AccountType, Reader};
use money::Qty;
use protocol::gateway::CandleTopic;
use protocol::venue::{
    Candle, ClosedTrade, Execution, Instrument, Order, Position, Ticker, Wallet,
};
use protocol::{BootMs, OrderLinkId, Symbol, VenueMs};

use crate::resolve::Missing;

/// Why a call did not succeed.
pub type Fault = exchange::ExchangeError;

/// How far beyond now a read of the past reaches, so that a row of this moment is in it.
const AHEAD_MS: u64 = 1000;

/// When a read was begun, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// The venue's time.
    pub venue: VenueMs,
    /// The boot clock.
    pub boot: BootMs,
}

/// The reading side; copies share everything.
#[derive(Debug, Clone)]
pub struct Venue {
    reader: Reader,
    settle: Symbol,
    configured: config::AccountType,
    account: Rc<Cell<Option<AccountType>>>,
    instruments: Rc<RefCell<BTreeMap<Symbol, Instrument>>>,
    /// Rows of symbols that were flat when they were asked for: they carry the leverage.
    flat: Rc<RefCell<BTreeMap<Symbol, Position>>>,
}

impl Venue {
    /// The venue through this reader, for what settles in this coin.
    pub fn new(reader: Reader, settle: Symbol, configured: config::AccountType) -> Self {
        let account = match configured {
            config::AccountType::Auto => None,
            config::AccountType::Unified => Some(AccountType::Unified),
            config::AccountType::Classic => Some(AccountType::Contract),
        };
        Self {
            reader,
            settle,
            configured,
            account: Rc::new(Cell::new(account)),
            instruments: Rc::default(),
            flat: Rc::default(),
        }
    }

    /// A read begins now: by the venue's clock, or by this machine's while that is not known.
    pub fn begun(&self) -> Begun {
        let boot = boot_now();
        let venue = self.reader.clock().at(boot).unwrap_or_else(wall_now);
        Begun { venue, boot }
    }

    /// The venue's time, once it has been synced.
    pub fn now(&self) -> Option<VenueMs> {
        self.reader.clock().at(boot_now())
    }

    /// The venue's time at a moment of the boot clock, and the other way round.
    pub fn boot_at(&self, at: VenueMs) -> Option<BootMs> {
        self.reader.clock().boot_at(at)
    }

    /// One of the venue's streams, not yet connected.
    pub fn stream(&self, feed: Feed) -> Stream {
        self.reader.stream(feed, self.settle)
    }

    /// Whether the wallet that is read is of this kind.
    pub fn reads_account(&self, kind: AccountType) -> bool {
        self.account.get() == Some(kind)
    }

    /// New caps.
    pub fn set_caps(&self, per_second: u32, per_minute: u32) {
        self.reader.set_caps(per_second, per_minute);
    }

    /// Another receive window.
    pub fn set_recv_window(&self, ms: u64) {
        self.reader
            .set_recv_window(u32::try_from(ms).unwrap_or(u32::MAX));
    }

    /// An earlier gateway was banned until then.
    pub fn banned_until(&self, until: BootMs) {
        self.reader.banned_until(until);
    }

    /// Requests and milliseconds slept in the last minute, and a ban's end.
    pub fn load(&self) -> (usize, u64, Option<BootMs>) {
        self.reader.load()
    }

    /// Sets the clock by the venue's; how far they are apart, venue minus machine, milliseconds.
    pub async fn sync_clock(&self) -> Result<i64, Fault> {
        let said = self.reader.sync_clock().await?;
        let skew = self.skew_ms();
        Ok(skew.unwrap_or_else(|| said.0.saturating_sub(wall_now().0)))
    }

    /// How far the venue's clock and this machine's are apart now, venue minus machine,
    /// milliseconds; `None` before the first sync.
    pub fn skew_ms(&self) -> Option<i64> {
        self.reader.clock().skew_ms(boot_now(), wall_now())
    }

    /// The steps of one instrument, as read last; `None` if the venue does not have it.
    pub async fn instrument(&self, symbol: Symbol) -> Result<Option<Instrument>, Fault> {
        let known = self.instruments.borrow().get(&symbol).cloned();
        if known.is_some() {
            return Ok(known);
        }
        self.read_instruments().await?;
        Ok(self.instruments.borrow().get(&symbol).cloned())
    }

    /// Whether the venue has this instrument; `None` while that has not been read.
    pub fn has(&self, symbol: Symbol) -> Option<bool> {
        let known = self.instruments.borrow();
        (!known.is_empty()).then(|| known.contains_key(&symbol))
    }

    /// Reads the steps of every instrument anew.
    pub async fn read_instruments(&self) -> Result<(), Fault> {
        let rows = self.reader.instruments(self.settle).await?;
        *self.instruments.borrow_mut() = rows.into_iter().map(|row| (row.symbol, row)).collect();
        Ok(())
    }

    /// Prices.
    pub async fn ticker(&self, symbol: Symbol) -> Result<Ticker, Fault> {
        self.reader.ticker(symbol).await
    }

    /// The newest candles, oldest first.
    pub async fn candles(&self, topic: CandleTopic, limit: u16) -> Result<Vec<Candle>, Fault> {
        self.reader
            .candles(topic.symbol, topic.interval, limit)
            .await
    }

    /// The settle coin's row, from the kind of account that answers.
    pub async fn wallet(&self) -> Result<Wallet, Fault> {
        if let Some(account) = self.account.get() {
            return self.reader.wallet(account, self.settle).await;
        }
        let unified = self.reader.wallet(AccountType::Unified, self.settle).await;
        let account = match &unified {
            Ok(_) => AccountType::Unified,
            // It answers, and has no such account: the other kind may be there.
            Err(Fault::Refused { .. } | Fault::Unreadable { .. }) => AccountType::Contract,
            Err(
                Fault::NotSent { .. }
                | Fault::Banned { .. }
                | Fault::Unknown { .. }
                | Fault::Fatal { .. },
            ) => return unified,
        };
        let wallet = match account {
            AccountType::Unified => unified,
            AccountType::Contract => self.reader.wallet(account, self.settle).await,
        }?;
        if self.configured == config::AccountType::Auto {
            tracing::info!("the wallet is that of a {account:?} account");
        }
        self.account.set(Some(account));
        Ok(wallet)
    }

    /// All positions, with a flat row for each symbol whose leverage is known from
    /// [`position`](Self::position).
    pub async fn positions(&self) -> Result<Vec<Position>, Fault> {
        let mut all = self.reader.positions(self.settle).await?;
        let mut flat = self.flat.borrow_mut();
        for row in &all {
            if let Some(kept) = flat.get_mut(&row.symbol) {
                kept.leverage = row.leverage.or(kept.leverage);
            }
        }
        let held: BTreeSet<Symbol> = all.iter().map(|row| row.symbol).collect();
        all.extend(
            flat.values()
                .filter(|row| !held.contains(&row.symbol))
                .cloned(),
        );
        Ok(all)
    }

    /// All positions that are not flat, for a send that does not wait for the configured caps.
    pub async fn positions_now(&self) -> Result<Vec<Position>, Fault> {
        self.reader.urgent().positions(self.settle).await
    }

    /// One position, flat or not, with its leverage.
    pub async fn position(&self, symbol: Symbol) -> Result<Position, Fault> {
        let row = self.reader.position(symbol).await?;
        let flat = Position {
            side: None,
            size: Qty::ZERO,
            entry: None,
            mark: None,
            unrealised: None,
            stop_loss: None,
            take_profit: None,
            ..row.clone()
        };
        self.flat.borrow_mut().insert(symbol, flat);
        Ok(row)
    }

    /// Whether the leverage of a symbol has been read.
    pub fn leverage_known(&self, symbol: Symbol) -> bool {
        self.flat.borrow().contains_key(&symbol)
    }

    /// All open orders.
    pub async fn open_orders(&self) -> Result<Vec<Order>, Fault> {
        self.reader.open_orders(self.settle).await
    }

    /// All open orders, for a send or cancel that does not wait for the configured caps.
    pub async fn open_orders_now(&self) -> Result<Vec<Order>, Fault> {
        self.reader.urgent().open_orders(self.settle).await
    }

    /// Prices, for a send that does not wait for the configured caps.
    pub async fn ticker_now(&self, symbol: Symbol) -> Result<Ticker, Fault> {
        self.reader.urgent().ticker(symbol).await
    }

    /// An order by its link id, open or ended.
    pub async fn order(
        &self,
        symbol: Symbol,
        link_id: OrderLinkId,
    ) -> Result<Option<Order>, Fault> {
        self.reader.urgent().find_order(symbol, link_id).await
    }

    /// An order of which nobody knows whether it arrived: open orders, history, executions.
    pub async fn trace(&self, missing: &Missing) -> Result<Option<Order>, Fault> {
        let reader = self.reader.urgent();
        let found = reader.find_order(missing.symbol, missing.link_id).await?;
        if found.is_some() {
            return Ok(found);
        }
        // The venue stamps executions with its own clock; ours may run ahead of it.
        let since = missing.since.before(AHEAD_MS);
        let until = self.begun().venue.after(AHEAD_MS);
        reader
            .find_by_executions(missing.symbol, missing.link_id, since, until)
            .await
    }

    /// Executions from then until now, oldest first.
    pub async fn executions(&self, since: VenueMs) -> Result<Vec<Execution>, Fault> {
        let until = self.begun().venue.after(AHEAD_MS);
        self.reader.executions(since, until).await
    }

    /// Closed trades from then until now, oldest first.
    pub async fn closed_trades(&self, since: VenueMs) -> Result<Vec<ClosedTrade>, Fault> {
        let until = self.begun().venue.after(AHEAD_MS);
        self.reader.closed_trades(since, until).await
    }
}

/// The coin that a symbol settles in, by the venue's naming.
pub fn settle_coin(symbol: Symbol) -> Result<Symbol, protocol::Symbol> {
    let coin = if symbol.as_str().ends_with("USDC") || symbol.as_str().ends_with("PERP") {
        "USDC"
    } else {
        "USDT"
    };
    Symbol::new(coin).map_err(|_| symbol)
}

/// An answer that makes no sense.
pub fn odd(call: &'static str, why: String) -> Fault {
    Fault::Unreadable { call, why }
}
