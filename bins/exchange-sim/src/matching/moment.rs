//! Time as a value: the core never reads a clock.

/// A moment of the venue's wall clock, in nanoseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

const NS_PER_MS: i64 = 1_000_000;

impl Moment {
    /// The moment so many nanoseconds after the epoch.
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// The moment so many milliseconds after the epoch.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(NS_PER_MS))
    }

    /// Nanoseconds since the epoch.
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn ms(self) -> i64 {
        self.0.div_euclid(NS_PER_MS)
    }

    /// This moment, so many milliseconds later (earlier where negative).
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(NS_PER_MS)))
    }
}
