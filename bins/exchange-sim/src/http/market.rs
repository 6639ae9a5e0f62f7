//! Market data: open to everybody.

use serde_json::{Value, json};

use super::answer::Answer;
use super::app::Call;
use crate::matching::{Market, MarketId, Refusal, Side, parameter};
use crate::rows::{candle_row, instrument_row, print_row, ticker_row};

#[expect(clippy::unnecessary_wraps, reason = "every endpoint has this shape")]
pub(crate) fn time(call: &mut Call<'_>) -> Answer {
    Ok(json!({
        "timeSecond": (call.now.ms() / 1_000).to_string(),
        "timeNano": call.now.ns().to_string(),
    }))
}

pub(crate) fn instruments(call: &mut Call<'_>) -> Answer {
    let rows = each_market(call, |_, market| instrument_row(&market.instrument))?;
    Ok(json!({"category": "linear", "list": rows, "nextPageCursor": ""}))
}

pub(crate) fn tickers(call: &mut Call<'_>) -> Answer {
    let rows = each_market(call, |id, _| ticker_row(call.sim, id, call.now))?;
    Ok(json!({"category": "linear", "list": rows}))
}

pub(crate) fn klines(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let symbol = call.params.need("symbol")?;
    let interval = call.params.need("interval")?;
    let id = call.sim.venue.market_id(symbol)?;
    let limit = call.params.limit(200, 1_000)?;
    // Candles are kept by the wall clock; the venue's clock may be off.
    let skew = call.sim.skew_ms();
    let start = call
        .params
        .integer("start")?
        .map(|ms| ms.saturating_sub(skew));
    let end = call
        .params
        .integer("end")?
        .map(|ms| ms.saturating_sub(skew));
    let candles = call
        .sim
        .candles(id)
        .and_then(|candles| candles.newest_first(interval, start, end, limit))
        .ok_or_else(|| parameter(format!("interval {interval} invalid")))?;
    let instrument = &call.sim.venue.market(id).instrument;
    let rows: Vec<Value> = candles
        .iter()
        .map(|candle| candle_row(instrument, candle, skew))
        .collect();
    Ok(json!({"symbol": symbol, "category": "linear", "list": rows}))
}

pub(crate) fn order_book(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let symbol = call.params.need("symbol")?;
    let venue = &call.sim.venue;
    let id = venue.market_id(symbol)?;
    let levels = u32::try_from(call.params.limit(25, 200)?).unwrap_or(25);
    let instrument = &venue.market(id).instrument;
    let side = |taker| -> Vec<Value> {
        venue
            .depth(id, taker, levels)
            .into_iter()
            .map(|(price, size)| json!([instrument.price_text(price), instrument.qty_text(size)]))
            .collect()
    };
    Ok(json!({
        "s": symbol,
        "a": side(Side::Buy),
        "b": side(Side::Sell),
        "ts": call.now.ms(),
        "u": call.now.ms() / 100,
    }))
}

pub(crate) fn recent_trades(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let id = call.sim.venue.market_id(call.params.need("symbol")?)?;
    let limit = call.params.limit(500, 1_000)?;
    let instrument = &call.sim.venue.market(id).instrument;
    let rows: Vec<Value> = call
        .sim
        .prints()
        .newest_first(id)
        .take(limit)
        .map(|print| print_row(instrument, print))
        .collect();
    Ok(json!({"category": "linear", "list": rows}))
}

/// Rows of the symbol asked for, or of all.
fn each_market(
    call: &Call<'_>,
    row: impl Fn(MarketId, &Market) -> Value,
) -> Result<Vec<Value>, Refusal> {
    call.params.need_linear()?;
    let venue = &call.sim.venue;
    if let Some(symbol) = call.params.get("symbol") {
        let id = venue.market_id(symbol)?;
        return Ok(vec![row(id, venue.market(id))]);
    }
    Ok(venue
        .markets()
        .map(|(id, market)| row(id, market))
        .collect())
}
