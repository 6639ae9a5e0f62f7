//! One intent, one order: what the engine makes of lost words, late words and exits that went alone.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod support;

use protocol::guard::{CommandKind, CommandResult, ExitReport, Observation, Verb};
use protocol::status::GivenUp;
use protocol::venue::{Order, OrderStatus};
use protocol::{Approval, Decision, Intent, OrderId, OrderLinkId, Outcome, Side, Symbol, Tag};
use risk::{Engine, InputKind};
use support::{World, order, qty, wide};

fn lost() -> Outcome {
    Outcome::NotSent {
        why: "the approval never arrived".into(),
    }
}

fn cut() -> Outcome {
    Outcome::Ambiguous { why: "cut".into() }
}

/// A world that holds 2 long, and an exit of 1.
fn holding() -> (World, Intent) {
    let mut world = World::ready(wide());
    let buy = world.intent(Side::Buy, "2");
    let approval = world.approved(&buy);
    let id = world.accept(&approval);
    world.execute(id, Side::Buy, "2", "100", "0");
    let exit = Intent {
        reduce_only: true,
        ..world.intent(Side::Sell, "1")
    };
    (world, exit)
}

/// The report of an exit that went without the guard.
fn alone(world: &World, exit: &Intent, outcome: Outcome) -> ExitReport {
    let lineage = &world.engine.state().lineage;
    ExitReport {
        intent: exit.clone(),
        link_id: OrderLinkId::of_intent(lineage, exit.intent_id).unwrap(),
        outcome,
        signed_at: Some(world.venue_now()),
    }
}

fn recorded(world: &mut World, intent: &Intent) -> Outcome {
    match world.authorize(intent) {
        Decision::Recorded(recorded) => recorded.outcome,
        other @ (Decision::Approved(_) | Decision::Denied(_)) => panic!("not recorded: {other:?}"),
    }
}

fn filled(approval: &Approval, id: &str, world: &World) -> Order {
    Order {
        link_id: Some(approval.link_id),
        filled: approval.intent.qty,
        status: OrderStatus::Filled,
        ..order(id, world.venue_now())
    }
}

#[test]
fn a_state_that_has_forgotten_an_intent_gives_it_the_same_link_id() {
    let mut world = World::ready(wide());
    let before = world.engine.state().clone();
    let intent = world.intent(Side::Buy, "1");
    let other = world.intent(Side::Buy, "1");
    let first = world.approved(&intent);
    let second = world.approved(&other);
    assert_ne!(first.link_id, second.link_id);
    // A backup put back: the venue refuses what was sent before, under whatever count it comes.
    world.engine = Engine::resume(before);
    assert_eq!(world.approved(&other).link_id, second.link_id);
    assert_eq!(world.approved(&intent).link_id, first.link_id);
}

#[test]
fn an_exit_that_went_alone_is_followed_and_remembered() {
    let (mut world, exit) = holding();
    let report = alone(&world, &exit, cut());
    let taken = world
        .say(InputKind::ExitAlone(report.clone()))
        .exit
        .unwrap();
    assert_eq!((taken.link_id, taken.opens), (report.link_id, false));
    assert_eq!(world.refused_by(), Some(Tag::InflightIntent));
    assert!(matches!(
        recorded(&mut world, &exit),
        Outcome::Ambiguous { .. }
    ));
    let again = world.say(InputKind::ExitAlone(report.clone())).exit;
    assert_eq!(again.as_ref(), Some(&taken), "said twice, taken once");
    let found = filled(&taken, "o-9", &world);
    let told = world.lookup(&taken, Some(found)).stands.unwrap();
    assert!(!told.unresolved);
    assert_eq!(
        (recorded(&mut world, &exit), world.status().unresolved),
        (
            Outcome::Accepted {
                order_id: OrderId::new("o-9").unwrap()
            },
            0
        )
    );
    world.execute(OrderId::new("o-9").unwrap(), Side::Sell, "1", "100", "0");
    assert_eq!(world.status().positions[0].size, qty("1"));
    assert!(world.engine.state().reservations.is_empty());
    let late = world.say(InputKind::ExitAlone(report)).exit;
    assert_eq!(
        (late, world.engine.state().reservations.len()),
        (None, 0),
        "it is over"
    );
}

