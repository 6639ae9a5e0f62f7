//! Restarts, starts and edits of a whole deployment, against starting trivial programs (fork, exec
//! and the end of `/bin/true`) and against the same of a bare supervisor (`bare`).
//!
//! The programs, the bare one too, are copies as an installation has them.
//! Everything begins after the same rest: what has just been done many times in a row finds all of
//! it in the caches, and takes two thirds of the time (a row's note tells what its floor takes then).
//!
//! When a child is ready again, and when all are, is heard as a service manager hears it, by a
//! datagram: whoever asks for the status again and again takes the processor from those who start.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use daemon::client::Client;
use daemon::deployment::Deployment;
use nix::sys::signal::Signal;
use protocol::frame::Empty;
use protocol::status::{ChildState, ChildStatus, SupervisorStatus};
use protocol::supervisor::{SupervisorReply, SupervisorRequest};
use protocol::{Generation, Process};
use testkit::{Binaries, Harness, HarnessSpec, Sim, SimSpec};

use crate::bare::Bench;
use crate::measure::{Floor, Row, against, against_each, now_ns, percentile};

const PATIENCE: Duration = Duration::from_secs(30);

/// Deaths are forgiven soon, so that each kill is a first one.
const POLICY: &str = "supervisor:\n  restartBudget: 1000\n  steadyAfterSeconds: 0.01\n";

const REST_NS: u64 = 150_000_000;

/// Whose death, and the names of its rows: against one trivial child, against the bare loop.
const KILLS: [(Process, [&str; 2]); 3] = [
    (
        Process::AlertForwarder,
        [
            "kill -9 alert-forwarder, ready again / one child",
            "kill -9 alert-forwarder, ready again / bare waitpid",
        ],
    ),
    (
        Process::RiskGuard,
        [
            "kill -9 risk-guard, ready again / one child",
            "kill -9 risk-guard, ready again / bare waitpid",
        ],
    ),
    (
        Process::Gateway,
        [
            "kill -9 gateway, ready again / one child",
            "kill -9 gateway, ready again / bare waitpid",
        ],
    ),
];

const STARTS: [&str; 2] = [
    "supervisor start, all ready / three children",
    "supervisor start, all ready / bare waitpid",
];

pub(crate) fn cases(rows: &mut Vec<Row>, scale: usize) {
    let built = Binaries::beside_this_program().unwrap();
    let installed = tempfile::tempdir().unwrap();
    let binaries = built.copied_into(installed.path()).unwrap();
    let bench = Bench::installed(&built, installed.path());
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let profile = include_str!("../../../../configs/drill/normal.yaml")
        .replace("http://127.0.0.1:0", sim.url());
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config: format!("{profile}{POLICY}"),
        arguments: Vec::new(),
    };
    let path = dir.path().join("manager.sock");
    let manager = Manager::at(&path);
    let environment = vec![("NOTIFY_SOCKET", path.display().to_string())];
    let mut harness = Harness::start_within(&binaries, spec, environment).unwrap();
    harness.await_synced().unwrap();
    let (mut bare, _) = bench.start(3);
    let each = (10 / scale).max(3);
    for (process, names) in KILLS {
        let measured = against_each(
            5,
            || repeat(each, || kill(&harness, &manager, process)),
            vec![
                Floor::new(names[0], "<= 3 x", &mut || {
                    repeat(each, || after(&harness, || trivial(1)))
                }),
                Floor::new(names[1], "<= 3 x", &mut || {
                    repeat(each, || after(&harness, || bare.kill()))
                }),
            ],
        );
        let hot = [
            repeat(each * 5, || trivial(1)),
            repeat(each * 5, || bare.kill()),
        ];
        rows.extend(with_hot_floors(measured, hot));
    }
    rows.push(against(
        "kill -9 risk-guard without a spare / one child",
        "told",
        5,
        || repeat(each, || kill_again(&harness, &manager, Process::RiskGuard)),
        || repeat(each, || after(&harness, || trivial(1))),
    ));
    rows.push(edits(&harness, each * 10));
    drop(bare);
    let each = (6 / scale).max(2);
    let measured = against_each(
        5,
        || repeat(each, || start(&mut harness, &manager)),
        vec![
            Floor::new(STARTS[0], "<= 5 x", &mut || {
                repeat(each, || after_pause(|| trivial(3)))
            }),
            Floor::new(STARTS[1], "<= 5 x", &mut || {
                repeat(each, || after_pause(|| bench.start(3).1))
            }),
        ],
    );
    let hot = [
        repeat(each * 5, || trivial(3)),
        repeat(each * 5, || bench.start(3).1),
    ];
    rows.extend(with_hot_floors(measured, hot));
}

fn repeat(times: usize, mut one: impl FnMut() -> u64) -> Vec<u64> {
    (0..times).map(|_| one()).collect()
}

/// Tells beside each row what its floor takes many times in a row.
fn with_hot_floors(rows: Vec<Row>, hot: [Vec<u64>; 2]) -> impl Iterator<Item = Row> {
    rows.into_iter().zip(hot).map(|(row, mut hot)| {
        let hot = percentile(&mut hot, 500);
        row.noted(format!("(floor without the rest: {hot} ns)"))
    })
}

/// The rest before anything here: as long and as busy whatever comes next.
fn rest(harness: &Harness) -> SupervisorStatus {
    let begun = now_ns();
    let rested = |status: &_| now_ns() - begun > REST_NS && all_ready(status) && steady(status);
    Looks::at(harness).until(rested)
}

