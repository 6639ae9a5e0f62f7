//! How far each sink is, and when it is tried next.
//!
//! What this room is for: the cursor of one sink, moved only when the sink said yes; pauses that
//! double while it says no. What it does not do: deliver, store, or read a clock: every time is
//! passed in.

use protocol::alerts::SinkStatus;
use protocol::{BootMs, VenueMs};

/// The pause after the first failure.
const FIRST_PAUSE_MS: u64 = 250;

/// The longest pause between two tries.
const LONGEST_PAUSE_MS: u64 = 60_000;

/// One sink's progress.
#[derive(Debug)]
pub(crate) struct Delivery {
    name: &'static str,
    cursor: u64,
    stored: u64,
    under_way: Option<u64>,
    failures: u32,
    not_before: BootMs,
    failing: Option<String>,
    delivered: u64,
    last_delivered: Option<VenueMs>,
}

/// What a failure means to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The first one after a success: worth a line.
    Began,
    /// It goes on.
    GoesOn,
}

impl Delivery {
    /// A sink that has taken everything up to and with `cursor`, as its file says.
    pub(crate) const fn new(name: &'static str, cursor: u64) -> Self {
        Self {
            name,
            cursor,
            stored: cursor,
            under_way: None,
            failures: 0,
            not_before: BootMs(0),
            failing: None,
            delivered: 0,
            last_delivered: None,
        }
    }

    /// Its name.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The last alert it has taken.
    pub(crate) const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The last alert it has taken by what is on disk.
    pub(crate) const fn stored(&self) -> u64 {
        self.stored
    }

    /// The cursor to put on disk, if it has moved.
    pub(crate) fn to_store(&self) -> Option<u64> {
        (self.cursor != self.stored).then_some(self.cursor)
    }

    /// The cursor is on disk up to there.
    pub(crate) const fn was_stored(&mut self, cursor: u64) {
        self.stored = cursor;
    }

    /// Whether the next alert may be handed to it now.
    pub(crate) fn may_try(&self, now: BootMs) -> bool {
        self.under_way.is_none() && now >= self.not_before
    }

    /// When it may be tried again, if that is what it waits for.
    pub(crate) fn deadline(&self) -> Option<BootMs> {
        (self.under_way.is_none() && self.failures > 0).then_some(self.not_before)
    }

    /// Alert `seq` has been handed to it.
    pub(crate) const fn began(&mut self, seq: u64) {
        self.under_way = Some(seq);
    }

    /// It took what it was handed. Whether that ended a failure.
    pub(crate) fn took(&mut self, at: VenueMs) -> bool {
        if let Some(seq) = self.under_way.take() {
            self.cursor = seq;
            self.delivered = self.delivered.saturating_add(1);
            self.last_delivered = Some(at);
        }
        self.failures = 0;
        self.failing.take().is_some()
    }

    /// It did not take what it was handed.
    pub(crate) fn failed(&mut self, now: BootMs, why: String) -> Failure {
        self.under_way = None;
        let pause = FIRST_PAUSE_MS
            .checked_shl(self.failures.min(16))
            .unwrap_or(LONGEST_PAUSE_MS)
            .min(LONGEST_PAUSE_MS);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.after(pause);
        let first = self.failing.replace(why).is_none();
        if first {
            Failure::Began
        } else {
            Failure::GoesOn
        }
    }

    /// How it stands, with this many alerts after its cursor.
    pub(crate) fn status(&self, waiting: u64) -> SinkStatus {
        SinkStatus {
            name: self.name.to_owned(),
            delivered: self.delivered,
            waiting,
            last_delivered: self.last_delivered,
            failing: self.failing.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_moves_only_on_a_yes() {
        let mut delivery = Delivery::new("log", 4);
        assert!(delivery.may_try(BootMs(0)));
        delivery.began(5);
        assert!(!delivery.may_try(BootMs(0)), "one at a time");
        assert_eq!(delivery.failed(BootMs(100), "no".into()), Failure::Began);
        assert_eq!((delivery.cursor(), delivery.to_store()), (4, None));
        delivery.began(5);
        assert!(delivery.took(VenueMs(9)), "a failure ended");
        assert_eq!((delivery.cursor(), delivery.to_store()), (5, Some(5)));
        delivery.was_stored(5);
        assert_eq!(delivery.to_store(), None);
        let status = delivery.status(0);
        assert_eq!(
            (status.delivered, status.last_delivered, status.failing),
            (1, Some(VenueMs(9)), None)
        );
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_end_with_a_yes() {
        let mut delivery = Delivery::new("log", 0);
        let mut now = BootMs(1000);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            delivery.began(1);
            delivery.failed(now, "no".into());
            let next = delivery.deadline().expect("it waits");
            assert!(!delivery.may_try(BootMs(next.0 - 1)));
            pauses.push(next.since(now));
            now = next;
            assert!(delivery.may_try(now));
        }
        assert_eq!(pauses[..4], [250, 500, 1000, 2000]);
        assert_eq!(pauses.last(), Some(&60_000));
        delivery.began(1);
        delivery.took(VenueMs(0));
        assert_eq!(delivery.deadline(), None);
        assert!(delivery.may_try(BootMs(0)) || delivery.may_try(now));
    }

    #[test]
    fn only_the_first_failure_of_a_row_is_news() {
        let mut delivery = Delivery::new("log", 0);
        assert_eq!(delivery.failed(BootMs(0), "a".into()), Failure::Began);
        assert_eq!(delivery.failed(BootMs(0), "b".into()), Failure::GoesOn);
        assert_eq!(delivery.status(1).failing.as_deref(), Some("b"));
        delivery.took(VenueMs(0));
        assert_eq!(delivery.failed(BootMs(0), "c".into()), Failure::Began);
    }
}
