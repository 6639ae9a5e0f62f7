//! A real guard decides: what it approves is durable, what it refuses has a reason, and nobody's
//! mistake is another's problem.

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

use std::time::Duration;

use player::{CONFIG, Peer, Supervisor, boot_ms, intent, long, observe, sync, until};
use protocol::control::{Order, Report};
use protocol::frame::{Empty, ErrorCode, MAX_LINE};
use protocol::guard::{
    GuardPush, GuardReply, GuardRequest, Observation, OutcomeReport, ResetTarget, Verb,
};
use protocol::status::TradingState;
use protocol::{BootMs, Decision, Generation, OrderId, Outcome, Tag};

#[test]
fn nothing_opens_before_the_venue_has_been_read() {
    let guard = Supervisor::started(CONFIG);
    let (mut gateway, welcome) = Peer::gateway(&guard.socket());
    assert!(welcome.unresolved.is_empty());
    let denial = gateway.refused(&intent("early"));
    assert!(!denial.message.is_empty());
    assert!(!gateway.status().synced);
    sync(&mut gateway);
    let approval = gateway.approved(&intent("in-time"));
    assert!(approval.opens);
    assert!(approval.expires > boot_ms());
    let status = gateway.status();
    assert!(status.synced);
    assert_eq!((status.unresolved, status.session.live_openers), (1, 1));
}

#[test]
fn what_was_allowed_survives_a_kill_and_blocks_until_it_is_resolved() {
    let mut guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    let approval = gateway.approved(&intent("one"));
    guard.kill();

    guard.start(CONFIG, &[]);
    let (mut gateway, welcome) = Peer::gateway(&guard.socket());
    assert_eq!(welcome.unresolved, std::slice::from_ref(&approval));
    assert_eq!(gateway.status().unresolved, 1);
    sync(&mut gateway);
    let denial = gateway.refused(&intent("two"));
    assert_eq!(denial.tag, Tag::InflightIntent);

    let outcome = OutcomeReport {
        approval_id: approval.approval_id,
        outcome: Outcome::NotSent {
            why: "it never left".into(),
        },
        signed_at: None,
    };
    assert_eq!(
        gateway.ask(&GuardRequest::Outcome(outcome)),
        GuardReply::Done(Empty {})
    );
    assert_eq!(gateway.status().unresolved, 0);
    gateway.approved(&intent("three"));
    guard.await_log(Tag::StateLoad.name());
}

