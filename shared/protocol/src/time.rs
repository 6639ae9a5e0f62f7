//! Time as a value. Nothing below the processes' own loops reads a clock.

use std::fmt;

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// The venue's wall clock: milliseconds since 1970-01-01 UTC. Days roll by this clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VenueMs(pub i64);

/// Milliseconds since this machine booted, suspend included (`CLOCK_BOOTTIME`). Ages, leases and
/// deadlines use this clock: nobody can set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootMs(pub u64);

/// Which boot a [`BootMs`] counts from (`/proc/sys/kernel/random/boot_id`); empty if unknown.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BootId(pub ArrayString<36>);

/// When an input reached the guard, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The venue's time, as the gateway last synced it; the machine's wall clock before that.
    pub venue: VenueMs,
    /// Time since boot.
    pub boot: BootMs,
    /// The boot that `boot` counts from.
    pub boot_id: BootId,
}

impl VenueMs {
    /// Milliseconds in a UTC day.
    pub const DAY_MS: i64 = 86_400_000;

    /// The UTC day this moment lies in, counted from 1970-01-01.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(Self::DAY_MS)
    }

    /// Milliseconds from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// This moment, `ms` later.
    #[must_use]
    pub fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// This moment, `ms` earlier.
    #[must_use]
    pub fn before(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
}

impl BootMs {
    /// Milliseconds from `earlier` to here; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment, `ms` later.
    #[must_use]
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl BootId {
    /// A boot id from its text; `None` if it is longer than 36 characters.
    pub fn new(text: &str) -> Option<Self> {
        ArrayString::from(text).ok().map(Self)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
