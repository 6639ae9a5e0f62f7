//! Public market data: time, instruments, tickers, candles.

use money::{Notional, Price, Qty, Ratio};
use protocol::venue::{Candle, Instrument, Ticker};
use protocol::{Symbol, VenueMs};
use serde::Deserialize;

use crate::number::{FieldError, Text, plain};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimeResult {
    time_nano: Text,
}

impl TimeResult {
    pub(crate) fn venue_now(&self) -> Result<VenueMs, FieldError> {
        self.time_nano.time("timeNano")
    }
}

/// A row of instruments. A key that is missing is told when the row is turned into an instrument,
/// so that one odd contract does not hide all others.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstrumentRow {
    #[serde(default)]
    symbol: Text,
    #[serde(default)]
    status: Text,
    #[serde(default)]
    settle_coin: Text,
    #[serde(default)]
    leverage_filter: LeverageFilter,
    #[serde(default)]
    price_filter: PriceFilter,
    #[serde(default)]
    lot_size_filter: LotFilter,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeverageFilter {
    #[serde(default)]
    max_leverage: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PriceFilter {
    #[serde(default)]
    tick_size: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LotFilter {
    #[serde(default)]
    qty_step: Text,
    #[serde(default)]
    min_order_qty: Text,
    #[serde(default)]
    max_order_qty: Text,
    #[serde(default)]
    max_mkt_order_qty: Text,
    #[serde(default)]
    min_notional_value: Text,
}

impl InstrumentRow {
    pub(crate) fn settles_in(&self, coin: Symbol) -> bool {
        self.settle_coin.as_str() == coin.as_str()
    }

    /// Its name as the venue wrote it, for a log line.
    pub(crate) fn name(&self) -> String {
        plain(self.symbol.as_str())
    }

    pub(crate) fn instrument(&self) -> Result<Instrument, FieldError> {
        let lots = &self.lot_size_filter;
        let max_qty: Qty = lots.max_order_qty.required("maxOrderQty")?;
        Ok(Instrument {
            symbol: self.symbol.required("symbol")?,
            settle_coin: self.settle_coin.required("settleCoin")?,
            trading: self.status.as_str() == "Trading",
            tick: self.price_filter.tick_size.required("tickSize")?,
            lot: lots.qty_step.required("qtyStep")?,
            min_qty: lots.min_order_qty.required("minOrderQty")?,
            max_qty,
            max_market_qty: lots
                .max_mkt_order_qty
                .optional("maxMktOrderQty")?
                .unwrap_or(max_qty),
            min_notional: lots
                .min_notional_value
                .optional::<Notional>("minNotionalValue")?,
            max_leverage: self
                .leverage_filter
                .max_leverage
                .required::<Ratio>("maxLeverage")?,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TickerRow {
    symbol: Text,
    last_price: Text,
    mark_price: Text,
    #[serde(default)]
    bid1_price: Text,
    #[serde(default)]
    ask1_price: Text,
}

impl TickerRow {
    /// `at` is when the answer was made; the rows carry no time of their own.
    pub(crate) fn ticker(&self, at: VenueMs) -> Result<Ticker, FieldError> {
        Ok(Ticker {
            symbol: self.symbol.required("symbol")?,
            last: self.last_price.required("lastPrice")?,
            mark: self.mark_price.required("markPrice")?,
            bid: self.bid1_price.nonzero("bid1Price")?,
            ask: self.ask1_price.nonzero("ask1Price")?,
            at,
        })
    }
}

/// What a stream says of a ticker: an absent field is unchanged, an empty one is none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TickerNews {
    symbol: Text,
    #[serde(default)]
    last_price: Option<Text>,
    #[serde(default)]
    mark_price: Option<Text>,
    #[serde(default)]
    bid1_price: Option<Text>,
    #[serde(default)]
    ask1_price: Option<Text>,
}

impl TickerNews {
    pub(crate) fn symbol(&self) -> Result<Symbol, FieldError> {
        self.symbol.required("symbol")
    }
}

impl TickerRow {
    /// Puts a stream's news into the row.
    pub(crate) fn take(&mut self, news: TickerNews) {
        let put = |known: &mut Text, said: Option<Text>| {
            if let Some(said) = said {
                *known = said;
            }
        };
        self.symbol = news.symbol;
        put(&mut self.last_price, news.last_price);
        put(&mut self.mark_price, news.mark_price);
        put(&mut self.bid1_price, news.bid1_price);
        put(&mut self.ask1_price, news.ask1_price);
    }
}

/// A candle as the stream tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct KlineRow {
    start: Text,
    open: Text,
    high: Text,
    low: Text,
    close: Text,
    volume: Text,
    #[serde(default)]
    confirm: Text,
}

impl KlineRow {
    /// The candle, and whether it has closed.
    pub(crate) fn candle(&self) -> Result<(Candle, bool), FieldError> {
        let candle = Candle {
            start: self.start.time("start")?,
            open: self.open.required("open")?,
            high: self.high.required("high")?,
            low: self.low.required("low")?,
            close: self.close.required("close")?,
            volume: self.volume.required("volume")?,
        };
        Ok((candle, self.confirm.required("confirm")?))
    }
}

/// Prices of the order book's first level: `[price, size]`, a size of zero deletes.
#[derive(Debug, Deserialize)]
pub(crate) struct BookRow {
    #[serde(default)]
    b: Vec<(Text, Text)>,
    #[serde(default)]
    a: Vec<(Text, Text)>,
    #[serde(default)]
    u: Text,
}

impl BookRow {
    /// The venue's service has begun anew: the message replaces the book.
    pub(crate) fn starts_anew(&self) -> bool {
        self.u.as_str() == "1"
    }

    pub(crate) fn best_bid(&self, known: Option<Price>) -> Result<Option<Price>, FieldError> {
        best(&self.b, known, ("b", "bid size"))
    }

    pub(crate) fn best_ask(&self, known: Option<Price>) -> Result<Option<Price>, FieldError> {
        best(&self.a, known, ("a", "ask size"))
    }
}

fn best(
    rows: &[(Text, Text)],
    known: Option<Price>,
    (price_field, size_field): (&'static str, &'static str),
) -> Result<Option<Price>, FieldError> {
    let mut best = known;
    for (price, size) in rows {
        let price: Price = price.required(price_field)?;
        let size: Qty = size.required(size_field)?;
        if !size.is_zero() {
            best = Some(price);
        } else if best == Some(price) {
            best = None;
        }
    }
    Ok(best)
}

#[derive(Debug, Deserialize)]
pub(crate) struct Klines {
    #[serde(default)]
    symbol: Text,
    list: Vec<Vec<Text>>,
}

impl Klines {
    /// Oldest first; the venue sends newest first.
    pub(crate) fn candles(&self) -> Result<Vec<Candle>, FieldError> {
        let _symbol: Option<Symbol> = self.symbol.optional("symbol")?;
        self.list.iter().rev().map(|row| candle(row)).collect()
    }
}

fn candle(row: &[Text]) -> Result<Candle, FieldError> {
    let at = |n: usize, field: &'static str| {
        row.get(n).ok_or_else(|| FieldError {
            field,
            why: "is missing".to_owned(),
        })
    };
    let price = |n, field| -> Result<Price, FieldError> { at(n, field)?.required(field) };
    Ok(Candle {
        start: at(0, "startTime")?.time("startTime")?,
        open: price(1, "open")?,
        high: price(2, "high")?,
        low: price(3, "low")?,
        close: price(4, "close")?,
        volume: at(5, "volume")?.required("volume")?,
    })
}
