//! What a gateway tells of a quiet account: flat, 10,000 USDT, SOLUSDT at 100.

use money::{Amount, Price, Qty, Ratio};
use protocol::guard::{Observation, Observe};
use protocol::venue::{Instrument, Position, Ticker, Wallet};
use protocol::{Intent, IntentId, OrderType, Side, Symbol};

use super::{Peer, boot_ms, wall_ms};

/// The instrument that is traded.
pub(crate) fn symbol() -> Symbol {
    Symbol::new("SOLUSDT").unwrap()
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

/// One observation that is begun and told now.
pub(crate) fn observe(what: Observation) -> Observe {
    Observe {
        begun: wall_ms(),
        begun_boot: boot_ms(),
        more: false,
        what,
    }
}

/// A wallet with this equity and balance.
pub(crate) fn wallet(equity: &str) -> Wallet {
    let amount = Amount::parse(equity).unwrap();
    Wallet {
        coin: Symbol::new("USDT").unwrap(),
        equity: amount,
        balance: amount,
        position_margin: Some(Amount::ZERO),
        order_margin: Some(Amount::ZERO),
        account_margin_rate: Some(Ratio::ZERO),
        unrealised: Some(Amount::ZERO),
    }
}

/// Walks through the start-up order of a gateway whose account is flat.
pub(crate) fn sync(gateway: &mut Peer) {
    sync_with(gateway, vec![]);
}

/// A long position of this size, entered at 100.
pub(crate) fn long(size: &str) -> Position {
    Position {
        symbol: symbol(),
        side: Some(Side::Buy),
        size: qty(size),
        entry: Some(price("100")),
        mark: Some(price("100")),
        leverage: Ratio::parse("5").ok(),
        unrealised: Some(Amount::ZERO),
        stop_loss: None,
        take_profit: None,
        index: 0,
    }
}

/// Walks through the start-up order of a gateway whose account has these positions.
pub(crate) fn sync_with(gateway: &mut Peer, positions: Vec<Position>) {
    let ratio = |text: &str| Ratio::parse(text).unwrap();
    let instrument = Instrument {
        symbol: symbol(),
        settle_coin: Symbol::new("USDT").unwrap(),
        trading: true,
        tick: price("0.01"),
        lot: qty("0.1"),
        min_qty: qty("0.1"),
        max_qty: qty("10000"),
        max_market_qty: qty("10000"),
        min_notional: None,
        max_leverage: ratio("50"),
    };
    let ticker = Ticker {
        symbol: symbol(),
        last: price("100"),
        mark: price("100"),
        bid: Some(price("99.99")),
        ask: Some(price("100.01")),
        at: wall_ms(),
    };
    for what in [
        Observation::ClockSkew(0),
        Observation::Instruments(vec![instrument]),
        Observation::Executions(vec![]),
        Observation::ExecutionsComplete(wall_ms()),
        Observation::ClosedTrades(vec![]),
        Observation::Positions(positions),
        Observation::OpenOrders(vec![]),
        Observation::Wallet(wallet("10000")),
        Observation::Tickers(vec![ticker]),
        Observation::Synced,
    ] {
        gateway.tell(observe(what));
    }
}

/// A market order to buy a little, with a stop.
pub(crate) fn intent(id: &str) -> Intent {
    Intent {
        intent_id: IntentId::new(id).unwrap(),
        at: wall_ms(),
        symbol: symbol(),
        side: Side::Buy,
        order_type: OrderType::Market,
        qty: qty("1"),
        price: None,
        time_in_force: None,
        reduce_only: false,
        take_profit: None,
        stop_loss: Some(price("95")),
    }
}

/// A market order to sell a little of what is held.
pub(crate) fn exit(id: &str) -> Intent {
    Intent {
        side: Side::Sell,
        reduce_only: true,
        stop_loss: None,
        ..intent(id)
    }
}
