//! Positions.

use money::Decimal;
use serde_json::{Value, json};

use super::text;
use crate::matching::{AccountKind, MarketId, Venue};

/// A position as the list has it.
pub(crate) fn position_row(venue: &Venue, id: MarketId) -> Value {
    let market = venue.market(id);
    let (position, instrument) = (&market.position, &market.instrument);
    let (take_profit, stop_loss) = venue.brackets(id);
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
        "positionIdx": 0,
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
        "positionBalance": text(venue.position_margin(id)),
        "markPrice": instrument.price_text(market.quote.mark),
        "liqPrice": "",
        "bustPrice": "",
        "positionMM": text(maintenance),
        "positionIM": text(venue.position_margin(id)),
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

/// A position as its stream has it: the entry price goes by another name, and a stop that is not
/// there by another zero.
pub(crate) fn streamed_position(venue: &Venue, id: MarketId) -> Value {
    let mut row = position_row(venue, id);
    if let Value::Object(fields) = &mut row {
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
    row
}
