//! Waiting for something to become true, with a deadline and the last thing seen.

use std::time::Duration;

use daemon::clock;

use crate::PlayError;

/// Looks again and again until `look` gives `Ok`; after `seconds` gives up and says what `look`
/// last saw instead.
pub fn until<T>(
    seconds: u64,
    what: &str,
    mut look: impl FnMut() -> Result<T, String>,
) -> Result<T, PlayError> {
    let give_up = clock::boot_now().after(seconds.saturating_mul(1_000));
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(last) if clock::boot_now() > give_up => {
                return Err(PlayError::TooLate {
                    what: what.to_owned(),
                    seconds,
                    last,
                });
            }
            Err(_) => pause(),
        }
    }
}

fn pause() {
    rest(20);
}

/// Lets time pass: the pace of a script, never a wait for something that can be looked at.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that looks again after a pause"
)]
pub(crate) fn rest(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}