#[test]
fn an_approval_whose_exit_went_alone_is_not_let_go_by_late_words() {
    let (mut world, exit) = holding();
    let approval = world.approved(&exit);
    let id = OrderId::new("o-9").unwrap();
    let report = alone(&world, &exit, Outcome::Accepted { order_id: id });
    assert_eq!(
        report.link_id, approval.link_id,
        "the venue would take only one of them"
    );
    // In either order: the gateway cannot know which of its words is heard first.
    let taken = world
        .say(InputKind::ExitAlone(report.clone()))
        .exit
        .unwrap();
    assert_eq!(taken.approval_id, approval.approval_id);
    world.report(&approval, lost());
    assert_eq!(
        recorded(&mut world, &exit),
        Outcome::Accepted { order_id: id }
    );
    assert_eq!(world.engine.state().reservations.len(), 1);

    let (mut world, exit) = holding();
    let approval = world.approved(&exit);
    world.report(&approval, lost());
    world.say(InputKind::ExitAlone(report)).exit.unwrap();
    assert_eq!(
        recorded(&mut world, &exit),
        Outcome::Accepted { order_id: id }
    );
    assert_eq!(world.engine.state().reservations.len(), 1);
}

#[test]
fn an_entry_cannot_be_reported_as_an_exit() {
    let (mut world, exit) = holding();
    let entry = Intent {
        reduce_only: false,
        ..exit
    };
    let report = alone(&world, &entry, cut());
    assert_eq!(world.say(InputKind::ExitAlone(report)).exit, None);
    assert!(world.engine.state().reservations.is_empty());
}

#[test]
fn what_the_venue_has_shown_is_not_unsent_by_a_late_report() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "1");
    let approval = world.approved(&intent);
    world.execute(OrderId::new("o-1").unwrap(), Side::Buy, "0.5", "100", "0");
    let resting = Order {
        link_id: Some(approval.link_id),
        filled: qty("0.5"),
        status: OrderStatus::PartiallyFilled,
        ..order("o-1", world.venue_now())
    };
    world.see(Observation::Orders(vec![resting]));
    world.report(&approval, lost());
    assert_eq!(world.engine.state().reservations.len(), 1);
    assert!(matches!(
        recorded(&mut world, &intent),
        Outcome::Accepted { .. }
    ));
}

#[test]
fn a_fill_that_is_told_before_the_answer_is_the_answer() {
    for late in [
        cut(),
        Outcome::Accepted {
            order_id: OrderId::new("o-1").unwrap(),
        },
    ] {
        for ambiguous_first in [false, true] {
            let mut world = World::ready(wide());
            let intent = world.intent(Side::Buy, "1");
            let approval = world.approved(&intent);
            if ambiguous_first {
                world.report(&approval, cut());
            }
            let id = OrderId::new("o-1").unwrap();
            let fill = protocol::venue::Execution {
                exec_id: protocol::ExecId::new("e-1").unwrap(),
                order_id: id,
                link_id: Some(approval.link_id),
                symbol: intent.symbol,
                side: Side::Buy,
                price: support::price("100"),
                qty: qty("1"),
                fee: money::Amount::ZERO,
                kind: protocol::venue::ExecKind::Trade,
                closed: None,
                at: world.venue_now(),
            };
            world.see(Observation::Executions(vec![fill]));
            world.report(&approval, late.clone());
            assert_eq!(
                recorded(&mut world, &intent),
                Outcome::Accepted { order_id: id }
            );
            let status = world.status();
            assert_eq!(
                (
                    status.unresolved,
                    status.session.trades,
                    status.session.sent
                ),
                (0, 1, 1)
            );
        }
    }
}

#[test]
fn an_unreported_send_may_have_been_signed_until_its_gateway_was_lost() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "1");
    let approval = world.approved(&intent);
    // A gateway that hung for nine seconds between its last look at the approval and the send.
    world.wait(9_000);
    world.say(InputKind::GatewayLost);
    let lost_at = world.venue_now();
    world.join(&[], &[]);
    let limits = world.limits.clone();
    let acceptance = limits.recv_window_ms + limits.time_sync_max_skew_ms;
    let mut settled = None;
    while settled.is_none() {
        world.wait(500);
        let stands = world.lookup(&approval, None).stands.unwrap();
        settled = (!stands.unresolved).then(|| world.venue_now());
    }
    let least = lost_at.after(acceptance).after(limits.venue_lag_ms);
    assert!(
        settled.unwrap() > least,
        "{settled:?}, not before {least:?}"
    );
}

