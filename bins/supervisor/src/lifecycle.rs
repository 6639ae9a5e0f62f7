//! One child's life, as a pure state machine: events and the time in, actions out.
//!
//! ```text
//!             start              ready
//!  Waiting ─────────▶ Starting ─────────▶ Ready
//!                      ▲    │ exit, silence  │ exit, silence
//!               pause  │    ▼                ▼
//!               over   └── Backoff ◀─────────┘        budget spent, or exit 78
//!                             └──────────────────────▶ Latched
//!  any ── stop ──▶ Stopping ── exit ──▶ Stopped
//! ```
//! The budget counts restarts in a sliding window; the pause doubles with each restart and goes
//! back to its least only after the child has been ready for a while. It spawns nothing and reads
//! no clock; `house` acts.

use std::collections::VecDeque;

use config::SupervisorSettings;
use protocol::BootMs;
use protocol::control::EXIT_CONFIG;
use protocol::status::ChildState;

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
    /// Kill its process group.
    Kill,
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
    /// When a pause is over.
    resume_at: BootMs,
    restarts: VecDeque<BootMs>,
    pause_ms: u64,
    was_down: bool,
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
            resume_at: BootMs(0),
            restarts: VecDeque::new(),
            pause_ms: policy.backoff_min_ms,
            was_down: false,
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

    /// Restarts within the window.
    pub(crate) fn restarts(&self, now: BootMs) -> usize {
        self.restarts
            .iter()
            .filter(|at| now.since(**at) < self.policy.restart_window_ms)
            .count()
    }

    /// A new policy holds from now on.
    pub(crate) fn set_policy(&mut self, policy: &SupervisorSettings) {
        self.policy = policy.clone();
    }

    /// Whether it has ended and will not be started again.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, ChildState::Stopped | ChildState::Latched)
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
            (ChildState::Waiting | ChildState::Backoff, Event::Stop)
            | (ChildState::Stopping, Event::Exited(_) | Event::SpawnFailed) => {
                self.enter(ChildState::Stopped, now)
            }
            (ChildState::Stopping, Event::Tick)
                if now.since(self.since) > self.policy.stop_timeout_ms =>
            {
                // Once is enough; the next tick is a whole grace away.
                self.since = now;
                vec![Action::Kill]
            }
            (
                ChildState::Waiting
                | ChildState::Starting
                | ChildState::Ready
                | ChildState::Backoff
                | ChildState::Stopping
                | ChildState::Stopped
                | ChildState::Latched,
                _,
            ) => Vec::new(),
        }
    }

    fn enter(&mut self, state: ChildState, now: BootMs) -> Vec<Action> {
        self.state = state;
        self.since = now;
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

    /// Kills what does not become ready, or gives no sign of life.
    fn watch(&mut self, now: BootMs) -> Vec<Action> {
        let too_slow = self.state == ChildState::Starting
            && now.since(self.since) > self.policy.ready_timeout_ms;
        let silent = now.since(self.alive_at) > self.policy.heartbeat_timeout_ms;
        if !self.foreign && (too_slow || silent) {
            // Its end comes as an event; until then it is not killed again.
            self.since = now;
            self.alive_at = now;
            return vec![Action::Kill];
        }
        if self.state == ChildState::Ready && now.since(self.since) > self.policy.steady_after_ms {
            self.pause_ms = self.policy.backoff_min_ms;
        }
        Vec::new()
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
        self.pause_or_give_up(format!("ended: {exit}"), now, jitter)
    }

    fn pause_or_give_up(&mut self, why: String, now: BootMs, jitter: u64) -> Vec<Action> {
        while self
            .restarts
            .front()
            .is_some_and(|at| now.since(*at) >= self.policy.restart_window_ms)
        {
            self.restarts.pop_front();
        }
        let budget = usize::try_from(self.policy.restart_budget).unwrap_or(usize::MAX);
        self.was_down = true;
        if self.restarts.len() >= budget {
            self.enter(ChildState::Latched, now);
            let why = format!("{why}; {budget} restarts did not help, it is not started again");
            return vec![Action::GivenUp(why)];
        }
        self.restarts.push_back(now);
        let stretch = self.pause_ms.saturating_mul(jitter.min(1_000)) / 2_000;
        self.resume_at = now.after(self.pause_ms.saturating_add(stretch));
        self.pause_ms = self
            .pause_ms
            .saturating_mul(2)
            .min(self.policy.backoff_max_ms);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> SupervisorSettings {
        SupervisorSettings {
            restart_budget: 3,
            restart_window_ms: 60_000,
            backoff_min_ms: 100,
            backoff_max_ms: 1_000,
            steady_after_ms: 10_000,
            ready_timeout_ms: 5_000,
            heartbeat_timeout_ms: 3_000,
            stop_timeout_ms: 2_000,
            ..config::parse("perps:\n  enabled: true\n", "t")
                .unwrap()
                .supervisor
        }
    }

    fn running() -> Lifecycle {
        let mut life = Lifecycle::new(&policy(), false);
        assert_eq!(life.on(Event::Start, BootMs(0), 0), [Action::Spawn]);
        assert_eq!(life.on(Event::Ready, BootMs(10), 0), []);
        life
    }

    #[test]
    fn a_death_is_followed_by_a_pause_and_a_start() {
        let mut life = running();
        let down = life.on(Event::Exited(Exit::Signal(9)), BootMs(20), 0);
        assert_eq!(down, [Action::Down("ended: SIGKILL".into())]);
        assert_eq!(life.on(Event::Tick, BootMs(100), 0), []);
        assert_eq!(life.on(Event::Tick, BootMs(120), 0), [Action::Spawn]);
        assert_eq!(life.on(Event::Ready, BootMs(130), 0), [Action::Up]);
    }

    #[test]
    fn pauses_double_and_go_back_only_after_a_steady_while() {
        let mut life = running();
        let mut now = BootMs(20);
        let mut pauses = Vec::new();
        for _ in 0..3 {
            life.on(Event::Exited(Exit::Code(1)), now, 0);
            let from = now;
            while life.on(Event::Tick, now, 0).is_empty() {
                now = now.after(1);
            }
            pauses.push(now.since(from));
            life.on(Event::Ready, now, 0);
        }
        assert_eq!(pauses, [100, 200, 400]);
        let later = now.after(70_000);
        life.on(Event::Alive, later, 0);
        life.on(Event::Tick, later, 0);
        life.on(Event::Exited(Exit::Code(1)), later, 0);
        assert_eq!(life.on(Event::Tick, later.after(100), 0), [Action::Spawn]);
    }

    #[test]
    fn exit_78_is_final() {
        let mut life = running();
        let given_up = life.on(Event::Exited(Exit::Code(78)), BootMs(20), 0);
        assert!(matches!(given_up.as_slice(), [Action::GivenUp(_)]));
        assert_eq!(life.on(Event::Tick, BootMs(90_000), 0), []);
        assert!(life.is_over());
    }

    #[test]
    fn silence_is_death() {
        let mut life = running();
        assert_eq!(life.on(Event::Tick, BootMs(3_000), 0), []);
        assert_eq!(life.on(Event::Tick, BootMs(3_011), 0), [Action::Kill]);
        assert_eq!(
            life.on(Event::Tick, BootMs(3_012), 0),
            [],
            "it is not killed twice"
        );
    }

    #[test]
    fn a_stop_that_hangs_is_a_kill() {
        let mut life = running();
        assert_eq!(life.on(Event::Stop, BootMs(20), 0), [Action::AskToStop]);
        assert_eq!(life.on(Event::Tick, BootMs(2_021), 0), [Action::Kill]);
        life.on(Event::Exited(Exit::Signal(9)), BootMs(2_030), 0);
        assert_eq!(life.state(), ChildState::Stopped);
    }

    #[test]
    fn a_bot_that_is_done_is_done() {
        let mut life = Lifecycle::new(&policy(), true);
        life.on(Event::Start, BootMs(0), 0);
        life.on(Event::Ready, BootMs(0), 0);
        assert_eq!(
            life.on(Event::Tick, BootMs(900_000), 0),
            [],
            "it owes no sign of life"
        );
        life.on(Event::Exited(Exit::Code(0)), BootMs(900_001), 0);
        assert_eq!(life.state(), ChildState::Stopped);
    }

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Start),
            Just(Event::Ready),
            Just(Event::Alive),
            Just(Event::Exited(Exit::Code(1))),
            Just(Event::SpawnFailed),
            Just(Event::Tick),
        ]
    }

    proptest! {
        #[test]
        fn the_budget_is_never_exceeded(
            steps in prop::collection::vec((events(), 0u64..3_000, 0u64..1_000), 1..300),
        ) {
            let mut life = Lifecycle::new(&policy(), false);
            let mut now = BootMs(1);
            let mut granted = Vec::new();
            for (event, pass, jitter) in steps {
                now = now.after(pass);
                let actions = life.on(event, now, jitter);
                if actions.iter().any(|action| matches!(action, Action::Down(_))) {
                    granted.push(now);
                }
            }
            for (n, first) in granted.iter().enumerate() {
                let within = granted[n..].iter().take_while(|at| at.since(*first) < 60_000).count();
                prop_assert!(within <= 3, "{granted:?}");
            }
        }
    }
}
