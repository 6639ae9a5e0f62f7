//! The one owner of the gateway's picture: takes what comes from the sockets and from its tasks,
//! and says what begins next. It never waits; whatever takes time is a task of its own.

mod exits;
mod guard_words;
mod health;
mod requests;
mod seen;
mod streamed;
mod watch;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use daemon::alerting::Alerting;
use daemon::clock::boot_now;
use exchange::stream::{Feed, Topic};
use protocol::guard::GuardWelcome;
use protocol::status::FeedState;
use protocol::{BootMs, CommandId, Generation, Symbol};
use tokio::sync::watch as tokio_watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::books::Books;
use crate::doubt::Doubt;
use crate::event::Event;
use crate::feeds::{Feeds, REPAIRS};
use crate::hands::Hands;
use crate::listeners::Listeners;
use crate::plan::{Plan, Task, Which};
use crate::read::Since;
use crate::resolve::Resolver;
use crate::settings::Settings;
use crate::ticks::Ticks;
use crate::venue::Fault;
use crate::{openers, read, walk};

use exits::Exits;
pub use health::Health;
use watch::LeaseWatch;

/// Reads under way at once. More would only queue at the rate limiter, in front of orders.
const LANES: usize = 2;
/// Symbols beyond the configured one that are remembered because a bot traded them.
const TRADED_MOST: usize = 16;
/// How long after an order the account is read again.
const SOON_MS: u64 = 60;
/// Pause before the start-up order is tried again; it doubles.
const WALK_AGAIN_MS: u64 = 1000;
/// Its longest.
const WALK_AGAIN_MOST_MS: u64 = 15_000;
/// How long the guard may take to say, at a stop, whether everything is frozen.
const LAST_WORD: Duration = Duration::from_millis(200);
/// How long the last cancels may take after that.
const LAST_CANCELS: Duration = Duration::from_millis(1600);
/// How long the account's reads wait for the guard to connect at the start.
const FIRST_WORD_MS: u64 = 3000;
/// How often slow watches are looked at.
const WATCH_MS: u64 = 1000;

/// The owner.
#[derive(Debug)]
pub struct Gateway {
    hands: Hands,
    settings: Rc<Settings>,
    generation: Rc<Cell<Generation>>,
    alerting: Alerting,
    books: Books,
    feeds: Feeds,
    ticks: Ticks,
    /// Whether the balance changed for a reason that nobody told.
    doubt: Doubt,
    /// From then on the venue shows what the last executions closed.
    closes_shown: BootMs,
    /// What both streams are asked for; whoever runs them listens to it.
    wishes: tokio_watch::Sender<BTreeSet<Topic>>,
    streams_begun: BTreeSet<Feed>,
    /// Why each stream was last away, so that it is said once.
    stream_troubles: BTreeMap<Feed, String>,
    listeners: Listeners,
    plan: Plan,
    since: Since,
    lanes: usize,
    resolver: Resolver,
    unresolved: tokio_watch::Sender<usize>,
    walk: Option<Walk>,
    commands: BTreeMap<CommandId, Standing>,
    exits: Exits,
    lease: LeaseWatch,
    following: BTreeSet<protocol::OrderLinkId>,
    traded: BTreeSet<Symbol>,
    health: Health,
    progress: u64,
    watched: BootMs,
    /// Until then the guard's start-up order has the first word, and the caps, to itself.
    guard_awaited_until: BootMs,
}

/// The start-up order of one connection to the guard.
#[derive(Debug)]
struct Walk {
    welcome: Rc<GuardWelcome>,
    task: Option<AbortHandle>,
    again: BootMs,
    tries: u32,
}

/// Where a command of the guard stands.
#[derive(Debug)]
enum Standing {
    /// And whether it was withdrawn.
    UnderWay(Rc<Cell<bool>>),
    Done(String),
}

impl Gateway {
    /// An owner that has seen nothing yet.
    pub fn new(
        hands: Hands,
        settings: Rc<Settings>,
        generation: Rc<Cell<Generation>>,
        alerting: Alerting,
    ) -> Self {
        let now = boot_now();
        let begun = hands.venue.begun();
        let lag_ms = settings.config.limits.venue_lag_ms;
        let mut gateway = Self {
            plan: Plan::new(settings.config.request_budget(), now),
            since: Since {
                executions: begun.venue,
                closed: begun.venue,
                lag_ms,
            },
            lease: LeaseWatch::since(now, settings.config.limits.lease_ms),
            hands,
            settings,
            generation,
            alerting,
            books: Books::default(),
            feeds: Feeds::default(),
            ticks: Ticks::default(),
            doubt: Doubt::default(),
            closes_shown: now,
            wishes: tokio_watch::channel(BTreeSet::new()).0,
            streams_begun: BTreeSet::new(),
            stream_troubles: BTreeMap::new(),
            listeners: Listeners::default(),
            lanes: 0,
            resolver: Resolver::default(),
            unresolved: tokio_watch::channel(0).0,
            walk: None,
            commands: BTreeMap::new(),
            exits: Exits::default(),
            following: BTreeSet::new(),
            traded: BTreeSet::new(),
            health: Health::default(),
            progress: 0,
            watched: now,
            guard_awaited_until: now.after(FIRST_WORD_MS),
        };
        gateway.refollow();
        gateway
    }

