//! What should have been, computed from the venue's ledger alone, with sums a child could check.

use std::collections::BTreeMap;

use exchange_sim::matching::ExecKind;
use money::{Amount, Decimal};
use protocol::status::{CloseCheck, DayMoney};
use protocol::{Stamp, Tag, VenueMs};

use crate::stage::{
    BALANCE, LOSSES, SESSION_TRADES, Stage, Trip, daily_limit, drawdown_limit, hysteresis,
};

const DAY: i64 = 86_400_000;

/// What was found to agree.
pub(crate) struct Verdict {
    pub(crate) days: usize,
    pub(crate) trips: usize,
    pub(crate) realised: Decimal,
}

/// Holds the guard's figures against the ledger's.
pub(crate) fn judge(stage: &Stage) -> Verdict {
    let realised = judge_days(stage);
    let mut trips = [
        streaks(stage),
        daily_losses(stage),
        sessions(stage),
        drawdowns(stage),
    ]
    .concat();
    trips.sort_by_key(|(tag, began, _)| (*began, *tag));
    let mut seen = stage.trips.clone();
    seen.sort_by_key(|(tag, began, _)| (*began, *tag));
    assert_eq!(seen, trips, "every trip, when it began and when it ended");

    let mut counted = stage.sessions.clone();
    counted.last_mut().unwrap().1 = stage.engine.state().session.trades;
    assert_eq!(counted, session_counts(stage), "trades of each session");
    nothing_opened_past_a_trip(stage, &trips);
    Verdict {
        days: days(stage).len(),
        trips: trips.len(),
        realised,
    }
}

/// Holds the guard's days and closed trades against the ledger's; what was realised in all.
pub(crate) fn judge_days(stage: &Stage) -> Decimal {
    let clock = stage.engine.state().clock;
    let status = stage.engine.status(Stamp {
        venue: clock.venue,
        boot: clock.boot,
        boot_id: clock.boot_id,
    });
    let expected = days(stage);
    let told: Vec<DayMoney> = status
        .days
        .iter()
        .filter(|day| expected.contains_key(&day.start.0.div_euclid(DAY)))
        .cloned()
        .collect();
    let expected_days: Vec<DayMoney> = expected.values().cloned().collect();
    assert_eq!(told, expected_days, "day by day, to the last digit");
    assert!(
        status
            .closes
            .iter()
            .all(|close| close.check == CloseCheck::Agrees),
        "{:?}",
        status.closes
    );

    expected_days.iter().map(|day| day.realised.get()).sum()
}

/// The balance at the end of each day on which there was a change, and at every change.
fn changes(stage: &Stage) -> Vec<(i64, Decimal)> {
    let mut changes: Vec<(i64, Decimal)> = Vec::new();
    let mut before = Decimal::from(BALANCE);
    for mark in stage.venue.equity_marks() {
        if mark.balance != before {
            changes.push((mark.at.ms(), mark.balance));
            before = mark.balance;
        }
    }
    changes
}

/// The newest days as the guard keeps them: those with any change, and the last.
fn days(stage: &Stage) -> BTreeMap<i64, DayMoney> {
    let mut days: BTreeMap<i64, DayMoney> = BTreeMap::new();
    let first = stage.sessions[0].0.div_euclid(DAY);
    let last = stage.reads.last().unwrap().0.div_euclid(DAY);
    for number in first..=last {
        days.insert(
            number,
            DayMoney {
                start: VenueMs(number * DAY),
                realised: Amount::ZERO,
                fees: Amount::ZERO,
                funding: Amount::ZERO,
                closed_pnl: Amount::ZERO,
                closes: 0,
                flows: Amount::ZERO,
            },
        );
    }
    let add = |sum: &mut Amount, more: Decimal| *sum = Amount::new(sum.get() + more).unwrap();
    let mut before = Decimal::from(BALANCE);
    for (at, balance) in changes(stage) {
        let day = days.get_mut(&at.div_euclid(DAY)).unwrap();
        add(&mut day.realised, balance - before);
        before = balance;
    }
    for row in stage.venue.executions() {
        let day = days.get_mut(&row.at.ms().div_euclid(DAY)).unwrap();
        let sum = if row.kind == ExecKind::Funding {
            &mut day.funding
        } else {
            &mut day.fees
        };
        add(sum, row.fee);
    }
    for row in stage.venue.closed() {
        let day = days.get_mut(&row.at.ms().div_euclid(DAY)).unwrap();
        add(&mut day.closed_pnl, row.pnl);
        day.closes += 1;
    }
    // The guard keeps today and 31 days before it.
    while days.len() > 32 {
        days.pop_first();
    }
    days
}

