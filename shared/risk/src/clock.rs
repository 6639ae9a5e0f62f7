//! The engine's own time, made of what the stamps say.
//!
//! Two hands: `venue` says which day it is and never goes back; `elapsed_ms` measures ages and
//! never stops: boot-clock time within a boot, and venue time across a reboot.

use protocol::{BootId, BootMs, Stamp, VenueMs};
use serde::{Deserialize, Serialize};

/// Where the engine's clocks stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The latest venue time seen; the UTC day is the day of this.
    pub venue: VenueMs,
    /// How far the last stamp lay behind `venue`, milliseconds: a clock that was set back.
    pub behind_ms: u64,
    /// Milliseconds since the lineage began, by the boot clock, reboots bridged by venue time.
    pub elapsed_ms: u64,
    /// The boot clock of the last stamp.
    pub boot: BootMs,
    /// The boot it counts from.
    pub boot_id: BootId,
}

impl Clock {
    /// A clock that begins here.
    pub const fn beginning(stamp: Stamp) -> Self {
        Self {
            venue: stamp.venue,
            behind_ms: 0,
            elapsed_ms: 0,
            boot: stamp.boot,
            boot_id: stamp.boot_id,
        }
    }

    /// This clock after a stamp.
    #[must_use]
    pub fn at(mut self, stamp: Stamp) -> Self {
        let same_boot = stamp.boot_id == self.boot_id;
        let passed = if same_boot {
            stamp.boot.since(self.boot)
        } else {
            stamp.venue.since(self.venue)
        };
        self.elapsed_ms = self.elapsed_ms.saturating_add(passed);
        self.boot = if same_boot {
            self.boot.max(stamp.boot)
        } else {
            stamp.boot
        };
        self.boot_id = stamp.boot_id;
        self.behind_ms = self.venue.since(stamp.venue);
        self.venue = self.venue.max(stamp.venue);
        self
    }

    /// The UTC day it is.
    pub const fn day(&self) -> i64 {
        self.venue.day()
    }

    /// The elapsed time at which something happened that the boot clock saw at `boot`; never later
    /// than now.
    pub const fn elapsed_at(&self, boot: BootMs) -> u64 {
        self.elapsed_ms.saturating_sub(self.boot.since(boot))
    }

    /// How long ago an elapsed time was.
    pub const fn age_ms(&self, elapsed: u64) -> u64 {
        self.elapsed_ms.saturating_sub(elapsed)
    }

    /// The boot clock at which an elapsed time will be reached; now if it has been.
    pub const fn boot_at(&self, elapsed: u64) -> BootMs {
        self.boot.after(elapsed.saturating_sub(self.elapsed_ms))
    }
}
