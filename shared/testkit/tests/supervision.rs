//! Processes that die, stop, exit and leave others behind: the supervisor's word on each, with real
//! processes and real signals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod stage;

use std::fs;
use std::path::Path;
use std::time::Duration;

use daemon::client::{Client, ClientError};
use daemon::deployment::Deployment;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::guard::{GuardReply, GuardRequest, OperatorVerb, Verb};
use protocol::status::{ChildState, ChildStatus, TradingState};
use protocol::{Outcome, Process, Tag};
use stage::{PROFILE, Stage, accepted, price, qty, sol};
use testkit::until;

fn child(stage: &Stage, process: Process) -> Result<ChildStatus, String> {
    let status = stage.harness.status().map_err(|e| e.to_string())?;
    let mut children = status.children.into_iter();
    let found = children.find(|child| child.process == process);
    found.ok_or_else(|| format!("no {process}"))
}

fn log(stage: &Stage, process: Process) -> String {
    let path = Deployment::at(stage.harness.dir()).log(process);
    fs::read_to_string(path).unwrap_or_default()
}

fn await_log(stage: &Stage, process: Process, word: &str) {
    until(30, &format!("{word:?} in {process}'s log"), || {
        match log(stage, process) {
            text if text.contains(word) => Ok(()),
            text => Err(text.lines().last().unwrap_or_default().to_owned()),
        }
    })
    .unwrap();
}

#[test]
fn a_guard_that_is_stopped_is_as_good_as_dead_and_heals() {
    // Long enough for the lease alone to act.
    let policy = "supervisor:\n  heartbeatTimeoutSeconds: 300\n";
    let stage = Stage::ready(&format!("{PROFILE}{policy}"));
    let mut bot = stage.bot();
    let bought = bot.buy_with_stop(sol(), qty("1"), price("95")).unwrap();
    assert!(accepted(&bought));
    bot.await_size(sol(), qty("1")).unwrap();
    assert!(accepted(&bot.bid(sol(), qty("1"), price("90")).unwrap()));
    let pid = stage.harness.pid_of(Process::RiskGuard).unwrap();
    let sent = stage.openings().len();
    stage
        .harness
        .signal(Process::RiskGuard, Signal::SIGSTOP)
        .unwrap();
    let silent = bot.buy(sol(), qty("1")).unwrap();
    assert!(!accepted(&silent), "{silent:?}");
    stage.harness.await_tag(Tag::GuardLost).unwrap();
    let status = |link: &str| {
        let orders = stage.sim.ledger().unwrap().orders;
        let order = orders.into_iter().find(|o| o.order_link_id == link);
        order.map(|order| order.status).unwrap_or_default()
    };
    let bid = stage.openings().last().unwrap().order_link_id.clone();
    until(30, "the resting opener to be cancelled", || {
        match status(&bid) {
            s if s == "Cancelled" => Ok(()),
            s => Err(s),
        }
    })
    .unwrap();
    let orders = stage.sim.ledger().unwrap().orders;
    let stop = orders.iter().find(|order| order.close_on_trigger).unwrap();
    assert_eq!(stop.status, "Untriggered", "stops stay");
    let refused = bot.buy(sol(), qty("1")).unwrap();
    assert!(
        matches!(&refused.outcome, Outcome::Denied(d) if d.tag == Tag::GuardLost),
        "{refused:?}"
    );
    assert_eq!(stage.openings().len(), sent, "nothing that opens has left");
    let exit = bot.close(sol(), qty("1")).unwrap();
    assert!(accepted(&exit), "exits do not wait: {exit:?}");
    stage
        .harness
        .signal(Process::RiskGuard, Signal::SIGCONT)
        .unwrap();
    stage.await_buy("healed");
    assert_eq!(stage.harness.pid_of(Process::RiskGuard).unwrap(), pid);
}

