//! Each state meets each event; budgets, pauses and patience, a case a test.

use super::*;
use proptest::prelude::*;

const KILLED: Exit = Exit::Signal(9);

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

/// A life in this state since time 10; its pauses and patiences all end before time 90,000.
fn in_state(state: ChildState) -> Lifecycle {
    let mut life = Lifecycle::new(&policy(), false);
    let story: &[Event] = match state {
        ChildState::Waiting => &[],
        ChildState::Starting => &[Event::Start],
        ChildState::Ready => &[Event::Start, Event::Ready],
        // The second death, since there is no pause after the first.
        ChildState::Backoff => &[
            Event::Start,
            Event::Exited(KILLED),
            Event::Tick,
            Event::Exited(KILLED),
        ],
        ChildState::Stopping => &[Event::Start, Event::Stop],
        ChildState::Stopped => &[Event::Stop],
        ChildState::Latched => &[Event::Start, Event::Exited(Exit::Code(78))],
    };
    for event in story {
        life.on(*event, BootMs(10), 0);
    }
    assert_eq!(life.state(), state);
    life
}

/// Where an event leads, and what is done: `Ready->Backoff down`; `.` is nothing at all.
fn outcome(state: ChildState, event: Event, at: u64) -> String {
    let mut life = in_state(state);
    let actions = life.on(event, BootMs(at), 0);
    let mut words = Vec::new();
    if life.state() != state {
        words.push(format!("{:?}", life.state()));
    }
    words.extend(actions.iter().map(|action| {
        match action {
            Action::Spawn => "spawn",
            Action::AskToStop => "ask",
            Action::Kill(_) => "kill",
            Action::Down(_) => "down",
            Action::Up => "up",
            Action::GivenUp(_) => "given up",
        }
        .to_owned()
    }));
    if words.is_empty() {
        ".".to_owned()
    } else {
        words.join(" ")
    }
}

/// Every state and every event, at time 20 and (late) at time 90,000.
const TABLE: &str = "
    event    | Waiting        | Starting         | Ready            | Backoff        | Stopping | Stopped | Latched
    start    | Starting spawn | .                | .                | .              | .        | .       | .
    ready    | .              | Ready            | .                | .              | .        | .       | .
    alive    | .              | .                | .                | .              | .        | .       | .
    exit 0   | .              | Backoff down     | Backoff down     | .              | Stopped  | .       | .
    exit 1   | .              | Backoff down     | Backoff down     | .              | Stopped  | .       | .
    exit 78  | .              | Latched given up | Latched given up | .              | Stopped  | .       | .
    SIGKILL  | .              | Backoff down     | Backoff down     | .              | Stopped  | .       | .
    no spawn | .              | Backoff down     | .                | .              | Stopped  | .       | .
    stop     | Stopped        | Stopping ask     | Stopping ask     | Stopped        | .        | .       | .
    restart  | .              | Stopping ask     | Stopping ask     | Starting spawn | .        | Starting spawn | Starting spawn
    tick     | .              | .                | .                | .              | .        | .       | .
    late     | .              | kill             | kill             | Starting spawn | kill     | .       | .
";

#[test]
fn every_state_meets_every_event() {
    use ChildState::{Backoff, Latched, Ready, Starting, Stopped, Stopping, Waiting};
    let states = [
        Waiting, Starting, Ready, Backoff, Stopping, Stopped, Latched,
    ];
    let event = |name| match name {
        "start" => (Event::Start, 20),
        "ready" => (Event::Ready, 20),
        "alive" => (Event::Alive, 20),
        "exit 0" => (Event::Exited(Exit::Code(0)), 20),
        "exit 1" => (Event::Exited(Exit::Code(1)), 20),
        "exit 78" => (Event::Exited(Exit::Code(78)), 20),
        "SIGKILL" => (Event::Exited(KILLED), 20),
        "no spawn" => (Event::SpawnFailed, 20),
        "stop" => (Event::Stop, 20),
        "restart" => (Event::Restart, 20),
        "tick" => (Event::Tick, 20),
        "late" => (Event::Tick, 90_000),
        other => unreachable!("{other}"),
    };
    let mut rows = TABLE.lines().filter(|line| !line.trim().is_empty());
    let names = states.map(|state| format!("{state:?}"));
    let head: Vec<&str> = rows.next().unwrap().split('|').map(str::trim).collect();
    assert_eq!(head[1..], names);
    assert_eq!(rows.clone().count(), 12);
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (event, at) = event(cells[0]);
        for (state, wanted) in states.into_iter().zip(&cells[1..]) {
            assert_eq!(
                outcome(state, event, at),
                *wanted,
                "{state:?}, {}",
                cells[0]
            );
        }
    }
}

