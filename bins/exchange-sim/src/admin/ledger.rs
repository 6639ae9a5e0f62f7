//! Everything the venue ever accepted, in order: the ground truth of a test.
//!
//! Money is strings, times are ms as numbers (`createdTimeNs` apart).

use money::Decimal;
use serde_json::{Value, json};

use crate::matching::{
    ClosedRow, EquityMark, Execution, Funding, Order, Placement, Transfer, Venue, stop_word,
};

/// The whole ledger.
pub(crate) fn ledger(venue: &Venue) -> Value {
    json!({
        "orders": rows(venue.orders(), |order| order_row(venue, order)),
        "executions": venue
            .executions()
            .iter()
            .filter_map(|execution| execution_row(venue, execution))
            .collect::<Vec<Value>>(),
        "closedPnl": rows(venue.closed(), |row| closed_row(venue, row)),
        "funding": rows(venue.funding(), |funding| funding_row(venue, funding)),
        "transfers": rows(venue.transfers(), transfer_row),
        "placements": rows(venue.placements(), |placed| placement_row(venue, placed)),
        "equity": rows(venue.equity_marks(), equity_row),
    })
}

fn rows<T>(all: &[T], row: impl Fn(&T) -> Value) -> Vec<Value> {
    all.iter().map(row).collect()
}

fn order_row(venue: &Venue, order: &Order) -> Value {
    json!({
        "orderId": order.id,
        "orderLinkId": order.link_id,
        "symbol": symbol(venue, order.market),
        "side": order.side.word(),
        "orderType": order.order_type.word(),
        "timeInForce": order.time_in_force.word(),
        "qty": text(order.qty),
        "price": order.price.map(text),
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": order.close_on_trigger,
        "stopOrderType": stop_word(order.stop_kind),
        "triggerPrice": order.trigger.map(|trigger| text(trigger.price)),
        "takeProfit": order.brackets.take_profit.map(text),
        "stopLoss": order.brackets.stop_loss.map(text),
        "status": order.status.word(),
        "rejectReason": order.reject_reason,
        "cancelType": order.cancel_type,
        "cumExecQty": text(order.filled),
        "cumExecValue": text(order.filled_value),
        "cumExecFee": text(order.fees),
        "receivedTime": order.received.ms(),
        "createdTime": order.created.ms(),
        "updatedTime": order.updated.ms(),
    })
}

/// An execution of an order; funding has a list of its own.
fn execution_row(venue: &Venue, execution: &Execution) -> Option<Value> {
    let order = venue.order(execution.order?);
    Some(json!({
        "execId": execution.id,
        "orderId": order.id,
        "orderLinkId": order.link_id,
        "symbol": symbol(venue, execution.market),
        "side": execution.side.word(),
        "execType": execution.kind.word(),
        "price": text(execution.price),
        "qty": text(execution.qty),
        "fee": text(execution.fee),
        "feeRate": text(execution.fee_rate),
        "isMaker": execution.is_maker,
        "closedSize": text(execution.closed),
        "time": execution.at.ms(),
    }))
}

fn funding_row(venue: &Venue, funding: &Funding) -> Value {
    let execution = &venue.executions()[funding.execution];
    json!({
        "execId": execution.id,
        "symbol": symbol(venue, execution.market),
        "positionIdx": funding.position_idx,
        "side": execution.side.word(),
        "size": text(execution.qty),
        "markPrice": text(execution.price),
        "rate": text(funding.rate),
        "fee": text(execution.fee),
        "walletBalance": text(funding.balance),
        "time": execution.at.ms(),
    })
}

fn closed_row(venue: &Venue, row: &ClosedRow) -> Value {
    let order = venue.order(row.order);
    json!({
        "orderId": order.id,
        "orderLinkId": order.link_id,
        "symbol": symbol(venue, row.market),
        "side": row.side.word(),
        "closedSize": text(row.closed),
        "execType": row.kind.word(),
        "cumEntryValue": text(row.entry_value),
        "cumExitValue": text(row.exit_value),
        "fees": text(row.fees),
        "closedPnl": text(row.pnl),
        "time": row.at.ms(),
        "createdTimeNs": row.at.ns(),
    })
}

fn transfer_row(transfer: &Transfer) -> Value {
    json!({
        "amount": text(transfer.amount),
        "walletBalance": text(transfer.balance),
        "time": transfer.at.ms(),
    })
}

fn placement_row(venue: &Venue, placed: &Placement) -> Value {
    json!({
        "symbol": symbol(venue, placed.market),
        "positionIdx": placed.position_idx,
        "side": placed.side.word(),
        "size": text(placed.size),
        "avgPrice": text(placed.average),
        "time": placed.at.ms(),
    })
}

fn equity_row(mark: &EquityMark) -> Value {
    json!({
        "equity": text(mark.equity),
        "walletBalance": text(mark.balance),
        "time": mark.at.ms(),
    })
}

fn symbol(venue: &Venue, id: crate::matching::MarketId) -> &str {
    &venue.market(id).instrument.symbol
}

fn text(value: Decimal) -> String {
    value.normalize().to_string()
}
