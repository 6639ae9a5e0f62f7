//! The venue's clock, carried on the boot clock. Pure: a sync is told what was asked when.

use protocol::{BootMs, VenueMs};

/// Venue time as a function of boot time, once it has been synced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VenueClock {
    offset_ms: Option<i64>,
}

impl VenueClock {
    /// A clock that has not been synced.
    pub const fn new() -> Self {
        Self { offset_ms: None }
    }

    /// Takes the venue's answer; it is taken to have been made half-way between asking and
    /// hearing.
    pub fn sync(&mut self, asked: BootMs, heard: BootMs, said: VenueMs) {
        let half = asked.after(heard.since(asked) / 2);
        let boot = i64::try_from(half.0).unwrap_or(i64::MAX);
        self.offset_ms = Some(said.0.saturating_sub(boot));
    }

    /// The venue's time at a boot time; `None` before the first sync.
    pub fn at(&self, boot: BootMs) -> Option<VenueMs> {
        let boot = i64::try_from(boot.0).ok()?;
        self.offset_ms
            .map(|offset| VenueMs(boot.saturating_add(offset)))
    }

    /// The boot time at a venue time; `None` before the first sync.
    pub fn boot_at(&self, venue: VenueMs) -> Option<BootMs> {
        let boot = venue.0.saturating_sub(self.offset_ms?);
        Some(BootMs(u64::try_from(boot).unwrap_or(0)))
    }

    /// Venue clock minus this machine's wall clock, in milliseconds.
    pub fn skew_ms(&self, boot: BootMs, wall: VenueMs) -> Option<i64> {
        self.at(boot).map(|venue| venue.0.saturating_sub(wall.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_compensated_for_the_round_trip() {
        let mut clock = VenueClock::new();
        assert_eq!(clock.at(BootMs(5)), None);
        clock.sync(BootMs(1_000), BootMs(1_200), VenueMs(50_100));
        assert_eq!(clock.at(BootMs(1_100)), Some(VenueMs(50_100)));
        assert_eq!(clock.at(BootMs(2_100)), Some(VenueMs(51_100)));
        assert_eq!(clock.boot_at(VenueMs(51_100)), Some(BootMs(2_100)));
        assert_eq!(clock.skew_ms(BootMs(1_100), VenueMs(50_000)), Some(100));
    }
}