    /// A new generation is in force. What needs a restart stays as it was.
    pub fn apply(&mut self, settings: &Settings) {
        let settings = settings.following(&self.settings);
        let limits = &settings.config.limits;
        self.since.lag_ms = limits.venue_lag_ms;
        let perps = &settings.config.perps;
        let venue = &self.hands.venue;
        venue.set_caps(perps.max_requests_per_second, perps.max_requests_per_minute);
        venue.set_recv_window(limits.recv_window_ms);
        self.generation.set(settings.generation);
        self.settings = Rc::new(settings);
        self.refollow();
    }

    /// Begins whatever is due, and says until when the owner may sleep.
    pub fn turn(&mut self) -> BootMs {
        let now = boot_now();
        self.progress = self.progress.wrapping_add(1);
        self.watch_lease(now);
        self.begin_streams(now);
        self.walk_if_due(now);
        self.tell_ticks(now);
        while self.lanes < LANES {
            let Some(task) = self.plan.next(now, self.which(now)) else {
                break;
            };
            self.lanes = self.lanes.saturating_add(1);
            let known = match task {
                Task::Candles(topic) => !self.books.candles.newest(topic, 1).is_empty(),
                Task::Wallet
                | Task::Positions
                | Task::Ticker(_)
                | Task::Executions
                | Task::OpenOrders
                | Task::ClosedPnl
                | Task::ServerTime => true,
            };
            let read = read::run(self.hands.clone(), task, self.since, known);
            tokio::task::spawn_local(read);
        }
        while let Some(missing) = self.resolver.due(now) {
            tokio::task::spawn_local(look_up(self.hands.clone(), missing));
        }
        if now.since(self.watched) >= WATCH_MS {
            self.watched = now;
            self.watch_candles();
            self.watch_market(now);
            self.watch_clock();
        }
        self.wake_at(now)
    }

    /// Takes what a task has to tell.
    pub fn on_event(&mut self, event: Event) {
        match event {
            Event::Seen(begun, what) => self.observe(begun, what),
            Event::Candles(topic, candles, longest) => self.candles_read(topic, candles, longest),
            Event::ReadEnded(task, begun, result) => self.read_ended(task, begun, result),
            Event::Sending(ours) => self.books.orders.sent(ours),
            Event::Accepted(link, order_id) => {
                self.books.orders.accepted(link, order_id);
                self.look_soon();
            }
            Event::Gone(link) => self.books.orders.forget(link),
            Event::Ambiguous(missing, signed) => self.look_for(missing, signed),
            Event::Looked(missing, begun, result) => self.looked(missing, begun, result),
            Event::ExitAlone(intent_id, link_id, outcome) => {
                self.exits.remember(intent_id, link_id, outcome);
            }
            Event::Followed(link, begun, order) => self.followed(link, begun, order),
            Event::Touched => self.look_soon(),
            Event::Walked(result) => self.walked(result),
            Event::CommandEnded(id, ended) => self.command_ended(id, ended),
            Event::OpenersGone(result) => self.lease.openers_gone(&result, boot_now()),
            // Who asked may have been given up meanwhile.
            Event::Reached(say) => {
                let _heard = say.send(()).is_ok();
            }
            Event::Refused(fault) => self.health.fault(&fault),
            Event::Stream(feed, event) => self.on_stream(feed, event),
        }
        self.after_faults();
    }

    /// Connects the streams once the guard has said whether the venue's door is shut, or has been
    /// waited for long enough; the account's once the clock that signs it is known.
    fn begin_streams(&mut self, now: BootMs) {
        if now < self.guard_awaited_until {
            return;
        }
        let ready = [
            (Feed::Market, true),
            (Feed::Account, self.hands.venue.now().is_some()),
        ];
        for (feed, ready) in ready {
            if !ready || !self.streams_begun.insert(feed) {
                continue;
            }
            let owner = self.hands.owner.clone();
            let tell = move |event| owner.tell(Event::Stream(feed, event));
            let stream = self.hands.venue.stream(feed);
            tokio::task::spawn_local(stream.run(self.wishes.subscribe(), tell));
        }
    }

    fn walk_if_due(&mut self, now: BootMs) {
        let Some(walk) = &mut self.walk else { return };
        if walk.task.is_some() || now < walk.again || self.health.resting(now) {
            return;
        }
        let mut symbols = self.listeners.symbols();
        symbols.extend(self.traded.iter().copied());
        let route = walk::Route {
            settings: Rc::clone(&self.settings),
            welcome: Rc::clone(&walk.welcome),
            unresolved: self.unresolved.subscribe(),
            symbols,
        };
        let task = tokio::task::spawn_local(walk::run(self.hands.clone(), route));
        walk.task = Some(task.abort_handle());
    }

