//! What the engine means, a line a case: refusals, trips that begin and end, starts, verbs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]
#![allow(
    clippy::too_many_lines,
    clippy::items_after_statements,
    clippy::semicolon_if_nothing_returned,
    reason = "a table is as long as what it tells"
)]

mod support;

use money::Notional;
use protocol::guard::{CommandKind, Observation, ResetTarget, Verb};
use protocol::order::Amend;
use protocol::status::TradingState;
use protocol::venue::{ExecKind, Order, OrderStatus};
use protocol::{
    Decision, Generation, Intent, Mode, OpeningSides, OrderType, Outcome, Side, Tag, VenueMs,
};
use risk::{DailyLossBasis, InputKind, Limits, OnTrip, Start, StoreCondition};
use support::{World, amount, flat, held, order, price, qty, ratio, symbol, wide};

#[test]
fn every_limit_of_an_order_refuses_with_its_tag() {
    type Row = (&'static str, Tag, fn(&mut Limits), fn(&mut Intent));
    let nothing: fn(&mut Intent) = |_| {};
    let any: fn(&mut Limits) = |_| {};
    let table: [Row; 16] = [
        (
            "quantity",
            Tag::OrderLimit,
            |l| l.max_order_qty = Some(qty("0.5")),
            nothing,
        ),
        (
            "notional",
            Tag::OrderLimit,
            |l| l.max_order_notional = Notional::parse("99").ok(),
            nothing,
        ),
        (
            "symbol",
            Tag::OrderLimit,
            |l| l.allowed_symbols = Some(vec![symbol("BTCUSDT")]),
            nothing,
        ),
        ("unknown symbol", Tag::OrderLimit, any, |i| {
            i.symbol = symbol("NOPE")
        }),
        ("side", Tag::OrderLimit, any, |i| i.side = Side::Sell),
        (
            "leverage",
            Tag::OrderLimit,
            |l| l.max_leverage = Some(ratio("1")),
            nothing,
        ),
        (
            "unknown leverage",
            Tag::OrderLimit,
            |l| l.max_leverage = Some(ratio("9")),
            |i| i.symbol = symbol("BTCUSDT"),
        ),
        (
            "no stop",
            Tag::OrderLimit,
            |l| l.require_stop_loss = true,
            nothing,
        ),
        ("shape", Tag::OrderLimit, any, |i| {
            i.price = Some(price("1"))
        }),
        (
            "collar",
            Tag::PriceCollar,
            |l| l.price_collar = Some(ratio("0.01")),
            |i| {
                i.order_type = OrderType::Limit;
                i.price = Some(price("102"));
            },
        ),
        (
            "position",
            Tag::Exposure,
            |l| l.max_position_notional = Notional::parse("99").ok(),
            nothing,
        ),
        (
            "gross",
            Tag::Exposure,
            |l| l.max_gross_exposure = Notional::parse("99").ok(),
            nothing,
        ),
        (
            "margin",
            Tag::MarginBlock,
            |l| l.max_margin_ratio = ratio("0.004"),
            nothing,
        ),
        (
            "rate",
            Tag::OrderRate,
            |l| l.max_orders_per_minute = Some(0),
            nothing,
        ),
        (
            "open orders",
            Tag::OrderRate,
            |l| l.max_open_orders = Some(0),
            nothing,
        ),
        ("too old", Tag::DuplicateOrder, any, |i| {
            i.at = VenueMs(i.at.0 - 90_000_000)
        }),
    ];
    for (name, tag, set, change) in table {
        let mut limits = wide();
        set(&mut limits);
        let mut world = World::ready(limits);
        let mut intent = world.intent(Side::Buy, "1");
        change(&mut intent);
        assert_eq!(world.denied(&intent), tag, "{name}");
        let mut world = World::ready(wide());
        let plain = world.intent(Side::Buy, "1");
        world.approved(&plain);
    }
}

#[test]
fn nothing_opens_before_the_books_are_compared_and_exits_do_not_wait() {
    let mut world = World::unread(wide());
    assert_eq!(world.refused_by(), Some(Tag::StaleData));
    world.say(InputKind::GatewayJoined);
    world.positions(&[held(Side::Buy, "2")]);
    assert_eq!(world.refused_by(), Some(Tag::StaleData));
    let exit = Intent {
        reduce_only: true,
        ..world.intent(Side::Sell, "2")
    };
    assert!(!world.approved(&exit).opens);
}

#[test]
fn a_view_that_grows_old_blocks_until_it_is_fresh() {
    let mut world = World::ready(wide());
    world.wait(61_000);
    assert!(world.stands(Tag::StaleData));
    assert_eq!(world.refused_by(), Some(Tag::StaleData));
    world.price("100");
    world.positions(&[flat()]);
    world.see(Observation::OpenOrders(vec![]));
    world.wallet();
    assert_eq!(world.refused_by(), None);
}

#[test]
fn the_breaker_opens_on_a_streak_and_closes_on_a_win_or_a_reset() {
    let limits = Limits {
        consecutive_loss_limit: Some(2),
        ..wide()
    };
    let mut world = World::ready(limits.clone());
    world.closed("-1");
    assert_eq!(world.refused_by(), None);
    world.closed("-1");
    assert_eq!(world.refused_by(), Some(Tag::CircuitBreaker));
    world.new_limits(Limits {
        consecutive_loss_limit: Some(9),
        ..limits
    });
    assert_eq!(
        world.refused_by(),
        Some(Tag::CircuitBreaker),
        "a looser limit ends no trip"
    );
    world.closed("0");
    assert_eq!(world.refused_by(), None, "break-even is no loss");
    world.new_limits(Limits {
        consecutive_loss_limit: Some(1),
        ..wide()
    });
    world.closed("-1");
    assert!(world.stands(Tag::CircuitBreaker));
    world.operate(Verb::Reset {
        what: ResetTarget::CircuitBreaker,
    });
    assert_eq!(
        (world.refused_by(), world.status().account.loss_streak),
        (None, 0)
    );
}

#[test]
fn the_daily_loss_counts_every_fee_and_lasts_until_the_next_day() {
    let limits = Limits {
        max_daily_risk: ratio("0.01"),
        daily_loss_cooldown_ms: 3_600_000,
        ..wide()
    };
    let mut world = World::ready(limits);
    assert_eq!(world.round_trip("10", "90.2"), amount("-100"));
    let status = world.status();
    assert_eq!(
        (status.account.realised_today, status.account.day_open),
        (amount("-100"), Some(amount("10000")))
    );
    assert_eq!(world.refused_by(), None, "exactly at the limit is inside");
    world.round_trip("1", "100");
    assert_eq!(world.refused_by(), Some(Tag::DailyLoss));
    world.pass(12 * 3_600_000);
    world.positions(&[flat()]);
    world.see(Observation::OpenOrders(vec![]));
    assert_eq!(world.refused_by(), None, "a new UTC day");
    assert_eq!(world.status().account.realised_today, amount("0"));
}

#[test]
fn a_daily_reset_opens_a_fresh_allowance_and_no_more() {
    let mut world = World::ready(Limits {
        max_daily_risk: ratio("0.01"),
        ..wide()
    });
    world.round_trip("20", "90");
    assert!(world.stands(Tag::DailyLoss));
    world.operate(Verb::Reset {
        what: ResetTarget::DailyLoss,
    });
    assert_eq!(world.refused_by(), None);
    world.round_trip("20", "90");
    assert_eq!(world.refused_by(), Some(Tag::DailyLoss));
}

#[test]
fn the_other_basis_is_rows_over_equity() {
    let limits = Limits {
        max_daily_risk: ratio("0.01"),
        daily_loss_basis: DailyLossBasis::CurrentEquity,
        ..wide()
    };
    let mut world = World::ready(limits);
    world.closed("-99");
    assert_eq!(world.refused_by(), None);
    world.closed("-2");
    assert_eq!(world.refused_by(), Some(Tag::DailyLoss));
}

#[test]
fn drawdown_trips_recovers_with_hysteresis_and_can_be_latched_or_rebased() {
    let limits = Limits {
        drawdown_threshold: ratio("0.05"),
        ..wide()
    };
    let mut world = World::ready(limits.clone());
    world.float("-501");
    assert_eq!(world.refused_by(), Some(Tag::Drawdown));
    world.float("-480");
    assert_eq!(
        world.refused_by(),
        Some(Tag::Drawdown),
        "inside, but not by the hysteresis"
    );
    world.float("-440");
    assert_eq!(world.refused_by(), None);
    world.float("-600");
    let told = world.operate(Verb::Reset {
        what: ResetTarget::Drawdown { rebase: false },
    });
    assert!(told.contains("tripped again"), "{told}");
    world.operate(Verb::Reset {
        what: ResetTarget::Drawdown { rebase: true },
    });
    assert_eq!(world.refused_by(), None);

    let mut world = World::ready(Limits {
        drawdown_latch: true,
        ..limits
    });
    world.float("-501");
    world.float("0");
    assert_eq!(world.refused_by(), Some(Tag::Drawdown));
}

#[test]
fn a_deposit_does_not_raise_the_peak_before_it_is_explained() {
    let mut world = World::ready(wide());
    world.transfer("5000");
    world.wallet();
    assert_eq!(world.status().account.peak, Some(amount("10000")));
}

#[test]
fn a_jump_of_the_balance_is_a_flow_and_a_withdrawal_scales_the_peak() {
    let mut world = World::ready(Limits {
        drawdown_threshold: ratio("0.2"),
        ..wide()
    });
    world.transfer("-1000");
    for _ in 0..8 {
        world.pass(3_000);
        let now = world.venue_now();
        world.see(Observation::ExecutionsComplete(now));
    }
    assert!(world.stands(Tag::Flow));
    assert_eq!(world.refused_by(), Some(Tag::Flow));
    world.operate(Verb::FlowConfirm);
    let account = world.status().account;
    assert_eq!(
        (account.peak, account.drawdown),
        (Some(amount("9000")), Some(ratio("0")))
    );
    assert_eq!(world.refused_by(), None);
}

#[test]
fn a_session_ends_by_its_trades_and_a_freed_slot_comes_back() {
    let mut world = World::ready(Limits {
        session_max_trades: Some(2),
        ..wide()
    });
    world.round_trip("1", "101");
    let rest = Intent {
        order_type: OrderType::Limit,
        price: Some(price("95")),
        ..world.intent(Side::Buy, "1")
    };
    let approval = world.approved(&rest);
    assert_eq!(
        world.refused_by(),
        Some(Tag::SessionTrades),
        "a live opener holds a slot"
    );
    let id = world.accept(&approval);
    let gone = Order {
        order_id: id,
        link_id: Some(approval.link_id),
        status: OrderStatus::Cancelled,
        ..order("x", world.venue_now())
    };
    world.see(Observation::Orders(vec![gone]));
    assert_eq!(world.refused_by(), None, "it ended without executing");
    world.round_trip("1", "101");
    assert_eq!(world.refused_by(), Some(Tag::SessionTrades));
    world.operate(Verb::SessionNew);
    assert_eq!(
        (world.refused_by(), world.status().session.trades),
        (None, 0)
    );
}

#[test]
fn a_session_grows_old_also_while_the_guard_is_down() {
    let mut world = World::ready(Limits {
        session_max_runtime_ms: Some(60_000),
        ..wide()
    });
    world.pass(59_000);
    assert!(!world.stands(Tag::SessionRuntime));
    let started = world.status().session.started;
    world.wait(2_000);
    world.restart();
    assert_eq!(world.status().session.started, started);
    assert!(world.stands(Tag::SessionRuntime));
    world.join(&[], &[]);
    assert_eq!(world.refused_by(), Some(Tag::SessionRuntime));
}

#[test]
fn an_order_of_unknown_outcome_blocks_its_symbol_until_two_look_ups_missed_it() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "1");
    let approval = world.approved(&intent);
    world.report(
        &approval,
        Outcome::Ambiguous {
            why: "time-out".into(),
        },
    );
    assert_eq!(world.refused_by(), Some(Tag::InflightIntent));
    world.lookup(&approval, None);
    world.wait(3_000);
    world.lookup(&approval, None);
    assert_eq!(
        world.status().unresolved,
        1,
        "both came before the venue had to have it"
    );
    world.pass(5_000);
    world.lookup(&approval, None);
    assert_eq!(world.status().unresolved, 1, "one is not enough");
    world.wait(1_000);
    world.lookup(&approval, None);
    assert_eq!(
        world.status().unresolved,
        1,
        "not spaced beyond the venue's lag"
    );
    world.wait(1_500);
    world.lookup(&approval, None);
    assert_eq!((world.status().unresolved, world.refused_by()), (0, None));
    let Decision::Recorded(recorded) = world.authorize(&intent) else {
        panic!("not recorded")
    };
    assert!(matches!(recorded.outcome, Outcome::NotSent { .. }));
}

