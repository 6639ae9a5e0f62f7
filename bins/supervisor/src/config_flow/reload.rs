//! One config edit on its way, as a pure state machine: prepare everywhere, then commit everywhere,
//! or abort everywhere. It says what to send to whom; the house sends.

use std::collections::BTreeSet;

use protocol::control::Order;
use protocol::{BootMs, Generation, Process};

/// How long a child may take for each of the two phases.
const PATIENCE_MS: u64 = 5_000;

/// A generation between being written down and being in force.
#[derive(Debug)]
pub(crate) struct Reload {
    generation: Generation,
    /// Who takes part, in the order in which the commit goes out.
    order: Vec<Process>,
    waiting: BTreeSet<Process>,
    phase: Phase,
    deadline: BootMs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Prepare,
    Commit,
}

/// What follows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing yet.
    Wait,
    /// Send this to each of them, in order.
    Send(Vec<Process>, Order),
    /// It is in force everywhere.
    Applied,
    /// It is not in force anywhere; the old one stays.
    Refused(Vec<Process>, String),
    /// It was committed, but these never confirmed it: they must be started anew, into it.
    AppliedBut(Vec<Process>),
}

impl Reload {
    /// Begins with the living children; send the prepare to all of them. What tightens reaches the
    /// guard first, what loosens reaches it last.
    pub(crate) fn begin(
        generation: Generation,
        living: &[Process],
        loosens: bool,
        now: BootMs,
    ) -> Self {
        let guard = |process: &Process| *process == Process::RiskGuard;
        let (guards, others): (Vec<Process>, Vec<Process>) =
            living.iter().copied().partition(guard);
        let order = if loosens {
            [others, guards].concat()
        } else {
            [guards, others].concat()
        };
        let waiting = living.iter().copied().collect();
        Self {
            generation,
            order,
            waiting,
            phase: Phase::Prepare,
            deadline: now.after(PATIENCE_MS),
        }
    }

    /// Which generation it is about.
    pub(crate) const fn generation(&self) -> Generation {
        self.generation
    }

    /// When patience with the present phase ends.
    pub(crate) fn deadline(&self) -> BootMs {
        self.deadline.after(1)
    }

    /// Who takes part.
    pub(crate) fn members(&self) -> &[Process] {
        &self.order
    }

    /// A child could put it in force.
    pub(crate) fn prepared(
        &mut self,
        process: Process,
        generation: Generation,
        now: BootMs,
    ) -> Next {
        self.heard(Phase::Prepare, process, generation, now)
    }

    /// A child has put it in force.
    pub(crate) fn applied(
        &mut self,
        process: Process,
        generation: Generation,
        now: BootMs,
    ) -> Next {
        self.heard(Phase::Commit, process, generation, now)
    }

    /// A child cannot put it in force.
    pub(crate) fn refused(&self, process: Process, generation: Generation, reason: &str) -> Next {
        if self.phase != Phase::Prepare || generation != self.generation {
            return Next::Wait;
        }
        Next::Refused(self.order.clone(), format!("{process}: {reason}"))
    }

    /// A child has died: it has no vote any more, and starts into what is in force then.
    pub(crate) fn gone(&mut self, process: Process, now: BootMs) -> Next {
        self.order.retain(|member| *member != process);
        self.waiting.remove(&process);
        self.go_on(now)
    }

    /// Time has passed. A child that does not answer refuses a prepare; after the commit there is
    /// no way back.
    pub(crate) fn tick(&self, now: BootMs) -> Next {
        if now <= self.deadline || self.waiting.is_empty() {
            return Next::Wait;
        }
        let silent: Vec<Process> = self.waiting.iter().copied().collect();
        match self.phase {
            Phase::Prepare => {
                let names: Vec<&str> = silent.iter().map(|process| process.name()).collect();
                let why = format!("{} did not answer in time", names.join(", "));
                Next::Refused(self.order.clone(), why)
            }
            Phase::Commit => Next::AppliedBut(silent),
        }
    }

