//! Positions and leverage.

use money::Decimal;
use serde_json::{Value, json};

use super::answer::Answer;
use super::app::Call;
use crate::matching::{AccountKind, Market, MarketId, Venue, parameter};

pub(crate) fn list(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let venue = &call.sim.venue;
    let rows: Vec<Value> = match (call.params.get("symbol"), call.params.get("settleCoin")) {
        (Some(symbol), _) => {
            let id = venue.market_id(symbol)?;
            vec![row(venue, id, venue.market(id))]
        }
        (None, Some("USDT")) => venue
            .markets()
            .filter(|(_, market)| !market.position.is_flat())
            .map(|(id, market)| row(venue, id, market))
            .collect(),
        (None, Some(_)) => Vec::new(),
        (None, None) => return Err(parameter("symbol or settleCoin missing")),
    };
    Ok(json!({"list": rows, "nextPageCursor": "", "category": "linear"}))
}

pub(crate) fn set_leverage(call: &mut Call<'_>) -> Answer {
    let params = &call.params;
    params.need_linear()?;
    let id = call.sim.venue.market_id(params.need("symbol")?)?;
    let leverage = |name: &str| {
        let text = params.need(name)?;
        money::Ratio::parse(text).map_err(|error| parameter(format!("{name}: {error}")))
    };
    let (buy, sell) = (leverage("buyLeverage")?, leverage("sellLeverage")?);
    if buy != sell {
        return Err(parameter(
            "buy leverage and sell leverage must be equal in one-way mode",
        ));
    }
    call.sim.venue.set_leverage(id, buy.get(), call.now)?;
    Ok(json!({}))
}

fn row(venue: &Venue, id: MarketId, market: &Market) -> Value {
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
        "size": position.size.normalize().to_string(),
        "avgPrice": position.average().normalize().to_string(),
        "positionValue": position.entry_value.normalize().to_string(),
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": if position.is_flat() { 0 } else { 2 },
        "leverage": market.leverage.normalize().to_string(),
        "positionBalance": venue.position_margin(id).normalize().to_string(),
        "markPrice": instrument.price_text(market.quote.mark),
        "liqPrice": "",
        "bustPrice": "",
        "positionMM": maintenance.normalize().to_string(),
        "positionIM": venue.position_margin(id).normalize().to_string(),
        "tpslMode": "Full",
        "takeProfit": stop(take_profit),
        "stopLoss": stop(stop_loss),
        "trailingStop": "0.00",
        "unrealisedPnl": position.unrealised(market.quote.mark).normalize().to_string(),
        "cumRealisedPnl": position.realised.normalize().to_string(),
        "createdTime": position.created.ms().to_string(),
        "updatedTime": position.updated.ms().to_string(),
    })
}
