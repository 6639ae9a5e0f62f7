//! What a run came to, and whether that is right.

use std::collections::BTreeMap;
use std::fmt;

use protocol::Outcome;
use protocol::gateway::Placed;
use serde::Serialize;

use crate::LedgerOrder;

/// What came of a run. Everything but duplicates, lost, strays and trips is merely told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Intents that bots named.
    pub intents: usize,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<String, usize>,
    /// Kills, by process.
    pub kills: BTreeMap<String, usize>,
    /// Intents whose recorded outcome is that the venue took them.
    pub accepted: usize,
    /// Intents of which nothing is at the venue: it refused them, or they never arrived.
    pub not_placed: usize,
    /// Intents that the guard refused, by tag.
    pub refused: BTreeMap<String, usize>,
    /// Answers that were ambiguous at first.
    pub ambiguous: usize,
    /// Questions repeated because no definite answer had come.
    pub repeats: usize,
    /// Orders of this harness at the venue.
    pub orders: usize,
    /// Intents with more than one order at the venue.
    pub duplicates: usize,
    /// Intents whose recorded outcome and the venue's ledger disagree.
    pub lost: usize,
    /// Orders of this harness that belong to no intent.
    pub strays: usize,
    /// Safety trips that stood at the end.
    pub trips: usize,
    /// Lanes that did not come to their end, and why: what is counted of them is what they had.
    pub unfinished: Vec<String>,
    /// What was wrong, in words; the first few.
    pub problems: Vec<String>,
}

/// Problems that are told in words.
const TOLD_MOST: usize = 20;

impl Counts {
    /// Whether one intent was one order, to the end, and nothing else was wrong.
    pub const fn sound(&self) -> bool {
        self.duplicates == 0
            && self.lost == 0
            && self.strays == 0
            && self.trips == 0
            && self.unfinished.is_empty()
    }