    fn heard(
        &mut self,
        phase: Phase,
        process: Process,
        generation: Generation,
        now: BootMs,
    ) -> Next {
        if phase != self.phase || generation != self.generation || !self.waiting.remove(&process) {
            return Next::Wait;
        }
        self.go_on(now)
    }

    fn go_on(&mut self, now: BootMs) -> Next {
        if !self.waiting.is_empty() {
            return Next::Wait;
        }
        match self.phase {
            Phase::Prepare => {
                self.phase = Phase::Commit;
                self.deadline = now.after(PATIENCE_MS);
                self.waiting = self.order.iter().copied().collect();
                if self.order.is_empty() {
                    return Next::Applied;
                }
                Next::Send(self.order.clone(), Order::Commit(self.generation))
            }
            Phase::Commit => Next::Applied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Process; 3] = [
        Process::AlertForwarder,
        Process::RiskGuard,
        Process::Gateway,
    ];
    const G: Generation = Generation(2);
    const NOW: BootMs = BootMs(0);

    #[test]
    fn nothing_is_committed_before_all_have_prepared() {
        let mut reload = Reload::begin(G, &ALL, false, NOW);
        assert_eq!(reload.prepared(Process::Gateway, G, NOW), Next::Wait);
        assert_eq!(
            reload.prepared(Process::Gateway, G, NOW),
            Next::Wait,
            "one vote each"
        );
        assert_eq!(reload.prepared(Process::RiskGuard, G, NOW), Next::Wait);
        let next = reload.prepared(Process::AlertForwarder, G, NOW);
        let Next::Send(order, Order::Commit(G)) = next else {
            unreachable!("{next:?}")
        };
        assert_eq!(
            order[0],
            Process::RiskGuard,
            "tightening reaches the guard first"
        );
        for process in [Process::Gateway, Process::RiskGuard] {
            assert_eq!(reload.applied(process, G, NOW), Next::Wait);
        }
        assert_eq!(
            reload.applied(Process::AlertForwarder, G, NOW),
            Next::Applied
        );
    }

    #[test]
    fn loosening_reaches_the_guard_last() {
        let mut reload = Reload::begin(G, &ALL, true, NOW);
        let mut last = Next::Wait;
        for process in ALL {
            last = reload.prepared(process, G, NOW);
        }
        let Next::Send(order, _) = last else {
            unreachable!("{last:?}")
        };
        assert_eq!(order.last(), Some(&Process::RiskGuard));
    }

    #[test]
    fn one_refusal_is_enough() {
        let mut reload = Reload::begin(G, &ALL, false, NOW);
        reload.prepared(Process::Gateway, G, NOW);
        let next = reload.refused(Process::RiskGuard, G, "no");
        assert!(
            matches!(next, Next::Refused(all, why) if all.len() == 3 && why.contains("risk-guard: no"))
        );
        assert_eq!(
            reload.refused(Process::RiskGuard, Generation(1), "old"),
            Next::Wait
        );
    }

    #[test]
    fn the_dead_have_no_vote_and_the_silent_refuse() {
        let mut reload = Reload::begin(G, &ALL, false, NOW);
        reload.prepared(Process::Gateway, G, NOW);
        reload.prepared(Process::AlertForwarder, G, NOW);
        assert!(
            matches!(reload.tick(BootMs(5_001)), Next::Refused(_, why) if why.contains("risk-guard"))
        );
        let next = reload.gone(Process::RiskGuard, NOW);
        assert!(matches!(next, Next::Send(order, _) if order.len() == 2));
    }

    #[test]
    fn after_the_commit_there_is_no_way_back() {
        let mut reload = Reload::begin(G, &[Process::RiskGuard], false, NOW);
        reload.prepared(Process::RiskGuard, G, NOW);
        assert_eq!(reload.refused(Process::RiskGuard, G, "late"), Next::Wait);
        assert_eq!(
            reload.tick(BootMs(5_001)),
            Next::AppliedBut(vec![Process::RiskGuard])
        );
    }
}
