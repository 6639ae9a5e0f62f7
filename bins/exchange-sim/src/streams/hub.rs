//! All open streams: who they are, what they listen to, and the way to them.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::feed::{Feed, ListenerId};
use super::news::News;
use super::topic::{PrivateTopic, PublicTopic};
use crate::http::Peer;
use crate::matching::{Event, Ids, Moment, Venue};
use crate::sim::Sim;

/// Messages that may wait for one listener; one with more is disconnected.
const BACKLOG: usize = 4_096;

/// Ms between two messages of a ticker.
const TICK_MS: i64 = 100;

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// The account, once authenticated.
    Private,
    /// Prices.
    Public,
}

/// One open stream.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) face: Face,
    path: &'static str,
    peer: Peer,
    out: Sender<Utf8Bytes>,
    /// Its name in answers.
    pub(super) name: String,
    /// Whether it has authenticated.
    pub(super) trusted: bool,
    pub(super) private: BTreeSet<PrivateTopic>,
    /// Characters of all its subscriptions.
    pub(super) args: usize,
    muted: bool,
}

/// All open streams.
#[derive(Debug)]
pub(crate) struct Hub {
    listeners: BTreeMap<ListenerId, Listener>,
    made: ListenerId,
    feeds: BTreeMap<String, Feed>,
    ids: Ids,
    tick: i64,
    refused_until_ms: i64,
}

impl Hub {
    /// No streams yet. `salt` makes the ids of its messages differ from those of any other run.
    pub(crate) const fn new(salt: u64) -> Self {
        Self {
            listeners: BTreeMap::new(),
            made: 0,
            feeds: BTreeMap::new(),
            ids: Ids::new(salt),
            tick: 0,
            refused_until_ms: 0,
        }
    }

    /// How many streams are open.
    pub(crate) fn open(&self) -> usize {
        self.listeners.len()
    }

    /// Whether new streams are refused for now.
    pub(crate) const fn refuses(&self, wall_ms: i64) -> bool {
        wall_ms < self.refused_until_ms
    }

    /// Takes a new stream on. What it is told comes out of the receiver; its end means that the
    /// stream is to be closed.
    pub(super) fn join(
        &mut self,
        face: Face,
        path: &'static str,
        peer: Peer,
    ) -> (ListenerId, Receiver<Utf8Bytes>) {
        let (out, told) = mpsc::channel(BACKLOG);
        let id = self.made;
        self.made += 1;
        let listener = Listener {
            face,
            path,
            peer,
            out,
            name: self.ids.next(),
            trusted: false,
            private: BTreeSet::new(),
            args: 0,
            muted: false,
        };
        self.listeners.insert(id, listener);
        (id, told)
    }

    /// Forgets a stream that has ended, or is to.
    pub(super) fn leave(&mut self, id: ListenerId) {
        self.listeners.remove(&id);
        self.feeds.retain(|_, feed| {
            feed.listeners.remove(&id);
            !feed.listeners.is_empty()
        });
    }

    pub(super) fn listener(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.listeners.get_mut(&id)
    }

    /// Cuts every stream whose path ends so, without a word, and refuses new ones for a while.
    pub(crate) fn cut(&mut self, path: Option<&str>, refuse_ms: i64, wall_ms: i64) {
        self.refused_until_ms = wall_ms.saturating_add(refuse_ms);
        for id in self.ending(path) {
            self.cut_one(id);
        }
    }

    /// Leaves every stream whose path ends so open, but silent for good: its peer will be told
    /// nothing more, not even an answer to its pings.
    pub(crate) fn mute(&mut self, path: Option<&str>) {
        for id in self.ending(path) {
            if let Some(listener) = self.listeners.get_mut(&id) {
                listener.muted = true;
            }
        }
    }

    /// Tells what happened at the venue to all who listen.
    pub(crate) fn tell(&mut self, venue: &Venue, events: &[Event], now: Moment) {
        let listening = |listener: &Listener, topic| {
            listener.trusted && !listener.muted && listener.private.contains(&topic)
        };
        let mut news = None;
        for topic in PrivateTopic::ALL {
            let to: Vec<ListenerId> = self
                .listeners
                .iter()
                .filter(|(_, listener)| listening(listener, topic))
                .map(|(id, _)| *id)
                .collect();
            if to.is_empty() {
                continue;
            }
            let news = news.get_or_insert_with(|| News::of(events));
            for message in news.messages(topic, venue, &mut self.ids, now) {
                self.send(&to, message);
            }
        }
    }

    /// Tells of prices what has changed. To be called every few milliseconds.
    pub(crate) fn beat(&mut self, sim: &Sim, now: Moment) {
        let tick = now.ms().div_euclid(TICK_MS);
        let beaten = tick != self.tick;
        self.tick = tick;
        let mut told: Vec<(Vec<ListenerId>, String)> = Vec::new();
        for feed in self.feeds.values_mut() {
            if feed.is_beaten() && !beaten {
                continue;
            }
            let messages = feed.next(sim, now);
            if !messages.is_empty() {
                let to: Vec<ListenerId> = feed.listeners.iter().copied().collect();
                told.extend(messages.into_iter().map(|message| (to.clone(), message)));
            }
        }
        for (to, message) in told {
            self.send(&to, message);
        }
    }

    /// Adds a listener to a public topic, and tells what it is told first.
    pub(super) fn follow(
        &mut self,
        id: ListenerId,
        name: &str,
        topic: &PublicTopic,
        sim: &Sim,
        now: Moment,
    ) -> Option<String> {
        if !self.feeds.contains_key(name) {
            let feed = Feed::new(name, topic, sim, now)?;
            self.feeds.insert(name.to_owned(), feed);
        }
        let feed = self.feeds.get_mut(name)?;
        feed.listeners.insert(id);
        feed.snapshot(sim, now)
    }

    /// Takes a listener off a public topic.
    pub(super) fn unfollow(&mut self, id: ListenerId, name: &str) {
        let empty = self.feeds.get_mut(name).is_some_and(|feed| {
            feed.listeners.remove(&id);
            feed.listeners.is_empty()
        });
        if empty {
            self.feeds.remove(name);
        }
    }

    /// Sends one message to many. Who does not keep up is cut off.
    pub(super) fn send(&mut self, to: &[ListenerId], message: String) {
        let message = Utf8Bytes::from(message);
        for id in to {
            let behind = self
                .listeners
                .get(id)
                .is_some_and(|one| !one.muted && one.out.try_send(message.clone()).is_err());
            if behind {
                self.cut_one(*id);
            }
        }
    }

    fn cut_one(&mut self, id: ListenerId) {
        if let Some(listener) = self.listeners.get(&id) {
            listener.peer.cut();
        }
        self.leave(id);
    }

    fn ending(&self, path: Option<&str>) -> Vec<ListenerId> {
        self.listeners
            .iter()
            .filter(|(_, listener)| path.is_none_or(|end| listener.path.ends_with(end)))
            .map(|(id, _)| *id)
            .collect()
    }
}
