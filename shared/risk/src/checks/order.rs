//! The order itself: symbol, side, quantity, notional, leverage, stop, price, rate.

use money::Price;
use protocol::{Denial, Intent, Tag};

use super::denial;
use crate::Engine;

/// The window of `maxOrdersPerMinute`.
pub(super) const MINUTE_MS: u64 = 60_000;

impl Engine {
    /// Whether the order itself is within the limits.
    pub(super) fn order_is_within_limits(&self, intent: &Intent) -> Result<(), Denial> {
        let limits = &self.state.limits;
        let refuse = |message: String| Err(denial(Tag::OrderLimit, message));
        if !limits.supported_sides.allows(intent.side) {
            return refuse(format!(
                "{} orders may not open positions (perps.supportedSides)",
                intent.side
            ));
        }
        if limits
            .allowed_symbols
            .as_ref()
            .is_some_and(|all| !all.contains(&intent.symbol))
        {
            return refuse(format!(
                "{} is not among perps.allowedSymbols",
                intent.symbol
            ));
        }
        match self.state.book.instruments.get(&intent.symbol) {
            None => {
                return refuse(format!(
                    "{} is not an instrument that the venue lists",
                    intent.symbol
                ));
            }
            Some(instrument) if !instrument.trading => {
                return refuse(format!("the venue does not trade {} now", intent.symbol));
            }
            Some(_) => {}
        }
        if let Some(most) = limits.max_order_qty.filter(|most| intent.qty > *most) {
            return refuse(format!(
                "quantity {} is above perps.maxOrderQty {most}",
                intent.qty
            ));
        }
        let leverage = self.state.book.leverage.get(&intent.symbol);
        if let Some(most) = limits.max_leverage {
            match leverage {
                None => return refuse(format!("the leverage of {} is unknown", intent.symbol)),
                Some(set) if *set > most => {
                    return refuse(format!("leverage {set} is above perps.maxLeverage {most}"));
                }
                Some(_) => {}
            }
        }
        if limits.require_stop_loss && intent.stop_loss.is_none() {
            return refuse("an opening order needs a stop loss (perps.requireStopLoss)".to_owned());
        }
        let price = self.price_of(intent)?;
        let worth = price
            .times(intent.qty)
            .map_err(|e| denial(Tag::OrderLimit, e.to_string()))?;
        if let Some(most) = limits.max_order_notional.filter(|most| worth > *most) {
            return refuse(format!(
                "notional {worth} is above perps.maxOrderNotional {most}"
            ));
        }
        self.price_is_near_the_mark(intent)?;
        self.orders_are_not_too_many()
    }

    fn price_is_near_the_mark(&self, intent: &Intent) -> Result<(), Denial> {
        let (Some(collar), Some(price)) = (self.state.limits.price_collar, intent.price) else {
            return Ok(());
        };
        let mark = self.fresh_mark(intent)?;
        let away = price
            .distance_from(mark)
            .map_err(|e| denial(Tag::PriceCollar, e.to_string()))?;
        if away > collar {
            let message = format!(
                "price {price} lies {} from the mark {mark}, more than perps.priceCollar {}",
                away.percent(),
                collar.percent()
            );
            return Err(denial(Tag::PriceCollar, message));
        }
        Ok(())
    }

    fn orders_are_not_too_many(&self) -> Result<(), Denial> {
        let limits = &self.state.limits;
        let now = self.state.clock.elapsed_ms;
        if let Some(most) = limits.max_orders_per_minute {
            let recent = self
                .state
                .openings
                .iter()
                .filter(|at| now.saturating_sub(**at) < MINUTE_MS);
            let recent = recent.count();
            if recent >= usize::try_from(most).unwrap_or(usize::MAX) {
                let message = format!(
                    "{recent} opening orders in the last minute (perps.maxOrdersPerMinute {most})"
                );
                return Err(denial(Tag::OrderRate, message));
            }
        }
        if let Some(most) = limits.max_open_orders {
            let open = self
                .state
                .reservations
                .values()
                .filter(|r| r.rests())
                .count();
            if open >= usize::try_from(most).unwrap_or(usize::MAX) {
                let message =
                    format!("{open} orders are open already (perps.maxOpenOrders {most})");
                return Err(denial(Tag::OrderRate, message));
            }
        }
        Ok(())
    }

    /// The price an order is valued at: its limit or the mark, whichever is higher.
    pub(super) fn price_of(&self, intent: &Intent) -> Result<Price, Denial> {
        let mark = self.fresh_mark(intent)?;
        Ok(intent.price.map_or(mark, |limit| limit.max(mark)))
    }

    fn fresh_mark(&self, intent: &Intent) -> Result<Price, Denial> {
        let mark = self.state.book.marks.get(&intent.symbol).filter(|mark| {
            self.state.clock.age_ms(mark.elapsed) <= self.state.limits.max_data_staleness_ms
        });
        mark.map(|mark| mark.price).ok_or_else(|| {
            denial(
                Tag::StaleData,
                format!("no fresh mark price of {}", intent.symbol),
            )
        })
    }
}
