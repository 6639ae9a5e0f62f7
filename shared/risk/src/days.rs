//! The money of each UTC day by venue time. What is executed counts on the day it was executed,
//! also when it is told after midnight, or by a clock that runs ahead of ours.

use std::collections::VecDeque;

use money::Amount;
use protocol::VenueMs;
use protocol::status::DayMoney;
use serde::{Deserialize, Serialize};

use crate::Engine;

/// Days before today that are kept.
const PAST_MOST: usize = 31;

/// The money of one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Days since 1970-01-01.
    pub number: i64,
    /// Cash result of the day's executions: PnL of what was closed, less every fee and funding.
    pub cash: Amount,
    /// Fees paid.
    pub fees: Amount,
    /// Funding paid.
    pub funding: Amount,
    /// Sum of the day's closed-PnL rows.
    pub closed_pnl: Amount,
    /// How many rows that were.
    pub closes: u32,
    /// Confirmed deposits less withdrawals.
    pub flows: Amount,
    /// `cash` when the operator last reset the daily loss: the allowance counts from there.
    pub cash_base: Amount,
    /// The same for `closed_pnl`.
    pub closed_base: Amount,
}

/// The days around today.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    /// Days before today, oldest first; a day on which nothing happened may be missing.
    pub past: VecDeque<Day>,
    /// What the venue has dated tomorrow already.
    pub ahead: Option<Day>,
}

impl Day {
    /// A day without trades.
    pub const fn blank(number: i64) -> Self {
        Self {
            number,
            cash: Amount::ZERO,
            fees: Amount::ZERO,
            funding: Amount::ZERO,
            closed_pnl: Amount::ZERO,
            closes: 0,
            flows: Amount::ZERO,
            cash_base: Amount::ZERO,
            closed_base: Amount::ZERO,
        }
    }

    fn money(&self) -> DayMoney {
        DayMoney {
            start: VenueMs(self.number.saturating_mul(VenueMs::DAY_MS)),
            realised: self.cash,
            fees: self.fees,
            funding: self.funding,
            closed_pnl: self.closed_pnl,
            closes: self.closes,
            flows: self.flows,
        }
    }
}

impl Days {
    fn put_away(&mut self, day: Day) {
        self.past.push_back(day);
        while self.past.len() > PAST_MOST {
            self.past.pop_front();
        }
    }
}

impl Engine {
    /// Begins a new day when the venue's clock says so.
    pub(crate) fn roll_day(&mut self) {
        let today = self.state.clock.day();
        if today <= self.state.day.number {
            return;
        }
        let ahead = self.state.days.ahead.take();
        let begun = ahead.filter(|day| day.number == today);
        let over = std::mem::replace(
            &mut self.state.day,
            begun.unwrap_or_else(|| Day::blank(today)),
        );
        self.state.days.put_away(over);
        if begun.is_none()
            && let Some(skipped) = ahead
        {
            self.state.days.put_away(skipped);
        }
    }

    /// The day on which something of that time counts; `None` for a day that is no longer kept.
    pub(crate) fn day_at(&mut self, at: VenueMs) -> Option<&mut Day> {
        let (number, today) = (at.day(), self.state.day.number);
        if number == today {
            return Some(&mut self.state.day);
        }
        if number == today.saturating_add(1) {
            let blank = Day::blank(number);
            return Some(self.state.days.ahead.get_or_insert(blank));
        }
        if number > today {
            self.state.book.fault = Some(format!("something is dated {} ms, days ahead", at.0));
            return Some(&mut self.state.day);
        }
        let past = &mut self.state.days.past;
        let place = match past.binary_search_by_key(&number, |day| day.number) {
            Ok(place) => place,
            Err(0) if past.len() >= PAST_MOST => return None,
            Err(place) => {
                past.insert(place, Day::blank(number));
                let spare = past.len() > PAST_MOST;
                if spare {
                    past.pop_front();
                }
                place.saturating_sub(usize::from(spare))
            }
        };
        past.get_mut(place)
    }

    /// Every day that is kept, today last.
    pub(crate) fn days(&self) -> Vec<DayMoney> {
        let past = self.state.days.past.iter();
        past.chain([&self.state.day]).map(Day::money).collect()
    }
}
