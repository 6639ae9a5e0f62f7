//! A balance that changed although nothing was executed, and the reads that it calls for. Pure.
//!
//! A deposit or a withdrawal is told from PnL by reads of the wallet that all executions up to
//! them do not explain (`shared/risk/src/flows.rs`). While streams carry the load the polls are
//! wide apart; a change that no execution announces brings those reads forward, so that the guard
//! decides as soon as its rule allows. What this does not do: decide, or know how much is
//! unexplained (the guard does both). What it overlooks, the guard asks for with its lease.

use protocol::BootMs;

/// A read of the wallet is proven by executions that are complete until this long after it: the
/// guard's span around a read, and some room for the read itself.
const PROVEN_AFTER_MS: u64 = 2_500;
/// How long the guard waits for an explanation.
const PATIENCE_MS: u64 = 10_000;
/// Rounds of reads beyond the guard's patience: the read from before the change, the first that
/// shows it, and the fresh one that settles it.
const ROUNDS: u64 = 4;

/// What is known of the balance's last changes.
#[derive(Debug, Default)]
pub struct Doubt {
    /// Executions that no change of the balance has been seen for, and when the last was told.
    awaited: Option<(u32, BootMs)>,
    since: Option<BootMs>,
}

impl Doubt {
    /// So many executions were told for the first time.
    pub fn executed(&mut self, count: usize, now: BootMs, lag_ms: u64) {
        let mut count = u32::try_from(count).unwrap_or(u32::MAX);
        // The wallet may be told before the execution that changed it.
        if count > 0 && self.since.take_if(|at| now.since(*at) <= lag_ms).is_some() {
            count = count.saturating_sub(1);
        }
        if count > 0 {
            let before = self.awaited(now, lag_ms);
            self.awaited = Some((before.saturating_add(count), now));
        }
    }

    /// The balance is another one. Whether nothing is known that may have changed it.
    pub fn balance_changed(&mut self, now: BootMs, lag_ms: u64) -> bool {
        if let Some(left) = self.awaited(now, lag_ms).checked_sub(1) {
            self.awaited = self.awaited.map(|(_, at)| (left, at));
            return false;
        }
        self.since = Some(now);
        true
    }

    /// The guard is in doubt. Whether nothing here was in doubt yet.
    pub fn begins(&mut self, now: BootMs, lag_ms: u64) -> bool {
        let begins = self.next_round(now, lag_ms).is_none();
        if begins {
            self.since = Some(now);
        }
        begins
    }

    /// When executions are read again to prove a wallet that is read now; `None` when nothing is
    /// in doubt.
    pub fn next_round(&self, now: BootMs, lag_ms: u64) -> Option<BootMs> {
        let round = lag_ms.saturating_add(PROVEN_AFTER_MS);
        let lasts = round.saturating_mul(ROUNDS).saturating_add(PATIENCE_MS);
        let since = self.since?;
        (now.since(since) < lasts).then(|| now.after(round))
    }

    fn awaited(&self, now: BootMs, lag_ms: u64) -> u32 {
        self.awaited
            .filter(|(_, at)| now.since(*at) <= lag_ms)
            .map_or(0, |(count, _)| count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: u64 = 3000;

    #[test]
    fn a_change_that_nothing_announced_is_in_doubt_until_the_guard_can_have_decided() {
        let mut doubt = Doubt::default();
        assert_eq!(doubt.next_round(BootMs(0), LAG), None);
        assert!(doubt.balance_changed(BootMs(100), LAG));
        let mut at = BootMs(100);
        let mut rounds = 0;
        while let Some(next) = doubt.next_round(at, LAG) {
            assert!(next.since(at) > LAG + 2000, "it proves nothing sooner");
            at = next;
            rounds += 1;
        }
        assert!((5..8).contains(&rounds), "{rounds}");
    }

    #[test]
    fn each_execution_explains_one_change_in_either_order() {
        let mut doubt = Doubt::default();
        doubt.executed(2, BootMs(0), LAG);
        assert!(!doubt.balance_changed(BootMs(10), LAG));
        assert!(!doubt.balance_changed(BootMs(20), LAG));
        assert!(doubt.balance_changed(BootMs(30), LAG));
        doubt.executed(1, BootMs(40), LAG);
        assert_eq!(doubt.next_round(BootMs(41), LAG), None);
        assert!(
            doubt.balance_changed(BootMs(50), LAG),
            "that one was used up"
        );
    }

    #[test]
    fn the_guards_doubt_counts_whatever_was_taken_for_an_explanation() {
        let mut doubt = Doubt::default();
        doubt.executed(1, BootMs(0), LAG);
        assert!(!doubt.balance_changed(BootMs(10), LAG));
        assert!(doubt.begins(BootMs(6000), LAG));
        assert!(doubt.next_round(BootMs(6000), LAG).is_some());
        assert!(!doubt.begins(BootMs(7000), LAG), "it goes on");
        let mut at = BootMs(6000);
        while let Some(next) = doubt.next_round(at, LAG) {
            at = next;
        }
        assert!(doubt.begins(at, LAG), "as long as the guard doubts");
    }

    #[test]
    fn what_was_executed_long_ago_explains_nothing() {
        let mut doubt = Doubt::default();
        doubt.executed(1, BootMs(0), LAG);
        assert!(doubt.balance_changed(BootMs(LAG + 1), LAG));
        doubt.executed(1, BootMs(3 * LAG), LAG);
        assert!(
            doubt.next_round(BootMs(3 * LAG), LAG).is_some(),
            "an execution that comes later hides no withdrawal"
        );
    }
}