    fn walked(&mut self, result: Result<(), Fault>) {
        match result {
            Ok(()) => {
                self.walk = None;
                self.works_again();
                if !std::mem::replace(&mut self.health.synced, true) {
                    tracing::info!("the start-up order has been walked through");
                }
                self.health.ever_synced = true;
                self.books.candles.tell_all_again();
                self.watch_candles();
                let now = boot_now();
                self.plan.restart(now);
                // What streams told meanwhile was not taken in.
                if self.feeds.state(Feed::Account) != FeedState::Away {
                    self.feeds.missed(now);
                    self.plan.hasten(&REPAIRS, now);
                }
            }
            Err(fault) => {
                self.health.fault(&fault);
                if let Some(walk) = &mut self.walk {
                    walk.task = None;
                    let doubled = WALK_AGAIN_MS << walk.tries.min(8);
                    walk.again = boot_now().after(doubled.min(WALK_AGAIN_MOST_MS));
                    walk.tries = walk.tries.saturating_add(1);
                }
            }
        }
    }

    /// The account is read again shortly, because an order has left or arrived. A stream tells
    /// that sooner.
    fn look_soon(&mut self) {
        if self.feeds.whole().account {
            return;
        }
        let touched = [
            Task::Executions,
            Task::OpenOrders,
            Task::Positions,
            Task::Wallet,
        ];
        self.plan.hasten(&touched, boot_now().after(SOON_MS));
    }

    /// Follows what is configured, listened to, traded and held, at the pace the caps allow.
    fn refollow(&mut self) {
        let symbols = self.symbols_followed();
        let topics = self.listeners.topics();
        let followed = u32::try_from(symbols.len().max(topics.len())).unwrap_or(u32::MAX);
        self.plan.pace(
            self.settings
                .config
                .request_budget_for(followed, self.feeds.whole()),
        );
        self.plan.follow(&symbols, &topics, boot_now());
        self.books.candles.keep(&topics);
        self.wish(&symbols, &topics);
    }

    fn symbols_followed(&self) -> BTreeSet<Symbol> {
        let mut symbols = self.listeners.symbols();
        symbols.insert(self.settings.topic.symbol);
        symbols.extend(self.traded.iter().copied());
        symbols.extend(self.books.symbols_in_play());
        symbols
    }

    fn walking(&self) -> bool {
        self.walk.is_some()
    }

    fn which(&self, now: BootMs) -> Which {
        let awaited = now < self.guard_awaited_until;
        if self.walking() {
            Which::Candles
        } else if awaited {
            // It may know of a ban, during which one request more makes it longer.
            Which::Nothing
        } else if self.hands.venue.now().is_none() {
            Which::Clock
        } else {
            Which::All
        }
    }

    fn wake_at(&self, now: BootMs) -> BootMs {
        let read = (self.lanes < LANES)
            .then(|| self.plan.deadline(self.which(now)))
            .flatten();
        let walk = self
            .walk
            .as_ref()
            .filter(|walk| walk.task.is_none())
            .map(|walk| walk.again);
        let awaited = self
            .streams_begun
            .is_empty()
            .then_some(self.guard_awaited_until);
        let soonest = [
            read,
            walk,
            self.resolver.deadline(),
            self.lease.deadline(),
            self.ticks.deadline(),
            awaited,
        ];
        let soonest = soonest.into_iter().flatten().min();
        // Never later than the next watch; never a spin, whatever is overdue.
        let latest = now.after(WATCH_MS);
        soonest
            .map_or(latest, |at| at.min(latest))
            .max(now.after(1))
    }

    /// The last act: our resting opening orders go, stops stay. At most two seconds.
    pub async fn stop(&mut self) {
        if let Some(task) = self.walk.take().and_then(|walk| walk.task) {
            task.abort();
        }
        if self.frozen_at_last().await {
            tracing::warn!("frozen: resting orders are left as they are");
            return;
        }
        let known = self
            .books
            .open_orders
            .as_ref()
            .map(|read| read.value.as_slice());
        let known = openers::opening(known.unwrap_or_default(), None);
        let last = async {
            drop(openers::send_all(&self.hands, &known).await);
            openers::cancel(&self.hands, None, false).await
        };
        match timeout(LAST_CANCELS, last).await {
            Ok(Ok(done)) => tracing::info!("stopping: {done}"),
            Ok(Err(why)) => tracing::warn!("stopping: {why}"),
            Err(_) => tracing::warn!("stopping: opening orders may still rest; time is up"),
        }
    }
}

impl Gateway {
    /// Whether the operator has frozen everything. The word may be said and its lease still on the
    /// way; whatever the guard said before its answer has arrived by then.
    async fn frozen_at_last(&self) -> bool {
        let guard = &self.hands.guard;
        let asked = timeout(LAST_WORD, guard.status()).await;
        let said = asked.is_ok_and(|answer| {
            answer.is_ok_and(|status| status.state == protocol::status::TradingState::Frozen)
        });
        said || guard.leave().frozen()
    }
}

/// One look-up of an order whose outcome is unknown: open orders, history, executions.
async fn look_up(hands: Hands, missing: crate::resolve::Missing) {
    let begun = hands.venue.begun();
    let result = hands.venue.trace(&missing).await;
    hands.owner.tell(Event::Looked(missing, begun, result));
}
