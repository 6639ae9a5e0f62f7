//! Orders, executions and closed PnL.

use money::Decimal;
use serde_json::{Map, Value, json};

use super::text;
use crate::dialect::Dialect;
use crate::matching::{
    ClosedRow, ExecKind, Execution, Instrument, Order, StopKind, TriggerBy, Venue, stop_word,
};

/// What a streamed order leaves empty where it does not apply.
const ABSENT_AS_EMPTY: [&str; 7] = [
    "stopOrderType",
    "triggerPrice",
    "triggerBy",
    "takeProfit",
    "tpTriggerBy",
    "stopLoss",
    "slTriggerBy",
];

/// An order as the history has it.
pub(crate) fn order_row(venue: &Venue, order: &Order) -> Value {
    let instrument = &venue.market(order.market).instrument;
    let bracket = |price: Option<Decimal>| price_or_zero(instrument, price);
    let watched = |price: Option<Decimal>, by: TriggerBy| price.map_or("UNKNOWN", |_| by.word());
    let leaves = order.leaves();
    json!({
        "orderId": order.id,
        "orderLinkId": order.link_id,
        "symbol": instrument.symbol,
        "price": order.price.map_or_else(String::new, |price| instrument.price_text(price)),
        "qty": instrument.qty_text(order.qty),
        "side": order.side.word(),
        "isLeverage": "",
        "positionIdx": 0,
        "orderStatus": order.status.word(),
        "cancelType": order.cancel_type,
        "rejectReason": order.reject_reason,
        "avgPrice": text(order.average()),
        "leavesQty": instrument.qty_text(leaves),
        "leavesValue": text(leaves * order.price.unwrap_or_default()),
        "cumExecQty": instrument.qty_text(order.filled),
        "cumExecValue": text(order.filled_value),
        "cumExecFee": text(order.fees),
        "timeInForce": order.time_in_force.word(),
        "orderType": order.order_type.word(),
        "stopOrderType": order.stop_kind.map_or("UNKNOWN", StopKind::word),
        "orderIv": "",
        "triggerPrice": bracket(order.trigger.map(|trigger| trigger.price)),
        "takeProfit": bracket(order.brackets.take_profit),
        "stopLoss": bracket(order.brackets.stop_loss),
        "tpTriggerBy": watched(order.brackets.take_profit, order.brackets.take_profit_by),
        "slTriggerBy": watched(order.brackets.stop_loss, order.brackets.stop_loss_by),
        "triggerDirection": order.trigger.map_or(0, |trigger| if trigger.rises { 1 } else { 2 }),
        "triggerBy": order.trigger.map_or("UNKNOWN", |trigger| trigger.by.word()),
        "lastPriceOnCreated": instrument.price_text(order.last_on_created),
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": order.close_on_trigger,
        "tpslMode": if order.is_bracket() || !order.brackets.is_empty() { "Full" } else { "" },
        "tpLimitPrice": "",
        "slLimitPrice": "",
        "placeType": "",
        "createdTime": order.created.ms().to_string(),
        "updatedTime": order.updated.ms().to_string(),
    })
}

/// An order as its stream has it: what does not apply is an empty string.
pub(crate) fn streamed_order(venue: &Venue, order: &Order) -> Value {
    let mut row = order_row(venue, order);
    if let Value::Object(fields) = &mut row {
        for name in ABSENT_AS_EMPTY {
            // The same absence by another word than in the lists.
            let absent = |value: &&mut Value| **value == "UNKNOWN" || **value == "0.00";
            if let Some(value) = fields.get_mut(name).filter(absent) {
                *value = "".into();
            }
        }
        if order.status.is_final() {
            for left in ["leavesQty", "leavesValue"] {
                fields.insert(left.to_owned(), "".into());
            }
        }
        fields.insert("category".to_owned(), "linear".into());
        fields.insert("blockTradeId".to_owned(), "".into());
        fields.insert("placeType".to_owned(), "price".into());
    }
    row
}

/// An order with every key beginning with a capital, as Zoomex's open orders have it.
pub(crate) fn with_capitals(row: Value) -> Value {
    match row {
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .into_iter()
                .map(|(key, value)| {
                    let (first, rest) = key.split_at(1);
                    (first.to_ascii_uppercase() + rest, value)
                })
                .collect();
            Value::Object(fields)
        }
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)) => other,
    }
}

