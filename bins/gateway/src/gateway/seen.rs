//! What is seen at the venue, and what follows from it.

use daemon::clock::boot_now;
use protocol::gateway::CandleTopic;
use protocol::guard::{Observation, Observe, Stands};
use protocol::order::Lookup;
use protocol::venue::{Candle, Order};
use protocol::{Approval, BootMs};

use super::Gateway;
use crate::candles::Soundness;
use crate::event::Event;
use crate::orders::Ours;
use crate::parts::parts;
use crate::plan::Task;
use crate::resolve::Missing;
use crate::venue::{Begun, Fault};
use crate::{read, story};

/// A change of the skew that is told before the next planned sync.
const SKEW_NEWS_MS: u64 = 50;
/// Finished orders looked up at once after a read of all open orders.
const FOLLOWED_AT_ONCE: usize = 8;

impl Gateway {
    /// The one way in for everything that is seen at the venue, by poll or by stream: into the
    /// books, to the guard, to the bots.
    pub(super) fn observe(&mut self, begun: Begun, mut what: Observation) {
        let now = boot_now();
        let balance = self.books.balance();
        let news = self.books.take(&mut what, begun.boot);
        let moved = balance.is_some() && balance != self.books.balance();
        let open = match &what {
            Observation::OpenOrders(rows) => self.books.orders.vanished(rows, begun.boot),
            Observation::ClockSkew(skew) => {
                self.health.skew_ms = Some(*skew);
                Vec::new()
            }
            Observation::Instruments(_)
            | Observation::Tickers(_)
            | Observation::Wallet(_)
            | Observation::Positions(_)
            | Observation::Orders(_)
            | Observation::Executions(_)
            | Observation::ExecutionsComplete(_)
            | Observation::ClosedTradesComplete(_)
            | Observation::ClosedTrades(_)
            | Observation::Synced
            | Observation::Banned(_)
            | Observation::AccessDenied(_)
            | Observation::CandlesStale { .. } => Vec::new(),
        };
        self.tell_guard(begun, what);
        self.follow(open);
        for order in &news.orders {
            let intent = order
                .link_id
                .and_then(|link| self.books.orders.of_link(link));
            story::tell_change(order, intent.and_then(|ours| ours.intent_id));
            if let Some(intent_id) = intent.and_then(|ours| ours.intent_id) {
                self.exits.found(intent_id, order.order_id);
            }
            self.listeners.order(order);
        }
        for execution in &news.executions {
            self.listeners.execution(execution);
        }
        for ticker in &news.tickers {
            self.listeners.ticker(ticker);
        }
        self.doubt_balance(moved, news.executions.len(), now);
        if !news.executions.is_empty() && !self.walking() {
            let soon = now.after(super::SOON_MS);
            // No stream tells what a closed trade came to, and the venue may show it late.
            self.plan.hasten(&[Task::ClosedPnl], soon);
            self.closes_shown = now.after(self.settings.config.limits.venue_lag_ms);
            if !self.feeds.whole().account {
                let touched = [Task::Positions, Task::Wallet, Task::OpenOrders];
                self.plan.hasten(&touched, soon);
            }
        }
    }

    /// A balance that moved although nothing was executed may be a deposit or a withdrawal: the
    /// guard gets what it tells them by without waiting for the next polls.
    fn doubt_balance(&mut self, moved: bool, executed: usize, now: BootMs) {
        let lag_ms = self.since.lag_ms;
        self.doubt.executed(executed, now, lag_ms);
        // The start-up order reads everything, in its own order.
        if moved && !self.walking() && self.doubt.balance_changed(now, lag_ms) {
            self.plan.hasten(&[Task::Executions], now);
        }
    }

    /// The guard cannot explain the balance, whatever was taken for an explanation here.
    pub(super) fn guard_doubts(&mut self, now: BootMs) {
        if !self.walking() && self.doubt.begins(now, self.since.lag_ms) {
            self.plan.hasten(&[Task::Executions], now);
        }
    }

    /// Executions were read: while the balance is in doubt it is read anew, and they again as soon
    /// as they prove it.
    fn doubt_on(&mut self, now: BootMs) {
        if let Some(at) = self.doubt.next_round(now, self.since.lag_ms) {
            self.plan.hasten(&[Task::Wallet], now);
            self.plan.hasten(&[Task::Executions], at);
        }
    }

    pub(super) fn tell_guard(&self, begun: Begun, what: Observation) {
        let mut rest = parts(what).into_iter().peekable();
        while let Some(part) = rest.next() {
            self.hands.guard.tell(Observe {
                begun: begun.venue,
                begun_boot: begun.boot,
                more: rest.peek().is_some(),
                what: part,
            });
        }
    }

    /// Orders that a full read no longer shows have ended; the history says how.
    fn follow(&mut self, vanished: Vec<Ours>) {
        for ours in vanished.into_iter().take(FOLLOWED_AT_ONCE) {
            if self.following.insert(ours.link_id) {
                let hands = self.hands.clone();
                tokio::task::spawn_local(async move {
                    let begun = hands.venue.begun();
                    let found = hands.venue.order(ours.symbol, ours.link_id).await;
                    let order = found.ok().flatten();
                    hands
                        .owner
                        .tell(Event::Followed(ours.link_id, begun, order));
                });
            }
        }
    }

