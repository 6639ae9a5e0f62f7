//! The one loop: wait, read, step, journal, act. One thread, no lock.
//!
//! ```text
//!  wait until something can be read or something is due
//!    ├─ the supervisor's orders, first: a tighter limit counts before the next order
//!    ├─ every peer's lines
//!    ├─ acknowledged alerts, the engine's own deadline
//!    ├─ one commit for all that must be durable, then the answers
//!    └─ lease, commands again, alerts out, heartbeat; with nothing else to do the journal is tended
//! ```

use std::process::ExitCode;

use daemon::child::{Beat, Step};
use daemon::clock;
use daemon::logging::Held;
use protocol::control::Report;
use protocol::{BootMs, Generation};
use risk::{InputKind, NewLimits};

use crate::config::{self, Candidate};
use crate::connections::PeerId;
use crate::guard::{Answer, Guard};
use crate::watch::Who;

const HEARTBEAT_MS: u64 = 1_000;

/// The engine is told the time at most this often, whatever it wishes for.
const TICK_LEAST_MS: u64 = 5;

/// The rhythm of one life of the loop.
struct Rhythm {
    progress: u64,
    heartbeat_due: BootMs,
    tick_not_before: BootMs,
    log: Held,
}

/// What can be read now.
#[derive(Default)]
struct Ready {
    door: bool,
    control: bool,
    alerts: bool,
    peers: Vec<PeerId>,
}

impl Ready {
    fn nothing(&self) -> bool {
        !self.door && !self.control && !self.alerts && self.peers.is_empty()
    }
}

/// Runs until the supervisor says stop or is gone.
pub(crate) fn run(mut guard: Guard) -> ExitCode {
    let start = clock::boot_now();
    let mut rhythm = Rhythm {
        progress: 0,
        heartbeat_due: start,
        tick_not_before: start,
        log: Held::begin(),
    };
    loop {
        let ready = guard.wait(&rhythm);
        rhythm.progress = rhythm.progress.saturating_add(1);
        if ready.control && guard.obey().is_break() {
            break;
        }
        for peer in &ready.peers {
            guard.listen(*peer);
        }
        if ready.door {
            let group = guard.in_force.config.supervisor.operator_group.clone();
            guard.peers.accept(group.as_deref());
        }
        let now = clock::boot_now();
        if ready.alerts {
            for id in guard.alerts.receive(&mut guard.scratch, &guard.watch, now) {
                guard.step(InputKind::AlertTaken { id }, None, Answer::Nobody);
            }
        }
        if now >= rhythm.tick_not_before && guard.engine.deadline().is_some_and(|due| due <= now) {
            rhythm.tick_not_before = now.after(TICK_LEAST_MS);
            guard.step(InputKind::Tick, None, Answer::Nobody);
        }
        guard.settle();
        guard.see_off();
        guard.lease(now);
        guard.repeat_commands(now);
        guard.flush();
        guard.alerts.send(guard.engine.outbox(), &guard.watch, now);
        if now >= rhythm.heartbeat_due {
            rhythm.heartbeat_due = now.after(HEARTBEAT_MS);
            guard.control.heartbeat(Beat {
                progress: rhythm.progress,
                waiting_for: guard.told_fault.as_deref().unwrap_or(""),
                settled: true,
                standing: Some(guard.engine.standing()),
            });
        }
        guard.journal.tend(
            guard.engine.state(),
            clock::wall_now(),
            now,
            ready.nothing(),
        );
        // Answered first, logged after.
        rhythm.log.tend(now);
    }
    guard.settle();
    guard.flush();
    guard
        .journal
        .close(guard.engine.state(), clock::wall_now(), clock::boot_now());
    ExitCode::SUCCESS
}

impl Guard {
    fn wait(&mut self, rhythm: &Rhythm) -> Ready {
        let now = clock::boot_now();
        let waiting = self.engine.outbox().count();
        let engine = self
            .engine
            .deadline()
            .map(|due| due.max(rhythm.tick_not_before));
        let due = [
            engine,
            self.seat.deadline(self.engine.commands().next().is_some()),
            self.alerts.deadline(waiting),
            self.journal.deadline(),
            rhythm.log.deadline(),
        ];
        let due = due
            .into_iter()
            .flatten()
            .fold(rhythm.heartbeat_due, Ord::min);
        let mut ready = Ready::default();
        for who in self.watch.wait(due, now) {
            match who {
                Who::Door => ready.door = true,
                Who::Control => ready.control = true,
                Who::Alerts => ready.alerts = true,
                Who::Peer(serial) => ready.peers.extend(self.peers.of(serial)),
            }
        }
        ready
    }

    /// Does what the supervisor says; breaks when it says stop, or says nothing any more.
    fn obey(&mut self) -> std::ops::ControlFlow<()> {
        let Some(orders) = self.control.orders() else {
            return std::ops::ControlFlow::Break(());
        };
        for order in orders {
            let in_force = self.in_force.identity();
            let check = |prepare: &_| {
                config::check(prepare, Some(&in_force)).map_err(|error| error.to_string())
            };
            let (answer, step) = self.steps.on(order, check);
            if let Some(answer) = answer {
                self.control.report(&answer);
            }
            match step {
                Some(Step::Apply(generation, candidate)) => self.apply(generation, candidate),
                Some(Step::Stop) => return std::ops::ControlFlow::Break(()),
                None => {}
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn apply(&mut self, generation: Generation, candidate: Candidate) {
        let limits = candidate.config.limits.clone();
        let new = InputKind::Limits(Box::new(NewLimits { generation, limits }));
        self.in_force = candidate;
        self.step(new, None, Answer::Nobody);
        self.settle();
        tracing::info!(%generation, "new limits are in force");
        self.control.report(&Report::Applied(generation));
    }
}