#[test]
fn an_order_that_was_given_up_and_turns_up_blocks() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "1");
    let approval = world.approved(&intent);
    world.report(
        &approval,
        Outcome::NotSent {
            why: "no connection".into(),
        },
    );
    let late = Order {
        link_id: Some(approval.link_id),
        ..order("late", world.venue_now())
    };
    world.see(Observation::OpenOrders(vec![late]));
    assert_eq!(world.refused_by(), Some(Tag::ReconBlock));
}

#[test]
fn a_gateway_that_dies_leaves_its_approvals_in_doubt() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "1");
    let approval = world.approved(&intent);
    world.say(InputKind::GatewayLost);
    assert_eq!(
        world.engine.welcome().unresolved,
        std::slice::from_ref(&approval)
    );
    world.join(&[], &[]);
    assert_eq!(world.refused_by(), Some(Tag::InflightIntent));
    let found = Order {
        link_id: Some(approval.link_id),
        filled: qty("1"),
        status: OrderStatus::Filled,
        ..order("o-1", world.venue_now())
    };
    world.lookup(&approval, Some(found));
    assert_eq!(
        (world.status().session.trades, world.status().unresolved),
        (1, 0)
    );
}

#[test]
fn executions_before_and_after_the_outcome_count_one_trade() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "3");
    let approval = world.approved(&intent);
    let id = protocol::OrderId::new("o-1").unwrap();
    world.execute(id, Side::Buy, "1", "100", "0");
    world.report(&approval, Outcome::Accepted { order_id: id });
    world.execute(id, Side::Buy, "1", "100", "0");
    world.execute(id, Side::Buy, "1", "103", "0");
    let status = world.status();
    assert_eq!(
        (
            status.session.trades,
            status.session.live_openers,
            status.session.sent
        ),
        (1, 0, 1)
    );
    assert_eq!(
        (status.positions[0].size, status.positions[0].entry),
        (qty("3"), Some(price("101")))
    );
}

