//! Which blow falls on whom, and when: fixed by a seed. Pure.

use std::fmt;

use protocol::Process;

/// One blow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blow {
    /// Pause before it.
    pub(super) after_ms: u64,
    /// Who is hit.
    pub(super) process: Process,
    /// How.
    pub(super) kind: Kind,
}

/// How a process is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Terminate,
    /// SIGSTOP, and SIGCONT after a while.
    Stop {
        /// How long.
        ms: u64,
    },
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Kill => write!(f, "SIGKILL {}", self.process),
            Kind::Terminate => write!(f, "SIGTERM {}", self.process),
            Kind::Stop { ms } => write!(f, "SIGSTOP {} for {ms} ms", self.process),
        }
    }
}

/// The blows of so many seconds. The first three kills are one of each sidecar, so that a short
/// soak is one, too.
pub(super) fn plan(seed: u64, seconds: u64) -> Vec<Blow> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut left_ms = seconds.saturating_mul(1_000);
    let mut blows = Vec::new();
    let first = [
        Process::RiskGuard,
        Process::Gateway,
        Process::AlertForwarder,
    ];
    loop {
        let after_ms = dice.u64(200..1_500);
        let process = match first.get(blows.len()) {
            Some(process) => *process,
            None => match dice.u8(0..10) {
                0..4 => Process::RiskGuard,
                4..7 => Process::Gateway,
                7..8 => Process::AlertForwarder,
                _ => Process::Supervisor,
            },
        };
        let kind = match (blows.len() < first.len(), dice.u8(0..6)) {
            (true, _) | (false, 0..3) => Kind::Kill,
            (false, 3..5) => Kind::Stop {
                ms: dice.u64(50..4_500),
            },
            (false, _) => Kind::Terminate,
        };
        let stopped = match kind {
            Kind::Stop { ms } => ms,
            Kind::Kill | Kind::Terminate => 0,
        };
        let takes = after_ms.saturating_add(stopped);
        if takes > left_ms {
            return blows;
        }
        left_ms = left_ms.saturating_sub(takes);
        blows.push(Blow {
            after_ms,
            process,
            kind,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(plan(7, 600), plan(7, 600));
        assert_ne!(plan(7, 600), plan(8, 600));
        let short = plan(7, 20);
        assert_eq!(
            short,
            plan(7, 600)[..short.len()],
            "a longer one begins like it"
        );
    }

    #[test]
    fn everybody_is_hit_in_every_way() {
        let blows = plan(1, 600);
        for process in [
            Process::Supervisor,
            Process::RiskGuard,
            Process::Gateway,
            Process::AlertForwarder,
        ] {
            let of = |kind: fn(&Kind) -> bool| {
                let mut blows = blows.iter().filter(|blow| blow.process == process);
                blows.any(|blow| kind(&blow.kind))
            };
            assert!(of(|kind| matches!(kind, Kind::Kill)), "{process}");
            assert!(of(|kind| matches!(kind, Kind::Terminate)), "{process}");
            assert!(of(|kind| matches!(kind, Kind::Stop { .. })), "{process}");
        }
    }
}