/// The first moment of the next day on which the market ran.
fn next_session(stage: &Stage, at: i64) -> Option<i64> {
    let begins = stage.sessions.iter().map(|(begun, _)| *begun);
    begins.filter(|begun| *begun > at).min()
}

/// Losses in a row; at midnight the operator closes the breaker.
fn streaks(stage: &Stage) -> Vec<Trip> {
    let mut trips: Vec<Trip> = Vec::new();
    let (mut streak, mut open) = (0, None);
    for row in stage.venue.closed() {
        let at = row.at.ms();
        if let Some(reset) = open.filter(|reset: &Option<i64>| reset.is_some_and(|r| r <= at)) {
            trips.last_mut().unwrap().2 = reset;
            (streak, open) = (0, None);
        }
        streak = if row.pnl < Decimal::ZERO {
            streak + 1
        } else {
            0
        };
        if streak == 0 && open.is_some() {
            trips.last_mut().unwrap().2 = Some(at);
            open = None;
        }
        if streak >= LOSSES && open.is_none() {
            trips.push((Tag::CircuitBreaker, at, None));
            open = Some(next_session(stage, at));
        }
    }
    if let Some(reset) = open {
        trips.last_mut().unwrap().2 = reset;
    }
    trips
}

/// Cash result of the day over the balance at its open.
fn daily_losses(stage: &Stage) -> Vec<Trip> {
    let mut trips: Vec<Trip> = Vec::new();
    let (mut day, mut at_open, mut before) = (i64::MIN, Decimal::ZERO, Decimal::from(BALANCE));
    for (at, balance) in changes(stage) {
        if at.div_euclid(DAY) > day {
            (day, at_open) = (at.div_euclid(DAY), before);
        }
        before = balance;
        let lost = (at_open - balance) / at_open;
        let stands = trips
            .last()
            .is_some_and(|trip| trip.1.div_euclid(DAY) == day);
        if lost > daily_limit() && !stands {
            trips.push((Tag::DailyLoss, at, next_session(stage, at)));
        }
    }
    trips
}

/// When each session's opening orders first executed.
fn openings(stage: &Stage) -> Vec<i64> {
    let orders = stage.venue.orders().iter();
    let opening = orders.filter(|order| !order.only_reduces());
    opening
        .filter_map(|order| order.executions.first())
        .map(|n| stage.venue.executions()[*n].at.ms())
        .collect()
}

fn session_counts(stage: &Stage) -> Vec<(i64, u32)> {
    let openings = openings(stage);
    let begins = stage.sessions.iter().map(|(begun, _)| *begun);
    begins
        .map(|begun| {
            let end = next_session(stage, begun).unwrap_or(i64::MAX);
            let within = openings.iter().filter(|at| (begun..end).contains(*at));
            (begun, u32::try_from(within.count()).unwrap())
        })
        .collect()
}

fn sessions(stage: &Stage) -> Vec<Trip> {
    let openings = openings(stage);
    let mut trips = Vec::new();
    for (begun, trades) in session_counts(stage) {
        if trades >= SESSION_TRADES {
            let mut within = openings.iter().filter(|at| **at >= begun);
            let last = within.nth(SESSION_TRADES as usize - 1).unwrap();
            trips.push((Tag::SessionTrades, *last, next_session(stage, *last)));
        }
    }
    trips
}

/// Equity below its highest read; at midnight the operator rebases.
fn drawdowns(stage: &Stage) -> Vec<Trip> {
    let mut trips: Vec<Trip> = Vec::new();
    let inside = drawdown_limit() * (Decimal::ONE - hysteresis());
    let (mut peak, mut equity) = (Decimal::from(BALANCE), Decimal::from(BALANCE));
    let mut open: Option<Option<i64>> = None;
    for (at, read) in &stage.reads {
        if let Some(reset) = open.filter(|reset| reset.is_some_and(|r| r <= *at)) {
            trips.last_mut().unwrap().2 = reset;
            (peak, open) = (equity, None);
        }
        equity = *read;
        peak = peak.max(equity);
        let below = (peak - equity) / peak;
        if open.is_some() && below <= inside {
            trips.last_mut().unwrap().2 = Some(*at);
            open = None;
        }
        if below > drawdown_limit() && open.is_none() {
            trips.push((Tag::Drawdown, *at, None));
            open = Some(next_session(stage, *at));
        }
    }
    trips
}

fn nothing_opened_past_a_trip(stage: &Stage, trips: &[Trip]) {
    let orders = stage.venue.orders().iter();
    for order in orders.filter(|order| !order.only_reduces()) {
        let at = order.created.ms();
        let stood = trips
            .iter()
            .find(|(_, began, ended)| *began < at && ended.is_none_or(|ended| at < ended));
        assert_eq!(stood, None, "an order of {at} opened past a trip");
    }
}