/// An execution as its list has it. Zoomex's carries no link id, as published: it is to be resolved
/// through the order.
pub(crate) fn execution_row(
    dialect: Dialect,
    venue: &Venue,
    n: usize,
    execution: &Execution,
) -> Value {
    let mut row = plain_execution(venue, n, execution);
    if let Value::Object(fields) = &mut row {
        match dialect {
            Dialect::Zoomex => {
                fields.insert("closedSize".to_owned(), bare_number(execution.closed));
            }
            Dialect::Bybit => {
                let link_id = order_of(venue, execution).map_or("", |order| &order.link_id);
                fields.insert("orderLinkId".to_owned(), link_id.into());
            }
        }
    }
    row
}

/// An execution as its stream has it.
pub(crate) fn streamed_execution(venue: &Venue, n: usize, execution: &Execution) -> Value {
    let order = order_of(venue, execution);
    let mut row = plain_execution(venue, n, execution);
    if let Value::Object(fields) = &mut row {
        fields.insert("category".to_owned(), "linear".into());
        let link_id = order.map_or("", |order| &order.link_id);
        fields.insert("orderLinkId".to_owned(), link_id.into());
        let stop = order.and_then(|order| order.stop_kind);
        let stop = stop.map_or("UNKNOWN", StopKind::word);
        fields.insert("stopOrderType".to_owned(), stop.into());
        if execution.closed.is_zero() {
            fields.insert("closedSize".to_owned(), "".into());
        }
    }
    row
}

fn order_of<'a>(venue: &'a Venue, execution: &Execution) -> Option<&'a Order> {
    execution.order.map(|no| venue.order(no))
}

fn plain_execution(venue: &Venue, n: usize, execution: &Execution) -> Value {
    let order = order_of(venue, execution);
    let instrument = &venue.market(execution.market).instrument;
    let price = order.and_then(|order| order.price);
    json!({
        "symbol": instrument.symbol,
        "orderId": execution.order_id,
        "side": execution.side.word(),
        "orderPrice": price.map_or_else(String::new, |price| instrument.price_text(price)),
        "orderQty": order.map_or_else(String::new, |order| instrument.qty_text(order.qty)),
        "leavesQty": instrument.qty_text(execution.leaves),
        "createType": create_type(execution.kind),
        "orderType": order.map_or("UNKNOWN", |order| order.order_type.word()),
        "stopOrderType": stop_word(order.and_then(|order| order.stop_kind)),
        "execFee": text(execution.fee),
        "execId": execution.id,
        "execPrice": instrument.price_text(execution.price),
        "execQty": instrument.qty_text(execution.qty),
        "execType": execution.kind.word(),
        "execValue": text(execution.price * execution.qty),
        "execTime": execution.at.ms().to_string(),
        "isMaker": execution.is_maker,
        "feeRate": text(execution.fee_rate),
        "markPrice": instrument.price_text(execution.mark),
        "closedSize": text(execution.closed),
        "seq": n.to_string(),
    })
}

/// Who made the order: empty, as published, for everything but what the venue forces.
const fn create_type(kind: ExecKind) -> &'static str {
    match kind {
        ExecKind::Trade | ExecKind::Funding => "",
        ExecKind::Bust => "CreateByLiq",
        ExecKind::Adl => "CreateByAdl_PassThrough",
    }
}

/// A row of closed PnL. Zoomex's `createdTime` is in nanoseconds, as published.
pub(crate) fn closed_row(dialect: Dialect, venue: &Venue, row: &ClosedRow) -> Value {
    let created = match dialect {
        Dialect::Zoomex => row.at.ns(),
        Dialect::Bybit => row.at.ms(),
    };
    let instrument = &venue.market(row.market).instrument;
    json!({
        "symbol": instrument.symbol,
        "orderType": row.order_type.word(),
        "leverage": text(row.leverage),
        "updatedTime": row.at.ms().to_string(),
        "side": row.side.word(),
        "orderId": venue.order(row.order).id,
        "closedPnl": text(row.pnl),
        "avgEntryPrice": text((row.entry_value / row.closed).round_dp(8)),
        "qty": text(row.qty),
        "cumEntryValue": text(row.entry_value),
        "createdTime": created.to_string(),
        "orderPrice": text(row.order_price),
        "closedSize": text(row.closed),
        "avgExitPrice": text((row.exit_value / row.closed).round_dp(8)),
        "execType": row.kind.word(),
        "fillCount": row.fills.to_string(),
        "cumExitValue": text(row.exit_value),
    })
}

fn price_or_zero(instrument: &Instrument, price: Option<Decimal>) -> String {
    price.map_or_else(|| "0.00".to_owned(), |price| instrument.price_text(price))
}

/// A number without quotes, digit for digit as published for this one field.
fn bare_number(value: Decimal) -> Value {
    serde_json::from_str(&text(value)).unwrap_or(Value::Null)
}
