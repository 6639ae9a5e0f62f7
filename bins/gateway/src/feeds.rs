//! The streams as far as the plan of reads depends on them. Pure.
//!
//! ```text
//!  Away --up--> Repairing --every read of the account begun since then has succeeded--> Live
//!   ^               |                                                                    |
//!   '----- down ----+--------------------------------------------------------------------'
//! ```
//! What happened while a stream was away was told by nobody: until it has been read over REST the
//! stream is not relied on, and polls keep their pace.

use std::collections::{BTreeMap, BTreeSet};

use config::Streams;
use exchange::stream::Feed;
use protocol::BootMs;
use protocol::status::FeedState;

use crate::plan::Task;

/// What repairs a gap of the account's stream.
pub const REPAIRS: [Task; 5] = [
    Task::Executions,
    Task::ClosedPnl,
    Task::Positions,
    Task::OpenOrders,
    Task::Wallet,
];

/// Both streams.
#[derive(Debug, Default)]
pub struct Feeds {
    account: Account,
    market: bool,
    /// Since when each is as it is; absent while it has never been up.
    since: BTreeMap<Feed, BootMs>,
}

#[derive(Debug, Default)]
enum Account {
    #[default]
    Away,
    Repairing {
        since: BootMs,
        left: BTreeSet<Task>,
    },
    Live,
}

impl Feeds {
    /// A stream is up as of now; what was missed is still to be read.
    pub fn up(&mut self, feed: Feed, now: BootMs) {
        match feed {
            Feed::Account => {
                self.account = Account::Repairing {
                    since: now,
                    left: REPAIRS.into(),
                };
            }
            Feed::Market => self.market = true,
        }
        self.since.insert(feed, now);
    }

    /// A stream is gone as of now. Whether it had been up.
    pub fn down(&mut self, feed: Feed, now: BootMs) -> bool {
        let was_up = match feed {
            Feed::Account => !matches!(std::mem::take(&mut self.account), Account::Away),
            Feed::Market => std::mem::take(&mut self.market),
        };
        if was_up {
            self.since.insert(feed, now);
        }
        was_up
    }

    /// Something the account's stream told was not taken in: it is to be read again.
    pub fn missed(&mut self, now: BootMs) {
        match self.account {
            Account::Away => {}
            Account::Repairing { .. } | Account::Live => self.up(Feed::Account, now),
        }
    }

    /// A read begun then has succeeded by now. Whether it was the last that was awaited.
    pub fn read(&mut self, task: Task, begun: BootMs, now: BootMs) -> bool {
        let Account::Repairing { since, left } = &mut self.account else {
            return false;
        };
        if begun >= *since {
            left.remove(&task);
        }
        let whole = left.is_empty();
        if whole {
            self.account = Account::Live;
            self.since.insert(Feed::Account, now);
        }
        whole
    }

    /// Since when a stream is as it is; `None` while it has never been up.
    pub fn since(&self, feed: Feed) -> Option<BootMs> {
        self.since.get(&feed).copied()
    }

    /// Which streams can be relied on.
    pub const fn whole(&self) -> Streams {
        Streams {
            account: matches!(self.account, Account::Live),
            market: self.market,
        }
    }

    /// For the status.
    pub const fn state(&self, feed: Feed) -> FeedState {
        match (feed, &self.account) {
            (Feed::Market, _) if self.market => FeedState::Live,
            (Feed::Market, _) | (Feed::Account, Account::Away) => FeedState::Away,
            (Feed::Account, Account::Repairing { .. }) => FeedState::Repairing,
            (Feed::Account, Account::Live) => FeedState::Live,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_relied_on_once_everything_was_read_after_it_came_up() {
        let mut feeds = Feeds::default();
        assert!(
            !feeds.read(Task::Wallet, BootMs(5), BootMs(6)),
            "nothing is awaited"
        );
        feeds.up(Feed::Account, BootMs(10));
        assert_eq!(feeds.state(Feed::Account), FeedState::Repairing);
        for task in REPAIRS {
            assert!(
                !feeds.read(task, BootMs(9), BootMs(15)),
                "begun before it came up"
            );
        }
        assert_eq!(feeds.whole(), Streams::NONE);
        for (n, task) in REPAIRS.into_iter().enumerate() {
            assert_eq!(
                feeds.read(task, BootMs(10), BootMs(15)),
                n + 1 == REPAIRS.len()
            );
        }
        assert!(feeds.whole().account && !feeds.whole().market);
        assert_eq!(feeds.since(Feed::Account), Some(BootMs(15)));
        assert_eq!(feeds.since(Feed::Market), None, "it was never up");
        // A message that was not taken in makes it a gap again.
        feeds.missed(BootMs(20));
        assert_eq!(feeds.state(Feed::Account), FeedState::Repairing);
        assert!(feeds.down(Feed::Account, BootMs(25)));
        assert!(!feeds.down(Feed::Account, BootMs(25)), "told once");
        feeds.missed(BootMs(30));
        assert_eq!(feeds.state(Feed::Account), FeedState::Away);
        assert_eq!(feeds.since(Feed::Account), Some(BootMs(25)));
    }

    #[test]
    fn the_market_is_whole_with_its_first_snapshots() {
        let mut feeds = Feeds::default();
        feeds.up(Feed::Market, BootMs(1));
        assert!(feeds.whole().market);
        assert!(feeds.down(Feed::Market, BootMs(2)) && !feeds.whole().market);
    }
}
