//! Made-up prices: a seeded walk that is calm, trends, or crashes, in whole numbers only.

use fastrand::Rng;
use money::Decimal;

/// Parts in one: returns are counted in billionths, and so is the price.
const BILLION: i128 = 1_000_000_000;

/// How the market is in the mood to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Regime {
    Calm,
    Rising,
    Falling,
    Crashing,
}

/// Character of a regime, for one second of market time.
struct Character {
    drift: i64,
    spread: i64,
    least_minutes: u32,
    most_minutes: u32,
}

/// The walk of one instrument.
#[derive(Debug, Clone)]
pub struct Generator {
    rng: Rng,
    /// Billionths of settle coin.
    level: i128,
    start: i128,
    regime: Regime,
    seconds_left: u32,
}

impl Generator {
    /// A walk that begins at that price. The same seed makes the same walk.
    pub fn new(seed: u64, start: Decimal) -> Self {
        let level = billionths(start);
        let mut rng = Rng::with_seed(seed);
        let regime = if rng.bool() {
            Regime::Rising
        } else {
            Regime::Calm
        };
        Self {
            seconds_left: 60 * rng.u32(20..60),
            rng,
            level,
            start: level,
            regime,
        }
    }

    /// One second of market time on: the new price, not yet on a tick.
    pub fn step(&mut self) -> Decimal {
        if self.seconds_left == 0 {
            self.change_mood();
        }
        self.seconds_left -= 1;
        let character = self.regime.character();
        let noise = bell(&mut self.rng, character.spread);
        let shift = self.level * i128::from(character.drift + noise) / BILLION;
        // Never far from where it began, so that a long run stays a market.
        self.level = (self.level + shift).clamp(self.start / 4, self.start * 4);
        self.price()
    }

    /// Where the walk stands.
    pub fn price(&self) -> Decimal {
        Decimal::from_i128_with_scale(self.level, 9)
    }

    /// Goes on from another price.
    pub fn continue_from(&mut self, price: Decimal) {
        self.level = billionths(price);
    }

    fn change_mood(&mut self) {
        let cheap = self.level < self.start * 4 / 5;
        let dear = self.level > self.start * 5 / 4;
        self.regime = match (self.rng.u32(0..10), self.regime) {
            (n, _) if n <= 3 && cheap => Regime::Rising,
            (n, _) if n <= 3 && dear => Regime::Falling,
            (_, Regime::Crashing) | (0..=2, _) => Regime::Calm,
            (3..=5, _) => Regime::Rising,
            (6..=8, _) => Regime::Falling,
            (_, Regime::Calm | Regime::Rising | Regime::Falling) => Regime::Crashing,
        };
        let character = self.regime.character();
        let minutes = self
            .rng
            .u32(character.least_minutes..=character.most_minutes);
        self.seconds_left = 60 * minutes;
    }
}

impl Regime {
    const fn character(self) -> Character {
        let (drift, spread, least_minutes, most_minutes) = match self {
            Self::Calm => (0, 40_000, 20, 90),
            Self::Rising => (4_500, 60_000, 40, 180),
            Self::Falling => (-4_500, 60_000, 40, 180),
            Self::Crashing => (-50_000, 200_000, 6, 20),
        };
        Character {
            drift,
            spread,
            least_minutes,
            most_minutes,
        }
    }
}

/// A number around zero with about that standard deviation: three even throws together.
pub(super) fn bell(rng: &mut Rng, spread: i64) -> i64 {
    (0..3).map(|_| rng.i64(-spread..=spread)).sum()
}

fn billionths(price: Decimal) -> i128 {
    let mut scaled = price;
    scaled.rescale(9);
    scaled.mantissa()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_walks_the_same_way_and_another_does_not() {
        let walk = |seed| {
            let mut generator = Generator::new(seed, Decimal::from(100));
            (0..5_000).map(|_| generator.step()).collect::<Vec<_>>()
        };
        assert_eq!(walk(7), walk(7));
        assert_ne!(walk(7), walk(8));
    }

    #[test]
    fn a_week_stays_within_bounds_and_moves() {
        let mut generator = Generator::new(3, Decimal::from(65_000));
        let mut seen = (Decimal::MAX, Decimal::ZERO);
        for _ in 0..7 * 86_400 {
            let price = generator.step();
            seen = (seen.0.min(price), seen.1.max(price));
        }
        assert!(seen.0 >= Decimal::from(16_250) && seen.1 <= Decimal::from(260_000));
        assert!(seen.1 - seen.0 > Decimal::from(1_000), "{seen:?}");
    }
}
