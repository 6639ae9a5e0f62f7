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

/// The three contracts of the simulated venue.
pub fn catalogue() -> Vec<Instrument> {
    vec![
        Instrument {
            symbol: "BTCUSDT".to_owned(),
            base_coin: "BTC".to_owned(),
            tick: Decimal::new(10, 2),
            lot: Decimal::new(1, 3),
            min_qty: Decimal::new(1, 3),
            max_qty: Decimal::new(1_190_000, 3),
            max_market_qty: Decimal::new(500_000, 3),
            max_price: Decimal::new(199_999_980, 2),
            max_leverage: Decimal::new(10_000, 2),
            market_band: Decimal::new(3, 2),
            maintenance: Decimal::new(5, 3),
            depth: Decimal::new(3_000, 3),
            level_ticks: 5,
            launch_ms: 1_585_526_400_000,
            start_price: Decimal::new(6_500_000, 2),
        },
        Instrument {
            symbol: "ETHUSDT".to_owned(),
            base_coin: "ETH".to_owned(),
            tick: Decimal::new(1, 2),
            lot: Decimal::new(1, 2),
            min_qty: Decimal::new(1, 2),
            max_qty: Decimal::new(724_000, 2),
            max_market_qty: Decimal::new(360_000, 2),
            max_price: Decimal::new(19_999_998, 2),
            max_leverage: Decimal::new(10_000, 2),
            market_band: Decimal::new(5, 2),
            maintenance: Decimal::new(5, 3),
            depth: Decimal::new(40_00, 2),
            level_ticks: 5,
            launch_ms: 1_603_065_600_000,
            start_price: Decimal::new(320_000, 2),
        },
        Instrument {
            symbol: "SOLUSDT".to_owned(),
            base_coin: "SOL".to_owned(),
            tick: Decimal::new(10, 3),
            lot: Decimal::new(1, 1),
            min_qty: Decimal::new(1, 1),
            max_qty: Decimal::new(797_700, 1),
            max_market_qty: Decimal::new(277_800, 1),
            max_price: Decimal::new(1_999_998, 3),
            max_leverage: Decimal::new(7_500, 2),
            market_band: Decimal::new(5, 2),
            maintenance: Decimal::new(1, 2),
            depth: Decimal::new(4_000, 1),
            level_ticks: 1,
            launch_ms: 1_634_169_600_000,
            start_price: Decimal::new(180_000, 3),
        },
    ]
}

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