#[test]
fn intents_are_remembered() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "1");
    let approval = world.approved(&intent);
    let Decision::Recorded(again) = world.authorize(&intent) else {
        panic!("not recorded")
    };
    assert_eq!(
        (again.link_id, again.outcome),
        (Some(approval.link_id), Outcome::Pending)
    );
    let other = Intent {
        qty: qty("2"),
        ..intent.clone()
    };
    assert_eq!(world.denied(&other), Tag::DuplicateOrder);
    world.restart();
    assert!(matches!(world.authorize(&intent), Decision::Recorded(_)));
}

#[test]
fn reducers_pass_in_every_state_but_a_freeze() {
    let mut world = World::unread(wide());
    world.join(&[held(Side::Buy, "9")], &[]);
    let exit = |world: &mut World| {
        let exit = Intent {
            reduce_only: true,
            ..world.intent(Side::Sell, "1")
        };
        world.authorize(&exit)
    };
    assert!(matches!(exit(&mut world), Decision::Approved(_)));
    world.operate(Verb::Halt { flatten: false });
    assert_eq!(world.status().state, TradingState::Halted);
    assert!(matches!(exit(&mut world), Decision::Approved(_)));
    assert_eq!(world.refused_by(), Some(Tag::Halt));
    world.restart();
    assert_eq!(
        world.status().state,
        TradingState::Halted,
        "a halt survives"
    );
    assert!(matches!(exit(&mut world), Decision::Approved(_)));
    world.operate(Verb::Freeze);
    assert!(matches!(exit(&mut world), Decision::Denied(d) if d.tag == Tag::Halt));
    world.operate(Verb::Resume);
    assert!(matches!(exit(&mut world), Decision::Approved(_)));
    let much = Intent {
        reduce_only: true,
        ..world.intent(Side::Sell, "9")
    };
    assert_eq!(
        world.denied(&much),
        Tag::OrderLimit,
        "not more than is left"
    );
}