    /// Adds another lane's.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.intents, other.intents),
            (&mut self.accepted, other.accepted),
            (&mut self.not_placed, other.not_placed),
            (&mut self.ambiguous, other.ambiguous),
            (&mut self.repeats, other.repeats),
            (&mut self.orders, other.orders),
            (&mut self.duplicates, other.duplicates),
            (&mut self.lost, other.lost),
            (&mut self.strays, other.strays),
            (&mut self.trips, other.trips),
        ] {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in [
            (&mut self.faults, &other.faults),
            (&mut self.kills, &other.kills),
            (&mut self.refused, &other.refused),
        ] {
            for (kind, count) in theirs {
                let sum = mine.entry(kind.clone()).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
        self.unfinished.extend(other.unfinished.iter().cloned());
        self.problems.extend(other.problems.iter().cloned());
        self.problems.truncate(TOLD_MOST);
    }

    pub(super) fn count(of: &mut BTreeMap<String, usize>, kind: &str) {
        let count = of.entry(kind.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn problem(&mut self, what: String) {
        if self.problems.len() < TOLD_MOST {
            self.problems.push(what);
        }
    }

    /// Holds what was recorded of each intent against everything the venue ever took.
    pub(super) fn judge(&mut self, recorded: &[Placed], orders: &[LedgerOrder]) {
        let mut by_link: BTreeMap<&str, Vec<&LedgerOrder>> = BTreeMap::new();
        for order in orders
            .iter()
            .filter(|order| !order.order_link_id.is_empty())
        {
            by_link.entry(&order.order_link_id).or_default().push(order);
        }
        self.orders = by_link.values().map(Vec::len).sum();
        for placed in recorded {
            let link = placed.link_id.map(|link| link.to_string());
            let there = link
                .and_then(|link| by_link.remove(link.as_str()))
                .unwrap_or_default();
            if there.len() > 1 {
                self.duplicates = self.duplicates.saturating_add(1);
                self.problem(format!("{}: {} orders", placed.intent_id, there.len()));
            }
            let right = match &placed.outcome {
                Outcome::Accepted { order_id } => {
                    self.accepted = self.accepted.saturating_add(1);
                    there.iter().any(|o| o.order_id == order_id.as_str())
                }
                Outcome::Rejected { .. } | Outcome::NotSent { .. } => {
                    self.not_placed = self.not_placed.saturating_add(1);
                    there.is_empty()
                }
                Outcome::Denied(denial) => {
                    Self::count(&mut self.refused, denial.tag.name());
                    there.is_empty()
                }
                Outcome::Pending | Outcome::Ambiguous { .. } => false,
            };
            if !right {
                self.lost = self.lost.saturating_add(1);
                self.problem(format!(
                    "{}: recorded {:?}, at the venue {there:?}",
                    placed.intent_id, placed.outcome
                ));
            }
        }
        // A lane that broke off has intents under way, and their orders are nobody's yet.
        if !self.unfinished.is_empty() {
            return;
        }
        for (link, orders) in by_link {
            self.strays = self.strays.saturating_add(orders.len());
            self.problem(format!("{link} belongs to no intent: {orders:?}"));
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |all: &BTreeMap<String, usize>| {
            let words: Vec<String> = all.iter().map(|(k, n)| format!("{k} {n}")).collect();
            let sum: usize = all.values().sum();
            format!("{sum} ({})", words.join(", "))
        };
        writeln!(f, "intents     {}", self.intents)?;
        writeln!(f, "faults      {}", of(&self.faults))?;
        writeln!(f, "kills       {}", of(&self.kills))?;
        writeln!(
            f,
            "answers     {} ambiguous at first, {} questions repeated",
            self.ambiguous, self.repeats
        )?;
        writeln!(
            f,
            "outcomes    {} accepted, {} not placed; refused by the guard {}",
            self.accepted,
            self.not_placed,
            of(&self.refused)
        )?;
        writeln!(f, "at venue    {} orders", self.orders)?;
        write!(
            f,
            "duplicates  {}\nlost        {}\nstrays      {}\ntrips       {}",
            self.duplicates, self.lost, self.strays, self.trips
        )?;
        for why in &self.unfinished {
            write!(f, "\nUNFINISHED  {why}")?;
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{IntentId, OrderId, OrderLinkId};

    fn order(id: &str, link: &str) -> LedgerOrder {
        LedgerOrder {
            order_id: id.to_owned(),
            order_link_id: link.to_owned(),
            symbol: "SOLUSDT".to_owned(),
            side: "Buy".to_owned(),
            reduce_only: false,
            close_on_trigger: false,
            status: "Filled".to_owned(),
            updated_time: 0,
        }
    }

    fn placed(n: u32, outcome: Outcome) -> Placed {
        Placed {
            intent_id: IntentId::new(&format!("i-{n}")).unwrap(),
            link_id: OrderLinkId::new(&format!("pg-{n}")).ok(),
            outcome,
            repeated: true,
        }
    }

    fn accepted(id: &str) -> Outcome {
        Outcome::Accepted {
            order_id: OrderId::new(id).unwrap(),
        }
    }

    fn not_sent() -> Outcome {
        Outcome::NotSent { why: "w".into() }
    }

    /// Duplicates, lost, strays.
    fn judged(recorded: &[Placed], orders: &[LedgerOrder]) -> (usize, usize, usize) {
        let mut counts = Counts::default();
        counts.judge(recorded, orders);
        (counts.duplicates, counts.lost, counts.strays)
    }

    #[test]
    fn the_ledger_finds_every_way_to_be_wrong() {
        let one = [order("o-1", "pg-1")];
        assert_eq!(judged(&[placed(1, accepted("o-1"))], &one), (0, 0, 0));
        assert_eq!(judged(&[placed(1, not_sent())], &[]), (0, 0, 0));
        let twice = [order("o-1", "pg-1"), order("o-2", "pg-1")];
        assert_eq!(judged(&[placed(1, accepted("o-1"))], &twice), (1, 0, 0));
        assert_eq!(judged(&[placed(1, accepted("o-1"))], &[]), (0, 1, 0));
        assert_eq!(judged(&[placed(1, accepted("o-9"))], &one), (0, 1, 0));
        assert_eq!(judged(&[placed(1, not_sent())], &one), (0, 1, 0));
        assert_eq!(judged(&[placed(1, Outcome::Pending)], &one), (0, 1, 0));
        assert_eq!(judged(&[], &one), (0, 0, 1));
    }

    #[test]
    fn a_run_that_broke_off_tells_what_it_has_and_is_not_sound() {
        let mut counts = Counts {
            unfinished: vec!["lane 1: no definite outcome of f-1-9 in 120 s".to_owned()],
            ..Counts::default()
        };
        let orders = [
            order("o-1", "pg-1"),
            order("o-2", "pg-2"),
            order("o-3", "pg-2"),
        ];
        let recorded = [placed(1, accepted("o-1")), placed(2, accepted("o-2"))];
        counts.judge(&recorded, &orders);
        counts.judge(&[], &[order("o-4", "pg-4")]);
        assert_eq!((counts.duplicates, counts.lost, counts.strays), (1, 0, 0));
        let mut total = Counts::default();
        assert!(total.sound());
        total.add(&counts);
        assert!(!total.sound());
        let text = total.to_string();
        assert!(text.contains("UNFINISHED  lane 1: no definite"), "{text}");
    }
}
