//! What a bot asked for, on the instrument's steps. Pure.
//!
//! Quantities go down to the lot step, prices to the tick on the modest side, a bracket towards the
//! entry: nothing is ever made larger, worse or looser than it was asked for. What is too small or
//! too large for the venue is refused here with the number that is wrong. What this room does not
//! do: judge risk (the guard does).

use money::{MoneyError, Notional, Price, Qty, Rounding};
use protocol::order::Amend;
use protocol::venue::Instrument;
use protocol::{Context, Denial, Intent, OrderType, Side, Tag};

/// The order as it may be sent, or why the venue would not take it. `mark` prices market orders
/// for the venue's smallest order value; without one that check is left to the venue.
pub fn order(
    intent: &Intent,
    instrument: &Instrument,
    mark: Option<Price>,
) -> Result<Intent, Denial> {
    if !instrument.trading && !intent.reduce_only {
        return Err(refusal(
            format!("the venue takes no orders for {} now", intent.symbol),
            Context::new().with("symbol", intent.symbol),
        ));
    }
    let qty = quantity(
        intent.qty,
        intent.order_type,
        intent.reduce_only,
        instrument,
    )?;
    let price = limit_price(intent.price, intent.side, instrument)?;
    if !intent.reduce_only {
        large_enough(qty, price.or(mark), instrument)?;
    }
    Ok(Intent {
        qty,
        price,
        stop_loss: stop_loss(intent.stop_loss, intent.side, instrument)?,
        take_profit: take_profit(intent.take_profit, intent.side, instrument)?,
        ..intent.clone()
    })
}

/// The change as it may be sent, for an order of this side.
pub fn amend(amend: &Amend, side: Side, instrument: &Instrument) -> Result<Amend, Denial> {
    let qty = match amend.qty {
        Some(qty) => Some(quantity(qty, OrderType::Limit, false, instrument)?),
        None => None,
    };
    Ok(Amend {
        qty,
        price: limit_price(amend.price, side, instrument)?,
        stop_loss: stop_loss(amend.stop_loss, side, instrument)?,
        take_profit: take_profit(amend.take_profit, side, instrument)?,
        ..amend.clone()
    })
}

fn quantity(
    asked: Qty,
    order_type: OrderType,
    reduce_only: bool,
    instrument: &Instrument,
) -> Result<Qty, Denial> {
    let qty = asked.floor_to(instrument.lot).map_err(unusable)?;
    let context = Context::new()
        .with("qty", asked)
        .with("lot", instrument.lot);
    if qty.is_zero() {
        let message = format!("qty {asked} is below one lot of {}", instrument.lot);
        return Err(refusal(message, context));
    }
    // The rest of a position may be smaller than the smallest order; the venue closes it anyway.
    if qty < instrument.min_qty && !reduce_only {
        let least = instrument.min_qty;
        let message = format!("qty {qty} is below the venue's smallest, {least}");
        return Err(refusal(message, context.with("min_qty", least)));
    }
    let most = match order_type {
        OrderType::Market => instrument.max_market_qty,
        OrderType::Limit => instrument.max_qty,
    };
    if qty > most {
        let message = format!("qty {qty} is above the venue's largest, {most}: use several orders");
        return Err(refusal(message, context.with("max_qty", most)));
    }
    Ok(qty)
}

fn large_enough(qty: Qty, price: Option<Price>, instrument: &Instrument) -> Result<(), Denial> {
    let (Some(least), Some(price)) = (instrument.min_notional, price) else {
        return Ok(());
    };
    let worth: Notional = price.times(qty).map_err(unusable)?;
    if worth >= least {
        return Ok(());
    }
    let context = Context::new()
        .with("qty", qty)
        .with("price", price)
        .with("min_notional", least);
    let message =
        format!("{qty} at {price} is worth {worth}, the venue's smallest order is {least}");
    Err(refusal(message, context))
}

/// A buyer never pays more than asked, a seller never takes less.
fn limit_price(
    asked: Option<Price>,
    side: Side,
    instrument: &Instrument,
) -> Result<Option<Price>, Denial> {
    on_tick(
        asked,
        instrument,
        match side {
            Side::Buy => Rounding::Down,
            Side::Sell => Rounding::Up,
        },
    )
}

/// Towards the entry: a long position's stop goes up, a short one's down.
fn stop_loss(
    asked: Option<Price>,
    side: Side,
    instrument: &Instrument,
) -> Result<Option<Price>, Denial> {
    on_tick(
        asked,
        instrument,
        match side {
            Side::Buy => Rounding::Up,
            Side::Sell => Rounding::Down,
        },
    )
}

/// Towards the entry, from the other side.
fn take_profit(
    asked: Option<Price>,
    side: Side,
    instrument: &Instrument,
) -> Result<Option<Price>, Denial> {
    limit_price(asked, side, instrument)
}

