//! What is to be read next, and when. Pure: the boot clock comes in as a value.
//!
//! The pace of each read comes from the request budget ([`config::Budget`]), which already leaves
//! room for orders. Something that just happened may bring a read forward; a failing venue pushes
//! them all back.

use std::collections::{BTreeMap, BTreeSet};

use config::{Budget, Read};
use protocol::gateway::CandleTopic;
use protocol::{BootMs, Symbol};

/// One thing to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// The settle coin's row.
    Wallet,
    /// All positions.
    Positions,
    /// Prices of one symbol.
    Ticker(Symbol),
    /// Executions since the last one seen.
    Executions,
    /// All open orders.
    OpenOrders,
    /// Closed trades since the last one seen.
    ClosedPnl,
    /// The newest candles of one series.
    Candles(CandleTopic),
    /// The venue's clock.
    ServerTime,
}

impl Task {
    /// Which line of the budget it falls under.
    pub const fn read(self) -> Read {
        match self {
            Self::Wallet => Read::Wallet,
            Self::Positions => Read::Positions,
            Self::Ticker(_) => Read::Ticker,
            Self::Executions => Read::Executions,
            Self::OpenOrders => Read::OpenOrders,
            Self::ClosedPnl => Read::ClosedPnl,
            Self::Candles(_) => Read::Candles,
            Self::ServerTime => Read::ServerTime,
        }
    }
}

/// Which reads may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Candles alone: the guard hears everything else from the start-up order.
    Candles,
    /// The venue's clock alone: nothing can be signed before it is known.
    Clock,
    /// None: it is not known whether the venue's door is open.
    Nothing,
}

impl Which {
    const fn takes(self, task: Task) -> bool {
        match self {
            Self::All => true,
            Self::Candles => matches!(task, Task::Candles(_)),
            Self::Clock => matches!(task, Task::ServerTime),
            Self::Nothing => false,
        }
    }
}

/// The account's reads, which stand on every plan.
const ALWAYS: [Task; 6] = [
    Task::Wallet,
    Task::Positions,
    Task::Executions,
    Task::OpenOrders,
    Task::ClosedPnl,
    Task::ServerTime,
];

/// Longest wait after failures in a row.
const LONGEST_BACKOFF_MS: u64 = 10_000;
/// Wait after the venue refused one kind of read.
const REFUSED_PAUSE_MS: u64 = 2000;
/// First wait after a failure.
const FIRST_BACKOFF_MS: u64 = 500;

/// The plan of reads.
#[derive(Debug)]
pub struct Plan {
    budget: Budget,
    due: BTreeMap<Task, BootMs>,
    under_way: BTreeSet<Task>,
    failures: u32,
    not_before: BootMs,
}

impl Plan {
    /// A plan in which everything of the account is due at `now`.
    pub fn new(budget: Budget, now: BootMs) -> Self {
        let due = ALWAYS.into_iter().map(|task| (task, now)).collect();
        Self {
            budget,
            due,
            under_way: BTreeSet::new(),
            failures: 0,
            not_before: now,
        }
    }

