//! The venue's request limits: so many a second for each endpoint, so many in 5 s for each address.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::endpoint::Endpoint;

/// Requests that one address may make in five seconds.
const ADDRESS_REQUESTS: usize = 600;
const ADDRESS_WINDOW_MS: i64 = 5_000;
const SECOND_MS: i64 = 1_000;

/// Streams that one address may open in five minutes.
const ADDRESS_STREAMS: usize = 500;
const STREAMS_WINDOW_MS: i64 = 300_000;

/// How long an address must be quiet until its ban lifts.
pub(crate) const BAN_MS: i64 = 600_000;

/// Counts requests against the venue's limits.
#[derive(Debug)]
pub struct Limits {
    per_second: usize,
    endpoints: HashMap<Endpoint, VecDeque<i64>>,
    addresses: HashMap<IpAddr, Address>,
    served: HashMap<Endpoint, u64>,
}

#[derive(Debug, Default)]
struct Address {
    recent: VecDeque<i64>,
    streams: VecDeque<i64>,
    ban: Option<Ban>,
}

/// A ban lifts after so much quiet since the last request.
#[derive(Debug, Clone, Copy)]
struct Ban {
    quiet_ms: i64,
    last_ms: i64,
}

/// What the limit headers of an answer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Requests a second.
    pub(crate) limit: usize,
    /// How many are left now.
    pub(crate) left: usize,
    /// When there will be one again, in ms of the venue's time.
    pub(crate) reset_ms: i64,
    /// Whether this request is over the limit.
    pub(crate) exceeded: bool,
}

impl Limits {
    /// Limits with so many requests a second for each endpoint; 0 switches all limits off.
    pub fn new(per_second: usize) -> Self {
        Self {
            per_second,
            endpoints: HashMap::new(),
            addresses: HashMap::new(),
            served: HashMap::new(),
        }
    }

    /// Counts a request of an address; `true` if the address is banned.
    pub(crate) fn banned(&mut self, address: IpAddr, wall_ms: i64) -> bool {
        let entry = self.addresses.entry(address).or_default();
        if let Some(ban) = &mut entry.ban {
            if wall_ms - ban.last_ms < ban.quiet_ms {
                ban.last_ms = wall_ms;
                return true;
            }
            entry.ban = None;
            entry.recent.clear();
        }
        if self.per_second == 0 {
            return false;
        }
        forget(&mut entry.recent, wall_ms - ADDRESS_WINDOW_MS);
        entry.recent.push_back(wall_ms);
        if entry.recent.len() > ADDRESS_REQUESTS {
            entry.ban = Some(Ban {
                quiet_ms: BAN_MS,
                last_ms: wall_ms,
            });
            return true;
        }
        false
    }

    /// Counts a stream that an address opens; `true` if it has opened too many.
    pub(crate) fn connected(&mut self, address: IpAddr, wall_ms: i64) -> bool {
        let streams = &mut self.addresses.entry(address).or_default().streams;
        forget(streams, wall_ms - STREAMS_WINDOW_MS);
        streams.push_back(wall_ms);
        self.per_second > 0 && streams.len() > ADDRESS_STREAMS
    }

    /// Bans an address until it was quiet for so long.
    pub(crate) fn ban(&mut self, address: IpAddr, quiet_ms: i64, wall_ms: i64) {
        self.addresses.entry(address).or_default().ban = Some(Ban {
            quiet_ms,
            last_ms: wall_ms,
        });
    }

    /// Counts a signed request to an endpoint. `None` where limits are off.
    pub(crate) fn allow(&mut self, endpoint: Endpoint, now_ms: i64) -> Option<Allowance> {
        if self.per_second == 0 {
            return None;
        }
        let recent = self.endpoints.entry(endpoint).or_default();
        // A clock that was set back leaves times from the future behind.
        recent.retain(|at| *at <= now_ms);
        forget(recent, now_ms - SECOND_MS);
        let exceeded = recent.len() >= self.per_second;
        if !exceeded {
            recent.push_back(now_ms);
        }
        let full = recent.front().map_or(now_ms, |first| first + SECOND_MS);
        let left = self.per_second.saturating_sub(recent.len());
        Some(Allowance {
            limit: self.per_second,
            left,
            reset_ms: if left == 0 { full } else { now_ms },
            exceeded,
        })
    }

    /// Counts a request that was carried out.
    pub(crate) fn count(&mut self, endpoint: Endpoint) {
        *self.served.entry(endpoint).or_default() += 1;
    }

    /// How many requests of each endpoint were carried out.
    pub(crate) fn served(&self) -> impl Iterator<Item = (Endpoint, u64)> + '_ {
        self.served
            .iter()
            .map(|(endpoint, count)| (*endpoint, *count))
    }

    /// Forgets every count and ban.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.per_second);
    }
}

/// Drops the times up to and including `until`.
fn forget(times: &mut VecDeque<i64>, until: i64) {
    while times.front().is_some_and(|at| *at <= until) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn the_eleventh_request_within_a_second_waits_for_the_first_to_age() {
        let mut limits = Limits::new(10);
        for n in 0..10 {
            let allowance = limits.allow(Endpoint::CreateOrder, 1_000 + n).unwrap();
            assert!(!allowance.exceeded);
        }
        let over = limits.allow(Endpoint::CreateOrder, 1_500).unwrap();
        assert_eq!((over.exceeded, over.left, over.reset_ms), (true, 0, 2_000));
        assert!(!limits.allow(Endpoint::Positions, 1_500).unwrap().exceeded);
        assert!(!limits.allow(Endpoint::CreateOrder, 2_000).unwrap().exceeded);
        assert!(limits.allow(Endpoint::CreateOrder, 2_000).unwrap().exceeded);
    }

    #[test]
    fn an_address_that_hammers_stays_banned_until_it_is_quiet() {
        let mut limits = Limits::new(10);
        let banned_at = (0..700).find(|_| limits.banned(HOME, 50));
        assert_eq!(banned_at, Some(600));
        assert!(limits.banned(HOME, BAN_MS));
        assert!(limits.banned(HOME, 2 * BAN_MS - 1));
        assert!(!limits.banned(HOME, 3 * BAN_MS));
    }
}
