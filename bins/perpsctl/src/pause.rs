//! The one place that waits for time to pass.

use std::time::Duration;

/// Does nothing for a while.
#[expect(
    clippy::disallowed_methods,
    reason = "following and watching look again after a pause"
)]
pub(crate) fn for_a(while_: Duration) {
    std::thread::sleep(while_);
}