#[test]
fn time_matters_exactly_from_the_deadline_on() {
    for state in [
        ChildState::Starting,
        ChildState::Ready,
        ChildState::Backoff,
        ChildState::Stopping,
    ] {
        let due = in_state(state).deadline().unwrap();
        assert_eq!(outcome(state, Event::Tick, due.0 - 1), ".", "{state:?}");
        assert_ne!(outcome(state, Event::Tick, due.0), ".", "{state:?}");
    }
    for state in [
        ChildState::Waiting,
        ChildState::Stopped,
        ChildState::Latched,
    ] {
        assert_eq!(in_state(state).deadline(), None);
    }
}

#[test]
fn an_operators_restart_forgives_and_starts_at_once() {
    // Latched by its deaths: it is started, is told of when it is back, and has its whole budget.
    let mut life = running();
    pauses(&mut life, 10, 9);
    assert_eq!(life.state(), ChildState::Latched);
    let now = BootMs(50_000);
    assert_eq!(life.on(Event::Restart, now, 0), [Action::Spawn]);
    assert_eq!(life.restarts(now), 0);
    assert_eq!(life.on(Event::Ready, now, 0), [Action::Up]);
    assert_eq!(pauses(&mut life, 10, 9), [0, 100, 200]);

    // One that runs stops in order first; its end is no death.
    let mut life = running();
    let now = BootMs(60_000);
    assert_eq!(life.on(Event::Restart, now, 0), [Action::AskToStop]);
    assert!(!life.is_over());
    let ended = Event::Exited(Exit::Code(0));
    assert_eq!(life.on(ended, now, 0), [Action::Spawn]);
    assert_eq!(
        (life.on(Event::Ready, now, 0), life.restarts(now)),
        (vec![], 0)
    );

    // One that does not stop is killed as ever, and then started.
    life.on(Event::Restart, now, 0);
    let late = life.deadline().unwrap();
    assert!(matches!(
        life.on(Event::Tick, late, 0)[..],
        [Action::Kill(_)]
    ));
    assert_eq!(life.on(Event::Exited(KILLED), late, 0), [Action::Spawn]);

    // When everything is to end meanwhile, it stays ended.
    life.on(Event::Restart, late, 0);
    assert_eq!(life.on(Event::Stop, late, 0), []);
    assert_eq!(life.on(ended, late, 0), []);
    assert_eq!(life.state(), ChildState::Stopped);
}

#[test]
fn the_first_death_is_followed_by_a_start_at_once() {
    let mut life = running();
    let down = life.on(Event::Exited(KILLED), BootMs(20), 1_000);
    assert_eq!(down, [Action::Down("ended: SIGKILL".into())]);
    assert_eq!(life.on(Event::Tick, BootMs(20), 0), [Action::Spawn]);
    assert_eq!(life.on(Event::Ready, BootMs(30), 0), [Action::Up]);
}

#[test]
fn an_end_says_how_it_came() {
    let said = |exit| format!("{:?}", running().on(Event::Exited(exit), BootMs(20), 0));
    assert!(said(Exit::Code(0)).contains("nobody asked"));
    assert!(said(Exit::Code(1)).contains("ended: exit 1"));
    assert!(said(Exit::Code(78)).contains("no restart will mend"));
    assert!(said(Exit::Signal(11)).contains("SIGSEGV"));
}

