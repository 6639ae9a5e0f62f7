//! What the venue has, in the words that the guard hears.

use exchange_sim::matching::{
    ExecKind as VenueKind, Instrument as Listed, OrderNo, Side as VenueSide, Status,
};
use exchange_sim::prices::Bar;
use money::{Amount, Decimal, Notional, Price, Qty, Ratio};
use protocol::venue::{
    Candle, ClosedTrade, ExecKind, Execution, Instrument, Order, OrderStatus, Position, Ticker,
    Wallet,
};
use protocol::{ExecId, OrderId, OrderLinkId, OrderType, Side, Symbol, VenueMs};

use crate::stage::{Stage, symbol};

impl Stage {
    pub(crate) fn execution(&self, n: usize) -> Execution {
        let row = &self.venue.executions()[n];
        let link = row.order.map(|no| self.venue.order(no).link_id.clone());
        Execution {
            exec_id: ExecId::new(&row.id).unwrap(),
            order_id: order_id(&row.order_id),
            link_id: link.and_then(|link| OrderLinkId::new(&link).ok()),
            symbol: symbol(),
            side: side(row.side),
            price: Price::new(row.price).unwrap(),
            qty: Qty::new(row.qty).unwrap(),
            fee: Amount::new(row.fee).unwrap(),
            kind: match row.kind {
                VenueKind::Trade => ExecKind::Trade,
                VenueKind::Funding => ExecKind::Funding,
                VenueKind::Bust => ExecKind::Bust,
                VenueKind::Adl => ExecKind::Adl,
            },
            closed: Some(Qty::new(row.closed).unwrap()),
            at: VenueMs(row.at.ms()),
        }
    }

    pub(crate) fn closed(&self, n: usize) -> ClosedTrade {
        let row = &self.venue.closed()[n];
        let average = |value: Decimal| Price::new((value / row.closed).round_dp(8)).unwrap();
        ClosedTrade {
            order_id: order_id(&self.venue.order(row.order).id),
            symbol: symbol(),
            side: side(row.side),
            qty: Qty::new(row.closed).unwrap(),
            entry: average(row.entry_value),
            exit: average(row.exit_value),
            entry_value: Notional::new(row.entry_value).ok(),
            exit_value: Notional::new(row.exit_value).ok(),
            pnl: Amount::new(row.pnl).unwrap(),
            created: VenueMs(row.at.ms()),
            updated: VenueMs(row.at.ms()),
        }
    }

    pub(crate) fn order(&self, no: OrderNo) -> Order {
        let row = self.venue.order(no);
        Order {
            order_id: order_id(&row.id),
            link_id: OrderLinkId::new(&row.link_id).ok(),
            symbol: symbol(),
            side: side(row.side),
            order_type: OrderType::Market,
            price: None,
            qty: Qty::new(row.qty).unwrap(),
            filled: Qty::new(row.filled).unwrap(),
            status: match row.status {
                Status::Untriggered => OrderStatus::Untriggered,
                Status::Triggered => OrderStatus::Triggered,
                Status::New => OrderStatus::New,
                Status::PartiallyFilled => OrderStatus::PartiallyFilled,
                Status::Filled => OrderStatus::Filled,
                Status::Cancelled => OrderStatus::Cancelled,
                Status::Rejected => OrderStatus::Rejected,
                Status::Deactivated => OrderStatus::Deactivated,
            },
            reduce_only: row.reduce_only,
            close_on_trigger: row.close_on_trigger,
            venue_made: row.is_bracket(),
            trigger_price: row
                .trigger
                .and_then(|trigger| Price::new(trigger.price).ok()),
            stop_loss: None,
            take_profit: None,
            time_in_force: None,
            created: VenueMs(row.created.ms()),
            updated: VenueMs(row.updated.ms()),
        }
    }

    pub(crate) fn position(&self) -> Position {
        let market = self.venue.market(self.market);
        let held = &market.position;
        let (take_profit, stop_loss) = self.venue.brackets(self.market);
        let price = |price: Decimal| Price::new(price).ok();
        Position {
            symbol: symbol(),
            side: (!held.is_flat()).then(|| side(held.side)),
            size: Qty::new(held.size).unwrap(),
            entry: price(held.average()).filter(|_| !held.is_flat()),
            mark: price(market.quote.mark),
            leverage: Ratio::new(market.leverage).ok(),
            unrealised: Amount::new(held.unrealised(market.quote.mark)).ok(),
            stop_loss: stop_loss.and_then(price),
            take_profit: take_profit.and_then(price),
            index: 0,
        }
    }

    pub(crate) fn ticker(&self) -> Ticker {
        let quote = self.venue.market(self.market).quote;
        Ticker {
            symbol: symbol(),
            last: Price::new(quote.last).unwrap(),
            mark: Price::new(quote.mark).unwrap(),
            bid: None,
            ask: None,
            at: VenueMs(self.now),
        }
    }

    pub(crate) fn wallet(&self) -> Wallet {
        let row = self.venue.wallet();
        Wallet {
            coin: Symbol::new("USDT").unwrap(),
            equity: Amount::new(row.equity).unwrap(),
            balance: Amount::new(row.balance).unwrap(),
            position_margin: Amount::new(row.position_margin).ok(),
            order_margin: Amount::new(row.order_margin).ok(),
            account_margin_rate: None,
            unrealised: Amount::new(row.unrealised).ok(),
        }
    }
}

pub(crate) fn candle(bar: &Bar, start: i64) -> Candle {
    let price = |price: Decimal| Price::new(price).unwrap();
    Candle {
        start: VenueMs(start),
        open: price(bar.open),
        high: price(bar.high),
        low: price(bar.low),
        close: price(bar.close),
        volume: Qty::new(bar.volume).unwrap(),
    }
}

pub(crate) fn instrument(listed: &Listed) -> Instrument {
    Instrument {
        symbol: symbol(),
        settle_coin: Symbol::new("USDT").unwrap(),
        trading: true,
        tick: Price::new(listed.tick).unwrap(),
        lot: Qty::new(listed.lot).unwrap(),
        min_qty: Qty::new(listed.min_qty).unwrap(),
        max_qty: Qty::new(listed.max_qty).unwrap(),
        max_market_qty: Qty::new(listed.max_market_qty).unwrap(),
        min_notional: None,
        max_leverage: Ratio::new(listed.max_leverage).unwrap(),
    }
}

pub(crate) fn order_id(text: &str) -> OrderId {
    OrderId::new(text).unwrap()
}

const fn side(side: VenueSide) -> Side {
    match side {
        VenueSide::Buy => Side::Buy,
        VenueSide::Sell => Side::Sell,
    }
}