#[test]
fn a_process_that_makes_no_progress_is_killed_and_started_again() {
    let policy = "supervisor:\n  heartbeatTimeoutSeconds: 3\n";
    let mut stage = Stage::ready(&format!("{PROFILE}{policy}"));
    for process in [
        Process::Gateway,
        Process::AlertForwarder,
        Process::RiskGuard,
    ] {
        let pid = stage.harness.pid_of(process).unwrap();
        stage.harness.signal(process, Signal::SIGSTOP).unwrap();
        stage.await_back(process, pid);
        let exit = child(&stage, process).unwrap().last_exit;
        assert_eq!(exit.as_deref(), Some("SIGKILL"), "{process}");
        let said = format!("{process} is killed: it makes no progress");
        await_log(&stage, Process::Supervisor, &said);
        let told = format!("SAFETY_PROCESS_DOWN: {process} ended: SIGKILL");
        await_log(&stage, Process::Supervisor, &told);
    }
    stage.await_buy("afterwards");
}

#[test]
fn what_queued_too_long_at_a_held_socket_is_not_run_by_the_next_server() {
    let mut stage = Stage::ready(PROFILE);
    let socket = Deployment::at(stage.harness.dir()).guard_socket();
    let pid = stage.harness.pid_of(Process::RiskGuard).unwrap();
    stage
        .harness
        .signal(Process::RiskGuard, Signal::SIGSTOP)
        .unwrap();
    let word = |verb| {
        GuardRequest::Operator(OperatorVerb {
            by: "queued".to_owned(),
            verb,
        })
    };
    let long = Duration::from_mins(1);
    // Its deadline passes while it waits in the socket's queue.
    let mut late = Client::connect(&socket, long).unwrap();
    let unknown = late.request::<_, GuardReply>(
        &word(Verb::Halt { flatten: false }),
        Duration::from_millis(200),
    );
    assert!(matches!(unknown, Err(ClientError::OutcomeUnknown { .. })));
    // The same queue, with time left.
    let in_time = std::thread::spawn(move || {
        let mut client = Client::connect(&socket, long).unwrap();
        client.request::<_, GuardReply>(&word(Verb::Freeze), long)
    });
    stage
        .harness
        .signal(Process::RiskGuard, Signal::SIGKILL)
        .unwrap();
    let answer = in_time.join().unwrap().unwrap();
    assert!(matches!(answer, GuardReply::VerbDone(_)), "{answer:?}");
    assert_ne!(stage.harness.pid_of(Process::RiskGuard).unwrap(), pid);
    assert_eq!(stage.harness.risk().unwrap().state, TradingState::Frozen);
    let log = stage.harness.trading_log().unwrap();
    let told: Vec<&str> = log.lines().filter(|l| l.contains("SAFETY_HALT")).collect();
    assert!(told.len() == 1 && told[0].contains("frozen"), "{log}");
    drop(late);
    stage.harness.operate(Verb::Resume).unwrap();
    stage.harness.await_synced().unwrap();
}

/// A profile whose bot is this script, run by `sh`.
fn with_bot(script: &str, policy: &str) -> String {
    format!("{PROFILE}bot:\n  command: [\"/bin/sh\", \"-c\", \"{script}\"]\n{policy}")
}

fn environment(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let names = bytes.split(|byte| *byte == 0);
    names
        .filter_map(|pair| {
            String::from_utf8_lossy(pair)
                .split_once('=')
                .map(|(n, _)| n.to_owned())
        })
        .collect()
}

#[test]
fn nothing_of_the_service_manager_and_no_key_leaks_into_children() {
    let given = [
        ("NOTIFY_SOCKET", "/nowhere/notify"),
        ("WATCHDOG_USEC", "60000000"),
        ("LISTEN_PID", "1"),
        ("LISTEN_FDS", "1"),
        ("LISTEN_FDNAMES", "x"),
        ("JOURNAL_STREAM", "1:2"),
        ("SOME_SECRET", "x"),
    ];
    let stage = Stage::ready_within(
        &with_bot("exec sleep 1000", ""),
        given.map(|(name, value)| (name, value.to_owned())).to_vec(),
    );
    let status = stage.harness.status().unwrap();
    assert_eq!(status.children.len(), 4);
    for child in status.children {
        let names = environment(child.pid.unwrap());
        for (name, _) in given {
            assert!(
                !names.contains(&name.to_owned()),
                "{} has {name}",
                child.process
            );
        }
        let has_keys = names.iter().any(|name| name.contains("API"));
        assert_eq!(has_keys, child.process == Process::Gateway, "{names:?}");
    }
}

/// Whether a process runs; one that has ended and waits to be reaped does not.
fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let state = stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .trim_start()
            .to_owned();
        !state.starts_with('Z')
    })
}

