//! A real guard on a disk that fails: full, with syncs that fail, read-only; and on files that are
//! not its own. Entries stop, exits go, nothing is overwritten, one sentence says why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

mod player;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use player::{
    CONFIG, Mounted, Peer, SmallDisk, Supervisor, Tracer, boot_ms, exit, intent, long, sigcont,
    sigstop, sync, sync_with, until,
};
use protocol::control::{EXIT_CONFIG, Order, Report};
use protocol::frame::{self, Head};
use protocol::guard::{GuardReply, GuardRequest, OutcomeReport, Verb};
use protocol::{Approval, Decision, Generation, Outcome, Tag};

/// A profile that nothing runs into.
const WIDE: &str = "trading:\n  max_daily_risk: 0.5\nperps:\n  useTestnet: true\n";

#[test]
fn a_burst_of_allows_is_one_sync() {
    let mut guard = Supervisor::started(WIDE);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    gateway.approved(&intent("first"));
    let Some(tracer) = Tracer::attach(guard.pid(), &["trace=fdatasync,fsync"]) else {
        return;
    };
    let mut bytes = Vec::new();
    let ids: Vec<u64> = (0..64).map(|n| 1_000 + n).collect();
    for id in &ids {
        let request = GuardRequest::Authorize(intent(&format!("b-{id}")));
        let head = Head::request(*id, boot_ms().after(60_000));
        frame::write(head, &request, &mut bytes).unwrap();
    }
    // All of them wait when it looks.
    sigstop(guard.pid());
    gateway.send_bytes(&bytes);
    sigcont(guard.pid());
    for id in ids {
        let reply = gateway.answer_to(id);
        assert!(
            matches!(reply, GuardReply::Decision(Decision::Approved(_))),
            "{reply:?}"
        );
    }
    let calls = tracer.let_go();
    let syncs: Vec<&String> = calls.iter().filter(|call| call.contains(".seg>")).collect();
    println!("64 allows: {} fdatasync of the journal", syncs.len());
    assert_eq!(syncs.len(), 1, "{calls:#?}");
}

#[test]
fn a_sync_that_failed_once_is_never_trusted_again() {
    let mut guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync_with(&mut gateway, vec![long("3")]);
    gateway.operate(Verb::ReconAcknowledge);
    let before = gateway.approved(&intent("before"));
    let fails = ["trace=fdatasync,fsync", "inject=fdatasync,fsync:error=EIO"];
    let Some(tracer) = Tracer::attach(guard.pid(), &fails) else {
        return;
    };
    let denial = gateway.refused(&intent("during"));
    assert_eq!(denial.tag, Tag::StateCorrupt, "{denial:?}");
    assert!(denial.message.contains("sync"), "{denial:?}");
    let leave = gateway.authorize(&exit("out"));
    assert!(
        matches!(leave, Decision::Approved(_)),
        "an exit waits for no disk: {leave:?}"
    );
    assert!(tracer.let_go().iter().any(|call| call.contains("EIO")));

    // The disk is well again, and says so; what it lost it does not say.
    for n in 0..3 {
        let denial = gateway.refused(&intent(&format!("after-{n}")));
        assert_eq!(denial.tag, Tag::StateCorrupt, "{denial:?}");
    }
    let fault = gateway.status().state_fault.unwrap();
    assert!(fault.contains("restart"), "{fault}");
    guard.await_log(Tag::StateCorrupt.name());

    guard.kill();
    guard.start(CONFIG, &[]);
    let (mut gateway, welcome) = Peer::gateway(&guard.socket());
    let known: Vec<_> = welcome.unresolved.iter().map(|a| a.approval_id).collect();
    assert!(
        known.contains(&before.approval_id),
        "what was spoken is there: {known:?}"
    );
    assert!(gateway.status().state_fault.is_none());
    // Whatever else it read it has written once more; only what is in doubt stands in the way.
    for approval in &welcome.unresolved {
        never_sent(&mut gateway, approval);
    }
    sync_with(&mut gateway, vec![long("3")]);
    gateway.operate(Verb::ReconAcknowledge);
    gateway.approved(&intent("anew"));
}

