//! The one place of this crate that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::matching::Moment;

/// The wall clock now; the epoch itself for a clock that is set before it.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulated venue stamps everything with wall time, and this is where it reads it"
)]
pub fn wall() -> Moment {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|since| i64::try_from(since.as_nanos()));
    match since {
        Ok(Ok(ns)) => Moment::from_ns(ns),
        Ok(Err(_)) | Err(_) => Moment::from_ns(0),
    }
}
