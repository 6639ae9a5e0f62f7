//! How often a child may be started again, and after which pause.
//!
//! ```text
//!  deaths since it was last steady   1st   2nd    3rd        4th ...     more than the budget
//!  pause                             none  least  2 x least  doubling    latched
//! ```
//! A death counts until it is older than the window *and* the child has been steady since: a budget
//! that time alone refills never latches a child that dies slowly, and one that any readiness
//! refills never latches one that gets ready and dies.

use std::collections::VecDeque;

use config::SupervisorSettings;
use protocol::BootMs;

/// The deaths that count, and the pause that comes next.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    deaths: VecDeque<BootMs>,
    /// Deaths since the child was last steady.
    in_a_row: u32,
}

impl Budget {
    /// A child has died; `steady` tells whether it had been ready for a while. How long to wait
    /// before it is started again; `None` if it is not.
    pub(super) fn death(
        &mut self,
        steady: bool,
        now: BootMs,
        jitter: u64,
        policy: &SupervisorSettings,
    ) -> Option<u64> {
        if steady {
            self.in_a_row = 0;
            self.deaths
                .retain(|at| now.since(*at) < policy.restart_window_ms);
        }
        let most = usize::try_from(policy.restart_budget).unwrap_or(usize::MAX);
        if self.deaths.len() >= most {
            return None;
        }
        self.deaths.push_back(now);
        let pause = self.pause(policy);
        self.in_a_row = self.in_a_row.saturating_add(1);
        let stretch = pause.saturating_mul(jitter.min(1_000)) / 2_000;
        Some(pause.saturating_add(stretch))
    }

    /// Deaths that count now.
    pub(super) fn used(&self, steady: bool, now: BootMs, policy: &SupervisorSettings) -> usize {
        self.deaths
            .iter()
            .filter(|at| !steady || now.since(**at) < policy.restart_window_ms)
            .count()
    }

    /// The first restart comes at once: most deaths are accidents, and a pause then costs more
    /// than it saves.
    fn pause(&self, policy: &SupervisorSettings) -> u64 {
        let Some(doublings) = self.in_a_row.checked_sub(1) else {
            return 0;
        };
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        policy
            .backoff_min_ms
            .saturating_mul(factor)
            .min(policy.backoff_max_ms)
    }
}