#[test]
fn a_full_disk_stops_entries_and_never_an_exit() {
    let mut guard = Supervisor::new();
    let name = "a_full_disk_stops_entries_and_never_an_exit";
    let Mounted::Here(disk) = SmallDisk::mount(&guard.dir().join("data"), "24m", name) else {
        return;
    };
    guard.start(CONFIG, &[]);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync_with(&mut gateway, vec![long("3")]);
    gateway.operate(Verb::ReconAcknowledge);
    gateway.approved(&intent("before"));
    disk.fill();

    let mut refused = None;
    for n in 0..200_000 {
        match gateway.authorize(&exit(&format!("x-{n}"))) {
            Decision::Approved(approval) => never_sent(&mut gateway, &approval),
            other => panic!("an exit was refused: {other:?}"),
        }
        if n % 50 == 0
            && let Decision::Denied(denial) = gateway.authorize(&intent(&format!("e-{n}")))
            && denial.tag == Tag::StateCorrupt
        {
            refused = Some(denial);
            break;
        }
    }
    let refused = refused.expect("the disk ran full");
    assert!(
        refused.message.contains("room") || refused.message.contains("disk"),
        "{refused:?}"
    );
    assert!(gateway.status().state_fault.is_some());
    assert!(matches!(
        gateway.authorize(&exit("out")),
        Decision::Approved(_)
    ));

    disk.free();
    until("the fault to end", || {
        gateway.status().state_fault.is_none().then_some(())
    });
    drop(gateway);
    drop(guard);
}

#[test]
fn a_read_only_disk_is_refused_in_one_sentence() {
    let mut guard = Supervisor::new();
    let name = "a_read_only_disk_is_refused_in_one_sentence";
    let data = guard.dir().join("data");
    let Mounted::Here(disk) = SmallDisk::mount(&data, "24m", name) else {
        return;
    };
    guard.start(CONFIG, &[]);
    guard.stop();
    let before = listing(&data);
    disk.make_read_only();
    let why = refusal(&mut guard);
    assert!(why.contains("is on a read-only file system"), "{why}");
    assert_eq!(listing(&data), before);
    drop(guard);
}

#[test]
fn what_is_not_a_state_is_refused_in_one_sentence_and_left_alone() {
    type Spoil = fn(&Path);
    let table: [(&str, Spoil, &str); 8] = [
        (
            "a directory",
            |p| fs::create_dir(p).unwrap(),
            "is a directory, not a file",
        ),
        (
            "a symbolic link",
            |p| symlink("elsewhere.json", p).unwrap(),
            "is a symbolic link, not a file",
        ),
        (
            "an empty file",
            |p| own(p, b""),
            "was not written by this program (it is empty)",
        ),
        (
            "a file of another program",
            |p| own(p, b"{\"peak_equity\": 10000.0, \"trades\": []}"),
            "was not written by this program",
        ),
        ("1 GB", |p| sparse(p), "more than the"),
        (
            "a file that others may write",
            |p| {
                own(p, b"{}");
                fs::set_permissions(p, fs::Permissions::from_mode(0o666)).unwrap();
            },
            "may be written by other users (mode 0666)",
        ),
        (
            "a journal that is a file",
            |p| own(&p.with_extension("journal"), b"x"),
            "not a directory",
        ),
        (
            "a segment of 1 GB",
            |p| {
                fs::create_dir(p.with_extension("journal")).unwrap();
                sparse(&p.with_extension("journal").join("00000001.seg"));
            },
            "more than the",
        ),
    ];
    for (what, spoil, sentence) in table {
        let mut guard = Supervisor::new();
        let data = guard.dir().join("data");
        spoil(&data.join("perps_state.json"));
        let before = listing(&data);
        let why = refusal(&mut guard);
        assert!(why.contains(sentence), "{what}: {why}");
        assert!(!why.contains('\n'), "{what}: {why}");
        assert_eq!(listing(&data), before, "{what}");
    }
}

