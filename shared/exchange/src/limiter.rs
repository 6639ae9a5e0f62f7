//! When the next request may go. Pure: time comes in as boot-clock milliseconds.
//!
//! Two voices are heard. The config's caps, per second and per minute, bind [`Class::Routine`]
//! requests: reads and orders that open. The venue's own words (its limit headers, codes 10006 and
//! 10018, HTTP 403) bind everything, so that cancels, reducers and their look-ups
//! ([`Class::Urgent`]) never wait for a number of ours.

use std::collections::VecDeque;

use protocol::BootMs;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;

/// How long an address stays banned after HTTP 403 (venue documentation, rate limits).
pub const BAN_MS: u64 = 600_000;

/// Whom the config's caps bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Reads, and orders that open.
    Routine,
    /// Cancels, reducers, flattening, and their look-ups.
    Urgent,
}

/// Why a request had to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The config's cap per second.
    PerSecond,
    /// The config's cap per minute.
    PerMinute,
    /// The venue's limit headers or return code.
    Venue,
}

impl Cause {
    /// In words, for the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PerSecond => "maxRequestsPerSecond",
            Self::PerMinute => "maxRequestsPerMinute",
            Self::Venue => "the venue's own limit",
        }
    }
}

/// What a request is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Go; it has been counted.
    Go,
    /// Ask again after so many milliseconds; nothing has been counted.
    Wait(u64, Cause),
    /// The address is banned until then: do not send.
    Banned(BootMs),
}

/// The one limiter of an account.
#[derive(Debug)]
pub(crate) struct Limiter {
    per_second: usize,
    per_minute: usize,
    /// When each request of the last minute went.
    sent: VecDeque<BootMs>,
    /// The venue wants nothing before this moment.
    venue_until: Option<BootMs>,
    banned_until: Option<BootMs>,
    slept: VecDeque<(BootMs, u64)>,
}

impl Limiter {
    /// A limiter with the config's caps.
    pub(crate) fn new(per_second: u32, per_minute: u32) -> Self {
        let mut limiter = Self {
            per_second: 0,
            per_minute: 0,
            sent: VecDeque::new(),
            venue_until: None,
            banned_until: None,
            slept: VecDeque::new(),
        };
        limiter.set_caps(per_second, per_minute);
        limiter
    }

    /// Changes the caps; what has been sent stays counted.
    pub(crate) fn set_caps(&mut self, per_second: u32, per_minute: u32) {
        self.per_second = usize::try_from(per_second.max(1)).unwrap_or(usize::MAX);
        self.per_minute = usize::try_from(per_minute.max(1)).unwrap_or(usize::MAX);
    }

    /// May a request of this class go now?
    pub(crate) fn turn(&mut self, now: BootMs, class: Class) -> Turn {
        self.forget(now);
        if let Some(until) = self.banned_until.filter(|until| now < *until) {
            return Turn::Banned(until);
        }
        if let Some(until) = self.venue_until.filter(|until| now < *until) {
            return Turn::Wait(until.since(now), Cause::Venue);
        }
        if class == Class::Routine
            && let Some((wait, cause)) = self.capped(now)
        {
            return Turn::Wait(wait, cause);
        }
        self.sent.push_back(now);
        Turn::Go
    }

    /// A turn taken at `at` was not used: it does not count.
    pub(crate) fn give_back(&mut self, at: BootMs) {
        if let Some(place) = self.sent.iter().rposition(|sent| *sent == at) {
            self.sent.remove(place);
        }
    }

    /// The venue says that nothing is left until then.
    pub(crate) fn venue_says_wait(&mut self, until: BootMs) {
        self.venue_until = self.venue_until.max(Some(until));
    }

    /// The venue has banned the address until then.
    pub(crate) fn venue_bans(&mut self, until: BootMs) {
        self.banned_until = self.banned_until.max(Some(until));
    }

    /// Until when the address is banned, if it is.
    pub(crate) fn banned_until(&self, now: BootMs) -> Option<BootMs> {
        self.banned_until.filter(|until| now < *until)
    }

    /// Notes a sleep, for the status.
    pub(crate) fn slept(&mut self, now: BootMs, ms: u64) {
        self.slept.push_back((now, ms));
    }

