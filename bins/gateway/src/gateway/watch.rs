//! The guard's lease, watched: gone means that our resting opening orders go too. Pure.

use protocol::BootMs;

/// How much longer than a lease the first one may take to come.
const FIRST_MS: u64 = 10_000;
/// Pause before openers that could not be cancelled are tried again.
const AGAIN_MS: u64 = 2000;

/// What has just happened to the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It ran out, or the first one never came.
    Lost,
    /// It is back.
    Back,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Openers {
    Stay,
    Go { again: BootMs },
    Going,
}

/// The watch.
#[derive(Debug)]
pub(super) struct LeaseWatch {
    held: bool,
    lost: bool,
    runs_out: BootMs,
    openers: Openers,
}

impl LeaseWatch {
    /// A watch that begins at `now`, with no lease.
    pub(super) fn since(now: BootMs, lease_ms: u64) -> Self {
        let runs_out = now.after(lease_ms).after(FIRST_MS);
        Self {
            held: false,
            lost: false,
            runs_out,
            openers: Openers::Stay,
        }
    }

    /// Looks at the lease; `until` is when the last one ends, if one ever came.
    pub(super) fn look(&mut self, now: BootMs, until: Option<BootMs>) -> Option<Change> {
        if let Some(until) = until {
            self.runs_out = until;
        }
        self.held = until.is_some_and(|until| now <= until);
        if self.held {
            self.openers = Openers::Stay;
            return std::mem::take(&mut self.lost).then_some(Change::Back);
        }
        if !self.lost && now > self.runs_out {
            self.lost = true;
            self.openers = Openers::Go { again: now };
            return Some(Change::Lost);
        }
        None
    }

    /// Whether our openers are to be cancelled now; asked once for each attempt.
    pub(super) fn cancel_now(&mut self, now: BootMs) -> bool {
        let due = matches!(self.openers, Openers::Go { again } if again <= now);
        if due {
            self.openers = Openers::Going;
        }
        due
    }

    /// How an attempt to cancel them went.
    pub(super) fn openers_gone(&mut self, result: &Result<(), String>, now: BootMs) {
        if self.openers == Openers::Going {
            self.openers = match result {
                Ok(()) => Openers::Stay,
                Err(_) => Openers::Go {
                    again: now.after(AGAIN_MS),
                },
            };
        }
    }

    /// When to look again; `None` if only news can change anything.
    pub(super) fn deadline(&self) -> Option<BootMs> {
        match self.openers {
            Openers::Go { again } => Some(again),
            Openers::Stay | Openers::Going => (!self.lost).then(|| self.runs_out.after(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openers_go_when_the_lease_does_and_again_until_they_are_gone() {
        let mut watch = LeaseWatch::since(BootMs(0), 3000);
        assert_eq!(watch.look(BootMs(1), Some(BootMs(100))), None);
        assert_eq!(watch.look(BootMs(100), Some(BootMs(100))), None);
        assert_eq!(watch.deadline(), Some(BootMs(101)));
        assert_eq!(
            watch.look(BootMs(101), Some(BootMs(100))),
            Some(Change::Lost)
        );
        assert_eq!(
            watch.look(BootMs(102), Some(BootMs(100))),
            None,
            "told once"
        );
        assert!(watch.cancel_now(BootMs(102)));
        assert!(!watch.cancel_now(BootMs(102)), "one attempt at a time");
        watch.openers_gone(&Err("no".to_owned()), BootMs(200));
        assert!(!watch.cancel_now(BootMs(300)));
        assert!(watch.cancel_now(BootMs(2200)));
        watch.openers_gone(&Ok(()), BootMs(2300));
        assert_eq!(watch.deadline(), None);
        assert_eq!(
            watch.look(BootMs(3000), Some(BootMs(4000))),
            Some(Change::Back)
        );
    }

    #[test]
    fn a_guard_that_never_comes_is_lost_too() {
        let mut watch = LeaseWatch::since(BootMs(0), 3000);
        assert_eq!(watch.look(BootMs(13_000), None), None);
        assert_eq!(watch.look(BootMs(13_001), None), Some(Change::Lost));
    }
}