    /// Another pace from here on.
    pub fn pace(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// How often this is read, milliseconds.
    pub fn pace_of(&self, read: Read) -> u64 {
        self.budget.every_ms(read)
    }

    /// Reads exactly these symbols' prices and these series; new ones at once.
    pub fn follow(
        &mut self,
        symbols: &BTreeSet<Symbol>,
        topics: &BTreeSet<CandleTopic>,
        now: BootMs,
    ) {
        self.due.retain(|task, _| match task {
            Task::Ticker(symbol) => symbols.contains(symbol),
            Task::Candles(topic) => topics.contains(topic),
            Task::Wallet
            | Task::Positions
            | Task::Executions
            | Task::OpenOrders
            | Task::ClosedPnl
            | Task::ServerTime => true,
        });
        let wanted = symbols.iter().copied().map(Task::Ticker);
        for task in wanted.chain(topics.iter().copied().map(Task::Candles)) {
            self.due.entry(task).or_insert(now);
        }
    }

    /// The most overdue read, which is then under way until [`done`](Self::done) or
    /// [`failed`](Self::failed).
    pub fn next(&mut self, now: BootMs, which: Which) -> Option<Task> {
        if now < self.not_before {
            return None;
        }
        let (task, due) = self.earliest(which)?;
        if due > now {
            return None;
        }
        self.under_way.insert(task);
        Some(task)
    }

    /// When [`next`](Self::next) will have something; `None` if all is under way.
    pub fn deadline(&self, which: Which) -> Option<BootMs> {
        self.earliest(which)
            .map(|(_, due)| due.max(self.not_before))
    }

    /// A read begun at `begun` has succeeded.
    pub fn done(&mut self, task: Task, begun: BootMs) {
        self.under_way.remove(&task);
        self.failures = 0;
        let next = begun.after(self.budget.every_ms(task.read()));
        if let Some(due) = self.due.get_mut(&task) {
            // Brought forward while it was under way: it must be read again.
            let hastened = *due > begun;
            *due = if hastened { next.min(*due) } else { next };
        }
    }

    /// A read has failed: it is due again, after a pause for all.
    pub fn failed(&mut self, task: Task, now: BootMs) {
        self.under_way.remove(&task);
        let doubled = FIRST_BACKOFF_MS << self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        self.not_before = self
            .not_before
            .max(now.after(doubled.min(LONGEST_BACKOFF_MS)));
    }

    /// Everything of the account was read just now.
    pub fn restart(&mut self, now: BootMs) {
        for task in ALWAYS {
            let next = now.after(self.budget.every_ms(task.read()));
            self.due.insert(task, next);
        }
    }

    /// The venue refuses this read, or answers it oddly: it comes again later, the others go on.
    pub fn refused(&mut self, task: Task, now: BootMs) {
        self.under_way.remove(&task);
        let pause = self.budget.every_ms(task.read()).max(REFUSED_PAUSE_MS);
        if let Some(due) = self.due.get_mut(&task) {
            *due = now.after(pause);
        }
    }

    /// Nothing is read before `until` (a ban, or the venue's own word).
    pub fn rest_until(&mut self, until: BootMs) {
        self.not_before = self.not_before.max(until);
    }

    /// Reads these not later than `at`.
    pub fn hasten(&mut self, tasks: &[Task], at: BootMs) {
        for task in tasks {
            if let Some(due) = self.due.get_mut(task) {
                *due = (*due).min(at);
                if self.under_way.contains(task) {
                    *due = at;
                }
            }
        }
    }

    fn earliest(&self, which: Which) -> Option<(Task, BootMs)> {
        self.due
            .iter()
            .filter(|(task, _)| !self.under_way.contains(*task))
            .filter(|(task, _)| which.takes(**task))
            .map(|(task, due)| (*task, *due))
            .min_by_key(|(_, due)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(per_second: u32, per_minute: u32) -> Budget {
        let text = format!(
            "perps:\n  maxRequestsPerSecond: {per_second}\n  maxRequestsPerMinute: {per_minute}\n"
        );
        config::parse(&text, "t.yaml").unwrap().request_budget()
    }

    fn sol() -> Symbol {
        Symbol::new("SOLUSDT").unwrap()
    }

    /// Plays a minute with reads that take 20 ms and counts them.
    fn minute(per_second: u32, per_minute: u32) -> BTreeMap<Task, (u32, u64)> {
        let mut plan = Plan::new(budget(per_second, per_minute), BootMs(0));
        plan.follow(&BTreeSet::from([sol()]), &BTreeSet::new(), BootMs(0));
        let mut seen: BTreeMap<Task, (u32, u64, u64)> = BTreeMap::new();
        for now in (0..60_000).step_by(20) {
            while let Some(task) = plan.next(BootMs(now), Which::All) {
                let entry = seen.entry(task).or_insert((0, 0, now));
                entry.0 += 1;
                entry.1 = entry.1.max(now - entry.2);
                entry.2 = now;
                plan.done(task, BootMs(now));
            }
        }
        seen.into_iter()
            .map(|(task, (count, gap, _))| (task, (count, gap)))
            .collect()
    }

    #[test]
    fn a_minute_fits_the_cap_and_leaves_room_for_orders() {
        for (second, cap) in [(5, 60), (1, 60), (9, 500), (10, 600)] {
            let total: u32 = minute(second, cap).values().map(|(count, _)| count).sum();
            // The first round comes on top: nothing has been read yet.
            assert!(total <= cap * 9 / 10, "{total} of {cap}");
        }
    }

    #[test]
    fn what_stops_entries_when_old_is_read_well_inside_its_age() {
        for (second, cap) in [(5, 60), (1, 60), (10, 600)] {
            let seen = minute(second, cap);
            for task in [Task::Wallet, Task::Positions, Task::Ticker(sol())] {
                let (_, gap) = seen[&task];
                assert!(gap <= 10_000, "{task:?}: {gap} ms under a cap of {cap}");
            }
        }
    }

    #[test]
    fn news_brings_a_read_forward_even_while_it_is_under_way() {
        let mut plan = Plan::new(budget(5, 60), BootMs(0));
        while let Some(task) = plan.next(BootMs(0), Which::All) {
            plan.done(task, BootMs(0));
        }
        assert_eq!(plan.next(BootMs(10), Which::All), None);
        plan.hasten(&[Task::Executions], BootMs(100));
        assert_eq!(plan.deadline(Which::All), Some(BootMs(100)));
        assert_eq!(plan.next(BootMs(100), Which::All), Some(Task::Executions));
        plan.hasten(&[Task::Executions], BootMs(150));
        plan.done(Task::Executions, BootMs(100));
        assert_eq!(plan.next(BootMs(150), Which::All), Some(Task::Executions));
    }

    #[test]
    fn failures_pause_everything_and_a_success_ends_the_pause() {
        let mut plan = Plan::new(budget(5, 60), BootMs(0));
        let task = plan.next(BootMs(0), Which::All).unwrap();
        plan.failed(task, BootMs(0));
        assert_eq!(plan.next(BootMs(499), Which::All), None);
        let again = plan.next(BootMs(500), Which::All).unwrap();
        plan.failed(again, BootMs(500));
        assert_eq!(plan.next(BootMs(1499), Which::All), None);
        plan.rest_until(BootMs(9000));
        assert_eq!(plan.deadline(Which::All), Some(BootMs(9000)));
        let again = plan.next(BootMs(9000), Which::All).unwrap();
        plan.done(again, BootMs(9000));
        assert!(plan.next(BootMs(9000), Which::All).is_some());
    }

    #[test]
    fn a_refused_read_does_not_hold_up_the_others() {
        let mut plan = Plan::new(budget(5, 60), BootMs(0));
        let task = plan.next(BootMs(0), Which::All).unwrap();
        plan.refused(task, BootMs(0));
        let other = plan.next(BootMs(0), Which::All).unwrap();
        assert_ne!(task, other);
    }

    #[test]
    fn what_is_no_longer_followed_is_no_longer_read() {
        let mut plan = Plan::new(budget(5, 60), BootMs(0));
        plan.follow(&BTreeSet::from([sol()]), &BTreeSet::new(), BootMs(0));
        plan.follow(&BTreeSet::new(), &BTreeSet::new(), BootMs(0));
        let mut read = Vec::new();
        while let Some(task) = plan.next(BootMs(0), Which::All) {
            plan.done(task, BootMs(0));
            read.push(task);
        }
        assert_eq!(read.len(), ALWAYS.len());
    }
}
