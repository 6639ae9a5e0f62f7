//! One order through the whole engine, and whether history or symbols make it slower.

use protocol::guard::Observation;
use protocol::{Decision, Outcome, Side, Symbol};
use risk::{Input, InputKind};

use crate::measure::{Row, now_ns, pin};
use crate::support::{self, World, wide};

const GOAL: &str = "<= 1 us";

pub(crate) fn cases(rows: &mut Vec<Row>, scale: usize) {
    pin(Some(0), &[]);
    let steps = 20_000 / scale;
    let mut world = World::ready(wide());
    rows.push(orders("engine, an order refused", &mut world, steps, false));
    rows.push(orders("engine, an order allowed", &mut world, steps, true));
    let mut old = World::ready(wide());
    for _ in 0..100_000 / scale {
        one(&mut old, true);
    }
    let name = "engine, allowed, after 100,000 orders";
    rows.push(orders(name, &mut old, steps, true));
    let mut broad = World::ready(wide());
    let all = (0..50)
        .map(|n| support::instrument(&format!("S{n}USDT")))
        .chain([support::instrument("SOLUSDT")]);
    broad.see(Observation::Instruments(all.collect()));
    let name = "engine, allowed, with 50 symbols";
    rows.push(orders(name, &mut broad, steps, true));
    pin(None, &[]);
}

fn orders(name: &'static str, world: &mut World, steps: usize, allowed: bool) -> Row {
    let mut times: Vec<u64> = (0..steps).map(|_| one(world, allowed)).collect();
    Row::alone(name, GOAL, &mut times)
}

/// One order of the next millisecond, its slot given back afterwards.
fn one(world: &mut World, allowed: bool) -> u64 {
    world.pass(1);
    world.positions(&[]);
    world.see(Observation::OpenOrders(Vec::new()));
    world.see(Observation::ExecutionsComplete(world.venue_now()));
    world.see(Observation::ClockSkew(0));
    let mut intent = world.intent(Side::Buy, "1");
    if !allowed {
        intent.symbol = Symbol::new("NOPE").unwrap();
    }
    let input = Input {
        stamp: world.inputs.last().unwrap().stamp,
        kind: InputKind::Authorize(intent),
    };
    let begun = now_ns();
    let effects = world.engine.step(&input);
    let took = now_ns() - begun;
    match effects.decision.unwrap() {
        Decision::Approved(approval) => {
            assert!(allowed);
            let why = "a trial".into();
            world.report(&approval, Outcome::NotSent { why });
        }
        other => assert!(!allowed, "{other:?}"),
    }
    world.inputs.clear();
    took
}