fn on_tick(
    asked: Option<Price>,
    instrument: &Instrument,
    rounding: Rounding,
) -> Result<Option<Price>, Denial> {
    let Some(price) = asked else {
        return Ok(None);
    };
    let tick = instrument.tick;
    price.on_tick(tick, rounding).map(Some).map_err(|_| {
        let message = format!("price {price} cannot be put on the tick of {tick}");
        let context = Context::new().with("price", price).with("tick", tick);
        refusal(message, context)
    })
}

fn refusal(message: String, context: Context) -> Denial {
    Denial {
        tag: Tag::OrderLimit,
        message,
        context,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn unusable(error: MoneyError) -> Denial {
    refusal(
        format!("the order cannot be computed: {error}"),
        Context::new(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{IntentId, Symbol, VenueMs};

    fn price(text: &str) -> Price {
        Price::parse(text).unwrap()
    }

    fn qty(text: &str) -> Qty {
        Qty::parse(text).unwrap()
    }

    fn instrument() -> Instrument {
        Instrument {
            symbol: Symbol::new("SOLUSDT").unwrap(),
            settle_coin: Symbol::new("USDT").unwrap(),
            trading: true,
            tick: price("0.01"),
            lot: qty("0.1"),
            min_qty: qty("0.2"),
            max_qty: qty("1000"),
            max_market_qty: qty("100"),
            min_notional: Notional::parse("5").ok(),
            max_leverage: money::Ratio::parse("50").unwrap(),
        }
    }

    fn buy(amount: &str) -> Intent {
        Intent {
            intent_id: IntentId::new("i-1").unwrap(),
            at: VenueMs(1),
            symbol: Symbol::new("SOLUSDT").unwrap(),
            side: Side::Buy,
            order_type: OrderType::Market,
            qty: qty(amount),
            price: None,
            time_in_force: None,
            reduce_only: false,
            take_profit: None,
            stop_loss: None,
        }
    }

    #[test]
    fn quantities_only_shrink() {
        let sent = order(&buy("1.29"), &instrument(), Some(price("100"))).unwrap();
        assert_eq!(sent.qty, qty("1.2"));
    }

    #[test]
    fn prices_move_to_the_modest_side() {
        let asked = Intent {
            order_type: OrderType::Limit,
            price: Some(price("100.019")),
            stop_loss: Some(price("90.001")),
            take_profit: Some(price("120.019")),
            ..buy("1")
        };
        let sent = order(&asked, &instrument(), None).unwrap();
        assert_eq!(sent.price, Some(price("100.01")));
        assert_eq!(sent.stop_loss, Some(price("90.01")));
        assert_eq!(sent.take_profit, Some(price("120.01")));
        let short = Intent {
            side: Side::Sell,
            ..asked
        };
        let sent = order(&short, &instrument(), None).unwrap();
        assert_eq!(sent.price, Some(price("100.02")));
        assert_eq!(sent.stop_loss, Some(price("90")));
    }

    #[test]
    fn what_the_venue_would_not_take_is_refused_with_the_number() {
        let table: [(Intent, &str); 5] = [
            (buy("0.09"), "below one lot"),
            (buy("0.1"), "smallest, 0.2"),
            (buy("101"), "largest, 100"),
            (buy("0.2"), "worth"),
            (
                Intent {
                    order_type: OrderType::Limit,
                    price: Some(price("0.001")),
                    ..buy("1")
                },
                "tick",
            ),
        ];
        for (intent, word) in table {
            let denial = order(&intent, &instrument(), Some(price("20"))).unwrap_err();
            assert_eq!(denial.tag, Tag::OrderLimit);
            assert!(denial.message.contains(word), "{}", denial.message);
        }
    }

    #[test]
    fn an_exit_may_be_small_and_may_leave_a_closed_market() {
        let exit = Intent {
            reduce_only: true,
            side: Side::Sell,
            ..buy("0.1")
        };
        let closed = Instrument {
            trading: false,
            ..instrument()
        };
        assert!(order(&exit, &closed, Some(price("1"))).is_ok());
        assert!(order(&buy("1"), &closed, Some(price("100"))).is_err());
    }

    #[test]
    fn amends_follow_the_same_rules() {
        let asked = Amend {
            intent_id: IntentId::new("i-1").unwrap(),
            qty: Some(qty("1.29")),
            price: Some(price("99.999")),
            take_profit: None,
            stop_loss: None,
        };
        let sent = amend(&asked, Side::Buy, &instrument()).unwrap();
        assert_eq!(
            (sent.qty, sent.price),
            (Some(qty("1.2")), Some(price("99.99")))
        );
    }
}
