//! What outlives a reset, a damage and a restored backup.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

mod support;

use protocol::guard::Verb;
use protocol::status::TradingState;
use protocol::{Decision, Outcome, Side, Tag, VenueMs};
use risk::{Engine, Limits, StoreCondition};
use support::{World, wide};

fn strict() -> Limits {
    Limits {
        consecutive_loss_limit: Some(1),
        session_max_trades: Some(1),
        ..wide()
    }
}

#[test]
fn an_operators_reset_of_the_state_clears_counters_and_no_block_of_another_kind() {
    let mut world = World::ready(strict());
    world.round_trip("1", "95");
    assert!(world.stands(Tag::CircuitBreaker) && world.stands(Tag::SessionTrades));
    let lost = world.intent(Side::Buy, "1");
    assert_eq!(world.denied(&lost), Tag::CircuitBreaker);
    world.operate(Verb::Halt { flatten: false });
    let session = world.status().session.id.0;
    let said = world.operate(Verb::StateReset);
    assert!(said.contains("start fresh"), "{said}");
    let status = world.status();
    assert_eq!(
        (status.session.id.0, status.session.trades),
        (session + 1, 0)
    );
    let standing: Vec<Tag> = status.trips.iter().map(|trip| trip.tag).collect();
    assert_eq!(standing, [Tag::Halt]);
    assert_eq!(status.state, TradingState::Halted);
    world.operate(Verb::Resume);
    assert_eq!(world.refused_by(), None, "it waits for no read");
    let account = world.status().account;
    assert_eq!(account.peak, account.equity);
}

#[test]
fn a_reset_that_knows_no_recent_equity_waits_for_the_next_read_and_says_so() {
    let mut world = World::ready(wide());
    world.wait(world.engine.state().limits.max_data_staleness_ms + 1);
    world.operate(Verb::StateReset);
    let waits = world.status().waiting_for.join("; ");
    assert!(waits.contains("which the peak begins with"), "{waits}");
    assert_eq!(world.status().account.peak, None);
    world.wallet();
    let account = world.status().account;
    assert_eq!(
        (account.peak, account.equity.is_some()),
        (account.equity, true)
    );
}

#[test]
fn a_reset_ends_the_block_of_a_damaged_state_and_gives_no_name_twice() {
    let mut world = World::ready(wide());
    let before = world.intent(Side::Buy, "1");
    let first = world.approved(&before);
    world.report(
        &first,
        Outcome::NotSent {
            why: "a trial".into(),
        },
    );
    world.start(StoreCondition::Corrupt("a byte".into()));
    world.join(&[], &[]);
    assert_eq!(world.refused_by(), Some(Tag::StateCorrupt));
    // Made before the reset by a bot, never heard of here: it may have been sent by what is lost.
    let unheard = world.intent(Side::Buy, "2");
    world.operate(Verb::StateReset);
    assert!(
        matches!(world.authorize(&unheard), Decision::Denied(d) if d.tag == Tag::DuplicateOrder)
    );
    world.pass(10);
    let after = world.intent(Side::Buy, "1");
    let second = world.approved(&after);
    assert!(second.approval_id.0 > first.approval_id.0 + 1000);
    // What was heard of still has its answer.
    assert!(matches!(world.authorize(&before), Decision::Recorded(_)));
}

#[test]
fn a_backup_takes_over_what_must_not_be_forgotten() {
    let mut world = World::ready(wide());
    let backup = world.engine.state().clone();
    let sent = world.intent(Side::Buy, "1");
    let approval = world.approved(&sent);
    world.report(
        &approval,
        Outcome::Ambiguous {
            why: "timed out".into(),
        },
    );
    world.operate(Verb::Freeze);
    let now = world.venue_now();
    let mut restored = Engine::resume(backup);
    restored.succeed(&world.engine);
    restored.bridge_gap(now);
    let state = restored.state();
    assert!(state.frozen.is_some());
    assert_eq!(
        state.reservations.keys().collect::<Vec<_>>(),
        [&approval.approval_id]
    );
    assert!(state.intents.known.contains_key(&sent.intent_id));
    assert!(state.intents.horizon >= Some(now));
    assert!(state.given.approvals > approval.approval_id.0);
    assert_eq!(restored.trading_state(), TradingState::Frozen);
}

#[test]
fn a_gap_never_moves_the_horizon_back() {
    let world = World::ready(wide());
    let mut engine = world.engine.clone();
    engine.bridge_gap(VenueMs(1));
    assert!(engine.state().intents.horizon >= Some(world.venue_now()));
}
