//! `supervisor.operatorGroup` as its members and as strangers find it. Needs root, to become
//! another user.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and starts the program it tests"
)]

#[path = "../../../shared/testkit/tests/stage/mod.rs"]
mod stage;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Gid, Group, User, geteuid};
use protocol::status::TradingState;
use protocol::{Process, Tag};
use serde_json::Value;
use stage::{PROFILE, Stage};

/// Becomes another user with other groups, and runs a program.
const SETPRIV: &str = "/usr/bin/setpriv";
/// A group that every host has and nothing of ours is in.
const GROUP: &str = "daemon";

/// Somebody at a terminal: `nobody` in this group, as `sg GROUP` makes it.
struct Somebody<'a> {
    program: PathBuf,
    dir: &'a Path,
    group: Gid,
}

impl Somebody<'_> {
    /// Exit code and the JSON that `perpsctl` prints.
    fn says(&self, words: &str) -> (i32, Value) {
        let nobody = User::from_name("nobody").unwrap().unwrap();
        let output = Command::new(SETPRIV)
            .args(["--reuid", &nobody.uid.to_string()])
            .args(["--regid", &self.group.to_string(), "--clear-groups"])
            .arg(&self.program)
            .arg("--dir")
            .arg(self.dir)
            .args(words.split(' '))
            .arg("--json")
            // What it calls itself is no more than an addition.
            .env("SUDO_USER", "alice")
            .output()
            .unwrap();
        let said = serde_json::from_slice(&output.stdout);
        (
            output.status.code().unwrap(),
            said.unwrap_or_else(|e| panic!("{words}: {e}: {output:?}")),
        )
    }
}

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_member_operates_and_a_stranger_is_refused() {
    if !geteuid().is_root() || !Path::new(SETPRIV).exists() {
        println!("SKIPPED: only root can become another user, by {SETPRIV}");
        return;
    }
    let operators = Group::from_name(GROUP).unwrap().unwrap();
    let nogroup = User::from_name("nobody").unwrap().unwrap().gid;
    let policy = format!("supervisor:\n  operatorGroup: {GROUP}\n");
    let mut stage = Stage::ready(&format!("{PROFILE}{policy}"));
    let dir = stage.dir.path().to_owned();
    open(&dir, 0o711);
    // Where the program was built others need not come through.
    let place = tempfile::tempdir().unwrap();
    open(place.path(), 0o711);
    let program = place.path().join("perpsctl");
    fs::copy(env!("CARGO_BIN_EXE_perpsctl"), &program).unwrap();
    open(&program, 0o755);
    let member = Somebody {
        program: program.clone(),
        dir: &dir,
        group: operators.gid,
    };
    let stranger = Somebody {
        program,
        dir: &dir,
        group: nogroup,
    };

    let (code, seen) = member.says("status");
    assert_eq!(
        (code, &seen["risk"]["state"]),
        (0, &"ACTIVE".into()),
        "{seen}"
    );
    assert_eq!(
        (&seen["alerts"], &seen["alerts_closed"]),
        (&Value::Null, &true.into())
    );
    let (code, said) = member.says("halt");
    assert_eq!((code, &said["state"]), (0, &"HALTED".into()), "{said}");
    assert_eq!(stage.harness.risk().unwrap().state, TradingState::Halted);
    stage.harness.await_tag(Tag::Halt).unwrap();
    let told = stage.harness.trading_log().unwrap();
    let nobody = User::from_name("nobody").unwrap().unwrap().uid;
    let who = format!("halted by nobody (uid {nobody}) for alice");
    assert!(told.contains(&who), "{who}: {told}");
    let (code, said) = member.says("resume");
    assert_eq!((code, &said["state"]), (0, &"ACTIVE".into()), "{said}");
    let old = stage.harness.pid_of(Process::Gateway).unwrap();
    let (code, said) = member.says("restart gateway");
    assert_eq!((code, &said["state"]), (0, &"ready".into()), "{said}");
    assert_ne!(stage.harness.pid_of(Process::Gateway).unwrap(), old);
    stage.harness.await_synced().unwrap();
    let (code, said) = member.says("config apply --wait");
    assert_eq!((code, &said["changed"]), (0, &false.into()), "{said}");

    for words in [
        "halt",
        "restart gateway",
        "config apply",
        "session new",
        "limits",
    ] {
        let (code, said) = stranger.says(words);
        let error = &said["error"];
        assert_eq!(
            (code, &error["code"]),
            (1, &"forbidden".into()),
            "{words}: {said}"
        );
        let why = error["message"].as_str().unwrap();
        assert!(why.contains(": only "), "{why}");
    }
    assert_eq!(stage.harness.risk().unwrap().state, TradingState::Active);
    // A member says words; the files stay closed to it.
    let (code, said) = member.says("state verify");
    assert_eq!(
        (code, &said["error"]["kind"]),
        (1, &"failed".into()),
        "{said}"
    );
}
