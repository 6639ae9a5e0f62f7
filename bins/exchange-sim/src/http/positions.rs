//! Positions and leverage.

use serde_json::{Value, json};

use super::answer::Answer;
use super::app::Call;
use crate::matching::parameter;
use crate::rows::position_rows;

pub(crate) fn list(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let venue = &call.sim.venue;
    let rows: Vec<Value> = match (call.params.get("symbol"), call.params.get("settleCoin")) {
        (Some(symbol), _) => {
            let id = venue.market_id(symbol)?;
            position_rows(venue, id)
        }
        (None, Some("USDT")) => venue
            .markets()
            .filter(|(_, market)| market.positions().next().is_some())
            .flat_map(|(id, _)| position_rows(venue, id))
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
