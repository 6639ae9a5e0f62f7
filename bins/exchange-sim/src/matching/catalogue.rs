//! The contracts of the simulated venue: three with the real ones' steps and limits, and more that are
//! made up.

use money::Decimal;

use super::Instrument;

/// How many contracts are as the real venue has them.
pub const FAITHFUL: usize = 3;

/// Most contracts that a simulated venue may have.
pub const MOST: usize = 500;

/// Names for made-up contracts, and where their prices start, in hundredths.
const NAMES: [(&str, i64); 47] = [
    ("XRP", 52),
    ("DOGE", 12),
    ("ADA", 45),
    ("AVAX", 2_800),
    ("LINK", 1_400),
    ("DOT", 600),
    ("LTC", 8_000),
    ("BCH", 35_000),
    ("NEAR", 500),
    ("APT", 900),
    ("ARB", 80),
    ("OP", 160),
    ("SUI", 150),
    ("TRX", 13),
    ("ATOM", 700),
    ("FIL", 450),
    ("ETC", 2_200),
    ("UNI", 750),
    ("AAVE", 9_500),
    ("INJ", 2_300),
    ("RUNE", 400),
    ("SEI", 35),
    ("TIA", 600),
    ("IMX", 150),
    ("GRT", 18),
    ("FTM", 50),
    ("ALGO", 15),
    ("HBAR", 8),
    ("ICP", 900),
    ("VET", 3),
    ("XLM", 11),
    ("EGLD", 3_200),
    ("SAND", 30),
    ("MANA", 35),
    ("AXS", 600),
    ("THETA", 150),
    ("FLOW", 65),
    ("KAVA", 40),
    ("CRV", 30),
    ("LDO", 180),
    ("MKR", 250_000),
    ("SNX", 180),
    ("COMP", 5_200),
    ("DYDX", 120),
    ("GMX", 2_700),
    ("ENS", 1_900),
    ("CFX", 15),
];

/// The first so many contracts, at least one.
pub fn catalogue(count: usize) -> Vec<Instrument> {
    let more = (0..count.saturating_sub(FAITHFUL)).map(made_up);
    faithful().into_iter().take(count).chain(more).collect()
}

/// A contract of middling size: about four digits of price, lots worth about a dollar.
fn made_up(n: usize) -> Instrument {
    let (base_coin, cents) = match NAMES.get(n) {
        Some((name, cents)) => ((*name).to_owned(), *cents),
        None => (format!("COIN{n}"), 1_000),
    };
    let start_price = Decimal::new(cents * 100, 4);
    let (tick, lot) = match cents {
        ..100 => (Decimal::new(1, 4), Decimal::ONE),
        100..10_000 => (Decimal::new(1, 3), Decimal::new(1, 1)),
        10_000.. => (Decimal::new(1, 2), Decimal::new(1, 2)),
    };
    Instrument {
        symbol: format!("{base_coin}USDT"),
        base_coin,
        tick,
        lot,
        min_qty: lot,
        max_qty: lot * Decimal::from(1_000_000),
        max_market_qty: lot * Decimal::from(200_000),
        max_price: start_price * Decimal::from(1_000),
        max_leverage: Decimal::new(5_000, 2),
        market_band: Decimal::new(5, 2),
        maintenance: Decimal::new(1, 2),
        depth: lot * Decimal::from(5_000),
        level_ticks: 1,
        launch_ms: 1_640_995_200_000,
        start_price,
    }
}

fn faithful() -> [Instrument; FAITHFUL] {
    [
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_contracts_have_names_of_their_own_and_prices_on_their_ticks() {
        let all = catalogue(MOST);
        let names: std::collections::BTreeSet<&str> =
            all.iter().map(|one| one.symbol.as_str()).collect();
        assert_eq!((all.len(), names.len()), (MOST, MOST));
        for one in &all {
            assert!(one.on_tick(one.start_price), "{}", one.symbol);
            assert!(
                one.on_lot(one.min_qty) && one.on_lot(one.depth),
                "{}",
                one.symbol
            );
        }
        assert_eq!(catalogue(1).len(), 1);
    }
}