#[test]
fn the_first_start_under_a_supervisor_cancels_what_an_earlier_house_left_resting() {
    let start = |world: &mut World, first: bool| {
        let limits = wide();
        let start = Start {
            generation: Generation(1),
            limits,
            mode: Mode::Testnet,
            new_session: false,
            first,
            store: StoreCondition::Restored,
        };
        world.say(InputKind::Start(Box::new(start)));
        world.engine.commands().count()
    };
    let mut world = World::ready(wide());
    assert_eq!(start(&mut world, true), 0, "nothing rests");
    world.join(&[], &[]);
    let intent = world.intent(Side::Buy, "1");
    let approval = world.approved(&intent);
    world.accept(&approval);
    assert_eq!(start(&mut world, false), 0, "only the guard was away");
    assert_eq!(start(&mut world, true), 1);
    assert!(matches!(
        world.engine.commands().next().unwrap().what,
        CommandKind::CancelOpeners { symbol: None }
    ));
}

#[test]
fn a_halt_cancels_openers_until_it_is_done_and_a_freeze_holds_even_that() {
    let mut world = World::ready(wide());
    world.operate(Verb::Halt { flatten: true });
    let commands: Vec<_> = world.engine.commands().collect();
    assert!(matches!(
        commands[0].what,
        CommandKind::CancelOpeners { symbol: None }
    ));
    assert!(matches!(
        commands[1].what,
        CommandKind::Flatten { symbol: None, .. }
    ));
    world.operate(Verb::Halt { flatten: true });
    assert_eq!(
        world.engine.commands().count(),
        2,
        "the same is not asked twice"
    );
    world.operate(Verb::Freeze);
    assert_eq!(
        world.engine.commands().count(),
        1,
        "only the explicit flatten"
    );
    let id = commands[1].command_id;
    let failed = protocol::guard::CommandResult {
        command_id: id,
        done: false,
        message: "busy".into(),
        refused: false,
    };
    world.say(InputKind::CommandResult(failed.clone()));
    assert_eq!(world.engine.commands().count(), 1);
    world.say(InputKind::CommandResult(protocol::guard::CommandResult {
        done: true,
        ..failed
    }));
    assert_eq!(world.engine.commands().count(), 0);
}

