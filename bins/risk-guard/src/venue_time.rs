//! The venue's time, from what the gateway tells and the boot clock.
//!
//! Every observation says when the read behind it was begun, by the venue's clock and by the boot
//! clock. The difference of the two is this machine's offset; the venue's time now is the boot
//! clock plus that offset. Before the first observation the offset is what the journal's last
//! stamp of the same boot had, or else what the machine's wall clock says.
//!
//! The engine never lets time run backwards, so a single wild stamp would push the day forward for
//! good. Therefore a large step of the offset is believed only when several observations in a
//! row, over some time, agree on it; the old offset counts until then. Small steps are taken at
//! once.
//!
//! ```text
//!  wall clock / journal ──▶ in force ──small step──▶ in force
//!                              │  ▲
//!                    large step│  │ 3 that agree within 1 s, over 2 s
//!                              ▼  │
//!                            candidate
//! ```
//! What this room does not do: read a clock; every time is passed in.

use protocol::{BootId, BootMs, Stamp, VenueMs};

/// Steps up to this are taken at once: what a time service or a slow read explains.
const SMALL_STEP_MS: u64 = 5_000;

/// Observations of the same large step must agree within this.
const AGREE_MS: u64 = 1_000;

/// How many of them it takes.
const AGREEING: u32 = 3;

/// Over how long a time.
const AGREEING_FOR_MS: u64 = 2_000;

/// The offset between the boot clock and the venue's.
#[derive(Debug)]
pub(crate) struct VenueTime {
    boot_id: BootId,
    offset: i64,
    candidate: Option<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    offset: i64,
    seen: u32,
    first: BootMs,
}

/// What an observation did to the offset, where it is worth a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing to say.
    Small,
    /// A large step, not believed yet; told once.
    Doubted {
        /// New offset minus the one in force, milliseconds.
        by_ms: i64,
    },
    /// A large step, now in force.
    Taken {
        /// New offset minus the one before, milliseconds.
        by_ms: i64,
    },
}

impl VenueTime {
    /// Starts from the machine's clocks, or from the journal's last stamp if it is of this boot.
    pub(crate) fn start(wall: VenueMs, boot: BootMs, boot_id: BootId, last: Option<Stamp>) -> Self {
        let journal = last.filter(|stamp| stamp.boot_id == boot_id && stamp.boot <= boot);
        let offset = journal
            .and_then(|stamp| offset_of(stamp.venue, stamp.boot))
            .or_else(|| offset_of(wall, boot))
            .unwrap_or(0);
        Self {
            boot_id,
            offset,
            candidate: None,
        }
    }

    /// The stamp of an input that comes now.
    pub(crate) fn stamp(&self, boot: BootMs) -> Stamp {
        let since_boot = i64::try_from(boot.0).unwrap_or(i64::MAX);
        let venue = VenueMs(since_boot.saturating_add(self.offset));
        Stamp {
            venue,
            boot,
            boot_id: self.boot_id,
        }
    }

    /// Takes the clocks of one observation. A stamp from the future of the boot clock is none.
    pub(crate) fn observe(&mut self, venue: VenueMs, at: BootMs, now: BootMs) -> Step {
        let Some(offset) = offset_of(venue, at).filter(|_| at <= now) else {
            return Step::Small;
        };
        let by_ms = offset.saturating_sub(self.offset);
        if by_ms.unsigned_abs() <= SMALL_STEP_MS {
            self.offset = offset;
            self.candidate = None;
            return Step::Small;
        }
        match &mut self.candidate {
            Some(same) if same.offset.abs_diff(offset) <= AGREE_MS => {
                same.seen = same.seen.saturating_add(1);
                if same.seen < AGREEING || now.since(same.first) < AGREEING_FOR_MS {
                    return Step::Small;
                }
                self.offset = offset;
                self.candidate = None;
                Step::Taken { by_ms }
            }
            Some(_) | None => {
                self.candidate = Some(Candidate {
                    offset,
                    seen: 1,
                    first: now,
                });
                Step::Doubted { by_ms }
            }
        }
    }
}

fn offset_of(venue: VenueMs, boot: BootMs) -> Option<i64> {
    venue.0.checked_sub(i64::try_from(boot.0).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_700_000_000_000;

    fn id(text: &str) -> BootId {
        BootId::new(text).unwrap()
    }

    fn started() -> VenueTime {
        VenueTime::start(VenueMs(WALL), BootMs(1000), id("b"), None)
    }

    #[test]
    fn before_the_first_word_of_the_venue_it_is_the_wall_clock() {
        let time = started();
        assert_eq!(time.stamp(BootMs(1500)).venue, VenueMs(WALL + 500));
    }

    #[test]
    fn a_restart_within_a_boot_keeps_the_offset_another_boot_does_not() {
        let last = |boot: &str| Stamp {
            venue: VenueMs(9000),
            boot: BootMs(400),
            boot_id: id(boot),
        };
        let same = VenueTime::start(VenueMs(WALL), BootMs(1000), id("b"), Some(last("b")));
        assert_eq!(same.stamp(BootMs(1000)).venue, VenueMs(9600));
        let other = VenueTime::start(VenueMs(WALL), BootMs(1000), id("b"), Some(last("a")));
        assert_eq!(other.stamp(BootMs(1000)).venue, VenueMs(WALL));
    }

    #[test]
    fn small_steps_are_taken_at_once() {
        let mut time = started();
        assert_eq!(
            time.observe(VenueMs(WALL + 3000), BootMs(1000), BootMs(1100)),
            Step::Small
        );
        assert_eq!(time.stamp(BootMs(1100)).venue, VenueMs(WALL + 3100));
    }

    #[test]
    fn one_wild_stamp_changes_nothing() {
        let mut time = started();
        let wild = VenueMs(WALL + 86_400_000);
        assert!(matches!(
            time.observe(wild, BootMs(1000), BootMs(1000)),
            Step::Doubted { .. }
        ));
        assert_eq!(time.stamp(BootMs(1000)).venue, VenueMs(WALL));
        time.observe(VenueMs(WALL), BootMs(1000), BootMs(1000));
        for n in 0..2 {
            time.observe(wild, BootMs(1000), BootMs(1000 + n));
        }
        assert_eq!(
            time.stamp(BootMs(1000)).venue,
            VenueMs(WALL),
            "the row was broken"
        );
    }

    #[test]
    fn a_wrong_machine_clock_is_corrected_when_the_venue_insists() {
        let mut time = started();
        let far = |boot: u64| VenueMs(WALL + 86_400_000 + i64::try_from(boot).unwrap());
        let steps: Vec<Step> = (0..4)
            .map(|n| 1000 + n * 1000)
            .map(|boot| time.observe(far(boot), BootMs(boot), BootMs(boot)))
            .collect();
        let by_ms = 86_400_000 + 1000;
        assert_eq!(
            steps[..3],
            [Step::Doubted { by_ms }, Step::Small, Step::Taken { by_ms }]
        );
        assert_eq!(time.stamp(BootMs(9000)).venue, far(9000));
    }

    #[test]
    fn a_stamp_from_the_future_of_the_boot_clock_is_none() {
        let mut time = started();
        time.observe(VenueMs(WALL), BootMs(5000), BootMs(4000));
        assert_eq!(time.stamp(BootMs(1000)).venue, VenueMs(WALL));
    }
}
