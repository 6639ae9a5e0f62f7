//! What was earned and paid, to the last digit: closing orders against the venue's rows, fees and
//! funding, days, deposits and withdrawals, and what reconciliation says of the rest.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use protocol::guard::{Observation, ResetTarget, Verb};
use protocol::status::CloseCheck;
use protocol::venue::{ExecKind, Execution, Position};
use protocol::{ExecId, OpeningSides, OrderId, Outcome, Side, Tag, VenueMs};
use risk::{Limits, StoreCondition};
use support::{NOON, World, amount, flat, held, order, price, qty, ratio, sol, symbol, wide};

fn id(name: &str) -> OrderId {
    OrderId::new(name).unwrap()
}

fn execution(world: &World, name: &str, kind: ExecKind) -> Execution {
    Execution {
        exec_id: ExecId::new(name).unwrap(),
        order_id: id(name),
        link_id: None,
        symbol: sol(),
        side: Side::Sell,
        price: price("100"),
        qty: qty("1"),
        fee: amount("0"),
        kind,
        closed: None,
        at: world.venue_now(),
    }
}

fn funding(world: &mut World, name: &str, paid: &str) {
    let row = Execution {
        fee: amount(paid),
        ..execution(world, name, ExecKind::Funding)
    };
    world.see(Observation::Executions(vec![row]));
    let out = amount(paid).negated().to_string();
    world.transfer(&out);
}

/// Buys at 100; the fee is one.
fn long(world: &mut World, size: &str) {
    let intent = world.intent(Side::Buy, size);
    let approval = world.approved(&intent);
    let opened = world.accept(&approval);
    world.execute(opened, Side::Buy, size, "100", "1");
    world.transfer("-1");
}

/// The venue tells everything for so long that whatever lags is late.
fn let_time_pass(world: &mut World) {
    for _ in 0..4 {
        world.pass(2_500);
        world.complete();
    }
}