#[test]
fn what_a_trip_does_beyond_blocking() {
    let table = [
        (OnTrip::Block, 0),
        (OnTrip::Cancel, 1),
        (OnTrip::Flatten, 1),
    ];
    for (on_trip, commands) in table {
        let mut world = World::ready(Limits {
            on_trip,
            consecutive_loss_limit: Some(1),
            ..wide()
        });
        world.closed("-1");
        assert_eq!(world.engine.commands().count(), commands, "{on_trip:?}");
    }
    let mut world = World::unread(Limits {
        on_trip: OnTrip::Flatten,
        ..wide()
    });
    world.join(&[held(Side::Sell, "1")], &[]);
    let commands: Vec<_> = world.engine.commands().collect();
    assert!(
        matches!(commands[0].what, CommandKind::CancelOpeners { .. }),
        "what is not ours is not closed"
    );
}

#[test]
fn starts() {
    let leg = protocol::venue::Position {
        index: 1,
        ..held(Side::Buy, "1")
    };
    let foreign = |at| vec![order("theirs", at)];
    let stop = |at| {
        vec![Order {
            venue_made: true,
            ..order("stop", at)
        }]
    };
    type Row = (
        &'static str,
        Vec<protocol::venue::Position>,
        fn(VenueMs) -> Vec<Order>,
        Option<Tag>,
        bool,
    );
    let none: fn(VenueMs) -> Vec<Order> = |_| Vec::new();
    let table: [Row; 6] = [
        ("flat", vec![], none, None, false),
        ("a long", vec![held(Side::Buy, "2")], none, None, true),
        (
            "a short",
            vec![held(Side::Sell, "2")],
            none,
            Some(Tag::ReconBlock),
            false,
        ),
        ("a hedge leg", vec![leg], none, Some(Tag::ReconBlock), false),
        (
            "an order of somebody else",
            vec![held(Side::Buy, "2")],
            foreign,
            Some(Tag::ReconBlock),
            false,
        ),
        (
            "a stop of the venue's",
            vec![held(Side::Buy, "2")],
            stop,
            None,
            true,
        ),
    ];
    for (name, positions, orders, blocked_by, adopted) in table {
        let mut world = World::unread(wide());
        let at = world.venue_now();
        let effects = world.join(&positions, &orders(at));
        assert_eq!(world.refused_by(), blocked_by, "{name}");
        assert_eq!(
            effects.events.iter().any(|e| e.tag == Tag::ReconAdopt),
            adopted,
            "{name}"
        );
        if blocked_by.is_some() {
            let effects = world.restart();
            assert!(
                effects.events.iter().any(|e| e.tag == Tag::ReconBlock),
                "{name}: told again"
            );
            world.join(&positions, &orders(at));
            world.operate(Verb::ReconAcknowledge);
            assert_eq!(world.refused_by(), None, "{name}: acknowledged");
            world.pass(60_000);
            world.positions(&positions);
            let now = world.venue_now();
            world.see(Observation::OpenOrders(orders(now)));
            assert_eq!(world.refused_by(), None, "{name}: stays acknowledged");
        }
    }
    let both = Limits {
        supported_sides: OpeningSides::Both,
        ..wide()
    };
    let mut world = World::unread(both);
    world.join(&[held(Side::Sell, "2")], &[]);
    assert_eq!(
        world.refused_by(),
        None,
        "a short is adopted where shorts are supported"
    );
}