#[test]
fn a_state_of_another_account_or_of_a_newer_version_is_refused() {
    let mut guard = Supervisor::started(CONFIG);
    guard.stop();
    let data = guard.dir().join("data");
    let before = listing(&data);
    let other = format!("exchange:\n  name: bybit\n{CONFIG}");
    let why = match prepared(&mut guard, &other) {
        // Only one venue is known today: then the config already says no.
        Err(refused) => refused,
        Ok(()) => failing(&mut guard),
    };
    assert!(why.contains("bybit"), "{why}");
    assert_eq!(listing(&data), before);

    // A later version's: the same bytes under a higher schema, checksum and all.
    let file = data.join("perps_state.json");
    let identity = state::Identity {
        account: "zoomex".into(),
        mode: "testnet".into(),
        schema: risk::SCHEMA_VERSION + 1,
    };
    let paths = state::StorePaths::new(&file);
    let seen = state::inspect(&state::Disk, &paths, risk::SCHEMA_VERSION).unwrap();
    let base = seen.base.unwrap();
    state::write_snapshot(
        &state::Disk,
        &file,
        &identity,
        state::UnixMs(0),
        base.last_seq,
        &base.state,
    )
    .unwrap();
    let before = listing(&data);
    let why = refusal(&mut guard);
    assert!(why.contains("run the newer version"), "{why}");
    assert_eq!(listing(&data), before);
}

#[test]
fn files_that_may_not_be_read_are_refused_in_one_sentence() {
    let mut guard = Supervisor::started(CONFIG);
    guard.stop();
    let data = guard.dir().join("data");
    let before = listing(&data);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o000)).unwrap();
    let why = if nix::unistd::geteuid().is_root() {
        guard.as_nobody();
        refusal(&mut guard)
    } else {
        refusal(&mut guard)
    };
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(why.contains("no permission for"), "{why}");
    assert_eq!(listing(&data), before);
}

/// Starts a guard that cannot run on its files: why, in its own words. It ends with 78.
fn refusal(guard: &mut Supervisor) -> String {
    prepared(guard, CONFIG).unwrap();
    failing(guard)
}

fn prepared(guard: &mut Supervisor, config: &str) -> Result<(), String> {
    guard.spawn(&[]);
    match guard.prepare(1, config) {
        Report::Prepared(_) => Ok(()),
        Report::Refused(refused) => {
            guard.kill();
            Err(refused.reason)
        }
        other => panic!("{other:?}"),
    }
}

fn failing(guard: &mut Supervisor) -> String {
    guard.say(&Order::Commit(Generation(1)));
    let report = guard.report_that(|report| !matches!(report, Report::Heartbeat(_)));
    let Report::Failing(why) = report else {
        panic!("{report:?}")
    };
    assert_eq!(guard.ended().code(), Some(i32::from(EXIT_CONFIG)), "{why}");
    why
}

/// Gives an approval back, so that it reserves nothing any more.
fn never_sent(gateway: &mut Peer, approval: &Approval) {
    let report = OutcomeReport {
        approval_id: approval.approval_id,
        outcome: Outcome::NotSent {
            why: "only a trial".into(),
        },
        signed_at: None,
    };
    gateway.ask(&GuardRequest::Outcome(report));
}

fn own(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn sparse(path: &Path) {
    own(path, b"");
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(1 << 30).unwrap();
}

/// Every name under `dir` but the lock's, with length, inode and time of change.
fn listing(dir: &Path) -> Vec<(String, u64, u64, i64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        let (length, time) = if meta.is_dir() {
            (0, 0)
        } else {
            (meta.len(), meta.mtime_nsec())
        };
        if path.extension().is_none_or(|end| end != "lock") {
            found.push((path.display().to_string(), length, meta.ino(), time));
        }
        if meta.is_dir() {
            found.extend(listing(&path));
        }
    }
    found.sort();
    found
}
