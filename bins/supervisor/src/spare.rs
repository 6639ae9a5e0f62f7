//! A child's spare, as a pure state machine: its next process, started before it is needed.
//!
//! ```text
//!            asked for            has come             wanted
//!  Nobody ─────────────▶ Coming ───────────▶ Waiting ─────────▶ it is the child
//!    ▲                     │ │ has come, and is wanted already ──▶ it is the child
//!    └── failed, ended, refused, not needed: not again for a while
//! ```
//! To start a program, load it and read the config takes longer than all the rest of a start, and
//! needs nothing of what the dying process still holds. So the next process does that ahead: it has
//! checked the config in force, has locked itself up, has touched no state, and waits for the commit
//! that makes it the child. All three begin that way together when the supervisor starts; their
//! commits go out in order.
//!
//! What this room does not do: spawn, kill or send (`house` does), or judge deaths (`lifecycle`).

use protocol::status::ChildState;
use protocol::{BootMs, Generation};

/// A child that has just become ready has better uses for the processor.
const CALM_MS: u64 = 50;

/// After a spare was lost it is not asked for again so soon: something is wrong with it.
const LOST_MS: u64 = 30_000;

/// The next process of a child.
#[derive(Debug)]
pub(crate) struct Spare<L> {
    at: At<L>,
    not_before: BootMs,
}

#[derive(Debug)]
enum At<L> {
    Nobody,
    Coming { number: u64, wanted: bool },
    Waiting(Ahead<L>),
}

/// A process that waits for its commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ahead<L> {
    pub(crate) number: u64,
    pub(crate) life: L,
    /// The generation that it has checked and would put in force.
    pub(crate) prepared: Option<Generation>,
}

/// What follows when a process is wanted now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Want<L> {
    /// Take this one.
    Take(Ahead<L>),
    /// One is on its way, and will be the child.
    Comes,
    /// Ask for one.
    Ask,
}

/// What follows when a process has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came<L> {
    /// It is wanted: take it.
    Take(Ahead<L>),
    /// It waits.
    Waits,
    /// Nobody asked for it any more: end it.
    Surplus(L),
}

impl<L> Default for Spare<L> {
    fn default() -> Self {
        Self {
            at: At::Nobody,
            not_before: BootMs(0),
        }
    }
}

impl<L> Spare<L> {
    /// When one is to be asked for, with the child in this state since then; `None`: not now.
    pub(crate) fn due(&self, child: ChildState, since: BootMs) -> Option<BootMs> {
        if !matches!(self.at, At::Nobody) {
            return None;
        }
        match child {
            // The start: all of them together.
            ChildState::Waiting => Some(self.not_before),
            ChildState::Ready => Some(since.after(CALM_MS).max(self.not_before)),
            ChildState::Starting
            | ChildState::Backoff
            | ChildState::Stopping
            | ChildState::Stopped
            | ChildState::Latched => None,
        }
    }

    /// One has been asked for; `wanted` says that it is to be the child as soon as it comes.
    pub(crate) fn asked(&mut self, number: u64, wanted: bool) {
        self.at = At::Coming { number, wanted };
    }

    /// The child is to start now.
    pub(crate) fn want(&mut self) -> Want<L> {
        match std::mem::replace(&mut self.at, At::Nobody) {
            At::Nobody => Want::Ask,
            At::Coming { number, .. } => {
                self.asked(number, true);
                Want::Comes
            }
            At::Waiting(ahead) => Want::Take(ahead),
        }
    }

    /// The process of this number has been started.
    pub(crate) fn came(&mut self, number: u64, life: L) -> Came<L> {
        let ahead = |life| Ahead {
            number,
            life,
            prepared: None,
        };
        match self.at {
            At::Coming { number: n, wanted } if n == number => {
                self.at = At::Nobody;
                if wanted {
                    return Came::Take(ahead(life));
                }
                self.at = At::Waiting(ahead(life));
                Came::Waits
            }
            At::Nobody | At::Coming { .. } | At::Waiting(_) => Came::Surplus(life),
        }
    }

    /// The process of this number could not be started; true if the child waits for it.
    pub(crate) fn failed(&mut self, number: u64, now: BootMs) -> bool {
        let At::Coming { number: n, wanted } = self.at else {
            return false;
        };
        if n != number {
            return false;
        }
        self.lost(now);
        wanted
    }

    /// The process that waits, if it has this number.
    pub(crate) fn waiting(&mut self, number: u64) -> Option<&mut Ahead<L>> {
        self.ahead().filter(|ahead| ahead.number == number)
    }

