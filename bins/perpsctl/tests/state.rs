//! `perpsctl state` as an operator uses it: on real processes, while they run and while they do not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and starts the program it tests"
)]

#[path = "../../../shared/testkit/tests/stage/mod.rs"]
mod stage;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use protocol::guard::Verb;
use protocol::status::{ChildState, TradingState};
use protocol::{Process, Tag};
use serde_json::Value;
use stage::{PROFILE, Stage, accepted, qty, sol};
use testkit::until;

/// Runs `perpsctl --dir DIR state ...` and gives what came of it.
fn state(dir: &Path, arguments: &[&str]) -> Output {
    answering(dir, arguments, "")
}

fn answering(dir: &Path, arguments: &[&str], answer: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_perpsctl"))
        .arg("--dir")
        .arg(dir)
        .arg("state")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = child.stdin.take().unwrap().write_all(answer.as_bytes());
    // One that does not ask does not read.
    drop(told);
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn json(dir: &Path, arguments: &[&str]) -> (Value, i32) {
    let output = state(dir, &[arguments, &["--json"]].concat());
    let value = serde_json::from_slice(&output.stdout);
    (
        value.unwrap_or_else(|e| panic!("{e}: {}", said(&output))),
        code(&output),
    )
}

fn file(dir: &Path) -> PathBuf {
    dir.join("data/perps_state.json")
}

/// Changes a byte in the middle of a file.
fn spoil(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

/// Both snapshots are damaged, so that nothing leads to what was.
fn spoil_all(dir: &Path) {
    let previous = dir.join("data/perps_state.json.prev");
    // Until the second snapshot the two are one file.
    if !linked(&previous, &file(dir)) {
        spoil(&previous);
    }
    spoil(&file(dir));
}

fn linked(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(a).unwrap().ino() == fs::metadata(b).unwrap().ino()
}

#[test]
fn while_the_guard_runs() {
    let stage = Stage::ready(PROFILE);
    let dir = stage.dir.path();
    assert!(accepted(&stage.bot().buy(sol(), qty("1")).unwrap()));
    // The position may be read before the execution that made it.
    let session = until(20, "the trade to be counted", || {
        let session = stage.harness.risk().map_err(|e| e.to_string())?.session;
        if session.trades == 1 {
            Ok(session.id)
        } else {
            Err(format!("{session:?}"))
        }
    })
    .unwrap();

    // The trade is counted at once; its record follows with the journal's next write.
    let shown = until(20, "the trade's record to be in the journal", || {
        let (shown, exit) = json(dir, &["show"]);
        assert_eq!(
            (exit, &shown["outlook"]),
            (0, &Value::from("sound")),
            "{shown}"
        );
        if shown["state"]["session"]["trades"] == 1 {
            Ok(shown)
        } else {
            Err(shown["state"]["session"].to_string())
        }
    })
    .unwrap();
    let pid = stage.harness.pid_of(Process::RiskGuard).unwrap();
    assert_eq!(shown["guard"]["pid"], pid);
    let text = said(&state(dir, &["show"]));
    assert!(text.contains(&format!("pid {pid} since")), "{text}");
    assert!(text.contains("position   long 1.0 SOLUSDT"), "{text}");

    let (verified, exit) = json(dir, &["verify"]);
    assert_eq!((exit, &verified["outlook"]), (0, &Value::from("sound")));
    assert!(
        verified["records_replayed"].as_u64().unwrap() > 5,
        "{verified}"
    );
    assert_eq!(verified["differs_at"], serde_json::json!([]));

    let backup = dir.join("backup.json");
    let to = backup.to_str().unwrap();
    let (backed, exit) = json(dir, &["backup", to]);
    assert_eq!(exit, 0, "{backed}");
    let kept: Value = serde_json::from_slice(&fs::read(&backup).unwrap()).unwrap();
    assert_eq!(kept["state"]["session"]["trades"], 1);
    let again = state(dir, &["backup", to]);
    assert_eq!(code(&again), 1);
    assert!(said(&again).contains("is there already"));

    let refused = state(dir, &["restore", to]);
    assert_eq!(code(&refused), 1);
    assert!(
        said(&refused).contains("stop the harness first"),
        "{}",
        said(&refused)
    );

    for answer in ["", "no\n"] {
        let asked = answering(dir, &["reset"], answer);
        assert_eq!(code(&asked), 2, "{}", said(&asked));
    }
    assert_eq!(
        stage.harness.risk().unwrap().session.id,
        session,
        "nothing was reset"
    );
    stage
        .harness
        .operate(Verb::Halt { flatten: false })
        .unwrap();
    let reset = answering(dir, &["reset"], "yes\n");
    assert_eq!(code(&reset), 0, "{}", said(&reset));
    let risk = stage.harness.risk().unwrap();
    assert_eq!((risk.session.id.0, risk.session.trades), (session.0 + 1, 0));
    assert_eq!(risk.state, TradingState::Halted, "a reset ends no halt");
    stage.harness.await_tag(Tag::StateReset).unwrap();
    assert_eq!(code(&state(dir, &["verify"])), 0);
}

#[test]
fn while_it_does_not() {
    let mut stage = Stage::ready(PROFILE);
    let dir = stage.dir.path().to_owned();
    assert!(accepted(&stage.bot().buy(sol(), qty("1")).unwrap()));
    stage.bot().await_size(sol(), qty("1")).unwrap();
    stage
        .harness
        .operate(Verb::Halt { flatten: false })
        .unwrap();
    stage.harness.kill().unwrap();
    let backup = dir.join("backup.json");
    let to = backup.to_str().unwrap();
    until(20, "the guard to end", || {
        let report = json(&dir, &["show"]).0;
        if report["guard"].is_null() {
            Ok(())
        } else {
            Err(report.to_string())
        }
    })
    .unwrap();

    let (shown, exit) = json(&dir, &["show"]);
    assert_eq!((exit, &shown["outlook"]), (0, &Value::from("sound")));
    assert_eq!(
        shown["state"]["session"]["trades"], 1,
        "the journal's tail counts"
    );
    let (backed, exit) = json(&dir, &["backup", to]);
    assert_eq!(
        (exit, &backed["last_seq"]),
        (0, &shown["journal"]["last_seq"])
    );

    // One bad snapshot: the one before it and the journal tell the same.
    spoil(&file(&dir));
    let (verified, exit) = json(&dir, &["verify"]);
    if !linked(&file(&dir), &dir.join("data/perps_state.json.prev")) {
        assert_eq!(
            (exit, &verified["outlook"]),
            (0, &Value::from("sound")),
            "{verified}"
        );
    }
    fs::write(
        dir.join("data/perps_state.json.prev"),
        b"{\"what\": \"perps guard state\"",
    )
    .unwrap();
    let damaged = state(&dir, &["verify"]);
    assert_eq!(code(&damaged), 1);
    assert!(
        said(&damaged).contains("perpsctl state restore"),
        "{}",
        said(&damaged)
    );
    let no = state(&dir, &["backup", dir.join("b2.json").to_str().unwrap()]);
    assert_eq!(
        code(&no),
        1,
        "a damaged state is not backed up as a sound one"
    );
    let spoilt = dir.join("spoilt.json");
    fs::copy(&backup, &spoilt).unwrap();
    spoil(&spoilt);
    let refused = state(&dir, &["restore", spoilt.to_str().unwrap()]);
    assert_eq!(code(&refused), 1);
    assert!(
        said(&refused).contains("no sound state"),
        "{}",
        said(&refused)
    );

    let (restored, exit) = json(&dir, &["restore", to]);
    assert_eq!(exit, 0, "{restored}");
    assert!(
        Path::new(restored["archive"].as_str().unwrap())
            .join("perps_state.json")
            .exists()
    );
    assert_eq!(code(&state(&dir, &["verify"])), 0);
    stage.harness.restart().unwrap();
    let risk = stage.harness.await_synced().unwrap();
    assert_eq!((risk.session.trades, risk.state), (1, TradingState::Halted));
    assert_eq!(risk.positions.len(), 1);
}

#[test]
fn a_reset_between_two_lives_resets_limits_and_no_more() {
    let mut stage = Stage::ready(PROFILE);
    let dir = stage.dir.path().to_owned();
    assert!(accepted(&stage.bot().buy(sol(), qty("1")).unwrap()));
    stage.bot().await_size(sol(), qty("1")).unwrap();
    stage
        .harness
        .operate(Verb::Halt { flatten: false })
        .unwrap();
    let session = stage.harness.risk().unwrap().session.id;
    stage.harness.stop().unwrap();
    assert_eq!(code(&answering(&dir, &["reset"], "no\n")), 2);
    assert!(file(&dir).exists());
    let reset = state(&dir, &["reset", "--yes"]);
    assert_eq!(code(&reset), 0, "{}", said(&reset));
    assert_eq!(json(&dir, &["show"]).0["outlook"], "deleted");
    stage.harness.restart().unwrap();
    let risk = stage.harness.await_synced().unwrap();
    stage.harness.await_tag(Tag::StateReset).unwrap();
    assert_eq!((risk.session.id.0, risk.session.trades), (session.0 + 1, 0));
    assert_eq!(risk.state, TradingState::Halted);
    assert_eq!(risk.positions.len(), 1, "the book was kept");
    let archived = fs::read_dir(dir.join("data")).unwrap().flatten();
    let names: Vec<String> = archived
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("perps_state.archived-"))
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_damaged_state_is_reset_while_the_guard_runs() {
    let mut stage = Stage::ready(PROFILE);
    let dir = stage.dir.path().to_owned();
    let first = stage.await_buy("before");
    stage.bot().await_size(sol(), qty("1")).unwrap();
    assert!(accepted(&stage.bot().close(sol(), qty("1")).unwrap()));
    stage.bot().await_size(sol(), qty("0")).unwrap();
    stage.harness.stop().unwrap();
    spoil_all(&dir);
    stage.harness.restart().unwrap();
    stage.harness.await_synced().unwrap();
    stage.harness.await_tag(Tag::StateCorrupt).unwrap();
    assert!(!accepted(&stage.bot().buy(sol(), qty("1")).unwrap()));
    let (shown, exit) = json(&dir, &["show"]);
    assert_eq!(
        (exit, &shown["outlook"], &shown["guard"]["sealed"]),
        (1, &"corrupt".into(), &true.into())
    );

    let reset = state(&dir, &["reset", "--yes"]);
    assert_eq!(code(&reset), 0, "{}", said(&reset));
    let after = stage.await_buy("after");
    assert_ne!(after.link_id, first.link_id, "no name is given twice");
    assert_eq!(code(&state(&dir, &["verify"])), 0);
    let pid = stage.harness.pid_of(Process::RiskGuard).unwrap();
    stage
        .harness
        .signal(Process::RiskGuard, Signal::SIGKILL)
        .unwrap();
    stage.await_back(Process::RiskGuard, pid);
    assert_eq!(json(&dir, &["verify"]).1, 0);
    stage.await_buy("again");
}

#[test]
fn nothing_there_and_nothing_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let shown = state(dir, &["show"]);
    assert_eq!(code(&shown), 0);
    assert!(said(&shown).contains("is not there"), "{}", said(&shown));
    assert_eq!(code(&state(dir, &["verify"])), 1);
    assert_eq!(code(&state(dir, &["reset", "--yes"])), 0);
    assert_eq!(code(&state(dir, &["backup", "never.json"])), 1);
    assert_eq!(code(&state(dir, &["restore", "absent.json"])), 1);
    assert_eq!(code(&state(dir, &["mend"])), 2);
    let other = dir.join("other.json");
    fs::write(&other, "{\"peak\": 1}").unwrap();
    let named = other.to_str().unwrap();
    for command in ["show", "verify"] {
        let refused = state(dir, &["--file", named, command]);
        assert_eq!(code(&refused), 1);
        let text = said(&refused);
        assert!(text.contains("was not written by this program"), "{text}");
    }
    let reset = state(dir, &["--file", named, "reset", "--yes"]);
    assert_eq!(code(&reset), 1);
    assert_eq!(fs::read_to_string(&other).unwrap(), "{\"peak\": 1}");
}

#[test]
fn a_state_that_cannot_be_used_blocks_entries_and_is_left_alone() {
    let mut stage = Stage::ready(PROFILE);
    let dir = stage.dir.path().to_owned();
    stage.harness.stop().unwrap();
    let aside = dir.join("aside.json");
    fs::rename(file(&dir), &aside).unwrap();
    fs::create_dir(file(&dir)).unwrap();
    stage.harness.restart().unwrap();
    // The guard ends with 78: it is not started again and again, and says why.
    let guard = until(30, "the guard to be given up", || {
        let status = stage.harness.status().map_err(|e| e.to_string())?;
        let guard = status
            .children
            .iter()
            .find(|c| c.process == Process::RiskGuard);
        match guard {
            Some(guard) if guard.state == ChildState::Latched => Ok(guard.clone()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    let log = fs::read_to_string(dir.join("logs/risk-guard.log")).unwrap();
    assert!(
        log.contains("is a directory, not a file; move it away"),
        "{guard:?}: {log}"
    );
    let status = Command::new(env!("CARGO_BIN_EXE_perpsctl"))
        .arg("--dir")
        .arg(&dir)
        .arg("status")
        .output()
        .unwrap();
    assert_eq!(code(&status), 5, "entries are blocked: {}", said(&status));
    let placed = stage.bot().buy(sol(), qty("1"));
    assert!(!placed.is_ok_and(|placed| accepted(&placed)));
    assert!(
        fs::read_dir(file(&dir)).unwrap().next().is_none(),
        "left alone"
    );
    assert_eq!(code(&state(&dir, &["verify"])), 1);
}

#[test]
fn a_backup_onto_a_full_disk_says_so_and_leaves_nothing() {
    let stage = Stage::ready(PROFILE);
    let full = stage.dir.path().join("full");
    fs::create_dir(&full).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4k", "perps-test"])
        .arg(&full)
        .stderr(Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        println!("SKIPPED: a disk of its own cannot be mounted here (root is needed)");
        return;
    }
    let to = full.join("backup.json");
    let refused = state(stage.dir.path(), &["backup", to.to_str().unwrap()]);
    let left = fs::read_dir(&full).unwrap().count();
    let gone = Command::new("umount").arg("-l").arg(&full).status();
    assert!(gone.unwrap().success());
    let text = said(&refused);
    assert_eq!((code(&refused), left), (1, 0), "{text}");
    assert!(text.contains("no backup was made: no room to"), "{text}");
    assert!(text.contains("free some space: No space left"), "{text}");
    assert!(!text.contains("by itself"), "{text}");
}
