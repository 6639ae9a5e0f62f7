//! Going flat with real processes, while the venue refuses, while its answers stay away and while
//! those that carry the command die. The simulator's ledger says what is flat, and when it was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod stage;

use std::collections::BTreeMap;

use money::Decimal;
use nix::sys::signal::Signal;
use protocol::guard::Verb;
use protocol::status::{CommandStatus, GivenUp};
use protocol::{CommandId, Process, Symbol};
use stage::{PROFILE, Stage, accepted, price, qty, sol};
use testkit::{Fault, LedgerOrder, until};

/// Insufficient balance: a refusal that is definite, and nothing that a repetition cures.
const REFUSAL: i64 = 110_007;

#[test]
fn a_venue_that_refuses_holds_it_up_and_is_named_until_it_gives_way() {
    let stage = exposed();
    let command = flatten_refused(&stage);
    await_held_up(&stage, command);
    finish(&stage, command);
}

#[test]
fn an_answer_that_stays_away_is_no_second_order_and_no_early_word() {
    let stage = exposed();
    for (kind, executed) in [
        ("timeout_after_accept", true),
        ("reset", true),
        ("http_500", false),
        ("timeout_after_accept", true),
    ] {
        fault(&stage, kind, None, 1, executed);
    }
    let command = flatten(&stage);
    finish(&stage, command);
    let filled = |order: &&LedgerOrder| order.reduce_only && order.status == "Filled";
    let orders = stage.sim.ledger().unwrap().orders;
    assert_eq!(orders.iter().filter(filled).count(), 2, "{orders:?}");
}