    /// Requests and milliseconds slept in the last minute.
    pub(crate) fn last_minute(&mut self, now: BootMs) -> (usize, u64) {
        self.forget(now);
        (self.sent.len(), self.slept.iter().map(|(_, ms)| ms).sum())
    }

    fn forget(&mut self, now: BootMs) {
        while self.sent.front().is_some_and(|at| now.since(*at) >= MINUTE) {
            self.sent.pop_front();
        }
        while self
            .slept
            .front()
            .is_some_and(|(at, _)| now.since(*at) >= MINUTE)
        {
            self.slept.pop_front();
        }
    }

    /// How long the caps hold a routine request, and which of them longest.
    fn capped(&self, now: BootMs) -> Option<(u64, Cause)> {
        let wait = |cap: usize, window: u64| {
            let oldest = self.sent.get(self.sent.len().checked_sub(cap)?)?;
            let free = oldest.after(window);
            (now < free).then(|| free.since(now))
        };
        let second = wait(self.per_second, SECOND).map(|ms| (ms, Cause::PerSecond));
        let minute = wait(self.per_minute, MINUTE).map(|ms| (ms, Cause::PerMinute));
        match (second, minute) {
            (Some(second), Some(minute)) => Some(if minute.0 > second.0 { minute } else { second }),
            (one, other) => one.or(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urgent_requests_hear_only_the_venue() {
        let mut limiter = Limiter::new(1, 60);
        let now = BootMs(10_000);
        assert_eq!(limiter.turn(now, Class::Routine), Turn::Go);
        assert_eq!(
            limiter.turn(now, Class::Routine),
            Turn::Wait(1_000, Cause::PerSecond)
        );
        assert_eq!(limiter.turn(now, Class::Urgent), Turn::Go);
        limiter.venue_says_wait(BootMs(10_500));
        assert_eq!(
            limiter.turn(now, Class::Urgent),
            Turn::Wait(500, Cause::Venue)
        );
        limiter.venue_bans(BootMs(610_000));
        assert_eq!(
            limiter.turn(now, Class::Urgent),
            Turn::Banned(BootMs(610_000))
        );
        assert_eq!(limiter.turn(BootMs(610_000), Class::Urgent), Turn::Go);
    }

    #[test]
    fn a_turn_given_back_does_not_count() {
        let mut limiter = Limiter::new(1, 60);
        let now = BootMs(10_000);
        assert_eq!(limiter.turn(now, Class::Routine), Turn::Go);
        limiter.give_back(now);
        assert_eq!(limiter.turn(now, Class::Routine), Turn::Go);
        assert_eq!(
            limiter.turn(now, Class::Routine),
            Turn::Wait(1_000, Cause::PerSecond)
        );
    }

    #[test]
    fn a_shorter_word_of_the_venue_does_not_shorten_a_longer_one() {
        let mut limiter = Limiter::new(10, 100);
        limiter.venue_says_wait(BootMs(5_000));
        limiter.venue_says_wait(BootMs(2_000));
        assert_eq!(
            limiter.turn(BootMs(3_000), Class::Urgent),
            Turn::Wait(2_000, Cause::Venue)
        );
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_its_cap(
            per_second in 1u32..8,
            per_minute in 1u32..40,
            steps in prop::collection::vec(0u64..700, 1..400),
        ) {
            let mut limiter = Limiter::new(per_second, per_minute);
            let mut now = BootMs(1_000_000);
            let mut went = Vec::new();
            for step in steps {
                now = now.after(step);
                match limiter.turn(now, Class::Routine) {
                    Turn::Go => went.push(now),
                    Turn::Wait(ms, _) => {
                        prop_assert!(ms > 0);
                        now = now.after(ms);
                        // After the wait it goes, since nothing else was sent.
                        prop_assert_eq!(limiter.turn(now, Class::Routine), Turn::Go);
                        went.push(now);
                    }
                    Turn::Banned(_) => prop_assert!(false),
                }
            }
            for (window, cap) in [(SECOND, per_second), (MINUTE, per_minute)] {
                for (n, first) in went.iter().enumerate() {
                    let within = went[n..].iter().take_while(|at| at.since(*first) < window).count();
                    prop_assert!(within <= cap as usize);
                }
            }
        }
    }
}
