//! Take profit and stop loss of a position.

use serde_json::json;

use super::answer::Answer;
use super::app::Call;
use crate::matching::{StopChange, parameter};

pub(crate) fn trading_stop(call: &mut Call<'_>) -> Answer {
    let params = &call.params;
    params.need_linear()?;
    let id = call.sim.venue.market_id(params.need("symbol")?)?;
    if params.integer("positionIdx")?.unwrap_or(0) != 0 {
        return Err(parameter("position idx not match position mode"));
    }
    if !matches!(params.get("tpslMode"), None | Some("Full")) {
        return Err(parameter("tpslMode invalid: only Full is simulated"));
    }
    let change = StopChange {
        take_profit: params.change("takeProfit")?,
        stop_loss: params.change("stopLoss")?,
        take_profit_by: params.trigger_by("tpTriggerBy")?,
        stop_loss_by: params.trigger_by("slTriggerBy")?,
    };
    call.sim.venue.trading_stop(id, &change, call.now)?;
    Ok(json!({}))
}
