//! Plays everyone around a real guard: the supervisor that starts it, the gateway, the operator.
//!
//! It speaks the wire with its own few lines, so that a fault of the guard's framing cannot hide
//! behind the same fault here.

#![allow(
    dead_code,
    unused_imports,
    clippy::print_stdout,
    reason = "each test program uses a part of it"
)]

mod disk;
mod peer;
mod supervisor;
mod tracer;
mod venue;

use std::time::{Duration, Instant};

pub(crate) use disk::{Mounted, SmallDisk};
pub(crate) use peer::Peer;
pub(crate) use supervisor::{Supervisor, sigcont, sigstop};
pub(crate) use tracer::Tracer;
pub(crate) use venue::{exit, intent, long, observe, sync, sync_with};

/// How long anything awaited may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The profile that the tests run under.
pub(crate) const CONFIG: &str = "\
trading:
  max_daily_risk: 0.02
risk_management:
  crisis_mode:
    drawdown_threshold: 0.05
perps:
  sessionMaxTrades: 10
  sessionMaxRuntimeMinutes: 120
  consecutiveLossLimit: 3
  maxMarginRatio: 0.80
  useTestnet: true
";

/// Milliseconds since boot.
pub(crate) fn boot_ms() -> protocol::BootMs {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).unwrap();
    let ms = now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000;
    protocol::BootMs(u64::try_from(ms).unwrap())
}

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn wall_ms() -> protocol::VenueMs {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).unwrap();
    protocol::VenueMs(now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000)
}

/// Polls until `probe` gives something; fails the test with `what` after [`PATIENCE`].
#[allow(
    clippy::disallowed_methods,
    reason = "a test waits by this machine's clock"
)]
pub(crate) fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
