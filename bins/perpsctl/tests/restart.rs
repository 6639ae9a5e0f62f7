//! `perpsctl restart` as an operator uses it: on a process that is not started any more, on one that
//! runs, on one that dies again, on one that there is not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and starts the program it tests"
)]

#[path = "../../../shared/testkit/tests/stage/mod.rs"]
mod stage;

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use protocol::Process;
use protocol::status::{ChildState, ChildStatus};
use serde_json::Value;
use stage::{PROFILE, Stage, accepted, qty, sol};
use testkit::until;

/// One restart and no more; what is killed twice is latched.
const STRICT: &str = "supervisor:\n  restartBudget: 1\n  backoffMinMs: 10\n";

/// Exit code, stdout, stderr.
fn perpsctl(dir: &Path, words: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_perpsctl"))
        .arg("--dir")
        .arg(dir)
        .args(words.split(' '))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

fn child(stage: &Stage, process: Process) -> Result<ChildStatus, String> {
    let children = stage.harness.status().map_err(|e| e.to_string())?.children;
    let mut children = children.into_iter();
    let found = children.find(|child| child.process == process);
    found.ok_or_else(|| format!("no {process}"))
}

fn await_state(stage: &Stage, process: Process, wanted: ChildState) -> ChildStatus {
    until(30, &format!("{process} to be {wanted}"), || {
        match child(stage, process)? {
            child if child.state == wanted => Ok(child),
            child => Err(child.state.to_string()),
        }
    })
    .unwrap()
}

/// Kills it until it is not started any more.
fn latch(stage: &Stage, process: Process) {
    for _ in 0..2 {
        let old = await_state(stage, process, ChildState::Ready).pid;
        stage.harness.signal(process, Signal::SIGKILL).unwrap();
        until(30, "its end to be seen", || match child(stage, process)? {
            child if child.pid == old => Err(child.state.to_string()),
            _ => Ok(()),
        })
        .unwrap();
    }
    await_state(stage, process, ChildState::Latched);
}

#[test]
fn a_latched_guard_is_brought_back_with_its_session() {
    let mut stage = Stage::ready(&format!("{PROFILE}{STRICT}"));
    let dir = stage.dir.path().to_owned();
    assert!(accepted(&stage.bot().buy(sol(), qty("1")).unwrap()));
    let session = stage.harness.risk().unwrap().session.id;
    latch(&stage, Process::RiskGuard);
    let (code, said, _) = perpsctl(&dir, "status");
    assert!(code == 5 && said.contains("LATCHED"), "{code} {said}");
    assert!(said.contains("perpsctl restart risk-guard"), "{said}");
    assert!(!accepted(&stage.bot().buy(sol(), qty("1")).unwrap()));

    let (code, said, why) = perpsctl(&dir, "restart risk-guard --json");
    assert_eq!(code, 0, "{said}{why}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let guard = child(&stage, Process::RiskGuard).unwrap();
    assert_eq!((guard.state, guard.restarts), (ChildState::Ready, 0));
    assert_eq!(
        (&said["process"], &said["was"], &said["state"], &said["pid"]),
        (
            &"risk-guard".into(),
            &"latched".into(),
            &"ready".into(),
            &guard.pid.into()
        )
    );
    let risk = stage.harness.await_synced().unwrap();
    assert_eq!(risk.session.id, session);
    stage.await_buy("after-the-restart");
    let log = stage.harness.trading_log().unwrap();
    let uid = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(uid).unwrap().unwrap().name;
    let word = format!("risk-guard (latched) is restarted by {user}");
    assert!(log.contains(&word), "{word}: {log}");

    // The budget is whole again: it takes two deaths to latch it once more.
    latch(&stage, Process::RiskGuard);
}

#[test]
fn one_that_runs_is_stopped_in_order_and_started() {
    let mut stage = Stage::ready(&format!("{PROFILE}{STRICT}"));
    let dir = stage.dir.path().to_owned();
    for process in [
        Process::Gateway,
        Process::RiskGuard,
        Process::AlertForwarder,
    ] {
        let old = stage.harness.pid_of(process).unwrap();
        let (code, said, why) = perpsctl(&dir, &format!("restart {process}"));
        assert_eq!(code, 0, "{said}{why}");
        let now = child(&stage, process).unwrap();
        assert_ne!(now.pid, Some(old));
        assert_eq!(
            (now.restarts, now.last_exit.as_deref()),
            (0, Some("exit 0")),
            "{process}"
        );
    }
    stage.harness.await_synced().unwrap();
    stage.await_buy("after-all-three");
}

#[test]
fn one_that_dies_again_says_so_and_one_that_is_not_there_is_refused() {
    let bot = "bot:\n  command: [\"/bin/sh\", \"-c\", \"exit $(cat code || echo 0)\"]\n";
    let stage = Stage::ready_but(&format!("{PROFILE}{bot}{STRICT}"), Process::Bot);
    let dir = stage.dir.path();
    // A bot that is done is stopped; now it would end otherwise.
    await_state(&stage, Process::Bot, ChildState::Stopped);
    fs::write(dir.join("code"), "3").unwrap();
    let (code, said, why) = perpsctl(dir, "restart bot");
    assert_eq!(code, 1, "{said}{why}");
    assert!(
        why.contains("ended again (exit 3)") && why.contains("perpsctl logs bot"),
        "{why}"
    );
    await_state(&stage, Process::Bot, ChildState::Latched);

    let (code, _, why) = perpsctl(dir, "restart gatway");
    assert!(code == 2 && why.contains("'gateway'"), "{code} {why}");
    drop(stage);
    let stage = Stage::ready(PROFILE);
    let (code, _, why) = perpsctl(stage.dir.path(), "restart bot");
    assert!(
        code == 1 && why.contains("no bot runs here"),
        "{code} {why}"
    );
}
