//! Sessions of real processes against the simulator, broken on purpose. Its ledger is the truth.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod stage;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use daemon::deployment::Deployment;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::gateway::Placed;
use protocol::guard::Verb;
use protocol::status::TradingState;
use protocol::{Intent, Outcome, Process, Side, Tag};
use stage::{PROFILE, Stage, accepted, named, price, qty, sol};
use testkit::{Fault, intent, until};

#[test]
fn a_guard_that_is_killed_comes_back_with_everything_it_knew() {
    let mut stage = Stage::ready(PROFILE);
    assert!(accepted(&stage.bot().buy(sol(), qty("1")).unwrap()));
    stage.bot().await_size(sol(), qty("1")).unwrap();
    let before = stage.harness.risk().unwrap();
    for _ in 0..3 {
        let pid = stage.harness.pid_of(Process::RiskGuard).unwrap();
        stage
            .harness
            .signal(Process::RiskGuard, Signal::SIGKILL)
            .unwrap();
        stage.await_back(Process::RiskGuard, pid);
    }
    let after = stage.harness.risk().unwrap();
    assert_eq!(
        (after.session.id, after.session.started),
        (before.session.id, before.session.started)
    );
    assert_eq!((after.session.trades, after.positions.len()), (1, 1));
    stage.await_buy("again");
    assert!(stage.harness.tags().unwrap().contains(&Tag::StateLoad));
}

#[test]
fn a_gateway_that_is_killed_asks_the_venue_first() {
    let mut stage = Stage::ready(PROFILE);
    stage.await_buy("first");
    let pid = stage.harness.pid_of(Process::Gateway).unwrap();
    stage
        .harness
        .signal(Process::Gateway, Signal::SIGKILL)
        .unwrap();
    stage.await_back(Process::Gateway, pid);
    stage.await_buy("second");
    let risk = until(20, "two trades", || {
        let risk = stage.harness.risk().map_err(|e| e.to_string())?;
        if risk.session.trades == 2 {
            Ok(risk)
        } else {
            Err(format!("{:?}", risk.session))
        }
    });
    assert_eq!(risk.unwrap().unresolved, 0);
    assert_eq!(stage.openings().len(), 2);
}

#[test]
fn an_alert_forwarder_that_is_killed_delivers_afterwards() {
    let mut stage = Stage::ready(PROFILE);
    let pid = stage.harness.pid_of(Process::AlertForwarder).unwrap();
    stage
        .harness
        .signal(Process::AlertForwarder, Signal::SIGKILL)
        .unwrap();
    stage
        .harness
        .operate(Verb::Halt { flatten: false })
        .unwrap();
    stage.await_back(Process::AlertForwarder, pid);
    until(20, "the alert's line", || {
        let log = stage.harness.trading_log().map_err(|e| e.to_string())?;
        let told = log.lines().any(|line| line.contains("ALERT[safety_halt]"));
        if told {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .unwrap();
}

#[test]
fn a_supervisor_that_is_killed_takes_its_children_along_and_the_session_goes_on() {
    let mut stage = Stage::ready(PROFILE);
    stage.await_buy("first");
    let session = stage.harness.risk().unwrap().session;
    let children: Vec<u32> = stage
        .harness
        .status()
        .unwrap()
        .children
        .iter()
        .filter_map(|child| child.pid)
        .collect();
    assert_eq!(children.len(), 3);
    stage.harness.kill().unwrap();
    until(10, "the children to end", || {
        let alive = children.iter().filter(|pid| runs(**pid)).count();
        if alive == 0 {
            Ok(())
        } else {
            Err(format!("{alive} alive"))
        }
    })
    .unwrap();
    stage.harness.restart().unwrap();
    stage.harness.await_synced().unwrap();
    assert_eq!(stage.harness.risk().unwrap().session.id, session.id);
    stage.await_buy("second");
}

/// Whether a process runs; one that has ended and waits to be reaped does not.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .trim_start()
            .starts_with('Z')
    })
}

#[test]
fn a_repeated_intent_makes_one_order_also_across_a_restart_of_everything() {
    let mut stage = Stage::ready(PROFILE);
    let order = intent(named("only-once"), sol(), Side::Buy, qty("1"));
    let first = stage.bot().place(order.clone()).unwrap();
    assert!(accepted(&first) && !first.repeated);
    let again = stage.bot().place(order.clone()).unwrap();
    assert!(again.repeated && again.link_id == first.link_id);
    assert!(stage.harness.stop().unwrap().success());
    stage.harness.restart().unwrap();
    stage.harness.await_synced().unwrap();
    let later = stage.bot().place(order).unwrap();
    assert!(
        later.repeated && later.outcome == first.outcome,
        "{later:?}"
    );
    assert_eq!(stage.openings().len(), 1);
}

