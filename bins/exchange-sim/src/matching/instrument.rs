//! What may be traded here, in which steps and with which margin.

use money::Decimal;

/// Index of an instrument in its venue; only a venue makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarketId(pub(crate) usize);

/// One linear perpetual, settled in USDT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// Its name, such as `BTCUSDT`.
    pub symbol: String,
    /// The coin it stands for.
    pub base_coin: String,
    /// Smallest step of a price, with the venue's number of decimals.
    pub tick: Decimal,
    /// Smallest step of a quantity, with the venue's number of decimals.
    pub lot: Decimal,
    /// Smallest quantity of an order.
    pub min_qty: Decimal,
    /// Largest quantity of a limit order.
    pub max_qty: Decimal,
    /// Largest quantity of a market order.
    pub max_market_qty: Decimal,
    /// Highest price of an order.
    pub max_price: Decimal,
    /// Highest leverage; the lowest is 1.
    pub max_leverage: Decimal,
    /// How far from the last price a market order may fill, as a fraction.
    pub market_band: Decimal,
    /// Maintenance margin as a fraction of the position's value.
    pub maintenance: Decimal,
    /// Quantity at the best level of the made-up book; level `k` holds `k + 1` times as much.
    pub depth: Decimal,
    /// Ticks between two levels of the made-up book.
    pub level_ticks: u32,
    /// When the contract was launched, in ms since the epoch.
    pub launch_ms: i64,
    /// Where the price generator starts.
    pub start_price: Decimal,
}

/// Least value of an order, in settle coin.
pub const MIN_NOTIONAL: Decimal = Decimal::from_parts(5, 0, 0, false, 0);

/// Fee of an execution that takes liquidity, as a fraction of its value.
pub const TAKER_FEE: Decimal = Decimal::from_parts(6, 0, 0, false, 4);

/// Fee of an execution that made liquidity, as a fraction of its value.
pub const MAKER_FEE: Decimal = Decimal::from_parts(1, 0, 0, false, 4);

/// Prices of one instrument at one moment. The best bid is the last price, the best ask one tick
/// above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// The last trade.
    pub last: Decimal,
    /// The price that PnL and margin go by.
    pub mark: Decimal,
    /// The price of the underlying.
    pub index: Decimal,
}

impl Quote {
    /// A quote whose last, mark and index price are the same.
    pub const fn flat(price: Decimal) -> Self {
        Self {
            last: price,
            mark: price,
            index: price,
        }
    }
}

impl Instrument {
    /// Whether a price lies on the tick.
    pub fn on_tick(&self, price: Decimal) -> bool {
        (price % self.tick).is_zero()
    }

    /// Whether a quantity lies on the lot step.
    pub fn on_lot(&self, qty: Decimal) -> bool {
        (qty % self.lot).is_zero()
    }

    /// A price as the wire shows it, with the tick's number of decimals.
    pub fn price_text(&self, price: Decimal) -> String {
        padded(price, self.tick.scale())
    }

    /// A quantity as the wire shows it, with the lot's number of decimals.
    pub fn qty_text(&self, qty: Decimal) -> String {
        padded(qty, self.lot.scale())
    }

    /// Level `k` of one side of the made-up book (0 is the best): its price, and how much is there.
    /// `None` where the price would not be above zero.
    pub fn level(&self, quote: Quote, taker: super::Side, k: u32) -> Option<(Decimal, Decimal)> {
        let away = self.tick * Decimal::from(self.level_ticks) * Decimal::from(k);
        let price = match taker {
            super::Side::Buy => quote.last + self.tick + away,
            super::Side::Sell => quote.last - away,
        };
        let size = self.depth * Decimal::from(k.saturating_add(1));
        (price > Decimal::ZERO).then_some((price, size))
    }
}

/// A number with at least so many decimals, never fewer digits than it has.
fn padded(value: Decimal, decimals: u32) -> String {
    let mut value = value.normalize();
    if value.scale() < decimals {
        value.rescale(decimals);
    }
    value.to_string()
}
