//! How much to buy, and where the bracket goes. Pure.

use money::{Amount, Decimal, MoneyError, Price, Qty, Ratio, Rounding};
use protocol::venue::Instrument;

/// The sizing keys of the config's `perps` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizing {
    /// `riskPct`: the fraction of equity lost if the stop is hit.
    pub risk: Ratio,
    /// `stopLossPct`: the nearest the stop may lie below the entry, as a fraction of it.
    pub stop_loss: Ratio,
    /// `takeProfitPct`: how far the take profit lies above the entry, as a fraction of it.
    pub take_profit: Ratio,
    /// `cashDeployCap`: the fraction of equity that one position may be worth.
    pub deploy_cap: Ratio,
    /// `atrStopMultiple`: the stop lies at least this many average true ranges away.
    pub atr_multiple: Ratio,
}

/// A long entry with its bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bracket {
    /// Base coin to buy, on the lot step.
    pub qty: Qty,
    /// Stop loss, on the tick.
    pub stop_loss: Price,
    /// Take profit, on the tick.
    pub take_profit: Price,
}

/// Sizes a long entry at `price`; `None` where the account is too small for the smallest order.
pub fn bracket(
    sizing: &Sizing,
    instrument: &Instrument,
    equity: Amount,
    price: Price,
    atr: Decimal,
) -> Result<Option<Bracket>, MoneyError> {
    let overflow = MoneyError::Overflow {
        what: "stop distance",
    };
    let by_share = price
        .get()
        .checked_mul(sizing.stop_loss.get())
        .ok_or(overflow.clone())?;
    let by_range = atr
        .checked_mul(sizing.atr_multiple.get())
        .ok_or(overflow.clone())?;
    let distance = Price::new(by_share.max(by_range))?;
    let stop = price.get().checked_sub(distance.get()).ok_or(overflow)?;
    let stop_loss = Price::new(stop)?.on_tick(instrument.tick, Rounding::Down)?;
    let take_profit = price
        .shifted(sizing.take_profit)?
        .on_tick(instrument.tick, Rounding::Up)?;

    let by_risk = equity.times(sizing.risk)?.buys_at(distance)?;
    let by_cash = equity.times(sizing.deploy_cap)?.buys_at(price)?;
    let most = by_risk.min(by_cash).min(instrument.max_market_qty);
    let qty = most.floor_to(instrument.lot)?;
    let worth = price.times(qty)?;
    let large_enough = qty >= instrument.min_qty
        && !qty.is_zero()
        && instrument.min_notional.is_none_or(|least| worth >= least);
    Ok(large_enough.then_some(Bracket {
        qty,
        stop_loss,
        take_profit,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Symbol;

    fn ratio(text: &str) -> Ratio {
        Ratio::parse(text).unwrap()
    }

    fn sol() -> Instrument {
        Instrument {
            symbol: Symbol::new("SOLUSDT").unwrap(),
            settle_coin: Symbol::new("USDT").unwrap(),
            trading: true,
            tick: Price::parse("0.01").unwrap(),
            lot: Qty::parse("0.1").unwrap(),
            min_qty: Qty::parse("0.1").unwrap(),
            max_qty: Qty::parse("1000").unwrap(),
            max_market_qty: Qty::parse("500").unwrap(),
            min_notional: money::Notional::parse("5").ok(),
            max_leverage: ratio("50"),
        }
    }

    fn sizing() -> Sizing {
        Sizing {
            risk: ratio("0.01"),
            stop_loss: ratio("0.02"),
            take_profit: ratio("0.04"),
            deploy_cap: ratio("0.5"),
            atr_multiple: ratio("1.5"),
        }
    }

    fn sized(equity: &str, atr: u32) -> Option<Bracket> {
        let price = Price::parse("100").unwrap();
        bracket(
            &sizing(),
            &sol(),
            Amount::parse(equity).unwrap(),
            price,
            Decimal::from(atr),
        )
        .unwrap()
    }

    #[test]
    fn the_stop_loses_what_may_be_risked() {
        // 1 % of 1,000 over a distance of 2 is 5; half of 1,000 buys 5 as well.
        let bracket = sized("1000", 1).unwrap();
        assert_eq!(bracket.qty, Qty::parse("5").unwrap());
        assert_eq!(bracket.stop_loss, Price::parse("98").unwrap());
        assert_eq!(bracket.take_profit, Price::parse("104").unwrap());
    }

    #[test]
    fn a_wild_market_widens_the_stop_and_shrinks_the_order() {
        let bracket = sized("1000", 4).unwrap();
        assert_eq!(bracket.stop_loss, Price::parse("94").unwrap());
        assert_eq!(bracket.qty, Qty::parse("1.6").unwrap());
    }

    #[test]
    fn too_small_an_account_buys_nothing() {
        assert_eq!(sized("5", 1), None);
        let broke = Amount::parse("-5").unwrap();
        let price = Price::parse("100").unwrap();
        assert!(bracket(&sizing(), &sol(), broke, price, Decimal::ONE).is_err());
    }
}