#[test]
fn fees_and_funding_go_with_the_trade_and_the_day_and_stand_apart() {
    let mut world = World::ready(wide());
    long(&mut world, "4");
    funding(&mut world, "f-1", "0.8");
    world.execute(id("half"), Side::Sell, "1", "110", "0.5");
    funding(&mut world, "f-2", "-0.2");
    world.execute(id("rest"), Side::Sell, "3", "90", "0.7");
    let closes = world.status().closes;
    let told: Vec<_> = closes
        .iter()
        .map(|c| {
            (
                c.gross.unwrap(),
                c.fees.unwrap(),
                c.funding.unwrap(),
                c.pnl.unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (amount("10"), amount("0.75"), amount("0.2"), amount("9.25")),
            (
                amount("-30"),
                amount("1.45"),
                amount("0.4"),
                amount("-31.45")
            ),
        ]
    );
    let account = world.status().account;
    assert_eq!(
        account.realised_today,
        amount("-22.8"),
        "20 lost, 2.2 of fees, 0.6 of funding"
    );
    assert_eq!(
        (account.fees_today, account.funding_today),
        (amount("2.2"), amount("0.6"))
    );
    assert_eq!(
        account.day_open,
        Some(amount("10000")),
        "whenever it is asked for"
    );
}

#[test]
fn our_figure_and_the_venues_agree_to_the_cent_or_block_with_both_numbers() {
    // What the row says, when it comes, and whether that blocks.
    let table = [
        ("agrees", Some(("2", "-12")), None),
        ("within a cent", Some(("2", "-12.01")), None),
        (
            "beyond a cent",
            Some(("2", "-12.02")),
            Some("-12 on 2|-12.02 on 2"),
        ),
        (
            "of another size",
            Some(("1", "-12")),
            Some("-12 on 2|-12 on 1"),
        ),
        ("never comes", None, Some("-12 on 2|no row of closed PnL")),
    ];
    for (name, row, blocks) in table {
        let mut world = World::ready(wide());
        long(&mut world, "2");
        world.execute(id("out"), Side::Sell, "2", "95", "1");
        world.transfer("-11");
        if let Some((size, pnl)) = row {
            world.closed_by(id("out"), size, pnl);
        }
        assert!(!world.stands(Tag::ReconBlock), "{name}: it may lag");
        let_time_pass(&mut world);
        assert_eq!(world.stands(Tag::ReconBlock), blocks.is_some(), "{name}");
        let check = world.status().closes[0].check;
        let Some(sides) = blocks else {
            assert_eq!(check, CloseCheck::Agrees, "{name}");
            continue;
        };
        assert_eq!(check, CloseCheck::Disagrees, "{name}");
        let (ours, theirs) = sides.split_once('|').unwrap();
        let trip = world.status().trips[0].clone();
        assert!(
            trip.message.contains(ours) && trip.message.contains(theirs),
            "{name}: {trip:?}"
        );
        world.operate(Verb::ReconAcknowledge);
        let_time_pass(&mut world);
        assert_eq!(world.refused_by(), None, "{name}: looked at");
    }
}

#[test]
fn what_lags_on_either_side_is_waited_for() {
    let mut world = World::ready(wide());
    long(&mut world, "2");
    world.execute(id("out"), Side::Sell, "1", "95", "1");
    world.closed_by(id("out"), "2", "-12");
    world.pass(1_500);
    world.complete();
    assert!(
        !world.stands(Tag::ReconBlock),
        "the second execution may still come"
    );
    world.execute(id("out"), Side::Sell, "1", "95", "0");
    assert_eq!(world.status().closes[0].check, CloseCheck::Agrees);
    // A row nobody here has executed anything for.
    world.closed_by(id("theirs"), "1", "5");
    world.transfer("-11");
    let_time_pass(&mut world);
    let trip = world.status().trips[0].clone();
    assert_eq!(trip.tag, Tag::ReconBlock);
    assert!(
        trip.message
            .contains("no execution by our executions, 5 on 1"),
        "{}",
        trip.message
    );
}

#[test]
fn a_row_that_grows_counts_its_growth_and_not_a_second_trade() {
    let mut world = World::ready(Limits {
        consecutive_loss_limit: Some(9),
        ..wide()
    });
    long(&mut world, "2");
    world.execute(id("out"), Side::Sell, "1", "101", "0.5");
    world.closed_by(id("out"), "1", "0");
    assert_eq!(world.status().account.loss_streak, 0);
    world.execute(id("out"), Side::Sell, "1", "90", "0.5");
    for _ in 0..3 {
        world.closed_by(id("out"), "2", "-11");
    }
    let status = world.status();
    let today = status.days.last().unwrap();
    assert_eq!((today.closed_pnl, today.closes), (amount("-11"), 1));
    assert_eq!(status.account.loss_streak, 1, "the whole of it is a loss");
    assert_eq!(status.closes[0].check, CloseCheck::Agrees);
}

#[test]
fn rows_that_share_a_time_are_different_trades_and_a_late_one_finds_its_place() {
    let mut world = World::ready(Limits {
        consecutive_loss_limit: Some(9),
        ..wide()
    });
    let rows = [world.row(id("a"), "1", "-1"), world.row(id("b"), "1", "-2")];
    world.see(Observation::ClosedTrades(rows.to_vec()));
    world.see(Observation::ClosedTrades(rows.to_vec()));
    assert_eq!(world.status().account.loss_streak, 2);
    let late = world.row(id("late"), "1", "3");
    world.wait(1_000);
    world.closed_by(id("c"), "1", "-1");
    assert_eq!(world.status().account.loss_streak, 3);
    world.see(Observation::ClosedTrades(vec![late]));
    assert_eq!(
        world.status().account.loss_streak,
        1,
        "the win came before the last loss"
    );
    world.operate(Verb::Reset {
        what: ResetTarget::CircuitBreaker,
    });
    world.closed("-1");
    assert_eq!(world.status().account.loss_streak, 1);
    assert_eq!(world.status().days.last().unwrap().closed_pnl, amount("-2"));
}

#[test]
fn what_was_taken_over_has_no_figure_of_our_own() {
    let mut world = World::unread(wide());
    world.join(&[held(Side::Buy, "2")], &[]);
    world.execute(id("out"), Side::Sell, "2", "95", "1");
    world.transfer("-11");
    world.closed_by(id("out"), "2", "-13.5");
    let_time_pass(&mut world);
    world.positions(&[flat()]);
    world.see(Observation::OpenOrders(vec![]));
    assert_eq!(world.refused_by(), None);
    let close = world.status().closes[0].clone();
    assert_eq!(
        (close.check, close.gross, close.fees, close.venue_pnl),
        (
            CloseCheck::Exempt,
            Some(amount("-10")),
            None,
            Some(amount("-13.5"))
        )
    );
}

#[test]
fn a_start_at_noon_knows_the_day() {
    let mut world = World::unread(wide());
    let morning = VenueMs(NOON - 7_200_000);
    let early = |world: &World, name: &str, side, at: &str, fee: &str| Execution {
        side,
        price: price(at),
        fee: amount(fee),
        at: morning,
        ..execution(world, name, ExecKind::Trade)
    };
    let all = vec![
        early(&world, "in", Side::Buy, "100", "0.06"),
        early(&world, "out", Side::Sell, "90", "0.05"),
        Execution {
            at: morning,
            fee: amount("0.3"),
            ..execution(&world, "fund", ExecKind::Funding)
        },
    ];
    world.see(Observation::Executions(all));
    let row = protocol::venue::ClosedTrade {
        created: morning,
        updated: morning,
        exit: price("90"),
        ..world.row(id("out"), "1", "-10.11")
    };
    world.see(Observation::ClosedTrades(vec![row]));
    world.join(&[], &[]);
    let account = world.status().account;
    assert_eq!(
        (
            account.realised_today,
            account.fees_today,
            account.funding_today
        ),
        (amount("-10.41"), amount("0.11"), amount("0.3"))
    );
    assert_eq!(account.day_open, Some(amount("10010.41")));
    assert_eq!(account.loss_streak, 0, "a streak is this history's own");
    assert_eq!(world.refused_by(), None);
}

#[test]
fn money_counts_on_the_day_it_was_earned_whenever_it_is_told() {
    let mut world = World::ready(wide());
    long(&mut world, "2");
    let to_midnight = 43_200_000 - 500;
    world.pass(to_midnight);
    let before = world.venue_now();
    let tomorrow = Execution {
        fee: amount("3"),
        at: VenueMs(before.0 + 700),
        ..execution(&world, "ahead", ExecKind::Funding)
    };
    // The venue's clock is a little ahead: tomorrow has begun there.
    world.see(Observation::Executions(vec![tomorrow]));
    assert_eq!(world.status().account.realised_today, amount("-1"));
    world.wait(1_000);
    let yesterday = Execution {
        price: price("105"),
        qty: qty("2"),
        fee: amount("1"),
        at: before,
        ..execution(&world, "late", ExecKind::Trade)
    };
    world.see(Observation::Executions(vec![yesterday]));
    let days = world.status().days;
    let told: Vec<_> = days
        .iter()
        .map(|day| (day.realised, day.fees, day.funding))
        .collect();
    assert_eq!(
        told,
        [
            (amount("8"), amount("2"), amount("0")),
            (amount("-3"), amount("0"), amount("3")),
        ]
    );
    for _ in 0..40 {
        world.wait(86_400_000);
    }
    assert_eq!(world.status().days.len(), 32, "a month, and today");
}

#[test]
fn forced_closes_trip_and_unknown_kinds_need_an_operator() {
    for kind in [ExecKind::Bust, ExecKind::Adl] {
        let mut world = World::ready(wide());
        long(&mut world, "1");
        let forced = execution(&world, "forced", kind);
        world.see(Observation::Executions(vec![forced]));
        assert_eq!(world.refused_by(), Some(Tag::Liquidation), "{kind:?}");
        assert!(
            world.status().positions.is_empty(),
            "{kind:?} moves the book"
        );
        world.operate(Verb::Reset {
            what: ResetTarget::Liquidation,
        });
        assert!(!world.stands(Tag::Liquidation));
    }
    let mut world = World::ready(wide());
    let odd = execution(&world, "odd", ExecKind::Unknown);
    world.see(Observation::Executions(vec![odd]));
    assert_eq!(world.refused_by(), Some(Tag::StaleData));
    assert!(world.status().waiting_for[0].contains("unknown kind"));
}

fn until_flow(world: &mut World) {
    for _ in 0..8 {
        world.pass(3_000);
        world.complete();
    }
    world.positions(&[flat()]);
    world.see(Observation::OpenOrders(vec![]));
}

#[test]
fn a_deposit_counts_nowhere_before_it_is_confirmed_and_as_equity_after() {
    let limits = Limits {
        drawdown_threshold: ratio("0.05"),
        ..wide()
    };
    let mut world = World::ready(limits);
    world.float("-600");
    assert!(world.stands(Tag::Drawdown));
    world.transfer("1000");
    world.wallet();
    assert!(world.stands(Tag::Drawdown), "a sudden rise clears nothing");
    until_flow(&mut world);
    assert!(world.stands(Tag::Flow) && world.stands(Tag::Drawdown));
    let account = world.status().account;
    assert_eq!(
        (account.unconfirmed_flow, account.peak, account.day_open),
        (
            Some(amount("1000")),
            Some(amount("10000")),
            Some(amount("10000"))
        )
    );
    let said = world.operate(Verb::FlowConfirm);
    assert!(said.starts_with("deposit of 1000 confirmed"), "{said}");
    assert_eq!(world.refused_by(), None, "topped up");
    let account = world.status().account;
    assert_eq!(
        (account.unconfirmed_flow, account.day_open),
        (None, Some(amount("10000")))
    );
    assert_eq!(world.status().days.last().unwrap().flows, amount("1000"));
}

#[test]
fn a_withdrawal_takes_its_share_of_the_peak_of_then_not_of_the_confirmation() {
    let mut world = World::ready(wide());
    world.transfer("-1000");
    until_flow(&mut world);
    let loss = world.status().limits;
    let loss = loss.iter().find(|l| l.tag == Tag::DailyLoss).unwrap();
    assert_eq!(
        loss.used.as_deref(),
        Some("0.1"),
        "a fall counts as a loss until it is confirmed"
    );
    // Half of the rest is lost before anybody confirms.
    world.float("-4500");
    world.operate(Verb::FlowConfirm);
    let account = world.status().account;
    assert_eq!(
        (account.peak, account.drawdown),
        (Some(amount("9000")), Some(ratio("0.5")))
    );
}

#[test]
fn an_execution_that_comes_late_explains_the_jump_it_made() {
    let mut world = World::ready(wide());
    let mut late = Execution {
        fee: amount("25"),
        ..execution(&world, "late", ExecKind::Funding)
    };
    world.transfer("-25");
    until_flow(&mut world);
    assert!(world.stands(Tag::Flow));
    late.at = VenueMs(world.venue_now().0 - 20_000);
    world.see(Observation::Executions(vec![late]));
    assert_eq!(world.refused_by(), None);
    let account = world.status().account;
    assert_eq!(
        (account.realised_today, account.day_open),
        (amount("-25"), Some(amount("10000")))
    );
}

#[test]
fn a_jump_is_told_ten_seconds_after_the_first_read_that_shows_it() {
    let mut world = World::ready(wide());
    // This one waits to be proven when the next shows the jump.
    world.pass(5_000);
    world.wait(100);
    world.transfer("-50");
    world.wallet();
    let mut took = None;
    for n in 1..40 {
        world.pass(500);
        if n % 11 == 0 {
            // What the gateway reads when it is in doubt: complete up to the venue's lag.
            let before = VenueMs(world.venue_now().0 - 3_000);
            world.see(Observation::ExecutionsComplete(before));
            world.wallet();
        }
        if took.is_none() && world.stands(Tag::Flow) {
            took = Some(n * 500);
        }
    }
    let took = took.unwrap();
    assert!((10_000..=11_500).contains(&took), "{took} ms");
}

#[test]
fn one_read_is_not_enough_to_tell_a_flow_however_old_it_is() {
    let mut world = World::ready(wide());
    world.pass(5_000);
    world.complete();
    world.transfer("-50");
    world.wallet();
    world.wait(30_000);
    world.complete();
    assert!(!world.stands(Tag::Flow), "nobody has looked again");
    assert!(world.engine.balance_in_doubt());
    world.wallet();
    world.wait(6_000);
    world.complete();
    assert!(world.stands(Tag::Flow));
    assert!(!world.engine.balance_in_doubt(), "it is told");
}

#[test]
fn an_execution_beside_the_very_first_read_is_no_flow_whether_it_is_in_it_or_not() {
    // Before the read, at its very millisecond, after it; told before it or after it; in the
    // balance that it shows or not. Two clocks are never quite the same.
    for (before_ms, told_first, holds) in [
        (0, true, true),
        (0, true, false),
        (0, false, true),
        (0, false, false),
        (40, true, false),
        (40, false, false),
        (-40, true, true),
        (-40, false, true),
    ] {
        let mut world = World::unread(wide());
        let paid = |world: &World, name: &str, fee: &str, ago: i64| Execution {
            fee: amount(fee),
            at: VenueMs(world.venue_now().0 - ago),
            ..execution(world, name, ExecKind::Funding)
        };
        // One that is in it for sure, and two in a row of which the second is in question.
        let rows = vec![
            paid(&world, "long-ago", "3", 9_000),
            paid(&world, "near", "5", before_ms + 1),
            paid(&world, "nearest", "7", before_ms),
        ];
        world.transfer("-8");
        if holds {
            world.transfer("-7");
        }
        if told_first {
            world.see(Observation::Executions(rows.clone()));
        }
        world.join(&[], &[]);
        if !told_first {
            world.see(Observation::Executions(rows));
        }
        if !holds {
            world.transfer("-7");
        }
        until_flow(&mut world);
        let case = format!("{before_ms} ms before, told first: {told_first}, in it: {holds}");
        assert!(!world.stands(Tag::Flow), "{case}");
        let account = world.status().account;
        assert_eq!(account.day_open, Some(amount("10000")), "{case}");
        // What cannot be explained that way is a flow all the same.
        world.transfer("-6");
        until_flow(&mut world);
        assert!(world.stands(Tag::Flow), "{case}");
    }
}

#[test]
fn a_balance_is_proven_in_the_middle_of_trading() {
    let mut world = World::ready(wide());
    for n in 0..40 {
        world.pass(700);
        funding(&mut world, &format!("f-{n}"), "1.25");
        if n % 3 == 0 {
            world.wallet();
        }
        let before = VenueMs(world.venue_now().0 - 1_000);
        world.see(Observation::ExecutionsComplete(before));
        assert!(!world.stands(Tag::Flow), "{n}");
    }
    assert_eq!(world.status().account.realised_today, amount("-50"));
    world.transfer("-7");
    for n in 0..120 {
        world.pass(700);
        let paid = format!("{}.25", n % 17);
        funding(&mut world, &format!("g-{n}"), &paid);
        world.wallet();
        let before = VenueMs(world.venue_now().0 - 1_000);
        world.see(Observation::ExecutionsComplete(before));
    }
    assert!(world.stands(Tag::Flow), "trading hides no withdrawal");
    assert_eq!(world.status().account.unconfirmed_flow, Some(amount("-7")));
}

#[test]
fn a_balance_that_changed_while_everything_was_down_is_explained_before_entries() {
    let mut world = World::ready(wide());
    world.transfer("-300");
    world.restart();
    world.join(&[], &[]);
    assert_eq!(world.refused_by(), Some(Tag::StaleData));
    let waits = world.status().waiting_for.join(" ");
    assert!(waits.contains("9700") && waits.contains("10000"), "{waits}");
    until_flow(&mut world);
    assert_eq!(world.refused_by(), Some(Tag::Flow));
    world.operate(Verb::FlowConfirm);
    assert_eq!(world.refused_by(), None);
}

#[test]
fn a_difference_at_the_start_waits_for_the_executions_that_may_explain_it() {
    let mut world = World::ready(wide());
    long(&mut world, "2");
    world.execute(id("o"), Side::Buy, "1", "100", "0");
    for explained in [true, false] {
        let mut world = world.clone_state();
        world.pass(60_000);
        world.restart();
        // The walk reads positions after executions, and the venue's list of those lags.
        world.join_lagging(3_000, &[held(Side::Buy, "2")]);
        assert_eq!(world.refused_by(), Some(Tag::StaleData));
        assert!(!world.stands(Tag::ReconBlock), "{:?}", world.status().trips);
        if explained {
            let at = VenueMs(world.venue_now().0 - 1_000);
            let out = Execution {
                at,
                ..execution(&world, "stop", ExecKind::Trade)
            };
            world.see(Observation::Executions(vec![out]));
            world.closed_by(id("stop"), "1", "-0.33");
        }
        world.pass(4_000);
        world.complete();
        assert_eq!(world.stands(Tag::ReconBlock), !explained);
    }
}

#[test]
fn every_difference_is_told_once_with_both_sides() {
    let mut world = World::ready(wide());
    let leg = Position {
        index: 2,
        ..held(Side::Sell, "3")
    };
    let first = world.positions(std::slice::from_ref(&leg));
    let again = world.positions(&[leg]);
    let at = world.venue_now();
    let more = world.see(Observation::OpenOrders(vec![order("theirs", at)]));
    let told = |effects: &risk::Effects| {
        let events = effects.events.iter();
        let both = events.filter_map(|e| e.context.get("book").zip(e.context.get("venue")));
        both.map(|(b, v)| format!("{b}|{v}")).collect::<Vec<_>>()
    };
    assert_eq!(told(&first), ["nothing|short 3"]);
    assert!(told(&again).is_empty());
    assert_eq!(told(&more), ["nothing|buy 1 SOLUSDT"]);
    assert!(
        more.events.iter().any(|e| e.alert),
        "news while blocked is alerted"
    );
    let message = world.status().trips[0].message.clone();
    assert!(
        message.contains("index 2") && message.contains("theirs"),
        "{message}"
    );
}

#[test]
fn only_what_is_ours_to_trade_is_taken_over() {
    let other = Position {
        symbol: symbol("BTCUSDT"),
        ..held(Side::Buy, "2")
    };
    let table = [
        ("another symbol", None, OpeningSides::Long, Side::Buy, true),
        (
            "one that is allowed",
            Some(vec![sol(), symbol("BTCUSDT")]),
            OpeningSides::Long,
            Side::Buy,
            false,
        ),
        (
            "a short of it",
            Some(vec![sol(), symbol("BTCUSDT")]),
            OpeningSides::Long,
            Side::Sell,
            true,
        ),
        (
            "a short where both are supported",
            Some(vec![sol(), symbol("BTCUSDT")]),
            OpeningSides::Both,
            Side::Sell,
            false,
        ),
        (
            "a long where shorts are",
            Some(vec![sol(), symbol("BTCUSDT")]),
            OpeningSides::Short,
            Side::Buy,
            true,
        ),
    ];
    for (name, allowed_symbols, supported_sides, side, blocks) in table {
        let mut world = World::unread(Limits {
            symbol: Some(sol()),
            allowed_symbols,
            supported_sides,
            ..wide()
        });
        let found = Position {
            side: Some(side),
            ..other.clone()
        };
        world.join(&[found], &[]);
        assert_eq!(world.stands(Tag::ReconBlock), blocks, "{name}");
    }
}

#[test]
fn an_acknowledgement_keeps_what_the_book_knows_better() {
    let mut world = World::ready(wide());
    long(&mut world, "2");
    world.closed_by(id("theirs"), "1", "5");
    let_time_pass(&mut world);
    world.positions(&[held(Side::Buy, "2")]);
    assert!(world.stands(Tag::ReconBlock));
    world.operate(Verb::ReconAcknowledge);
    assert!(
        !world.status().positions[0].adopted,
        "its fees are still known"
    );
    world.execute(id("out"), Side::Sell, "2", "95", "1");
    world.closed_by(id("out"), "2", "-12");
    assert_eq!(
        world.status().closes.last().unwrap().check,
        CloseCheck::Agrees
    );
}

#[test]
fn executions_are_counted_once_however_many_there_are() {
    let mut world = World::ready(wide());
    let old = execution(&world, "old", ExecKind::Funding);
    let old = Execution {
        fee: amount("1"),
        ..old
    };
    world.see(Observation::Executions(vec![old.clone()]));
    world.wait(1_000);
    for n in 0..5_000 {
        let next = execution(&world, &format!("x-{n}"), ExecKind::Funding);
        world.see(Observation::Executions(vec![next]));
    }
    // Told again, long after its id had to be forgotten, and after a restart.
    world.see(Observation::Executions(vec![old.clone()]));
    world.restart();
    world.see(Observation::Executions(vec![old]));
    assert_eq!(world.status().account.funding_today, amount("1"));
}

#[test]
fn a_deleted_state_keeps_its_watermarks() {
    let mut world = World::ready(wide());
    world.pass(120_000);
    world.complete();
    let before = world.engine.welcome();
    world.start(StoreCondition::Reset);
    let after = world.engine.welcome();
    assert_eq!(
        (after.executions_since, after.closed_since),
        (before.executions_since, before.closed_since)
    );
    assert_eq!(
        after.closed_since,
        VenueMs(NOON + 60_000),
        "told up to two minutes in, less a minute"
    );
}

#[test]
fn an_outcome_that_is_refused_moves_no_money() {
    let mut world = World::ready(wide());
    let intent = world.intent(Side::Buy, "1");
    let approval = world.approved(&intent);
    let why = "no".to_owned();
    world.report(&approval, Outcome::NotSent { why });
    assert_eq!(world.status().days.last().unwrap().realised, amount("0"));
}
