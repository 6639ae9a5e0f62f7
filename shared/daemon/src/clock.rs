//! The one room that reads clocks.

use std::sync::OnceLock;

use nix::time::{ClockId, clock_gettime};
use protocol::{BootId, BootMs, VenueMs};

/// Time since boot, suspend included. Zero only if the kernel has no such clock, which Linux has
/// had since 2.6.39.
pub fn boot_now() -> BootMs {
    BootMs(u64::try_from(millis(ClockId::CLOCK_BOOTTIME)).unwrap_or(0))
}

/// This machine's wall clock, UTC.
pub fn wall_now() -> VenueMs {
    VenueMs(millis(ClockId::CLOCK_REALTIME))
}

/// Which boot [`boot_now`] counts from. A machine that does not say gets the same word each time.
pub fn boot_id() -> BootId {
    static BOOT: OnceLock<BootId> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        BootId::new(text.trim()).unwrap_or_default()
    })
}

fn millis(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |t| {
        t.tv_sec()
            .saturating_mul(1_000)
            .saturating_add(t.tv_nsec() / 1_000_000)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_run() {
        let (boot, wall) = (boot_now(), wall_now());
        assert!(boot.0 > 0 && wall.0 > 1_600_000_000_000);
        assert!(boot_now() >= boot);
        assert_eq!(boot_id(), boot_id());
    }
}
