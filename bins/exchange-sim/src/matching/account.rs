//! The account's margin: what is owned, what is bound, what is free. Cross margin.

use money::Decimal;

use super::{AccountKind, MarketId, Refusal, Side, Status, TAKER_FEE, Venue, parameter};
use super::{Event, Moment, Order};

/// The settle coin's row of the wallet, in settle coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wallet {
    /// Balance with unrealised result.
    pub equity: Decimal,
    /// Balance without it.
    pub balance: Decimal,
    /// Unrealised result of all positions, by mark price.
    pub unrealised: Decimal,
    /// Realised result of all closes, net of fees.
    pub realised: Decimal,
    /// Initial margin of positions.
    pub position_margin: Decimal,
    /// Initial margin of resting orders.
    pub order_margin: Decimal,
    /// Maintenance margin of positions.
    pub maintenance_margin: Decimal,
    /// What new orders may bind; never below zero.
    pub available: Decimal,
}

impl Wallet {
    /// A part of the margin as a fraction of equity, as `accountIMRate` has it. With nothing left
    /// the fraction has no value; the venue then says 1 as soon as anything is bound.
    pub fn rate(&self, margin: Decimal) -> Decimal {
        if self.equity > Decimal::ZERO {
            (margin / self.equity).round_dp(8)
        } else if margin.is_zero() {
            Decimal::ZERO
        } else {
            Decimal::ONE
        }
    }
}

impl Venue {
    /// The wallet as of the prices it has.
    pub fn wallet(&self) -> Wallet {
        let unrealised = self.unrealised();
        let equity = self.balance + unrealised;
        let position_margin = self.markets().map(|(id, _)| self.position_margin(id)).sum();
        let order_margin = self.markets().map(|(id, _)| self.order_margin(id)).sum();
        let maintenance_margin = self.maintenance_margin();
        let base = match self.account {
            AccountKind::Unified => equity,
            // A classic wallet lends nothing against profits that are not realised.
            AccountKind::Classic => self.balance + unrealised.min(Decimal::ZERO),
        };
        Wallet {
            equity,
            balance: self.balance,
            unrealised,
            realised: self.realised,
            position_margin,
            order_margin,
            maintenance_margin,
            available: (base - position_margin - order_margin).max(Decimal::ZERO),
        }
    }

    /// Balance with unrealised result.
    pub fn equity(&self) -> Decimal {
        self.balance + self.unrealised()
    }

    /// Initial margin that the positions of one instrument bind: their entry value over the leverage.
    pub fn position_margin(&self, id: MarketId) -> Decimal {
        let market = self.market(id);
        let values: Decimal = market.positions().map(|(_, held)| held.entry_value).sum();
        (values / market.leverage).round_dp(8)
    }

    /// Maintenance margin of all positions: the equity below which they are liquidated.
    pub(super) fn maintenance_margin(&self) -> Decimal {
        self.markets
            .iter()
            .flat_map(|market| market.positions().map(move |(_, held)| (market, held)))
            .map(|(market, held)| held.entry_value * market.instrument.maintenance)
            .sum()
    }

    /// Sets the leverage of an instrument.
    pub fn set_leverage(
        &mut self,
        id: MarketId,
        leverage: Decimal,
        now: Moment,
    ) -> Result<(), Refusal> {
        let market = self.market(id);
        let most = market.instrument.max_leverage;
        if leverage < Decimal::ONE || leverage > most || leverage.normalize().scale() > 2 {
            return Err(parameter(format!(
                "leverage {leverage} invalid: 1 to {most}"
            )));
        }
        let before = market.leverage;
        if leverage == before {
            return Err(Refusal::LeverageNotModified);
        }
        self.markets[id.0].leverage = leverage;
        let wallet = self.wallet();
        if wallet.position_margin + wallet.order_margin > wallet.equity.max(Decimal::ZERO)
            && leverage < before
        {
            self.markets[id.0].leverage = before;
            return Err(Refusal::InsufficientMargin);
        }
        self.markets[id.0].position.updated = now;
        self.tell(Event::Position(id));
        self.tell(Event::Wallet);
        Ok(())
    }

    /// Whether the account can carry an order of that quantity at that price; `replaced` is margin
    /// that the order gives back first (an amend).
    pub(super) fn afford(
        &self,
        id: MarketId,
        side: Side,
        qty: Decimal,
        price: Decimal,
        replaced: Decimal,
    ) -> Result<(), Refusal> {
        let market = self.market(id);
        let opening = (qty - market.position.closable_by(side)).max(Decimal::ZERO);
        if opening.is_zero() {
            return Ok(());
        }
        let needed = opening * price / market.leverage + qty * price * TAKER_FEE;
        let available = self.wallet().available + replaced;
        if needed > available {
            return Err(Refusal::InsufficientBalance {
                needed: needed.round_dp(4),
                available: available.round_dp(4),
            });
        }
        Ok(())
    }

    /// Margin and fee that one resting order binds if nothing offsets it.
    pub(super) fn bound_by(&self, order: &Order) -> Decimal {
        let Some(price) = order.price else {
            return Decimal::ZERO;
        };
        let value = order.leaves() * price;
        (value / self.market(order.market).leverage + value * TAKER_FEE).round_dp(8)
    }

    fn unrealised(&self) -> Decimal {
        self.markets
            .iter()
            .flat_map(|market| market.positions().map(move |(_, held)| (market, held)))
            .map(|(market, held)| held.unrealised(market.quote.mark))
            .sum()
    }

    /// Margin of resting orders. Those against the position count only for what they would open
    /// beyond closing it.
    fn order_margin(&self, id: MarketId) -> Decimal {
        let mut total = Decimal::ZERO;
        for side in [Side::Buy, Side::Sell] {
            let (mut qty, mut bound) = (Decimal::ZERO, Decimal::ZERO);
            for no in self.open_orders(id) {
                let order = self.order(no);
                if order.side == side
                    && !order.only_reduces()
                    && order.status != Status::Untriggered
                {
                    qty += order.leaves();
                    bound += self.bound_by(order);
                }
            }
            let opening = (qty - self.market(id).position.closable_by(side)).max(Decimal::ZERO);
            if opening > Decimal::ZERO {
                total += (bound * opening / qty).round_dp(8);
            }
        }
        total
    }
}
