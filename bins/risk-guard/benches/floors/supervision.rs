//! Restarts, starts and edits of a whole deployment, against starting trivial programs.

use std::process::{Command, Stdio};
use std::time::Duration;

use daemon::client::Client;
use daemon::deployment::Deployment;
use nix::sys::signal::Signal;
use protocol::frame::Empty;
use protocol::status::{ChildState, SupervisorStatus};
use protocol::supervisor::{SupervisorReply, SupervisorRequest};
use protocol::{Generation, Process};
use testkit::{Binaries, Harness, HarnessSpec, Sim, SimSpec};

use crate::measure::{Row, against, now_ns};

const PATIENCE: Duration = Duration::from_secs(30);

/// Deaths are forgiven soon, so that each kill is a first one.
const POLICY: &str = "supervisor:\n  restartBudget: 1000\n  steadyAfterSeconds: 0.01\n";

pub(crate) fn cases(rows: &mut Vec<Row>, scale: usize) {
    let binaries = Binaries::beside_this_program().unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let profile = include_str!("../../../../configs/drill/normal.yaml")
        .replace("http://127.0.0.1:0", sim.url());
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config: format!("{profile}{POLICY}"),
        arguments: Vec::new(),
    };
    let mut harness = Harness::start(&binaries, spec).unwrap();
    harness.await_synced().unwrap();
    let each = (20 / scale).max(3);
    for (process, name) in [
        (
            Process::AlertForwarder,
            "kill -9 alert-forwarder, ready again / one child",
        ),
        (
            Process::RiskGuard,
            "kill -9 risk-guard, ready again / one child",
        ),
        (Process::Gateway, "kill -9 gateway, ready again / one child"),
    ] {
        rows.push(against(
            name,
            "<= 3 x",
            5,
            || (0..each).map(|_| kill(&harness, process)).collect(),
            || (0..each).map(|_| trivial(1)).collect(),
        ));
    }
    rows.push(edits(&harness, each * 5));
    let each = (6 / scale).max(2);
    rows.push(against(
        "supervisor start, all ready / three children",
        "<= 5 x",
        5,
        || (0..each).map(|_| start(&mut harness)).collect(),
        || (0..each).map(|_| trivial(3)).collect(),
    ));
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

fn kill(harness: &Harness, process: Process) -> u64 {
    let mut looks = Looks::at(harness);
    let before = looks.until(|status| all_ready(status) && steady(status));
    let child = |status: &SupervisorStatus| {
        let mut children = status.children.iter();
        children
            .find(|child| child.process == process)
            .cloned()
            .unwrap()
    };
    let pid = child(&before).pid;
    let begun = now_ns();
    harness.signal(process, Signal::SIGKILL).unwrap();
    looks.until(|status| {
        let now = child(status);
        now.state == ChildState::Ready && now.pid != pid
    });
    now_ns() - begun
}

fn start(harness: &mut Harness) -> u64 {
    harness.stop().unwrap();
    let begun = now_ns();
    harness.restart().unwrap();
    let path = Deployment::at(harness.dir()).supervisor_socket();
    // The socket of the one before is there until the new one is bound.
    let mut client = loop {
        if let Ok(client) = Client::connect(&path, PATIENCE) {
            break client;
        }
        std::thread::yield_now();
    };
    while !look(&mut client).is_some_and(|status| all_ready(&status)) {}
    now_ns() - begun
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
                let everywhere =
                    |child: &protocol::status::ChildStatus| child.generation == Some(wanted);
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

/// Every child has been up long enough for its next death to be a first one.
fn steady(status: &SupervisorStatus) -> bool {
    let children = &mut status.children.iter();
    children.all(|child| child.up_ms.is_some_and(|up| up > 100))
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
