//! Market data: open to everybody.

use money::Decimal;
use serde_json::{Value, json};

use super::answer::Answer;
use super::app::Call;
use crate::candles::Candle;
use crate::matching::{Instrument, MIN_NOTIONAL, Market, MarketId, Refusal, Side, parameter};

/// Ms between two funding times.
const FUNDING_MS: i64 = 8 * 3_600_000;

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
    let rows = each_market(call, |id, market| ticker_row(call, id, market))?;
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

fn instrument_row(instrument: &Instrument) -> Value {
    json!({
        "symbol": instrument.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": instrument.base_coin,
        "quoteCoin": "USDT",
        "launchTime": instrument.launch_ms.to_string(),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": instrument.tick.scale().to_string(),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": instrument.max_leverage.to_string(),
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": instrument.tick.to_string(),
            "maxPrice": instrument.max_price.to_string(),
            "tickSize": instrument.tick.to_string(),
        },
        "lotSizeFilter": {
            "maxOrderQty": instrument.max_qty.to_string(),
            "minOrderQty": instrument.min_qty.to_string(),
            "qtyStep": instrument.lot.to_string(),
            "postOnlyMaxOrderQty": instrument.max_qty.to_string(),
            "maxMktOrderQty": instrument.max_market_qty.to_string(),
            "minNotionalValue": MIN_NOTIONAL.to_string(),
        },
        "unifiedMarginTrade": true,
        "fundingInterval": 480,
        "settleCoin": "USDT",
        "offlineTime": "0",
        "tags": [],
    })
}

fn ticker_row(call: &Call<'_>, id: MarketId, market: &Market) -> Value {
    let hours = call
        .sim
        .candles(id)
        .and_then(|candles| candles.newest_first("60", None, None, 25))
        .unwrap_or_default();
    let day = hours.get(..24).unwrap_or(&hours);
    let (instrument, quote) = (&market.instrument, market.quote);
    let price = |value| instrument.price_text(value);
    let best = |taker| call.sim.venue.level(id, taker, 0).unwrap_or_default();
    let (bid, ask) = (best(Side::Sell), best(Side::Buy));
    let day_ago = day.last().map_or(quote.last, |hour| hour.open);
    let change = ((quote.last - day_ago) / day_ago).round_dp(6);
    let highest = day.iter().map(|hour| hour.high).max();
    let lowest = day.iter().map(|hour| hour.low).min();
    let volume: Decimal = day.iter().map(|hour| hour.volume).sum();
    let turnover: Decimal = day.iter().map(|hour| hour.turnover).sum();
    let interest = instrument.depth * Decimal::from(1_000);
    let next_funding = (call.now.ms() / FUNDING_MS + 1) * FUNDING_MS;
    json!({
        "symbol": instrument.symbol,
        "lastPrice": price(quote.last),
        "indexPrice": price(quote.index),
        "markPrice": price(quote.mark),
        "prevPrice24h": price(day_ago),
        "price24hPcnt": change.to_string(),
        "highPrice24h": price(highest.unwrap_or(quote.last)),
        "lowPrice24h": price(lowest.unwrap_or(quote.last)),
        "prevPrice1h": price(hours.first().map_or(quote.last, |hour| hour.open)),
        "openInterest": instrument.qty_text(interest),
        "openInterestValue": (interest * quote.mark).round_dp(2).to_string(),
        "turnover24h": turnover.to_string(),
        "volume24h": volume.to_string(),
        "fundingRate": "0.0001",
        "nextFundingTime": next_funding.to_string(),
        "fundingIntervalHour": "8",
        "fundingCap": "0.005",
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "deliveryFeeRate": "",
        "deliveryTime": "0",
        "ask1Size": instrument.qty_text(ask.1),
        "bid1Price": price(bid.0),
        "ask1Price": price(ask.0),
        "bid1Size": instrument.qty_text(bid.1),
        "basis": "",
    })
}

fn candle_row(instrument: &Instrument, candle: &Candle, skew_ms: i64) -> Value {
    json!([
        (candle.start_ms + skew_ms).to_string(),
        instrument.price_text(candle.open),
        instrument.price_text(candle.high),
        instrument.price_text(candle.low),
        instrument.price_text(candle.close),
        candle.volume.normalize().to_string(),
        candle.turnover.normalize().to_string(),
    ])
}