/// Kills it again and again after it was ready for `steady`; the pauses until it is latched.
fn pauses(life: &mut Lifecycle, ready_for: u64, most: usize) -> Vec<u64> {
    let mut now = BootMs(10);
    let mut pauses = Vec::new();
    while pauses.len() < most {
        now = now.after(ready_for);
        life.on(Event::Alive, now, 0);
        life.on(Event::Exited(Exit::Code(1)), now, 0);
        let from = now;
        let Some(due) = life.deadline() else { break };
        now = due;
        assert_eq!(life.on(Event::Tick, now, 0), [Action::Spawn]);
        pauses.push(now.since(from));
        life.on(Event::Ready, now, 0);
    }
    pauses
}

#[test]
fn pauses_double_and_the_budget_latches() {
    let mut life = running();
    assert_eq!(pauses(&mut life, 10, 9), [0, 100, 200]);
    assert_eq!(life.state(), ChildState::Latched);
    assert_eq!(
        life.restarts(BootMs(900_000)),
        3,
        "time alone forgives nothing"
    );
}

#[test]
fn the_budget_does_not_refill_by_readiness_alone() {
    // Always resetting: gets ready, lives a little short of steady, dies, for ever.
    let mut life = running();
    assert_eq!(pauses(&mut life, 9_999, 99).len(), 3);
    // Steady each time, but more often in one window than the budget allows.
    let mut life = running();
    let seen = pauses(&mut life, 10_001, 99);
    assert!(
        seen.len() < 99 && seen.iter().all(|pause| *pause == 0),
        "{seen:?}"
    );
}

#[test]
fn the_budget_does_refill_after_being_steady() {
    // Never resetting: a death every half window would latch at some time.
    let mut life = running();
    assert_eq!(pauses(&mut life, 30_000, 99), [0; 99]);
}

#[test]
fn a_slow_death_latches_too() {
    // The window is over between any two deaths, but it is never ready for long.
    let slow = SupervisorSettings {
        backoff_min_ms: 90_000,
        backoff_max_ms: 90_000,
        ..policy()
    };
    let mut life = Lifecycle::new(&slow, false);
    life.on(Event::Start, BootMs(0), 0);
    life.on(Event::Ready, BootMs(10), 0);
    assert_eq!(pauses(&mut life, 10, 99), [0, 90_000, 90_000]);
}

#[test]
fn jitter_stretches_a_pause_by_up_to_a_half() {
    let pause = |jitter| {
        let mut life = running();
        life.on(Event::Exited(KILLED), BootMs(20), 0);
        life.on(Event::Tick, BootMs(20), 0);
        life.on(Event::Exited(KILLED), BootMs(20), jitter);
        life.deadline().unwrap().since(BootMs(20))
    };
    assert_eq!([pause(0), pause(500), pause(1_000)], [100, 125, 150]);
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
fn silence_is_death_but_a_start_may_be_silent() {
    let mut life = running();
    assert_eq!(life.on(Event::Tick, BootMs(3_010), 0), []);
    let kill = life.on(Event::Tick, BootMs(3_011), 0);
    assert_eq!(kill, [Action::Kill("it makes no progress")]);
    assert_eq!(
        life.on(Event::Tick, BootMs(3_012), 0),
        [],
        "it is not killed twice"
    );
    assert_eq!(
        life.on(Event::Tick, BootMs(6_012), 0).len(),
        1,
        "unless it does not end"
    );
    let mut starting = in_state(ChildState::Starting);
    assert_eq!(starting.on(Event::Tick, BootMs(5_010), 0), []);
    let kill = starting.on(Event::Tick, BootMs(5_011), 0);
    assert_eq!(kill, [Action::Kill("it does not become ready")]);
}

#[test]
fn a_stop_that_hangs_is_a_kill() {
    let mut life = running();
    assert_eq!(life.on(Event::Stop, BootMs(20), 0), [Action::AskToStop]);
    assert_eq!(life.on(Event::Tick, BootMs(2_021), 0).len(), 1);
    life.on(Event::Exited(KILLED), BootMs(2_030), 0);
    assert_eq!(life.state(), ChildState::Stopped);
}

#[test]
fn a_bot_that_is_done_is_done() {
    let mut life = Lifecycle::new(&policy(), true);
    life.on(Event::Start, BootMs(0), 0);
    life.on(Event::Ready, BootMs(0), 0);
    assert_eq!(life.deadline(), None);
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