/// Places the same intent until the venue is known to have it.
fn until_accepted(stage: &Stage, order: &Intent) -> Placed {
    until(60, "the outcome of the first", || {
        let placed = stage.bot().place(order.clone());
        let placed = placed.map_err(|e| e.to_string())?;
        if accepted(&placed) {
            Ok(placed)
        } else {
            Err(format!("{:?}", placed.outcome))
        }
    })
    .unwrap()
}

#[test]
fn an_intent_from_after_the_backup_that_was_restored_is_still_one_order() {
    let mut stage = Stage::ready(PROFILE);
    stage.await_buy("before");
    let backup = stage.dir.path().join("backup.json");
    let backup = backup.to_str().unwrap();
    let (code, said) = stage.perpsctl(&["state", "backup", backup]);
    assert_eq!(code, 0, "{said}");
    let order = intent(named("later"), sol(), Side::Buy, qty("1"));
    let first = stage.bot().place(order.clone()).unwrap();
    assert!(accepted(&first), "{first:?}");
    stage.bot().await_size(sol(), qty("2")).unwrap();
    assert!(stage.harness.stop().unwrap().success());
    let (code, said) = stage.perpsctl(&["state", "restore", backup]);
    assert_eq!(code, 0, "{said}");
    stage.harness.restart().unwrap();
    stage.harness.await_synced().unwrap();
    stage.harness.operate(Verb::ReconAcknowledge).unwrap();
    let again = until_accepted(&stage, &order);
    assert_eq!(
        (again.outcome, again.link_id),
        (first.outcome, first.link_id)
    );
    assert_eq!(stage.openings().len(), 2);
}

/// The venue's word that it has this link id already means that an earlier send arrived.
#[test]
fn a_duplicate_by_the_venues_word_has_arrived_and_is_found() {
    let stage = Stage::ready(PROFILE);
    let fault = Fault {
        kind: "ret_code",
        path: Some("/order/create"),
        count: 1,
        ms: None,
        code: Some(110_072),
        executed: true,
    };
    stage.sim.fault(&fault).unwrap();
    let order = intent(named("twice"), sol(), Side::Buy, qty("1"));
    let first = stage.bot().place(order.clone()).unwrap();
    assert!(
        matches!(&first.outcome, Outcome::Ambiguous { why } if why.contains("110072")),
        "{first:?}"
    );
    let found = until_accepted(&stage, &order);
    assert!(
        found.repeated && found.link_id == first.link_id,
        "{found:?}"
    );
    assert_eq!(stage.openings().len(), 1);
    stage.bot().await_size(sol(), qty("1")).unwrap();
}

#[test]
fn whatever_happens_to_the_answer_one_intent_is_one_order_or_none() {
    let stage = Stage::ready(PROFILE);
    let faults = [
        ("timeout_after_accept", Some(300), 1),
        ("http_500", None, 0),
        ("reset", None, 0),
    ];
    let mut expected = 0;
    for (n, (kind, ms, orders)) in faults.into_iter().enumerate() {
        stage.fault(kind, "/order/create", ms);
        let id = named(&format!("spoilt-{n}"));
        let placed = stage
            .bot()
            .place(intent(id, sol(), Side::Buy, qty("1")))
            .unwrap();
        assert!(
            matches!(
                placed.outcome,
                Outcome::Ambiguous { .. } | Outcome::Accepted { .. } | Outcome::NotSent { .. }
            ),
            "{kind}: {placed:?}"
        );
        expected += orders;
        until(40, "the outcome", || {
            let risk = stage.harness.risk().map_err(|e| e.to_string())?;
            if risk.unresolved == 0 {
                Ok(())
            } else {
                Err(format!("{} unresolved", risk.unresolved))
            }
        })
        .unwrap();
        let links: Vec<String> = stage
            .openings()
            .iter()
            .map(|o| o.order_link_id.clone())
            .collect();
        assert_eq!(links.len(), expected, "{kind}: {links:?}");
    }
    stage.await_buy("after");
}

/// Waits until the ledger says that the first opening order is cancelled.
fn await_cancelled(stage: &Stage) {
    until(20, "the bid to be cancelled", || {
        let status = stage
            .openings()
            .first()
            .map(|order| order.status.clone())
            .unwrap_or_default();
        if status == "Cancelled" {
            Ok(())
        } else {
            Err(status)
        }
    })
    .unwrap();
}