#[test]
fn a_flatten_says_how_far_it_is_and_that_it_is_done() {
    let (mut world, _) = holding();
    world.operate(Verb::Freeze);
    world.operate(Verb::Flatten { symbol: None });
    let asked = world.engine.commands().next().unwrap();
    assert!(asked.explicit && matches!(asked.what, CommandKind::Flatten { .. }));
    let say = |world: &mut World, done: bool, message: &str| {
        world.say(InputKind::CommandResult(CommandResult {
            command_id: asked.command_id,
            done,
            message: message.into(),
            refused: false,
        }));
        let all = world.status().commands;
        let one = all.iter().find(|c| c.command_id == asked.command_id);
        one.cloned().unwrap()
    };
    let half = say(&mut world, false, "half of it");
    assert_eq!(
        (half.done, half.progress.as_deref()),
        (false, Some("half of it"))
    );
    world.operate(Verb::Resume);
    assert_eq!(
        world.refused_by(),
        Some(Tag::Halt),
        "no entries while it goes flat"
    );
    let whole = say(&mut world, true, "flat");
    assert_eq!(
        (whole.done, whole.progress.as_deref()),
        (true, Some("flat"))
    );
    assert_eq!(
        (world.engine.commands().count(), world.refused_by()),
        (0, None)
    );
}

#[test]
fn a_flatten_that_is_withdrawn_lets_entries_go_and_leaves_the_others() {
    let (mut world, _) = holding();
    let sol = Symbol::new("SOLUSDT").unwrap();
    let ether = Symbol::new("ETHUSDT").unwrap();
    let ended = |world: &World, n: usize| {
        let all = world.status().commands;
        let one = all.get(n).cloned().unwrap();
        (one.done, one.given_up, one.progress.unwrap_or_default())
    };
    let none = world.operate(Verb::FlattenWithdraw { symbol: None });
    assert_eq!(none, "no flatten to withdraw");
    world.operate(Verb::Flatten { symbol: Some(sol) });
    world.operate(Verb::Flatten { symbol: None });
    assert_eq!(world.refused_by(), Some(Tag::Halt));
    // Of another symbol nothing stands alone; of this one it does, beside that of everything.
    let other = world.operate(Verb::FlattenWithdraw {
        symbol: Some(ether),
    });
    assert!(other.contains("no flatten of ETHUSDT alone"), "{other:?}");
    assert_eq!(world.engine.commands().count(), 2);
    let one = world.operate(Verb::FlattenWithdraw { symbol: Some(sol) });
    assert!(one.contains("everything still goes on"), "{one:?}");
    let (done, given_up, said) = ended(&world, 0);
    assert_eq!((done, given_up), (false, Some(GivenUp::Withdrawn)));
    assert!(
        said.starts_with("withdrawn by") && said.contains("stays as it is"),
        "{said}"
    );
    assert_eq!(world.refused_by(), Some(Tag::Halt), "the other one stands");
    let rest = world.engine.commands().next().unwrap().command_id;
    let all = world.operate(Verb::FlattenWithdraw { symbol: None });
    assert!(all.contains("positions and stops stay"), "{all:?}");
    assert_eq!(world.engine.commands().count(), 0);
    assert_eq!(world.refused_by(), None);
    // What the gateway says of it afterwards changes nothing.
    world.say(InputKind::CommandResult(CommandResult {
        command_id: rest,
        done: true,
        message: "flat".into(),
        refused: false,
    }));
    assert_eq!(ended(&world, 1).1, Some(GivenUp::Withdrawn));
}

#[test]
fn a_flatten_that_can_never_be_done_ends_and_says_so() {
    let (mut world, _) = holding();
    let nope = Symbol::new("NOPE").unwrap();
    world.operate(Verb::Flatten { symbol: Some(nope) });
    let asked = world.engine.commands().next().unwrap().command_id;
    let effects = world.say(InputKind::CommandResult(CommandResult {
        command_id: asked,
        done: false,
        message: "the venue has no instrument NOPE".into(),
        refused: true,
    }));
    let told = &effects.events[0];
    assert!(
        told.alert && told.message.contains("refused: the venue has no"),
        "{told:?}"
    );
    let one = world.status().commands.pop().unwrap();
    assert_eq!((one.done, one.given_up), (false, Some(GivenUp::Refused)));
    assert_eq!(world.engine.commands().count(), 0);
}

#[test]
fn a_word_that_passes_a_freeze_reaches_a_gateway_that_began_without_it() {
    let mut world = World::ready(risk::Limits {
        on_trip: risk::OnTrip::Flatten,
        session_max_runtime_ms: Some(60_000),
        ..wide()
    });
    world.pass(61_000);
    let asked = world.engine.commands().next().unwrap();
    assert!(!asked.explicit);
    let word = protocol::guard::OperatorVerb {
        by: "me".into(),
        verb: Verb::Flatten { symbol: None },
    };
    let effects = world.say(InputKind::Operator(word));
    assert_eq!(effects.verb.unwrap().command, Some(asked.command_id));
    assert!(effects.commands[0].explicit);
}
