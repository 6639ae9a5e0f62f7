//! A real guard keeps its state: through crashes, a deleted file and a damaged one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

mod player;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;

use player::{CONFIG, Peer, Supervisor, intent, sync, until};
use protocol::alerts::{AlertsReply, AlertsRequest};
use protocol::control::{Order, Report};
use protocol::frame::{self, Empty, Envelope, Head};
use protocol::guard::{GuardReply, Verb};
use protocol::status::TradingState;
use protocol::{Generation, Tag};

#[test]
fn a_deleted_snapshot_is_written_again_and_resets_nothing() {
    let mut guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    gateway.approved(&intent("kept"));
    let file = guard.dir().join("data/perps_state.json");
    assert!(file.exists(), "there from the start");
    fs::remove_file(&file).unwrap();
    until("the snapshot to be written again", || {
        file.exists().then_some(())
    });
    guard.await_log("deleted");
    guard.kill();
    guard.start(CONFIG, &[]);
    assert_eq!(guard.connect().status().unresolved, 1);
}

#[test]
fn it_has_precedence_or_says_that_it_has_none() {
    let mut guard = Supervisor::started(CONFIG);
    let stat = fs::read_to_string(format!("/proc/{}/stat", guard.pid())).unwrap();
    let (_, behind_name) = stat.rsplit_once(')').unwrap();
    match behind_name.split_whitespace().nth(16).unwrap() {
        "-5" => {}
        "0" => drop(guard.await_log("no precedence")),
        other => panic!("nice {other}"),
    }
}

#[test]
fn a_snapshot_deleted_before_the_start_resets_the_counters_and_keeps_the_halt() {
    let mut guard = Supervisor::started(CONFIG);
    let mut operator = guard.connect();
    assert!(matches!(
        operator.operate(Verb::Halt { flatten: false }),
        GuardReply::VerbDone(_)
    ));
    guard.kill();
    fs::remove_file(guard.dir().join("data/perps_state.json")).unwrap();
    guard.start(CONFIG, &[]);
    guard.await_log(Tag::StateReset.name());
    assert_eq!(guard.connect().status().state, TradingState::Halted);
}

#[test]
fn a_damaged_state_blocks_entries_and_says_so() {
    let mut guard = Supervisor::started(CONFIG);
    guard.stop();
    let data = guard.dir().join("data");
    for name in ["perps_state.json", "perps_state.json.prev"] {
        let file = data.join(name);
        if let Ok(text) = fs::read_to_string(&file) {
            fs::write(&file, text.replacen(':', "=", 3)).unwrap();
        }
    }
    guard.start(CONFIG, &[]);
    guard.await_log(Tag::StateCorrupt.name());
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    assert_eq!(gateway.refused(&intent("no")).tag, Tag::StateCorrupt);
    assert_ne!(gateway.status().state, TradingState::Active);
}

#[test]
fn two_guards_never_own_one_state() {
    let mut first = Supervisor::started(CONFIG);
    fs::remove_file(first.socket()).unwrap();
    let mut second = Supervisor::at(first.dir());
    second.spawn(&[]);
    assert_eq!(second.prepare(1, CONFIG), Report::Prepared(Generation(1)));
    second.say(&Order::Commit(Generation(1)));
    let report = second.report_that(|report| matches!(report, Report::Failing(_)));
    assert!(
        matches!(&report, Report::Failing(why)
            if why.contains(&format!("is held by pid {} since 20", first.pid()))),
        "{report:?}"
    );
    assert!(!second.ended().success());
}

#[test]
fn an_alert_is_told_until_it_is_taken_also_after_a_kill() {
    let mut guard = Supervisor::started(CONFIG);
    let mut operator = guard.connect();
    assert!(matches!(
        operator.operate(Verb::Halt { flatten: false }),
        GuardReply::VerbDone(_)
    ));
    assert!(operator.status().alerts_waiting > 0);
    guard.kill();
    let forwarder = UnixListener::bind(guard.dir().join("run/alerts.sock")).unwrap();
    guard.start(CONFIG, &[]);
    let (stream, _) = forwarder.accept().unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut halted = false;
    while !halted {
        let mut line = Vec::new();
        assert!(lines.read_until(b'\n', &mut line).unwrap() > 0);
        let envelope = Envelope::read(&line).unwrap();
        if let AlertsRequest::Deliver(alert) = envelope.message().unwrap() {
            halted |= alert.tag == Tag::Halt;
        }
        let mut bytes = Vec::new();
        let done = AlertsReply::Done(Empty {});
        frame::write(Head::answer(envelope.id.unwrap()), &done, &mut bytes).unwrap();
        (&stream).write_all(&bytes).unwrap();
    }
    let mut operator = guard.connect();
    until("the outbox to be empty", || {
        (operator.status().alerts_waiting == 0).then_some(())
    });
}