#[test]
fn an_outcome_that_was_acknowledged_survives_a_kill() {
    let mut guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    let approval = gateway.approved(&intent("one"));
    let order_id = OrderId::new("venue-1").unwrap();
    let outcome = OutcomeReport {
        approval_id: approval.approval_id,
        outcome: Outcome::Accepted { order_id },
        signed_at: Some(player::wall_ms()),
    };
    assert_eq!(
        gateway.ask(&GuardRequest::Outcome(outcome.clone())),
        GuardReply::Done(Empty {})
    );
    guard.kill();
    guard.start(CONFIG, &[]);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    match gateway.authorize(&intent("one")) {
        Decision::Recorded(recorded) => {
            assert_eq!(recorded.outcome, outcome.outcome);
            assert_eq!(recorded.link_id, Some(approval.link_id));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_repeated_intent_is_recorded_and_never_approved_again() {
    let guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    let once = intent("once");
    let approval = gateway.approved(&once);
    for _ in 0..3 {
        match gateway.authorize(&once) {
            Decision::Recorded(recorded) => {
                assert_eq!(recorded.link_id, Some(approval.link_id));
                assert_eq!(recorded.outcome, Outcome::Pending);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn late_work_is_rejected_unread() {
    let guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    let late = BootMs(boot_ms().0 - 1);
    let id = gateway.send_until(&GuardRequest::Authorize(intent("late")), late);
    match gateway.answer_to(id) {
        GuardReply::Error(error) => assert_eq!(error.code, ErrorCode::Expired),
        other => panic!("{other:?}"),
    }
    assert_eq!(gateway.status().unresolved, 0);
    gateway.send_bytes(b"{\"v\":1,\"id\":9000,\"type\":\"status\"}\n");
    let (error, _) = gateway.error();
    assert_eq!(error.code, ErrorCode::NoDeadline);
}

#[test]
fn garbage_costs_its_sender_the_connection_and_nobody_else() {
    let guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    let long_line = vec![b'x'; MAX_LINE + 10];
    let table: [(&[u8], ErrorCode); 3] = [
        (b"hello there\n", ErrorCode::Malformed),
        (
            b"{\"v\":99,\"id\":1,\"type\":\"status\"}\n",
            ErrorCode::Version,
        ),
        (&long_line, ErrorCode::TooLong),
    ];
    for (bytes, code) in table {
        let mut stranger = guard.connect();
        stranger.send_bytes(bytes);
        let (error, ended) = stranger.error();
        assert_eq!(error.code, code);
        assert!(ended, "{code:?}");
    }
    let mut operator = guard.connect();
    for (text, code) in [
        ("sing", ErrorCode::UnknownType),
        ("operator", ErrorCode::BadBody),
    ] {
        let line = format!(
            "{{\"v\":1,\"id\":5,\"type\":\"{text}\",\"deadline_ms\":{},\"body\":{{\"x\":1}}}}\n",
            boot_ms().0 + 5000
        );
        operator.send_bytes(line.as_bytes());
        assert_eq!(operator.error().0.code, code);
    }
    assert_eq!(
        operator.status().state,
        TradingState::Active,
        "it still may ask"
    );
    gateway.approved(&intent("unaffected"));
}

#[test]
fn only_the_gateway_may_ask_for_orders() {
    let guard = Supervisor::started(CONFIG);
    let mut operator = guard.connect();
    operator.send(&GuardRequest::Authorize(intent("cheeky")));
    assert_eq!(operator.error().0.code, ErrorCode::Forbidden);
    operator.tell(observe(Observation::Synced));
    assert_eq!(operator.error().0.code, ErrorCode::Forbidden);
    assert!(!operator.status().synced);
}

#[test]
fn the_newest_gateway_has_the_seat() {
    let guard = Supervisor::started(CONFIG);
    let (mut first, _) = Peer::gateway(&guard.socket());
    sync(&mut first);
    first.approved(&intent("first"));
    let (mut second, welcome) = Peer::gateway(&guard.socket());
    assert_eq!(welcome.unresolved.len(), 1, "its predecessor's approval");
    while first.line().is_some() {}
    assert!(!second.status().synced, "the venue is read anew");
}

#[test]
fn a_lease_comes_again_and_again_and_stops_with_the_guard() {
    let mut guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    let mut leases = Vec::new();
    while leases.len() < 4 {
        if let GuardPush::Lease(lease) = gateway.push() {
            leases.push(lease.until);
        }
    }
    assert!(leases.is_sorted() && leases[0] < leases[3], "{leases:?}");
    let pid = guard.pid();
    player::sigstop(pid);
    gateway.drain(Duration::from_millis(100));
    let lease_ms = leases[3].0 - boot_ms().0;
    assert!(lease_ms < 60_000, "a lease is short: {lease_ms} ms");
    player::sigcont(pid);
    let fresh = until("a fresh lease", || match gateway.push() {
        GuardPush::Lease(lease) if lease.until > boot_ms() => Some(lease.until),
        GuardPush::Lease(_) | GuardPush::Command(_) | GuardPush::Event(_) => None,
    });
    assert!(fresh > leases[3]);
}

#[test]
fn half_a_snapshot_is_no_snapshot() {
    let guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    assert!(gateway.status().positions.is_empty());
    let mut part = observe(Observation::Positions(vec![long("3")]));
    part.more = true;
    gateway.tell(part);
    assert!(
        gateway.status().positions.is_empty(),
        "nothing is judged before the last part"
    );
    gateway.tell(observe(Observation::Positions(vec![])));
    assert_eq!(gateway.status().positions.len(), 1);
}

#[test]
fn a_halt_cancels_openers_and_survives_a_kill() {
    let mut guard = Supervisor::started(CONFIG);
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    let mut operator = guard.connect();
    match operator.operate(Verb::Halt { flatten: false }) {
        GuardReply::VerbDone(done) => assert_eq!(done.state, TradingState::Halted),
        other => panic!("{other:?}"),
    }
    let command = loop {
        if let GuardPush::Command(command) = gateway.push() {
            break command;
        }
    };
    let again = loop {
        if let GuardPush::Command(again) = gateway.push() {
            break again;
        }
    };
    assert_eq!(command, again, "repeated until it is done");
    assert_eq!(gateway.refused(&intent("no")).tag, Tag::Halt);
    guard.kill();
    guard.start(CONFIG, &[]);
    let mut operator = guard.connect();
    assert_eq!(operator.status().state, TradingState::Halted);
    match operator.operate(Verb::Resume) {
        GuardReply::VerbDone(done) => assert_eq!(done.state, TradingState::Active),
        other => panic!("{other:?}"),
    }
    guard.await_log(Tag::Halt.name());
    guard.await_log(Tag::Resume.name());
}

#[test]
fn a_config_is_checked_first_and_in_force_later() {
    let mut guard = Supervisor::started(CONFIG);
    let none = CONFIG.replace("sessionMaxTrades: 10", "sessionMaxTrades: 0");
    let one = CONFIG.replace("sessionMaxTrades: 10", "sessionMaxTrades: 1");
    match guard.prepare(2, "perps:\n  sessionMaxTrade: 1\n") {
        Report::Refused(refused) => {
            assert!(
                refused.reason.contains("perps.yaml:2:3"),
                "{}",
                refused.reason
            );
        }
        other => panic!("{other:?}"),
    }
    let elsewhere = format!("{CONFIG}  stateFile: data/other.json\n");
    match guard.prepare(3, &elsewhere) {
        Report::Refused(refused) => assert!(refused.reason.contains("perps.stateFile")),
        other => panic!("{other:?}"),
    }
    drop(none);
    assert_eq!(guard.prepare(4, &one), Report::Prepared(Generation(4)));
    let (mut gateway, _) = Peer::gateway(&guard.socket());
    sync(&mut gateway);
    gateway.approved(&intent("one"));
    assert_eq!(
        gateway.status().generation,
        Generation(1),
        "prepared is not in force"
    );
    guard.say(&protocol::control::Order::Commit(Generation(4)));
    let applied = guard.report_that(|report| !matches!(report, Report::Heartbeat(_)));
    assert_eq!(applied, Report::Applied(Generation(4)));
    assert_eq!(gateway.status().generation, Generation(4));
    let mut other = intent("two");
    other.symbol = protocol::Symbol::new("BTCUSDT").unwrap();
    assert!(matches!(gateway.authorize(&other), Decision::Denied(_)));
}

#[test]
fn a_new_session_is_a_word_of_the_command_line() {
    let mut guard = Supervisor::started(CONFIG);
    let first = guard.connect().status().session.id;
    guard.kill();
    guard.start(CONFIG, &[]);
    assert_eq!(
        guard.connect().status().session.id,
        first,
        "a crash ends no session"
    );
    guard.kill();
    guard.start(CONFIG, &["--new-session"]);
    assert!(guard.connect().status().session.id > first);
    let mut operator = guard.connect();
    let reset = Verb::Reset {
        what: ResetTarget::DailyLoss,
    };
    assert!(matches!(operator.operate(reset), GuardReply::VerbDone(_)));
}

#[test]
fn heartbeats_come_from_the_loop_and_grow() {
    let mut guard = Supervisor::started(CONFIG);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        if let Report::Heartbeat(heartbeat) = guard.report().unwrap() {
            seen.push(heartbeat.progress);
        }
    }
    assert!(seen[0] < seen[1] && seen[1] < seen[2], "{seen:?}");
}

#[test]
fn it_ends_with_its_supervisor() {
    let mut guard = Supervisor::started(CONFIG);
    assert!(guard.vanish().success());
    guard.start(CONFIG, &[]);
    assert!(guard.stop().success());
}

#[test]
fn a_spare_touches_nothing_until_its_commit_and_then_owns_the_state() {
    let mut guard = Supervisor::started(CONFIG);
    let first = guard.spare(CONFIG);
    let lock = guard.dir().join("data/perps_state.json.lock");
    let its = format!("pid {} ", first.pid());
    let holder = std::fs::read_to_string(&lock).unwrap();
    assert!(holder.contains(&its), "{holder}");
    first.kill();
    guard.say(&Order::Commit(Generation(1)));
    guard.report_that(|report| matches!(report, Report::Ready(_)));
    let holder = std::fs::read_to_string(&lock).unwrap();
    assert!(!holder.contains(&its), "{holder}");
    assert!(guard.stop().success());
}

#[test]
fn a_spare_whose_state_was_put_elsewhere_starts_anew() {
    let mut guard = Supervisor::started(CONFIG);
    let first = guard.spare(CONFIG);
    first.kill();
    // What it may write is the directory that stood there, not its name.
    let data = guard.dir().join("data");
    std::fs::rename(&data, guard.dir().join("moved")).unwrap();
    std::fs::create_dir(&data).unwrap();
    guard.say(&Order::Commit(Generation(1)));
    let said = guard.report();
    assert!(
        matches!(&said, Some(Report::Failing(why)) if why.contains("replaced")),
        "{said:?}"
    );
    assert_eq!(guard.ended().code(), Some(1));
    assert!(std::fs::read_dir(&data).unwrap().next().is_none());
}