#[test]
fn what_a_house_had_no_time_to_cancel_goes_with_the_next_start() {
    let mut stage = Stage::ready(PROFILE);
    assert!(accepted(
        &stage.bot().bid(sol(), qty("1"), price("90")).unwrap()
    ));
    let gateway = stage.harness.pid_of(Process::Gateway).unwrap();
    // As a service manager ends the rest of a group: at once.
    stage
        .harness
        .signal(Process::Gateway, Signal::SIGSTOP)
        .unwrap();
    stage.harness.kill().unwrap();
    kill(Pid::from_raw(gateway.cast_signed()), Signal::SIGKILL).unwrap();
    assert_eq!(stage.openings()[0].status, "New");
    stage.harness.restart().unwrap();
    await_cancelled(&stage);
    stage.harness.await_synced().unwrap();
    stage.await_buy("afterwards");
}

#[test]
fn a_halt_cancels_what_rests_and_survives_a_restart() {
    let mut stage = Stage::ready(PROFILE);
    let bid = stage.bot().bid(sol(), qty("1"), price("90")).unwrap();
    assert!(accepted(&bid));
    stage
        .harness
        .operate(Verb::Halt { flatten: false })
        .unwrap();
    await_cancelled(&stage);
    let refused = stage.bot().buy(sol(), qty("1")).unwrap();
    assert!(
        matches!(&refused.outcome, Outcome::Denied(d) if d.tag == Tag::Halt),
        "{refused:?}"
    );
    stage.harness.stop().unwrap();
    stage.harness.restart().unwrap();
    assert_eq!(
        stage.harness.await_synced().unwrap().state,
        TradingState::Halted
    );
    stage.harness.operate(Verb::Resume).unwrap();
    stage.await_buy("resumed");
}

#[test]
fn a_stop_leaves_stops_and_takes_resting_openers_away() {
    let mut stage = Stage::ready(PROFILE);
    let mut bot = stage.bot();
    assert!(accepted(
        &bot.buy_with_stop(sol(), qty("1"), price("95")).unwrap()
    ));
    bot.await_size(sol(), qty("1")).unwrap();
    assert!(accepted(&bot.bid(sol(), qty("1"), price("90")).unwrap()));
    assert!(stage.harness.stop().unwrap().success());
    let orders = stage.sim.ledger().unwrap().orders;
    let bid = orders
        .iter()
        .find(|order| order.opens() && order.status != "Filled")
        .unwrap();
    assert_eq!(bid.status, "Cancelled");
    let stop = orders.iter().find(|order| order.close_on_trigger).unwrap();
    assert_eq!(stop.status, "Untriggered");
}

#[test]
fn garbage_on_a_socket_hurts_nobody_else_and_no_secret_is_logged() {
    let stage = Stage::ready(PROFILE);
    let deployment = Deployment::at(stage.harness.dir());
    let mut bot = stage.bot();
    for socket in [
        deployment.gateway_socket(),
        deployment.guard_socket(),
        deployment.alerts_socket(),
        deployment.supervisor_socket(),
    ] {
        let mut peer = UnixStream::connect(&socket).unwrap();
        peer.write_all(b"{\"v\":1,\n").unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        assert!(
            answer.contains("malformed"),
            "{}: {answer}",
            socket.display()
        );
        let mut peer = UnixStream::connect(&socket).unwrap();
        let sent = peer.write_all(&vec![b'x'; 70_000]);
        let mut answer = String::new();
        let read = peer.read_to_string(&mut answer);
        assert!(
            answer.contains("too_long"),
            "{}: {sent:?} {read:?} {answer}",
            socket.display()
        );
    }
    assert!(accepted(&bot.buy(sol(), qty("1")).unwrap()));
    for file in std::fs::read_dir(deployment.logs_dir()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(
            !text.contains("sim-secret") && !text.contains("sim-key"),
            "{text}"
        );
    }
}

#[test]
fn the_drills_scenarios_that_take_no_minute_pass() {
    let binaries = testkit::Binaries::beside_this_program().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (n, scenario) in testkit::drill::SCENARIOS.iter().enumerate() {
        if [
            "daily loss",
            "margin block",
            "reconciliation adopt on a long",
        ]
        .contains(&scenario.name)
        {
            let report = testkit::drill::play(&binaries, scenario, &dir.path().join(n.to_string()));
            assert!(report.passed(), "{report:?}");
        }
    }
}
