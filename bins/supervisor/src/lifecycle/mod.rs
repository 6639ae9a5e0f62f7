//! One child's life, as a pure state machine: events and the time in, actions out.
//!
//! ```text
//!             start              ready
//!  Waiting ─────────▶ Starting ─────────▶ Ready
//!                      ▲    │                │ exit; silence is killed first
//!               pause  │    │ exit, too slow │
//!               over   │    ▼                ▼
//!                      └── Backoff ◀─────────┤
//!                                            │ budget spent, or exit 78
//!                                            └──────────────────────▶ Latched
//!  any ── stop ──▶ Stopping ── exit ──▶ Stopped        (a bot that ends with 0 is Stopped, too)
//!  an operator's restart: what runs is Stopping and then Starting; what is in Backoff, Latched or
//!  Stopped is Starting at once; what it died of before is forgiven
//! ```
//! How long a pause is and when the budget is spent stands in [`budget`]. This room spawns nothing
//! and reads no clock; `house` acts.

mod budget;
#[cfg(test)]
mod tests;

use config::SupervisorSettings;
use protocol::BootMs;
use protocol::control::EXIT_CONFIG;
use protocol::status::ChildState;

use budget::Budget;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What happens to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It may start now.
    Start,
    /// It says that it is ready.
    Ready,
    /// It has given a sign of life that shows progress.
    Alive,
    /// It has ended.
    Exited(Exit),
    /// It could not be started at all.
    SpawnFailed,
    /// It is to end.
    Stop,
    /// An operator wants it to run anew.
    Restart,
    /// Time has passed.
    Tick,
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the process.
    Spawn,
    /// Tell it to end in order.
    AskToStop,
    /// Kill its process group, and say why.
    Kill(&'static str),
    /// Tell the operator that it is down.
    Down(String),
    /// Tell the operator that it is up again.
    Up,
    /// Tell the operator that it is not started any more.
    GivenUp(String),
}

/// A child's state and what it remembers.
#[derive(Debug, Clone)]
pub(crate) struct Lifecycle {
    state: ChildState,
    since: BootMs,
    alive_at: BootMs,
    /// When it was last killed for what it did not do; its end comes as an event.
    killed_at: Option<BootMs>,
    /// When a pause is over.
    resume_at: BootMs,
    budget: Budget,
    was_down: bool,
    /// While it stops: it is started again when it has ended.
    again: bool,
    /// A program of the operator's own, which speaks no control protocol: it is ready once it
    /// runs, gives no signs of life, and may end with 0 when it is done.
    foreign: bool,
    policy: SupervisorSettings,
}

impl Lifecycle {
    pub(crate) fn new(policy: &SupervisorSettings, foreign: bool) -> Self {
        Self {
            state: ChildState::Waiting,
            since: BootMs(0),
            alive_at: BootMs(0),
            killed_at: None,
            resume_at: BootMs(0),
            budget: Budget::default(),
            was_down: false,
            again: false,
            foreign,
            policy: policy.clone(),
        }
    }

    pub(crate) const fn state(&self) -> ChildState {
        self.state
    }

    /// Since when it is in its state.
    pub(crate) const fn since(&self) -> BootMs {
        self.since
    }

    /// Restarts that count against the budget now.
    pub(crate) fn restarts(&self, now: BootMs) -> usize {
        self.budget.used(self.was_steady(now), now, &self.policy)
    }

    /// A new policy holds from now on.
    pub(crate) fn set_policy(&mut self, policy: &SupervisorSettings) {
        self.policy = policy.clone();
    }