    /// The process that waits.
    pub(crate) const fn ahead(&mut self) -> Option<&mut Ahead<L>> {
        match &mut self.at {
            At::Waiting(ahead) => Some(ahead),
            At::Nobody | At::Coming { .. } => None,
        }
    }

    /// The same, to look at.
    pub(crate) const fn life(&self) -> Option<&L> {
        match &self.at {
            At::Waiting(ahead) => Some(&ahead.life),
            At::Nobody | At::Coming { .. } => None,
        }
    }

    /// The one that waited is no good, or has ended.
    pub(crate) fn lost(&mut self, now: BootMs) {
        self.at = At::Nobody;
        self.not_before = now.after(LOST_MS);
    }

    /// None is needed any more; the one that waits is to be ended. One that is on its way will be
    /// surplus.
    pub(crate) fn let_go(&mut self) -> Option<L> {
        match std::mem::replace(&mut self.at, At::Nobody) {
            At::Waiting(ahead) => Some(ahead.life),
            At::Nobody | At::Coming { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(number: u64) -> Ahead<&'static str> {
        Ahead {
            number,
            life: "it",
            prepared: None,
        }
    }

    #[test]
    fn what_waits_is_taken_once() {
        let mut spare = Spare::default();
        assert_eq!(spare.want(), Want::Ask);
        spare.asked(1, false);
        assert_eq!(spare.came(1, "it"), Came::Waits);
        spare.waiting(1).unwrap().prepared = Some(Generation(4));
        let taken = Ahead {
            prepared: Some(Generation(4)),
            ..ahead(1)
        };
        assert_eq!(spare.want(), Want::Take(taken));
        assert_eq!(spare.want(), Want::Ask);
    }

    #[test]
    fn what_is_wanted_before_it_comes_is_the_child_at_once() {
        let mut spare = Spare::default();
        spare.asked(1, false);
        assert_eq!(spare.want(), Want::Comes);
        assert_eq!(spare.came(1, "it"), Came::Take(ahead(1)));
        spare.asked(2, true);
        assert_eq!(spare.came(2, "it"), Came::Take(ahead(2)));
    }

    #[test]
    fn what_nobody_asked_for_any_more_is_surplus() {
        let mut spare = Spare::default();
        spare.asked(1, false);
        assert_eq!(spare.let_go(), None);
        assert_eq!(spare.came(1, "late"), Came::Surplus("late"));
        spare.asked(2, false);
        assert_eq!(spare.came(1, "older"), Came::Surplus("older"));
        assert_eq!(spare.came(2, "it"), Came::Waits);
        assert_eq!(spare.came(2, "twice"), Came::Surplus("twice"));
        assert_eq!(spare.let_go(), Some("it"));
        assert_eq!(spare.want(), Want::Ask);
    }

    #[test]
    fn only_who_waits_for_a_failed_start_hears_of_it() {
        let mut spare = Spare::<&str>::default();
        spare.asked(1, false);
        assert!(!spare.failed(7, BootMs(0)), "another's");
        assert!(!spare.failed(1, BootMs(0)), "nobody waited");
        spare.asked(2, true);
        assert!(spare.failed(2, BootMs(0)));
        assert!(!spare.failed(2, BootMs(0)), "once");
    }

    #[test]
    fn one_is_asked_for_at_the_start_and_in_calm_and_not_soon_after_a_loss() {
        let mut spare = Spare::default();
        let due = |spare: &Spare<&str>, state| spare.due(state, BootMs(100)).map(|at| at.0);
        for (state, at) in [
            (ChildState::Waiting, Some(0)),
            (ChildState::Starting, None),
            (ChildState::Ready, Some(150)),
            (ChildState::Backoff, None),
            (ChildState::Stopping, None),
            (ChildState::Stopped, None),
            (ChildState::Latched, None),
        ] {
            assert_eq!(due(&spare, state), at, "{state:?}");
        }
        spare.asked(1, false);
        assert_eq!(due(&spare, ChildState::Ready), None, "one is enough");
        spare.came(1, "it");
        assert_eq!(due(&spare, ChildState::Ready), None, "one is enough");
        assert!(spare.waiting(2).is_none());
        spare.lost(BootMs(1_000));
        assert_eq!(due(&spare, ChildState::Ready), Some(31_000));
        assert_eq!(spare.want(), Want::Ask, "a start waits for nothing");
    }
}
