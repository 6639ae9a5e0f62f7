//! Positions.

use money::Decimal;
use serde_json::{Value, json};

use super::text;
use crate::matching::{AccountKind, MarketId, Position, Venue};

/// The positions of one instrument as the list has them: the one-way position, flat or not; in its
/// place, if it is flat, the legs of hedge mode that are not.
pub(crate) fn position_rows(venue: &Venue, id: MarketId) -> Vec<Value> {
    let market = venue.market(id);
    let rows: Vec<Value> = market
        .positions()
        .map(|(slot, position)| position_row(venue, id, slot, position))
        .collect();
    if rows.is_empty() {
        return vec![position_row(venue, id, 0, &market.position)];
    }
    rows
}

fn position_row(venue: &Venue, id: MarketId, slot: u8, position: &Position) -> Value {
    let market = venue.market(id);
    let instrument = &market.instrument;
    let (take_profit, stop_loss) = match slot {
        0 => venue.brackets(id),
        _ => (None, None),
    };
    let margin = (position.entry_value / market.leverage).round_dp(8);
    let stop = |price: Option<Decimal>| {
        price.map_or_else(|| "0.00".to_owned(), |price| instrument.price_text(price))
    };
    // Both words for "flat" have been published; each account type says one of them.
    let side = match (position.is_flat(), venue.account()) {
        (false, _) => position.side.word(),
        (true, AccountKind::Unified) => "None",
        (true, AccountKind::Classic) => "",
    };
    let maintenance = position.entry_value * instrument.maintenance;
    json!({
        "positionIdx": slot,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": instrument.symbol,
        "side": side,
        "size": text(position.size),
        "avgPrice": text(position.average()),
        "positionValue": text(position.entry_value),
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": if position.is_flat() { 0 } else { 2 },
        "leverage": text(market.leverage),
        "positionBalance": text(margin),
        "markPrice": instrument.price_text(market.quote.mark),
        "liqPrice": "",
        "bustPrice": "",
        "positionMM": text(maintenance),
        "positionIM": text(margin),
        "tpslMode": "Full",
        "takeProfit": stop(take_profit),
        "stopLoss": stop(stop_loss),
        "trailingStop": "0.00",
        "unrealisedPnl": text(position.unrealised(market.quote.mark)),
        "cumRealisedPnl": text(position.realised),
        "createdTime": position.created.ms().to_string(),
        "updatedTime": position.updated.ms().to_string(),
    })
}

/// The same as their stream has them: the entry price goes by another name, and a stop that is not
/// there by another zero.
pub(crate) fn streamed_positions(venue: &Venue, id: MarketId) -> Vec<Value> {
    let mut rows = position_rows(venue, id);
    for fields in rows.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(entry) = fields.remove("avgPrice") {
            fields.insert("entryPrice".to_owned(), entry);
        }
        fields.insert("category".to_owned(), "linear".into());
        for stop in ["takeProfit", "stopLoss", "trailingStop"] {
            if let Some(value) = fields.get_mut(stop).filter(|value| **value == "0.00") {
                *value = "0".into();
            }
        }
    }
    rows
}
