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
use protocol::status::CommandStatus;
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

/// Two positions with a stop each, and an opening order that rests.
fn exposed() -> Stage {
    let stage = Stage::ready(PROFILE);
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