    pub(super) fn read_ended(&mut self, task: Task, begun: Begun, result: Result<(), Fault>) {
        self.lanes = self.lanes.saturating_sub(1);
        match result {
            Ok(()) => {
                self.plan.done(task, begun.boot);
                if self.feeds.read(task, begun.boot, boot_now()) {
                    tracing::info!("account stream: whole; polls are the safety net");
                }
                match task {
                    Task::Executions => {
                        self.since.executions_read(begun);
                        self.doubt_on(boot_now());
                    }
                    Task::ClosedPnl => {
                        self.since.closed_read(begun);
                        if begun.boot < self.closes_shown {
                            self.plan.hasten(&[Task::ClosedPnl], self.closes_shown);
                        }
                    }
                    Task::Wallet
                    | Task::Positions
                    | Task::Ticker(_)
                    | Task::OpenOrders
                    | Task::Candles(_)
                    | Task::ServerTime => {}
                }
                if task != Task::ServerTime {
                    self.works_again();
                }
            }
            Err(fault) => {
                match fault {
                    // The venue answers, only not to this.
                    Fault::Refused { .. } | Fault::Unreadable { .. } => {
                        self.plan.refused(task, boot_now());
                    }
                    Fault::NotSent { .. }
                    | Fault::Banned { .. }
                    | Fault::Unknown { .. }
                    | Fault::Fatal { .. } => self.plan.failed(task, boot_now()),
                }
                self.health.fault(&fault);
            }
        }
        self.refollow();
    }

    pub(super) fn looked(
        &mut self,
        missing: Missing,
        begun: Begun,
        result: Result<Option<Order>, Fault>,
    ) {
        match result {
            Ok(found) => {
                self.hands.guard.lookup(Lookup {
                    approval_id: missing.approval_id,
                    link_id: missing.link_id,
                    begun: begun.venue,
                    found: found.clone(),
                });
                if let Some(order) = found {
                    self.resolver.settled(missing.approval_id);
                    if self.health.synced {
                        story::tell_found(&order, missing.intent_id);
                    }
                    let orders = &mut self.books.orders;
                    orders.adopt(&order, Some(missing.intent_id), begun.boot);
                    orders.accepted(missing.link_id, order.order_id);
                    self.observe(begun, Observation::Orders(vec![order]));
                    self.look_soon();
                } else {
                    let waits = self.settings.waits();
                    let id = missing.approval_id;
                    self.resolver.found_nothing(id, begun.boot, waits);
                }
            }
            Err(fault) => {
                self.resolver
                    .could_not_look(missing.approval_id, boot_now());
                self.health.fault(&fault);
            }
        }
        self.unresolved.send_replace(self.resolver.len());
    }

    /// Begins to look for an order that may be at the venue, signed then at the latest.
    pub(super) fn look_for(&mut self, missing: Missing, signed: BootMs) {
        let waits = self.settings.waits();
        self.resolver.add(missing, signed, waits, boot_now());
        self.unresolved.send_replace(self.resolver.len());
    }

    /// The guard's word on what a look-up has settled.
    pub(super) fn stands(&mut self, stands: Stands) {
        if !stands.unresolved {
            self.resolver.settled(stands.approval_id);
            self.unresolved.send_replace(self.resolver.len());
        }
    }

    /// The guard follows an exit that went without it: it is looked up like any other order.
    pub(super) fn exit_taken(&mut self, approval: &Approval) {
        self.exits.forget(approval.intent.intent_id);
        let since = self.since.executions;
        self.look_for(Missing::of(approval, since), boot_now());
    }

    pub(super) fn candles_read(&mut self, topic: CandleTopic, candles: Vec<Candle>, longest: bool) {
        let read = self.books.candles.take(topic, candles, longest);
        for news in &read.news {
            self.listeners.candle(news);
        }
        if read.too_short {
            let hands = self.hands.clone();
            tokio::task::spawn_local(async move { read::long_candles(&hands, topic).await });
        }
        self.watch_candles();
    }

    /// A call may have set the clock anew because the venue refused its time stamp, and somebody
    /// may have set this machine's: the guard hears of either before the next planned sync.
    pub(super) fn watch_clock(&mut self) {
        let Some((told, skew)) = self.health.skew_ms.zip(self.hands.venue.skew_ms()) else {
            return;
        };
        if told.abs_diff(skew) >= SKEW_NEWS_MS {
            self.observe(self.hands.venue.begun(), Observation::ClockSkew(skew));
        }
    }

    pub(super) fn watch_candles(&mut self) {
        let begun = self.hands.venue.begun();
        // What is read every half a minute cannot be held to a few seconds; what is streamed can.
        let pace = if self.feeds.whole().market {
            0
        } else {
            self.plan.pace_of(config::Read::Candles)
        };
        let configured = self.settings.config.limits.max_data_staleness_ms;
        let sound = Soundness {
            staleness_ms: configured.max(pace.saturating_mul(2)),
            gap_thousandths: self.settings.config.perps.max_data_gap_thousandths,
        };
        let followed = self.symbols_followed();
        let changes = self.books.candles.changes(&followed, begun.venue, sound);
        for (symbol, why) in changes {
            if let Some(why) = &why {
                tracing::warn!("{why}");
            }
            self.tell_guard(begun, Observation::CandlesStale { symbol, why });
        }
    }

    /// An order that had ended was looked up.
    pub(super) fn followed(
        &mut self,
        link: protocol::OrderLinkId,
        begun: Begun,
        order: Option<Order>,
    ) {
        self.following.remove(&link);
        match order {
            Some(order) => self.observe(begun, Observation::Orders(vec![order])),
            None => self.books.orders.missed(link, begun.boot),
        }
    }
}