#[test]
fn a_stop_that_filled_while_everything_was_down_is_no_disagreement() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "2");
    let approval = world.approved(&intent);
    let id = world.accept(&approval);
    world.execute(id, Side::Buy, "2", "100", "0");
    world.restart();
    world.say(InputKind::GatewayJoined);
    let stop = protocol::OrderId::new("stop").unwrap();
    world.execute(stop, Side::Sell, "2", "95", "0");
    world.transfer("-10");
    world.closed_by(stop, "2", "-10");
    world.join(&[], &[]);
    assert_eq!(world.refused_by(), None);
    assert_eq!(world.status().account.realised_today, amount("-10"));
}

#[test]
fn a_position_that_vanished_unexplained_blocks() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "2");
    let approval = world.approved(&intent);
    let id = world.accept(&approval);
    world.execute(id, Side::Buy, "2", "100", "0");
    world.restart();
    world.pass(60_000);
    world.join(&[], &[]);
    assert_eq!(world.refused_by(), Some(Tag::ReconBlock));
}

#[test]
fn later_a_difference_blocks_only_once_it_has_outlived_the_venues_lag() {
    let mut world = World::ready(wide());
    for (ms, blocked) in [(1_000, false), (2_000, false), (4_000, true)] {
        world.pass(ms);
        let now = world.venue_now();
        world.see(Observation::ExecutionsComplete(VenueMs(now.0 + 10_000)));
        world.positions(&[held(Side::Buy, "1")]);
        assert_eq!(world.stands(Tag::ReconBlock), blocked, "after {ms} ms more");
    }
}

#[test]
fn a_liquidation_blocks_until_it_has_been_looked_at() {
    let mut world = World::ready(wide());
    let at = world.venue_now();
    let execution = protocol::venue::Execution {
        exec_id: protocol::ExecId::new("bust").unwrap(),
        order_id: protocol::OrderId::new("bust").unwrap(),
        link_id: None,
        symbol: support::sol(),
        side: Side::Buy,
        price: price("100"),
        qty: qty("1"),
        fee: amount("0"),
        kind: ExecKind::Bust,
        closed: None,
        at,
    };
    world.see(Observation::Executions(vec![execution]));
    assert_eq!(world.refused_by(), Some(Tag::Liquidation));
    world.operate(Verb::Reset {
        what: ResetTarget::Liquidation,
    });
    assert!(!world.stands(Tag::Liquidation));
}

#[test]
fn faults_of_store_and_clock_block() {
    let mut world = World::ready(wide());
    world.say(InputKind::StoreFault(Some("disk full".into())));
    assert_eq!(world.refused_by(), Some(Tag::StateCorrupt));
    world.say(InputKind::StoreFault(None));
    assert_eq!(world.refused_by(), None);
    world.see(Observation::ClockSkew(-1_500));
    assert_eq!(world.refused_by(), Some(Tag::TimeDrift));
    world.see(Observation::ClockSkew(10));
    assert_eq!(world.refused_by(), None);
    world.see(Observation::AccessDenied(Some("10003".into())));
    assert_eq!(world.refused_by(), Some(Tag::StaleData));
}