    /// Whether it has ended and will not be started again.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, ChildState::Stopped | ChildState::Latched)
    }

    /// When time alone changes something; until then only events do.
    pub(crate) fn deadline(&self) -> Option<BootMs> {
        let policy = &self.policy;
        match self.state {
            ChildState::Starting | ChildState::Ready if self.foreign => None,
            ChildState::Starting | ChildState::Ready => {
                let (from, patience) = self.patience();
                Some(from.after(patience).after(1))
            }
            ChildState::Backoff => Some(self.resume_at),
            ChildState::Stopping => Some(self.since.after(policy.stop_timeout_ms).after(1)),
            ChildState::Waiting | ChildState::Stopped | ChildState::Latched => None,
        }
    }

    /// What an event brings. `jitter` is between 0 and 1000 and stretches a pause by up to a half.
    pub(crate) fn on(&mut self, event: Event, now: BootMs, jitter: u64) -> Vec<Action> {
        match (self.state, event) {
            (ChildState::Waiting, Event::Start) => self.spawn(now),
            (ChildState::Starting, Event::Ready) => self.ready(now),
            (ChildState::Starting | ChildState::Ready, Event::Alive) => {
                self.alive_at = now;
                Vec::new()
            }
            (ChildState::Starting | ChildState::Ready, Event::Exited(exit)) => {
                self.ended(exit, now, jitter)
            }
            (ChildState::Starting, Event::SpawnFailed) => {
                self.pause_or_give_up("could not be started".to_owned(), now, jitter)
            }
            (ChildState::Starting | ChildState::Ready, Event::Tick) => self.watch(now),
            (ChildState::Starting | ChildState::Ready, Event::Stop) => {
                self.enter(ChildState::Stopping, now);
                vec![Action::AskToStop]
            }
            (ChildState::Backoff, Event::Tick) if now >= self.resume_at => self.spawn(now),
            (ChildState::Starting | ChildState::Ready, Event::Restart) => {
                self.budget = Budget::default();
                self.enter(ChildState::Stopping, now);
                self.again = true;
                vec![Action::AskToStop]
            }
            (ChildState::Backoff | ChildState::Stopped | ChildState::Latched, Event::Restart) => {
                self.budget = Budget::default();
                self.was_down |= self.state == ChildState::Latched;
                self.spawn(now)
            }
            (ChildState::Stopping, Event::Exited(_)) if self.again => self.spawn(now),
            (ChildState::Stopping, Event::Stop) => {
                self.again = false;
                Vec::new()
            }
            (ChildState::Waiting | ChildState::Backoff, Event::Stop)
            | (ChildState::Stopping, Event::Exited(_) | Event::SpawnFailed) => {
                self.enter(ChildState::Stopped, now)
            }
            (ChildState::Stopping, Event::Tick)
                if now.since(self.since) > self.policy.stop_timeout_ms =>
            {
                // Once is enough; the next tick is a whole grace away.
                self.since = now;
                vec![Action::Kill("it does not stop")]
            }
            (
                ChildState::Waiting
                | ChildState::Starting
                | ChildState::Ready
                | ChildState::Backoff
                | ChildState::Stopping
                | ChildState::Stopped
                | ChildState::Latched,
                Event::Start
                | Event::Ready
                | Event::Alive
                | Event::Exited(_)
                | Event::SpawnFailed
                | Event::Stop
                | Event::Restart
                | Event::Tick,
            ) => Vec::new(),
        }
    }

    fn enter(&mut self, state: ChildState, now: BootMs) -> Vec<Action> {
        self.state = state;
        self.since = now;
        self.killed_at = None;
        self.again = false;
        Vec::new()
    }

    fn spawn(&mut self, now: BootMs) -> Vec<Action> {
        self.enter(ChildState::Starting, now);
        self.alive_at = now;
        vec![Action::Spawn]
    }

    fn ready(&mut self, now: BootMs) -> Vec<Action> {
        self.enter(ChildState::Ready, now);
        self.alive_at = now;
        if std::mem::take(&mut self.was_down) {
            vec![Action::Up]
        } else {
            Vec::new()
        }
    }

    /// From when it is waited for, and for how long. A start may be silent: a long journal is read
    /// in one go.
    fn patience(&self) -> (BootMs, u64) {
        let policy = &self.policy;
        match (self.state, self.killed_at) {
            (_, Some(killed)) => (killed, policy.heartbeat_timeout_ms),
            (ChildState::Starting, None) => (self.since, policy.ready_timeout_ms),
            (_, None) => (self.alive_at, policy.heartbeat_timeout_ms),
        }
    }

    /// Kills what does not become ready, or gives no sign of life.
    fn watch(&mut self, now: BootMs) -> Vec<Action> {
        let (from, patience) = self.patience();
        if self.foreign || now.since(from) <= patience {
            return Vec::new();
        }
        self.killed_at = Some(now);
        vec![Action::Kill(if self.state == ChildState::Starting {
            "it does not become ready"
        } else {
            "it makes no progress"
        })]
    }

    /// Whether this life has been ready for so long that what was before it is forgiven.
    fn was_steady(&self, now: BootMs) -> bool {
        self.state == ChildState::Ready && now.since(self.since) > self.policy.steady_after_ms
    }

    fn ended(&mut self, exit: Exit, now: BootMs, jitter: u64) -> Vec<Action> {
        if self.foreign && exit == Exit::Code(0) {
            return self.enter(ChildState::Stopped, now);
        }
        if exit == Exit::Code(i32::from(EXIT_CONFIG)) {
            self.enter(ChildState::Latched, now);
            let why = "ended with exit code 78: no restart will mend that".to_owned();
            return vec![Action::GivenUp(why)];
        }
        let why = if exit == Exit::Code(0) {
            "ended by itself though nobody asked: exit 0".to_owned()
        } else {
            format!("ended: {exit}")
        };
        self.pause_or_give_up(why, now, jitter)
    }

    fn pause_or_give_up(&mut self, why: String, now: BootMs, jitter: u64) -> Vec<Action> {
        let steady = self.was_steady(now);
        self.was_down = true;
        let Some(pause) = self.budget.death(steady, now, jitter, &self.policy) else {
            self.enter(ChildState::Latched, now);
            let budget = self.policy.restart_budget;
            let why = format!("{why}; {budget} restarts did not help, it is not started again");
            return vec![Action::GivenUp(why)];
        };
        self.resume_at = now.after(pause);
        self.enter(ChildState::Backoff, now);
        vec![Action::Down(why)]
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => f.write_str(signal.as_str()),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}