#[test]
fn whoever_dies_meanwhile_it_goes_on_and_ends_flat() {
    let mut stage = exposed();
    let command = flatten_refused(&stage);
    for victim in [Process::RiskGuard, Process::Gateway] {
        await_held_up(&stage, command);
        let pid = stage.harness.pid_of(victim).unwrap();
        stage.harness.signal(victim, Signal::SIGKILL).unwrap();
        until(30, "a new process", || {
            keep_refusing(&stage);
            match stage.harness.pid_of(victim) {
                Ok(new) if new != pid => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .unwrap();
    }
    await_held_up(&stage, command);
    stage.harness.kill().unwrap();
    keep_refusing(&stage);
    stage.harness.restart().unwrap();
    await_held_up(&stage, command);
    finish(&stage, command);
}

#[test]
fn what_fills_in_part_is_closed_to_the_end_and_never_called_flat_before() {
    let stage = Stage::ready(PROFILE);
    let mut bot = stage.bot();
    assert!(accepted(&bot.buy(sol(), qty("8")).unwrap()));
    bot.await_size(sol(), qty("8")).unwrap();
    // 4, 2 and 1 of what is left; in between a refusal and an answer that stays away.
    fault(&stage, "partial_fill", None, 2, false);
    fault(&stage, "ret_code", Some(REFUSAL), 1, false);
    fault(&stage, "timeout_after_accept", None, 1, true);
    let command = flatten(&stage);
    let done = until(40, "the guard to say flat", || {
        let before = Venue::of(&stage);
        let seen = look(&stage, command)?;
        assert!(!seen.done || before.held.is_empty(), "{seen:?} {before:?}");
        if seen.done {
            Ok(seen)
        } else {
            Err(format!("{:?}", seen.progress))
        }
    })
    .unwrap();
    let venue = Venue::of(&stage);
    assert!(venue.held.is_empty() && venue.working == 0, "{venue:?}");
    assert!(done.since.0 >= venue.last, "{done:?} {venue:?}");
    let ledger = stage.sim.ledger().unwrap();
    let sold = ledger.executions.iter().filter(|row| row["side"] == "Sell");
    let sold: Vec<&str> = sold.map(|row| row["qty"].as_str().unwrap()).collect();
    assert_eq!(sold, ["4", "2", "2"], "{ledger:?}");
    assert_eq!(stage.sim.faults_pending().unwrap(), 0);
}

#[test]
fn a_symbol_that_the_venue_does_not_have_is_refused_with_a_sentence() {
    let stage = exposed();
    let (code, said) = stage.perpsctl(&["flatten", "--symbol", "NOPE"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the venue has no instrument NOPE"), "{said}");
    assert!(!said.contains("flat in"), "{said}");
    assert_eq!(Venue::of(&stage).held.len(), 2, "nothing was closed");
    let log = stage.harness.trading_log().unwrap();
    assert!(log.contains("flatten NOPE: refused"), "{log}");
    // It stands no more, and one that the venue has is flat with nothing open.
    let (code, said) = stage.perpsctl(&["flatten", "--symbol", "BTCUSDT"]);
    assert!(
        code == 0 && said.contains("flat in BTCUSDT"),
        "{code} {said}"
    );
}

#[test]
fn a_flatten_that_cannot_end_is_withdrawn_and_leaves_what_is_open() {
    let stage = exposed();
    // More than it can use up before it is withdrawn.
    fault(&stage, "ret_code", Some(REFUSAL), 100, false);
    let command = flatten(&stage);
    await_held_up(&stage, command);
    let (code, said) = stage.perpsctl(&["flatten", "--withdraw", "--symbol", "SOLUSDT"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("no flatten of SOLUSDT alone"), "{said}");
    assert!(!look(&stage, command).unwrap().done);
    let (code, said) = stage.perpsctl(&["flatten", "--withdraw"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("positions and stops stay as they are"),
        "{said}"
    );
    let seen = look(&stage, command).unwrap();
    assert_eq!(
        (seen.done, seen.given_up),
        (false, Some(GivenUp::Withdrawn))
    );
    // The gateway lets it go too: the venue takes orders again, and nothing is closed.
    until(40, "the gateway to let it go", || {
        let log = std::fs::read_to_string(stage.harness.dir().join("logs/gateway.log"));
        let log = log.map_err(|e| e.to_string())?;
        let gone = log.contains("is not done: withdrawn after");
        if gone { Ok(()) } else { Err(log) }
    })
    .unwrap();
    until(60, "the refusals to be used up", || {
        let placed = stage
            .bot()
            .buy(sol(), qty("1"))
            .map_err(|e| e.to_string())?;
        if accepted(&placed) {
            Ok(())
        } else {
            Err(format!("{placed:?}"))
        }
    })
    .unwrap();
    let venue = Venue::of(&stage);
    assert_eq!(venue.held.get("SOLUSDT"), Some(&Decimal::TWO), "{venue:?}");
    assert_eq!(venue.held.len(), 2, "{venue:?}");
    let log = stage.harness.trading_log().unwrap();
    assert!(log.contains("flatten: withdrawn by"), "{log}");
    let (code, said) = stage.perpsctl(&["flatten", "--withdraw"]);
    assert!(
        code == 0 && said.contains("no flatten to withdraw"),
        "{said}"
    );
}

/// What goes by no cap of the config's is no burden on what does: neither the next opening order
/// nor the reads that it is judged by wait for a minute to pass.
#[test]
fn after_a_flatten_the_default_caps_leave_room_for_reads_and_openers() {
    let defaults = PROFILE
        .replace("  maxRequestsPerSecond: 9\n", "")
        .replace("  maxRequestsPerMinute: 500\n", "");
    assert!(!defaults.contains("maxRequests"));
    let stage = exposed_under(&defaults);
    for _ in 0..2 {
        let command = flatten(&stage);
        until(40, "the guard to say flat", || {
            let done = look(&stage, command)?.done;
            done.then_some(()).ok_or("not yet".to_owned())
        })
        .unwrap();
    }
    let placed = stage.bot().buy(sol(), qty("1")).unwrap();
    assert!(accepted(&placed), "{placed:?}");
}

/// Two positions with a stop each, and an opening order that rests.
fn exposed() -> Stage {
    exposed_under(PROFILE)
}

fn exposed_under(profile: &str) -> Stage {
    let stage = Stage::ready(profile);
    stage.sim.price(eth(), Some(price("3000"))).unwrap();
    let mut bot = stage.bot();
    for (symbol, size, stop) in [(sol(), "1", "95"), (eth(), "0.01", "2900")] {
        let bought = bot.buy_with_stop(symbol, qty(size), price(stop)).unwrap();
        assert!(accepted(&bought), "{bought:?}");
        bot.await_size(symbol, qty(size)).unwrap();
    }
    let bid = bot.bid(sol(), qty("1"), price("90")).unwrap();
    assert!(accepted(&bid), "{bid:?}");
    let venue = Venue::of(&stage);
    assert_eq!((venue.held.len(), venue.working), (2, 3));
    stage
}

fn eth() -> Symbol {
    Symbol::new("ETHUSDT").unwrap()
}

/// Says the word as `perpsctl flatten` does.
fn flatten(stage: &Stage) -> CommandId {
    let done = stage.harness.operate(Verb::Flatten { symbol: None });
    done.unwrap().command.expect("a command to watch")
}

/// The same while the venue refuses every order.
fn flatten_refused(stage: &Stage) -> CommandId {
    keep_refusing(stage);
    flatten(stage)
}

/// Whatever comes next is refused too, however long it takes.
fn keep_refusing(stage: &Stage) {
    if stage.sim.faults_pending().unwrap() < 6 {
        fault(stage, "ret_code", Some(REFUSAL), 6, false);
    }
}

fn fault(stage: &Stage, kind: &'static str, code: Option<i64>, count: u32, executed: bool) {
    let fault = Fault {
        kind,
        path: Some("/order/create"),
        count,
        ms: Some(300),
        code,
        executed,
    };
    stage.sim.fault(&fault).unwrap();
}

fn look(stage: &Stage, command: CommandId) -> Result<CommandStatus, String> {
    let risk = stage.harness.risk().map_err(|e| e.to_string())?;
    let mut all = risk.commands.into_iter();
    all.find(|one| one.command_id == command)
        .ok_or_else(|| "the guard has forgotten the command".to_owned())
}

/// Waits until the venue's refusal is what stands in the way; the positions are still open, and
/// nobody says otherwise.
fn await_held_up(stage: &Stage, command: CommandId) {
    // What was told before a crash says nothing of what is done after it.
    keep_refusing(stage);
    let before = stage.sim.faults_pending().unwrap();
    let mut struck = false;
    until(40, "a new refusal to be told", || {
        let seen = look(stage, command);
        struck |= stage.sim.faults_pending().unwrap() < before;
        keep_refusing(stage);
        let seen = seen?;
        assert!(!seen.done, "{seen:?}");
        let said = seen.progress.unwrap_or_default();
        let named = said.contains(&REFUSAL.to_string()) && said.contains("still open");
        if struck && named { Ok(()) } else { Err(said) }
    })
    .unwrap();
    assert_eq!(Venue::of(stage).held.len(), 2);
}

/// Waits for the word, and holds it against the ledger: the venue was flat before, nothing was
/// opened on the way, and no order closed more than there was.
fn finish(stage: &Stage, command: CommandId) {
    let openings = stage.openings().len();
    let done = until(40, "the guard to say flat", || {
        let seen = look(stage, command)?;
        if seen.done {
            Ok(seen)
        } else {
            Err(format!("{:?}", seen.progress))
        }
    })
    .unwrap();
    let venue = Venue::of(stage);
    assert!(venue.held.is_empty() && venue.working == 0, "{venue:?}");
    assert!(done.since.0 >= venue.last, "{done:?} {venue:?}");
    assert_eq!((openings, stage.openings().len()), (3, 3));
    let said = done.progress.unwrap();
    assert!(said.starts_with("flat"), "{said}");
}

/// What the ledger comes to.
#[derive(Debug, Default)]
struct Venue {
    /// What is held of each symbol, where it is not nothing.
    held: BTreeMap<String, Decimal>,
    /// Orders that could still be executed.
    working: usize,
    /// When anything last happened, venue ms.
    last: i64,
}

impl Venue {
    fn of(stage: &Stage) -> Self {
        let ledger = stage.sim.ledger().unwrap();
        let mut venue = Self::default();
        for execution in &ledger.executions {
            let size: Decimal = execution["qty"].as_str().unwrap().parse().unwrap();
            let signed = if execution["side"] == "Buy" {
                size
            } else {
                -size
            };
            let symbol = execution["symbol"].as_str().unwrap().to_owned();
            let held = venue.held.entry(symbol).or_default();
            *held += signed;
            assert!(
                !held.is_sign_negative() || held.is_zero(),
                "went short: {execution}"
            );
        }
        venue.held.retain(|_, held| !held.is_zero());
        let ended = ["Filled", "Cancelled", "Rejected", "Deactivated"];
        let working = |order: &&LedgerOrder| !ended.contains(&order.status.as_str());
        venue.working = ledger.orders.iter().filter(working).count();
        venue.last = ledger.orders.iter().map(|o| o.updated_time).max().unwrap();
        venue
    }
}
