//! A day in which most of what a state can hold has happened.

use protocol::guard::{Observation, Verb};
use protocol::order::Amend;
use protocol::{Intent, OrderType, Outcome, Side, VenueMs};
use risk::{Input, InputKind, Limits};

use crate::support::{World, held, order, price, qty, ratio, sol, wide};

/// Every input of the day, the first start included.
pub(crate) fn day() -> Vec<Input> {
    let limits = Limits {
        consecutive_loss_limit: Some(2),
        session_max_trades: Some(50),
        price_collar: Some(ratio("0.05")),
        ..wide()
    };
    let mut world = World::ready(limits.clone());
    world.round_trip("2", "101.5");
    world.pass(30_000);
    world.round_trip("1", "98");
    // Resting, then changed; the change's outcome is never told.
    let limit = Intent {
        order_type: OrderType::Limit,
        price: Some(price("99")),
        stop_loss: Some(price("90")),
        ..world.intent(Side::Buy, "1")
    };
    let approval = world.approved(&limit);
    world.accept(&approval);
    world.say(InputKind::AuthorizeAmend(Amend {
        intent_id: limit.intent_id,
        qty: Some(qty("2")),
        price: None,
        take_profit: None,
        stop_loss: None,
    }));
    // Held: partly filled.
    let buy = world.intent(Side::Buy, "3");
    let approval = world.approved(&buy);
    let filled = world.accept(&approval);
    world.execute(filled, Side::Buy, "1", "100", "0.1");
    // Nobody knows what became of this one.
    let lost = world.intent(Side::Buy, "1");
    let approval = world.approved(&lost);
    world.report(
        &approval,
        Outcome::Ambiguous {
            why: "timed out".into(),
        },
    );
    world.lookup(&approval, None);
    // Refused: while its symbol has an order in flight.
    let refused = world.intent(Side::Buy, "1");
    world.authorize(&refused);
    world.float("12.5");
    world.transfer("250");
    world.pass(30_000);
    world.pass(30_000);
    let at = world.venue_now();
    world.see(Observation::OpenOrders(vec![order("by-hand", at)]));
    world.positions(&[held(Side::Buy, "1")]);
    world.see(Observation::CandlesStale {
        symbol: sol(),
        why: Some("a gap of 3 minutes".into()),
    });
    world.see(Observation::Banned(VenueMs(at.0 + 600_000)));
    world.see(Observation::AccessDenied(Some("retCode 10005".into())));
    world.closed("-3");
    world.closed("-4");
    world.operate(Verb::Halt { flatten: true });
    world.new_limits(limits);
    world.say(InputKind::GatewayLost);
    world.wait(1_000);
    world.inputs
}
