//! What goes wrong with which intent. Pure: it follows from the seed and the intent's number.

use protocol::Process;

use crate::Fault;

/// Something done to an order on its way.
#[derive(Debug, Clone)]
pub(super) struct Mischief {
    /// What its send suffers; every second one is spared.
    pub(super) create: Option<Fault>,
    /// What a look-up, or whatever read comes first, suffers.
    pub(super) read: Option<Fault>,
    /// Which process dies while its send is under way.
    pub(super) kill: Option<Victim>,
}

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    /// One process, which is started again.
    One(Process),
    /// The supervisor, and everybody with it.
    All,
}

impl Victim {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::One(process) => process.name(),
            Self::All => "supervisor",
        }
    }
}

/// One kill in so many intents.
const KILL_EVERY: usize = 25;

/// What the send of an intent can suffer: kind, milliseconds, return code, whether the venue
/// carries it out first.
const CREATES: [(&str, Option<i64>, Option<i64>, bool); 12] = [
    ("timeout_after_accept", Some(300), None, true),
    ("reset", None, None, true),
    ("http_500", None, None, true),
    ("ret_code", None, Some(10_000), true),
    ("ret_code", None, Some(10_016), true),
    ("latency", Some(300), None, true),
    ("reset", None, None, false),
    ("http_500", None, None, false),
    ("ret_code", None, Some(10_000), false),
    ("ret_code", None, Some(10_016), false),
    ("latency", Some(300), None, false),
    ("timeout_after_accept", Some(50), None, true),
];

/// What a read can suffer.
const READS: [(&str, &str, Option<i64>, Option<i64>); 5] = [
    ("http_500", "/order/realtime", None, None),
    ("reset", "/order/history", None, None),
    ("ret_code", "/order/realtime", None, Some(10_016)),
    ("latency", "/order/history", Some(400), None),
    ("reset", "/execution/list", None, None),
];

/// What befalls intent `n`.
pub(super) fn of(seed: u64, n: usize) -> Mischief {
    let dice = mixed(seed, n);
    let kill = (n % KILL_EVERY == KILL_EVERY / 2).then_some(match (dice >> 40) & 7 {
        0..=3 => Victim::One(Process::Gateway),
        4..=6 => Victim::One(Process::RiskGuard),
        _ => Victim::All,
    });
    // Whoever is to die between send and answer needs an answer that takes its time.
    let slow = kill.map(|_| fault("latency", "/order/create", Some(800), None, true));
    let (kind, ms, code, executed) = pick(&CREATES, dice);
    let spoilt = (n % 2 == 1).then(|| fault(kind, "/order/create", ms, code, executed));
    let (kind, path, ms, code) = pick(&READS, dice >> 20);
    Mischief {
        create: slow.or(spoilt),
        read: (n % 4 == 1).then(|| fault(kind, path, ms, code, false)),
        kill,
    }
}

fn fault(
    kind: &'static str,
    path: &'static str,
    ms: Option<i64>,
    code: Option<i64>,
    executed: bool,
) -> Fault {
    Fault {
        kind,
        path: Some(path),
        count: 1,
        ms,
        code,
        executed,
    }
}

fn pick<T: Copy, const N: usize>(all: &[T; N], dice: u64) -> T {
    let place = usize::try_from(dice % N as u64).unwrap_or(0);
    all.get(place).copied().unwrap_or(all[0])
}

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
pub(super) fn mixed(seed: u64, n: usize) -> u64 {
    let mut z = seed.wrapping_add(
        (n as u64)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15),
    );
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_send_suffers_and_everything_happens_to_somebody() {
        let all: Vec<Mischief> = (0..1000).map(|n| of(7, n)).collect();
        let spoilt = all.iter().filter(|m| m.create.is_some()).count();
        assert!((500..=540).contains(&spoilt), "{spoilt}");
        let kinds: std::collections::BTreeSet<_> = all
            .iter()
            .filter_map(|m| m.create.as_ref())
            .map(|f| (f.kind, f.code, f.executed))
            .collect();
        assert_eq!(kinds.len(), 11, "{kinds:?}");
        let victims: std::collections::BTreeSet<_> = all
            .iter()
            .filter_map(|m| m.kill)
            .map(Victim::word)
            .collect();
        assert_eq!(victims.len(), 3, "{victims:?}");
    }
}