fn after(harness: &Harness, one: impl FnOnce() -> u64) -> u64 {
    rest(harness);
    one()
}

/// The same where no supervisor runs that could be asked.
fn after_pause(one: impl FnOnce() -> u64) -> u64 {
    std::thread::sleep(Duration::from_nanos(REST_NS));
    one()
}

/// Starts that many programs which do nothing, and waits for all of them.
fn trivial(children: usize) -> u64 {
    let begun = now_ns();
    let started: Vec<_> = (0..children)
        .map(|_| {
            let mut command = Command::new("/bin/true");
            command.stdin(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in started {
        child.wait().unwrap();
    }
    now_ns() - begun
}

/// Kills a child whose spare waits.
fn kill(harness: &Harness, manager: &Manager, process: Process) -> u64 {
    let before = rest(harness);
    let spare = child(&before, process).spare_pid;
    let begun = manager.ready_again(process, || {
        harness.signal(process, Signal::SIGKILL).unwrap();
    });
    let after = child(&harness.status().unwrap(), process);
    assert!(
        after.pid == spare && after.pid.is_some(),
        "the spare took its place"
    );
    begun
}

/// Kills a child that has just taken the place of another and has no spare yet: the next one is
/// started from nothing.
fn kill_again(harness: &Harness, manager: &Manager, process: Process) -> u64 {
    kill(harness, manager, process);
    std::thread::sleep(Duration::from_millis(20));
    let before = child(&harness.status().unwrap(), process);
    assert!(before.spare_pid.is_none(), "too late");
    manager.ready_again(process, || {
        harness.signal(process, Signal::SIGKILL).unwrap();
    })
}

fn child(status: &SupervisorStatus, process: Process) -> ChildStatus {
    let mut children = status.children.iter();
    let found = children.find(|child| child.process == process);
    found.cloned().unwrap()
}

fn start(harness: &mut Harness, manager: &Manager) -> u64 {
    harness.stop().unwrap();
    manager.forget();
    after_pause(|| {
        let begun = now_ns();
        harness.restart().unwrap();
        manager.until(|words| words == "READY=1");
        now_ns() - begun
    })
}

/// The service manager that the supervisor tells how things stand.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn until(&self, wanted: impl Fn(&str) -> bool) {
        let mut bytes = [0; 4096];
        loop {
            let n = self.0.recv(&mut bytes).unwrap();
            if wanted(std::str::from_utf8(&bytes[..n]).unwrap()) {
                return;
            }
        }
    }

    /// From `act`, which ends a child, until that child is ready once more.
    fn ready_again(&self, process: Process, act: impl FnOnce()) -> u64 {
        self.forget();
        let waits = format!("{process} to be ready");
        let begun = now_ns();
        act();
        self.until(|words| words.contains(&waits));
        self.until(|words| words.starts_with("STATUS=") && !words.contains(&waits));
        now_ns() - begun
    }

    /// What was said so far is old.
    fn forget(&self) {
        let mut bytes = [0; 4096];
        self.0.set_nonblocking(true).unwrap();
        while self.0.recv(&mut bytes).is_ok() {}
        self.0.set_nonblocking(false).unwrap();
    }
}

fn edits(harness: &Harness, times: usize) -> Row {
    let mut looks = Looks::at(harness);
    let text = std::fs::read_to_string(harness.config_file()).unwrap();
    let beside = harness.config_file().with_extension("new");
    let mut times: Vec<u64> = (0..times)
        .map(|n| {
            let before = looks.until(all_ready).config.applied;
            let wanted = Generation(before.0 + 1);
            let edited = text.replace(
                "sessionMaxTrades: 100",
                &format!("sessionMaxTrades: {}", 50 + n),
            );
            std::fs::write(&beside, edited).unwrap();
            let begun = now_ns();
            std::fs::rename(&beside, harness.config_file()).unwrap();
            looks.until(|status| {
                let everywhere = |child: &ChildStatus| child.generation == Some(wanted);
                status.config.applied == wanted && status.children.iter().all(everywhere)
            });
            now_ns() - begun
        })
        .collect();
    Row::alone(
        "edit saved, in force in every process",
        "<= 60 ms",
        &mut times,
    )
}

fn all_ready(status: &SupervisorStatus) -> bool {
    let ready = |state| state == ChildState::Ready;
    status.children.iter().all(|child| ready(child.state))
}

/// Every child has been up long enough for its next death to be a first one, and has a spare.
fn steady(status: &SupervisorStatus) -> bool {
    let up = |child: &ChildStatus| child.up_ms.is_some_and(|up| up > REST_NS / 1_000_000);
    let children = &mut status.children.iter();
    children.all(|child| up(child) && child.spare_pid.is_some())
}

/// The supervisor's picture, again and again on one connection.
struct Looks(Client);

impl Looks {
    fn at(harness: &Harness) -> Self {
        let path = Deployment::at(harness.dir()).supervisor_socket();
        Self(Client::connect(&path, PATIENCE).unwrap())
    }

    fn until(&mut self, wanted: impl Fn(&SupervisorStatus) -> bool) -> SupervisorStatus {
        loop {
            if let Some(status) = look(&mut self.0)
                && wanted(&status)
            {
                return status;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

fn look(client: &mut Client) -> Option<SupervisorStatus> {
    match client.request(&SupervisorRequest::Status(Empty {}), PATIENCE) {
        Ok(SupervisorReply::Status(status)) => Some(status),
        Ok(_) | Err(_) => None,
    }
}