#[test]
fn damage_found_at_a_start_outlives_the_next_start() {
    let mut world = World::with_store(wide(), StoreCondition::Corrupt("a flipped byte".into()));
    world.join(&[], &[]);
    assert_eq!(world.refused_by(), Some(Tag::StateCorrupt));
    world.restart();
    world.join(&[], &[]);
    assert_eq!(world.refused_by(), Some(Tag::StateCorrupt));
}

#[test]
fn a_deleted_state_file_resets_limits_and_lifts_no_halt() {
    let mut world = World::ready(Limits {
        consecutive_loss_limit: Some(1),
        ..wide()
    });
    world.closed("-1");
    let intent = world.intent(Side::Buy, "1");
    world.operate(Verb::Reset {
        what: ResetTarget::CircuitBreaker,
    });
    let approval = world.approved(&intent);
    world.closed("-1");
    world.operate(Verb::Halt { flatten: false });
    let effects = world.start(StoreCondition::Reset);
    assert!(
        effects
            .events
            .iter()
            .any(|event| event.tag == Tag::StateReset)
    );
    let status = world.status();
    assert_eq!(
        (
            status.state,
            status.account.loss_streak,
            status.account.peak
        ),
        (TradingState::Halted, 0, None)
    );
    assert!(!world.stands(Tag::CircuitBreaker));
    assert_eq!(world.engine.welcome().unresolved, [approval]);
}

#[test]
fn an_amend_is_judged_as_the_whole_order_and_reserves_the_larger() {
    let limits = Limits {
        max_position_notional: Notional::parse("300").ok(),
        ..wide()
    };
    let mut world = World::ready(limits);
    let rest = Intent {
        order_type: OrderType::Limit,
        price: Some(price("99")),
        ..world.intent(Side::Buy, "1")
    };
    let approval = world.approved(&rest);
    world.accept(&approval);
    let amend = |world: &mut World, size: &str| {
        let change = Amend {
            intent_id: rest.intent_id,
            qty: Some(qty(size)),
            price: None,
            take_profit: None,
            stop_loss: None,
        };
        world
            .say(InputKind::AuthorizeAmend(change))
            .decision
            .unwrap()
    };
    assert!(matches!(amend(&mut world, "4"), Decision::Denied(d) if d.tag == Tag::Exposure));
    let Decision::Approved(larger) = amend(&mut world, "2.5") else {
        panic!("denied")
    };
    assert_eq!(larger.intent.qty, qty("2.5"));
    assert_eq!(
        world.refused_by(),
        Some(Tag::Exposure),
        "the larger of the two is reserved"
    );
    world.report(
        &larger,
        Outcome::Rejected {
            code: 1,
            message: "no".into(),
        },
    );
    assert_eq!(world.refused_by(), None, "the smaller one stands again");
}

#[test]
fn alerts_stay_until_they_are_taken_and_repeat_by_the_reminder() {
    let mut world = World::ready(Limits {
        consecutive_loss_limit: Some(1),
        reminder_ms: 60_000,
        ..wide()
    });
    world.closed("-1");
    assert_eq!(world.engine.outbox().count(), 1);
    world.refused_by();
    assert_eq!(
        world.engine.outbox().count(),
        1,
        "the trip has been alerted, its refusals are only logged"
    );
    world.restart();
    let id = world.engine.outbox().next().unwrap().id.clone();
    world.say(InputKind::AlertTaken { id });
    assert_eq!(world.engine.outbox().count(), 0);
    world.wait(60_000);
    assert!(
        world
            .engine
            .outbox()
            .any(|event| event.tag == Tag::CircuitBreaker),
        "reminded"
    );
}

#[test]
fn a_deadline_is_always_ahead_of_the_tick_that_served_it() {
    let mut world = World::ready(Limits {
        session_max_runtime_ms: Some(30_000),
        consecutive_loss_limit: Some(1),
        reminder_ms: 10_000,
        ..wide()
    });
    world.closed("-1");
    for _ in 0..50 {
        let due = world.engine.deadline().expect("something is always due");
        let now = world.status().now;
        let boot = protocol::BootMs(u64::try_from(now.0 - support::NOON).unwrap() + 1_000);
        assert!(
            due > boot,
            "a deadline in the past would never let the guard sleep"
        );
        world.wait(due.since(boot));
    }
}
