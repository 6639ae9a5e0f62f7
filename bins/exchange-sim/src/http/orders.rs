//! Placing, amending and cancelling orders.

use serde_json::{Value, json};

use super::answer::Answer;
use super::app::Call;
use super::params::Params;
use crate::matching::{
    Amendment, Brackets, CancelScope, Change, MarketId, NewOrder, OrderNo, OrderType, Refusal,
    Side, TimeInForce, Trigger, TriggerBy, Venue, parameter,
};

pub(crate) fn create(call: &mut Call<'_>) -> Answer {
    let order = new_order(call)?;
    let no = call.sim.venue.place(&order, call.now)?;
    Ok(ids(&call.sim.venue, no))
}

pub(crate) fn amend(call: &mut Call<'_>) -> Answer {
    let no = named_order(call)?;
    let params = &call.params;
    let change = Amendment {
        qty: params.qty("qty")?,
        price: params.price("price")?,
        trigger_price: params.price("triggerPrice")?,
        take_profit: params.change("takeProfit")?,
        stop_loss: params.change("stopLoss")?,
        take_profit_by: params.trigger_by("tpTriggerBy")?,
        stop_loss_by: params.trigger_by("slTriggerBy")?,
    };
    call.sim.venue.amend(no, &change, call.now)?;
    Ok(ids(&call.sim.venue, no))
}

pub(crate) fn cancel(call: &mut Call<'_>) -> Answer {
    let no = named_order(call)?;
    call.sim.venue.cancel(no, call.now)?;
    Ok(ids(&call.sim.venue, no))
}

pub(crate) fn cancel_all(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let scope = match call.params.get("orderFilter") {
        None => CancelScope::All,
        Some("Order") => CancelScope::Plain,
        Some("StopOrder") => CancelScope::Conditional,
        Some("tpslOrder") => CancelScope::Brackets,
        Some(other) => return Err(parameter(format!("orderFilter {other:?} invalid"))),
    };
    let venue = &mut call.sim.venue;
    let chosen = match (
        call.params.get("symbol"),
        call.params.get("baseCoin"),
        call.params.get("settleCoin"),
    ) {
        (Some(symbol), _, _) => vec![venue.market_id(symbol)?],
        (None, Some(base), _) => venue
            .markets()
            .filter(|(_, market)| market.instrument.base_coin == base)
            .map(|(id, _)| id)
            .collect(),
        (None, None, Some("USDT")) => venue.markets().map(|(id, _)| id).collect(),
        (None, None, Some(other)) => return Err(parameter(format!("settleCoin {other} invalid"))),
        (None, None, None) => return Err(parameter("symbol, baseCoin or settleCoin missing")),
    };
    let mut rows = Vec::new();
    for id in chosen {
        for no in venue.cancel_all(id, scope, call.now) {
            rows.push(ids(venue, no));
        }
    }
    Ok(json!({"list": rows}))
}

fn new_order(call: &Call<'_>) -> Result<NewOrder, Refusal> {
    let params = &call.params;
    params.need_linear()?;
    let need_word = |name: &str| parameter(format!("{name} missing"));
    let order_type = params
        .word("orderType", OrderType::named)?
        .ok_or_else(|| need_word("orderType"))?;
    if !matches!(params.get("tpslMode"), None | Some("Full")) {
        return Err(parameter("tpslMode invalid: only Full is simulated"));
    }
    Ok(NewOrder {
        symbol: params.need("symbol")?.to_owned(),
        link_id: params.get("orderLinkId").unwrap_or_default().to_owned(),
        side: params
            .word("side", Side::named)?
            .ok_or_else(|| need_word("side"))?,
        order_type,
        qty: params.qty("qty")?.ok_or_else(|| need_word("qty"))?,
        price: params.price("price")?,
        time_in_force: params
            .word("timeInForce", TimeInForce::named)?
            .unwrap_or(TimeInForce::Gtc),
        reduce_only: params.flag("reduceOnly")?,
        close_on_trigger: params.flag("closeOnTrigger")?,
        trigger: trigger(params)?,
        brackets: Brackets {
            take_profit: asked(params.change("takeProfit")?),
            stop_loss: asked(params.change("stopLoss")?),
            take_profit_by: params.trigger_by("tpTriggerBy")?.unwrap_or(TriggerBy::Last),
            stop_loss_by: params.trigger_by("slTriggerBy")?.unwrap_or(TriggerBy::Last),
        },
        position_idx: params.integer("positionIdx")?.unwrap_or(0),
        received: call.received,
    })
}

fn trigger(params: &Params) -> Result<Option<Trigger>, Refusal> {
    let Some(price) = params.price("triggerPrice")? else {
        return Ok(None);
    };
    let rises = match params.integer("triggerDirection")? {
        Some(1) => true,
        Some(2) => false,
        Some(_) | None => return Err(parameter("triggerDirection invalid: 1 rises, 2 falls")),
    };
    Ok(Some(Trigger {
        price: price.get(),
        rises,
        by: params.trigger_by("triggerBy")?.unwrap_or(TriggerBy::Last),
    }))
}

/// The open order that a request names by id or link id. One that ended is as good as unknown.
fn named_order(call: &Call<'_>) -> Result<OrderNo, Refusal> {
    let params = &call.params;
    params.need_linear()?;
    let id: MarketId = call.sim.venue.market_id(params.need("symbol")?)?;
    let (order_id, link_id) = (params.get("orderId"), params.get("orderLinkId"));
    if order_id.is_none() && link_id.is_none() {
        return Err(parameter("orderId or orderLinkId missing"));
    }
    call.sim
        .venue
        .find(order_id, link_id)
        .filter(|no| call.sim.venue.order(*no).market == id)
        .ok_or(Refusal::NoSuchOrder)
}

fn ids(venue: &Venue, no: OrderNo) -> Value {
    let order = venue.order(no);
    json!({"orderId": order.id, "orderLinkId": order.link_id})
}

fn asked(change: Change) -> Option<money::Decimal> {
    match change {
        Change::Keep | Change::Clear => None,
        Change::Set(price) => Some(price.get()),
    }
}
