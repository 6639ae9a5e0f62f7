//! Instruments, tickers, candles.

use money::Decimal;
use serde_json::{Value, json};

use super::text;
use crate::candles::Candle;
use crate::matching::{Instrument, MIN_NOTIONAL, MarketId, Moment, Side};
use crate::prints::Print;
use crate::sim::Sim;

/// Ms between two funding times.
const FUNDING_MS: i64 = 8 * 3_600_000;

/// What may be traded in which steps.
pub(crate) fn instrument_row(instrument: &Instrument) -> Value {
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

/// Prices now and over the last day.
pub(crate) fn ticker_row(sim: &Sim, id: MarketId, now: Moment) -> Value {
    let market = sim.venue.market(id);
    let hours = sim
        .candles(id)
        .and_then(|candles| candles.newest_first("60", None, None, 25))
        .unwrap_or_default();
    let day = hours.get(..24).unwrap_or(&hours);
    let (instrument, quote) = (&market.instrument, market.quote);
    let price = |value| instrument.price_text(value);
    let best = |taker| sim.venue.level(id, taker, 0).unwrap_or_default();
    let (bid, ask) = (best(Side::Sell), best(Side::Buy));
    let day_ago = day.last().map_or(quote.last, |hour| hour.open);
    let change = ((quote.last - day_ago) / day_ago).round_dp(6);
    let highest = day.iter().map(|hour| hour.high).max();
    let lowest = day.iter().map(|hour| hour.low).min();
    let volume: Decimal = day.iter().map(|hour| hour.volume).sum();
    let turnover: Decimal = day.iter().map(|hour| hour.turnover).sum();
    let interest = instrument.depth * Decimal::from(1_000);
    let next_funding = (now.ms() / FUNDING_MS + 1) * FUNDING_MS;
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
        "fundingRate": market.funding_rate.to_string(),
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

/// A candle as the list of klines has it.
pub(crate) fn candle_row(instrument: &Instrument, candle: &Candle, skew_ms: i64) -> Value {
    json!([
        (candle.start_ms + skew_ms).to_string(),
        instrument.price_text(candle.open),
        instrument.price_text(candle.high),
        instrument.price_text(candle.low),
        instrument.price_text(candle.close),
        text(candle.volume),
        text(candle.turnover),
    ])
}

/// A candle as its stream has it: the interval's word with its length, and whether it has ended.
pub(crate) fn kline_row(
    instrument: &Instrument,
    (interval, length_ms): (&str, i64),
    candle: &Candle,
    confirm: bool,
    skew_ms: i64,
    now: Moment,
) -> Value {
    let start = candle.start_ms + skew_ms;
    json!({
        "start": start,
        "end": start + length_ms - 1,
        "interval": interval,
        "open": instrument.price_text(candle.open),
        "close": instrument.price_text(candle.close),
        "high": instrument.price_text(candle.high),
        "low": instrument.price_text(candle.low),
        "volume": text(candle.volume),
        "turnover": text(candle.turnover),
        "confirm": confirm,
        "timestamp": now.ms(),
    })
}

/// A trade of everybody as the list has it.
pub(crate) fn print_row(instrument: &Instrument, print: &Print) -> Value {
    json!({
        "execId": print.id(),
        "symbol": instrument.symbol,
        "price": instrument.price_text(print.price),
        "size": instrument.qty_text(print.qty),
        "side": print.side.word(),
        "time": print.at.ms().to_string(),
        "isBlockTrade": false,
    })
}

/// A trade of everybody as its stream has it.
pub(crate) fn streamed_print(instrument: &Instrument, print: &Print) -> Value {
    json!({
        "T": print.at.ms(),
        "s": instrument.symbol,
        "S": print.side.word(),
        "v": instrument.qty_text(print.qty),
        "p": instrument.price_text(print.price),
        "L": if print.side == Side::Buy { "PlusTick" } else { "MinusTick" },
        "i": print.id(),
        "BT": false,
    })
}
