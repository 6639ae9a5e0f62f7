//! Orders of which nobody knows whether they arrived. Pure.
//!
//! Each is looked up by its link id until the venue shows it or the guard counts it as settled. A
//! look-up that finds nothing counts only if it was begun after the request could no longer be
//! accepted, and counts apart from the last one only if the venue's lag lies between them. Whether
//! that is enough is the guard's word on each look-up; this room only sees to it that they are made.

use std::collections::BTreeMap;

use protocol::{Approval, ApprovalId, BootMs, IntentId, OrderLinkId, Symbol, VenueMs};

/// What is being looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The approval that was sent.
    pub approval_id: ApprovalId,
    /// The link id it carries.
    pub link_id: OrderLinkId,
    /// Its instrument.
    pub symbol: Symbol,
    /// The intent it came from.
    pub intent_id: IntentId,
    /// Executions from here on may be its own.
    pub since: VenueMs,
}

impl Missing {
    /// The order of an approval, whose executions can have begun at `since`.
    pub const fn of(approval: &Approval, since: VenueMs) -> Self {
        Self {
            approval_id: approval.approval_id,
            link_id: approval.link_id,
            symbol: approval.intent.symbol,
            intent_id: approval.intent.intent_id,
            since,
        }
    }
}

/// How long the venue needs, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// How long after signing the venue may still accept: receive window and clock skew.
    pub acceptance_ms: u64,
    /// How late its history may be.
    pub lag_ms: u64,
}

#[derive(Debug)]
struct Case {
    missing: Missing,
    conclusive_from: BootMs,
    next: BootMs,
    empty: u32,
    last_conclusive: Option<BootMs>,
    under_way: bool,
}

/// A first look, in case it did arrive: the common case, and the fast way out.
const FIRST_LOOK_MS: u64 = 250;
/// Further looks while none can be conclusive yet.
const EARLY_LOOK_MS: u64 = 1500;
/// Beyond what the rules ask for, against rounding.
const MARGIN_MS: u64 = 100;
/// Look-ups that found nothing, after which the guard will have settled it.
const ENOUGH: u32 = 2;
/// Longest pause between look-ups that keep finding nothing.
const LONGEST_PAUSE_MS: u64 = 30_000;

/// The look-ups under way.
#[derive(Debug, Default)]
pub struct Resolver {
    cases: BTreeMap<ApprovalId, Case>,
}

impl Resolver {
    /// Begins to look for an order whose request was signed at `signed` (for one that an earlier
    /// gateway sent: not later than now). One that is looked for already goes on as before.
    pub fn add(&mut self, missing: Missing, signed: BootMs, waits: Waits, now: BootMs) {
        let conclusive_from = signed.after(waits.acceptance_ms).after(MARGIN_MS);
        self.cases.entry(missing.approval_id).or_insert(Case {
            missing,
            conclusive_from,
            next: now.after(FIRST_LOOK_MS),
            empty: 0,
            last_conclusive: None,
            under_way: false,
        });
    }

    /// A look-up to begin now.
    pub fn due(&mut self, now: BootMs) -> Option<Missing> {
        let case = self
            .cases
            .values_mut()
            .filter(|case| !case.under_way && case.next <= now)
            .min_by_key(|case| case.next)?;
        case.under_way = true;
        Some(case.missing)
    }

    /// When the next look-up is due; `None` if none is.
    pub fn deadline(&self) -> Option<BootMs> {
        self.cases
            .values()
            .filter(|case| !case.under_way)
            .map(|case| case.next)
            .min()
    }

