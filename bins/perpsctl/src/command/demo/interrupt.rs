//! Ctrl-C, in its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use testkit::PlayError;

/// Ctrl-C, SIGTERM and a closed terminal, seen in their turn instead of ending the demo half-way.
/// They are caught, not blocked: the children inherit nothing of it.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(super) fn watch() -> Result<Self, PlayError> {
        let seen = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, seen.clone()).map_err(|source| PlayError::Io {
                what: "watch for Ctrl-C".to_owned(),
                source,
            })?;
        }
        Ok(Self(seen))
    }

    pub(super) fn seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
