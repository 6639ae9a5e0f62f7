//! One timer for a loop that is woken by much else: set anew only for what is due before it rings.
//! It may ring early; whoever is due is asked all the same.

use std::pin::Pin;
use std::time::Duration;

use daemon::clock::boot_now;
use protocol::BootMs;
use tokio::time::{Sleep, sleep};

/// The timer.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// `None` once it has rung.
    rings: Option<BootMs>,
}

impl Alarm {
    /// One that does not ring. Needs a tokio runtime.
    pub(crate) fn new() -> Self {
        Self {
            sleep: Box::pin(sleep(Duration::ZERO)),
            rings: None,
        }
    }

    /// Rings by then, or sooner; when.
    pub(crate) fn set(&mut self, due: BootMs) -> BootMs {
        if let Some(rings) = self.rings.filter(|rings| *rings <= due) {
            return rings;
        }
        let left = Duration::from_millis(due.since(boot_now()));
        self.sleep.set(sleep(left));
        self.rings = Some(due);
        due
    }

    /// When it rings, if it is set.
    pub(crate) const fn rings(&self) -> Option<BootMs> {
        self.rings
    }

    /// Waits until it rings; for ever if it is not set. May be dropped on the way.
    pub(crate) async fn ring(&mut self) {
        if self.rings.is_none() {
            return std::future::pending().await;
        }
        self.sleep.as_mut().await;
        self.rings = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_by_what_is_due_first() {
        let mut alarm = Alarm::new();
        let begun = boot_now();
        let (soon, late) = (begun.after(20), begun.after(60_000));
        assert_eq!(alarm.set(late), late);
        assert_eq!(alarm.set(soon), soon);
        assert_eq!(alarm.set(late), soon, "sooner is by then, too");
        alarm.ring().await;
        assert!(boot_now() >= soon && boot_now() < late);
        assert_eq!(alarm.rings(), None);
    }
}