fn await_end(what: &str, pid: u32) {
    until(30, &format!("{what} to end"), || {
        if runs(pid) {
            Err("it runs".to_owned())
        } else {
            Ok(())
        }
    })
    .unwrap();
}

fn number_in(path: &Path) -> u32 {
    until(30, &format!("a number in {}", path.display()), || {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.trim().parse().map_err(|_| text)
    })
    .unwrap()
}

/// Leaves a process behind that has a session of its own, in nobody's process group.
const LEAVES_ONE: &str = "echo to-out; echo to-err >&2; setsid sh -c 'echo $$ > left; exec sleep 1000' & exec sleep 1000";

#[test]
fn a_bot_outlives_its_neighbours_and_nothing_of_it_outlives_the_supervisor() {
    let mut stage = Stage::ready(&with_bot(LEAVES_ONE, ""));
    await_log(&stage, Process::Bot, "to-out");
    await_log(&stage, Process::Bot, "to-err");
    let bot = stage.harness.pid_of(Process::Bot).unwrap();
    let left = number_in(&stage.harness.dir().join("left"));
    // Threads that started and ended meanwhile are none of its parents.
    for process in [
        Process::Gateway,
        Process::RiskGuard,
        Process::AlertForwarder,
    ] {
        let pid = stage.harness.pid_of(process).unwrap();
        stage.harness.signal(process, Signal::SIGKILL).unwrap();
        stage.await_back(process, pid);
    }
    assert_eq!(stage.harness.pid_of(Process::Bot).unwrap(), bot);
    assert!(runs(bot) && runs(left));
    assert!(stage.harness.stop().unwrap().success());
    await_end("the bot", bot);
    await_end("what the bot left behind", left);

    let note = stage.harness.dir().join("left");
    fs::remove_file(&note).unwrap();
    stage.harness.restart().unwrap();
    stage.harness.await_synced().unwrap();
    let bot = stage.harness.pid_of(Process::Bot).unwrap();
    let left = number_in(&note);
    let guard = stage.harness.pid_of(Process::RiskGuard).unwrap();
    // A stopped guard reads no end of its channel; it must not keep the state from the next one.
    stage
        .harness
        .signal(Process::RiskGuard, Signal::SIGSTOP)
        .unwrap();
    stage.harness.kill().unwrap();
    await_end("the bot of a killed supervisor", bot);
    await_end("the stopped guard of a killed supervisor", guard);
    // Nobody is left who could end what the bot put into a session of its own, but a service
    // manager by its control group.
    kill(Pid::from_raw(i32::try_from(left).unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn exits_are_told_apart_and_a_budget_that_is_spent_leaves_the_rest_well() {
    let policy = "supervisor:\n  restartBudget: 2\n  backoffMinMs: 10\n";
    let profile = with_bot("exit $(cat code || echo 0)", policy);
    let mut stage = Stage::ready_but(&profile, Process::Bot);
    let ends = |stage: &Stage, wanted: ChildState| {
        until(30, &format!("a bot that is {wanted:?}"), || {
            match child(stage, Process::Bot)? {
                bot if bot.state == wanted => Ok(bot),
                bot => Err(format!("{:?}", bot.state)),
            }
        })
        .unwrap()
    };
    let bot = ends(&stage, ChildState::Stopped);
    assert_eq!(
        (bot.last_exit.as_deref(), bot.restarts),
        (Some("exit 0"), 0)
    );
    for (code, restarts, word) in [
        (3, 2, "bot ended: exit 3; 2 restarts did not help"),
        (78, 0, "exit code 78: no restart will mend that"),
    ] {
        stage.harness.stop().unwrap();
        fs::write(stage.harness.dir().join("code"), code.to_string()).unwrap();
        stage.harness.restart().unwrap();
        let bot = until(30, "the supervisor", || child(&stage, Process::Bot));
        drop(bot.unwrap());
        let bot = ends(&stage, ChildState::Latched);
        assert_eq!(bot.last_exit, Some(format!("exit {code}")));
        assert_eq!(bot.restarts, restarts);
        await_log(&stage, Process::Supervisor, word);
        stage.await_buy(&format!("beside-{code}"));
    }
}