    /// A look-up begun at `begun` has found nothing.
    pub fn found_nothing(&mut self, id: ApprovalId, begun: BootMs, waits: Waits) {
        let Some(case) = self.cases.get_mut(&id) else {
            return;
        };
        case.under_way = false;
        if begun < case.conclusive_from {
            case.next = begun.after(EARLY_LOOK_MS).min(case.conclusive_from);
            return;
        }
        let spacing = waits.lag_ms.saturating_add(MARGIN_MS);
        let apart = case
            .last_conclusive
            .is_none_or(|last| begun.since(last) >= spacing);
        if apart {
            case.empty = case.empty.saturating_add(1);
            case.last_conclusive = Some(begun);
        }
        let beyond = case.empty.saturating_sub(ENOUGH).min(8);
        let pause = (spacing << beyond).min(LONGEST_PAUSE_MS.max(spacing));
        case.next = begun.after(pause);
    }

    /// A look-up could not be made; it is tried again soon.
    pub fn could_not_look(&mut self, id: ApprovalId, now: BootMs) {
        if let Some(case) = self.cases.get_mut(&id) {
            case.under_way = false;
            case.next = now.after(EARLY_LOOK_MS);
        }
    }

    /// It was found, or the guard counts it as settled.
    pub fn settled(&mut self, id: ApprovalId) {
        self.cases.remove(&id);
    }

    /// How many are looked for.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Waits = Waits {
        acceptance_ms: 6000,
        lag_ms: 3000,
    };

    fn missing() -> Missing {
        Missing {
            approval_id: ApprovalId(7),
            link_id: OrderLinkId::new("p-7").unwrap(),
            symbol: Symbol::new("SOLUSDT").unwrap(),
            intent_id: IntentId::new("i-7").unwrap(),
            since: VenueMs(0),
        }
    }

    /// Plays look-ups that find nothing until the guard would settle it; the times they began.
    fn empty_looks(signed: u64, now: u64) -> (Vec<u64>, Resolver) {
        let mut resolver = Resolver::default();
        resolver.add(missing(), BootMs(signed), WAITS, BootMs(now));
        let mut begun = Vec::new();
        loop {
            let at = resolver.deadline().unwrap();
            assert!(resolver.due(at).is_some());
            begun.push(at.0);
            resolver.found_nothing(ApprovalId(7), at, WAITS);
            if resolver.cases[&ApprovalId(7)].empty >= ENOUGH {
                return (begun, resolver);
            }
        }
    }

    #[test]
    fn two_conclusive_looks_lie_behind_the_acceptance_and_apart_by_the_lag() {
        let (begun, _) = empty_looks(1000, 1500);
        let conclusive: Vec<u64> = begun
            .iter()
            .copied()
            .filter(|at| *at > 1000 + 6000)
            .collect();
        assert_eq!(conclusive.len(), 2, "{begun:?}");
        assert!(conclusive[1] - conclusive[0] > 3000, "{begun:?}");
        assert!(begun[0] <= 1750, "a first look comes at once: {begun:?}");
    }

    #[test]
    fn looks_go_on_ever_slower_until_the_guard_settles() {
        let (begun, mut resolver) = empty_looks(0, 0);
        let last = *begun.last().unwrap();
        let mut at = BootMs(last);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let next = resolver.deadline().unwrap();
            pauses.push(next.since(at));
            at = next;
            resolver.due(at).unwrap();
            resolver.found_nothing(ApprovalId(7), at, WAITS);
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert!(
            pauses.iter().all(|pause| *pause <= LONGEST_PAUSE_MS),
            "{pauses:?}"
        );
        resolver.settled(ApprovalId(7));
        assert!(resolver.is_empty());
    }

    #[test]
    fn one_case_is_looked_for_once_at_a_time_and_added_once() {
        let mut resolver = Resolver::default();
        resolver.add(missing(), BootMs(0), WAITS, BootMs(0));
        resolver.add(missing(), BootMs(99), WAITS, BootMs(99));
        assert_eq!(resolver.len(), 1);
        assert!(resolver.due(BootMs(300)).is_some());
        assert!(resolver.due(BootMs(300)).is_none());
        resolver.could_not_look(ApprovalId(7), BootMs(300));
        assert_eq!(resolver.deadline(), Some(BootMs(300 + EARLY_LOOK_MS)));
        resolver.settled(ApprovalId(7));
        assert_eq!(resolver.deadline(), None);
    }
}
