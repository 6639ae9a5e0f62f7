//! When the next request may go. Pure: time comes in as boot-clock milliseconds.
//!
//! Two voices are heard. The config's caps, per second and per minute, bind [`Class::Routine`]
//! requests: reads and orders that open. The venue's own words (its limit headers, codes 10006 and
//! 10018, HTTP 403) bind whatever they speak of, so that cancels, reducers and their look-ups
//! ([`Class::Urgent`]) never wait for a number of ours. What the caps do not bind does not count
//! against them either: a flatten takes nothing from the reads and orders beside and after it.
//!
//! A turn may also be held for an order that is still being judged. A held turn counts as if it
//! were sent at every moment until it is, so that no window holds more than its cap whenever the
//! order goes.

use std::collections::{BTreeMap, VecDeque};

use protocol::BootMs;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;

/// How long an address stays banned after HTTP 403 (venue documentation, rate limits).
pub const BAN_MS: u64 = 600_000;

/// The longest that the venue's own word on its limits is heeded: its windows are a second for an
/// endpoint and five for an address (venue documentation, rate limits), and an absurd reset time
/// must not stop an exit.
const VENUE_WAIT_MOST: u64 = 10 * SECOND;

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

/// What a word of the venue about its limits speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One endpoint of this account.
    Endpoint(&'static str),
    /// Every request from this address.
    Address,
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
    /// The same of those that the caps bind.
    bound: VecDeque<BootMs>,
    /// Turns of such that are held and not yet sent.
    held: usize,
    /// The venue wants nothing at all before this moment.
    venue_until: Option<BootMs>,
    /// The venue wants nothing at an endpoint before its moment.
    endpoint_until: BTreeMap<&'static str, BootMs>,
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
            bound: VecDeque::new(),
            held: 0,
            venue_until: None,
            endpoint_until: BTreeMap::new(),
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

    /// May a request of this class go to this endpoint now?
    pub(crate) fn turn(&mut self, now: BootMs, class: Class, endpoint: &'static str) -> Turn {
        let turn = self.ask(now, class, endpoint);
        if turn == Turn::Go {
            self.goes(now, class);
        }
        turn
    }

    /// As [`turn`](Self::turn), for a request that goes later: on `Go` it is held until
    /// [`spend`](Self::spend) or [`give_back`](Self::give_back).
    pub(crate) fn hold(&mut self, now: BootMs, class: Class, endpoint: &'static str) -> Turn {
        let turn = self.ask(now, class, endpoint);
        if turn == Turn::Go && class == Class::Routine {
            self.held = self.held.saturating_add(1);
        }
        turn
    }

    /// A turn held for this class goes now.
    pub(crate) fn spend(&mut self, now: BootMs, class: Class) {
        self.give_back(class);
        self.goes(now, class);
    }

    /// A turn held for this class will not be used: it does not count.
    pub(crate) fn give_back(&mut self, class: Class) {
        if class == Class::Routine {
            self.held = self.held.saturating_sub(1);
        }
    }

    fn goes(&mut self, now: BootMs, class: Class) {
        self.sent.push_back(now);
        if class == Class::Routine {
            self.bound.push_back(now);
        }
    }

    fn ask(&mut self, now: BootMs, class: Class, endpoint: &'static str) -> Turn {
        self.forget(now);
        if let Some(until) = self.banned_until.filter(|until| now < *until) {
            return Turn::Banned(until);
        }
        let here = self.endpoint_until.get(endpoint).copied();
        if let Some(until) = self.venue_until.max(here).filter(|until| now < *until) {
            return Turn::Wait(until.since(now), Cause::Venue);
        }
        if class == Class::Routine
            && let Some((wait, cause)) = self.capped(now)
        {
            return Turn::Wait(wait, cause);
        }
        Turn::Go
    }

    /// The venue says that nothing is left until then.
    pub(crate) fn venue_says_wait(&mut self, now: BootMs, scope: Scope, until: BootMs) {
        let until = until.min(now.after(VENUE_WAIT_MOST));
        match scope {
            Scope::Address => self.venue_until = self.venue_until.max(Some(until)),
            Scope::Endpoint(endpoint) => {
                let known = self.endpoint_until.entry(endpoint).or_insert(until);
                *known = until.max(*known);
            }
        }
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
        let past = |at: &BootMs| now.since(*at) >= MINUTE;
        while self.sent.front().is_some_and(past) {
            self.sent.pop_front();
        }
        while self.bound.front().is_some_and(past) {
            self.bound.pop_front();
        }
        while self.slept.front().is_some_and(|(at, _)| past(at)) {
            self.slept.pop_front();
        }
    }

    /// How long the caps hold a routine request, and which of them longest.
    fn capped(&self, now: BootMs) -> Option<(u64, Cause)> {
        let wait = |cap: usize, window: u64| {
            // Held turns count as sent now, so they leave the cap that much smaller.
            let Some(left) = cap.checked_sub(self.held).filter(|left| *left > 0) else {
                return Some(window);
            };
            let oldest = self.bound.get(self.bound.len().checked_sub(left)?)?;
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

    const HERE: &str = "order/create";

    #[test]
    fn urgent_requests_hear_only_the_venue() {
        let mut limiter = Limiter::new(1, 60);
        let now = BootMs(10_000);
        let address = Scope::Address;
        assert_eq!(limiter.turn(now, Class::Routine, HERE), Turn::Go);
        assert_eq!(
            limiter.turn(now, Class::Routine, HERE),
            Turn::Wait(1_000, Cause::PerSecond)
        );
        assert_eq!(limiter.turn(now, Class::Urgent, HERE), Turn::Go);
        limiter.venue_says_wait(now, address, BootMs(10_500));
        assert_eq!(
            limiter.turn(now, Class::Urgent, HERE),
            Turn::Wait(500, Cause::Venue)
        );
        limiter.venue_bans(BootMs(610_000));
        assert_eq!(
            limiter.turn(now, Class::Urgent, HERE),
            Turn::Banned(BootMs(610_000))
        );
        assert_eq!(limiter.turn(BootMs(610_000), Class::Urgent, HERE), Turn::Go);
    }

    #[test]
    fn urgent_requests_take_nothing_from_the_caps() {
        let mut limiter = Limiter::new(2, 3);
        let mut now = BootMs(10_000);
        let mut at_once = |limiter: &mut Limiter, class| {
            assert_eq!(limiter.turn(now, class, HERE), Turn::Go);
            now = now.after(400);
        };
        for _ in 0..3 {
            for _ in 0..5 {
                at_once(&mut limiter, Class::Urgent);
            }
            assert_eq!(limiter.hold(BootMs(10_000), Class::Urgent, HERE), Turn::Go);
            limiter.spend(BootMs(10_000), Class::Urgent);
            at_once(&mut limiter, Class::Routine);
        }
        let (all, _) = limiter.last_minute(now);
        assert_eq!(all, 21, "the status counts every request");
        assert!(matches!(
            limiter.turn(now, Class::Routine, HERE),
            Turn::Wait(_, Cause::PerMinute)
        ));
    }

    #[test]
    fn an_endpoint_that_is_used_up_does_not_hold_an_exit_at_another() {
        let mut limiter = Limiter::new(10, 100);
        let now = BootMs(10_000);
        let wallet = "account/wallet-balance";
        limiter.venue_says_wait(now, Scope::Endpoint(wallet), BootMs(10_700));
        assert_eq!(limiter.turn(now, Class::Urgent, HERE), Turn::Go);
        assert_eq!(
            limiter.turn(now, Class::Urgent, wallet),
            Turn::Wait(700, Cause::Venue)
        );
        assert_eq!(
            limiter.turn(BootMs(10_700), Class::Urgent, wallet),
            Turn::Go
        );
    }

    #[test]
    fn an_absurd_reset_time_does_not_stop_an_exit_for_ever() {
        let mut limiter = Limiter::new(10, 100);
        let now = BootMs(10_000);
        limiter.venue_says_wait(now, Scope::Address, BootMs(u64::MAX));
        assert_eq!(
            limiter.turn(now, Class::Urgent, HERE),
            Turn::Wait(VENUE_WAIT_MOST, Cause::Venue)
        );
    }

    #[test]
    fn a_turn_given_back_does_not_count() {
        let mut limiter = Limiter::new(1, 60);
        let now = BootMs(10_000);
        assert_eq!(limiter.hold(now, Class::Routine, HERE), Turn::Go);
        assert_eq!(
            limiter.turn(now, Class::Routine, HERE),
            Turn::Wait(1_000, Cause::PerSecond)
        );
        limiter.give_back(Class::Routine);
        assert_eq!(limiter.turn(now, Class::Routine, HERE), Turn::Go);
        assert_eq!(
            limiter.turn(now, Class::Routine, HERE),
            Turn::Wait(1_000, Cause::PerSecond)
        );
    }

    #[test]
    fn a_held_turn_counts_from_when_it_is_sent() {
        let mut limiter = Limiter::new(1, 60);
        assert_eq!(limiter.hold(BootMs(10_000), Class::Routine, HERE), Turn::Go);
        // A second later it is still to come.
        let later = BootMs(11_500);
        assert!(matches!(
            limiter.turn(later, Class::Routine, HERE),
            Turn::Wait(_, _)
        ));
        limiter.spend(later, Class::Routine);
        assert_eq!(
            limiter.turn(BootMs(12_000), Class::Routine, HERE),
            Turn::Wait(500, Cause::PerSecond)
        );
        assert_eq!(limiter.turn(BootMs(12_500), Class::Routine, HERE), Turn::Go);
    }

    #[test]
    fn a_shorter_word_of_the_venue_does_not_shorten_a_longer_one() {
        let mut limiter = Limiter::new(10, 100);
        let now = BootMs(1_000);
        for scope in [Scope::Address, Scope::Endpoint(HERE)] {
            limiter.venue_says_wait(now, scope, BootMs(5_000));
            limiter.venue_says_wait(now, scope, BootMs(2_000));
        }
        assert_eq!(
            limiter.turn(BootMs(3_000), Class::Urgent, HERE),
            Turn::Wait(2_000, Cause::Venue)
        );
    }

    proptest! {
        /// Requests that go at once, turns that are held for a while, used or given back, in any
        /// mixture: routine requests never exceed a cap in any window.
        #[test]
        fn no_window_ever_holds_more_than_its_cap(
            per_second in 1u32..8,
            per_minute in 1u32..40,
            steps in prop::collection::vec((0u64..700, 0u8..5), 1..400),
        ) {
            let mut limiter = Limiter::new(per_second, per_minute);
            let mut now = BootMs(1_000_000);
            let mut went = Vec::new();
            let mut held = 0_usize;
            for (step, what) in steps {
                now = now.after(step);
                match what {
                    0 if held > 0 => {
                        held -= 1;
                        limiter.spend(now, Class::Routine);
                        went.push(now);
                    }
                    1 if held > 0 => {
                        held -= 1;
                        limiter.give_back(Class::Routine);
                    }
                    2 => if limiter.hold(now, Class::Routine, HERE) == Turn::Go {
                        held += 1;
                    },
                    _ => match limiter.turn(now, Class::Routine, HERE) {
                        Turn::Go => went.push(now),
                        Turn::Wait(ms, _) => {
                            prop_assert!(ms > 0);
                            now = now.after(ms);
                            let turn = limiter.turn(now, Class::Routine, HERE);
                            // After the wait it goes, unless a held turn is still to come.
                            prop_assert!(turn == Turn::Go || held > 0);
                            if turn == Turn::Go {
                                went.push(now);
                            }
                        }
                        Turn::Banned(_) => prop_assert!(false),
                    },
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
