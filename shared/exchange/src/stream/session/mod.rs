//! One connection's life, as a pure machine: what is said, what is waited for, when to give up.
//!
//! ```text
//!  Away --Connect--> Dialling --opened--> Signing (account) --yes--> Joining --all stand--> Live
//!   ^                    |                   |                          |                    |
//!   +---- ended: the next try after a pause that doubles, with jitter --+--------------------+
//! ```
//! Time comes in as a value, and so does the dice roll of the jitter. The shell does what each
//! [`Act`] says, in order, and sleeps until [`Session::deadline`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::{BootMs, Symbol};
use serde::Serialize;

use super::account;
use super::event::{StreamError, StreamEvent};
use super::frame::{self, Data, Frame};
use super::market::{Market, Read};
use super::topic::{Feed, Topic, batches, fitting};

/// How often the venue wants to hear of us (venue documentation, WebSocket heartbeat).
const PING_EVERY: u64 = 20_000;
/// How long after a ping something must have been heard.
const PONG_PATIENCE: u64 = 10_000;
/// How long dialling, signing in and each subscription may take.
const STEP_PATIENCE: u64 = 10_000;
/// The first pause after a connection has ended; it doubles.
const PAUSE_FIRST: u64 = 250;
/// Its longest: far below what the venue takes (500 connections in five minutes).
const PAUSE_MOST: u64 = 30_000;
/// Pause after the venue has refused our signing in, or the door.
const PAUSE_DENIED: u64 = 30_000;
/// A connection that held this long had nothing wrong with it: pauses begin anew.
const PROVEN_AFTER: u64 = 30_000;
/// How often a snapshot of one topic is asked for.
const ANEW_EVERY: u64 = 10_000;
/// Of a pause, the part that the dice decide, in thousandths.
const JITTER: u64 = 500;

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Dial; say [`Session::opened`] or [`Session::ended`].
    Connect,
    /// Send this text.
    Send(String),
    /// Close the connection and say [`Session::ended`] with this reason.
    Hang(String),
    /// Tell this.
    Tell(StreamEvent),
}

/// Why a connection ended, as far as it decides when the next is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It broke, or could not be made.
    Broken,
    /// The venue shut the door (HTTP 403).
    Forbidden,
    /// It was not tried: nothing may be sent before then.
    NotBefore(BootMs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Away { again: BootMs },
    Dialling { until: BootMs },
    Signing { until: BootMs },
    Joining,
    Live { since: BootMs },
}

/// A subscription that has not been answered.
#[derive(Debug)]
struct Asked {
    req_id: String,
    topics: Vec<Topic>,
    until: BootMs,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    feed: Feed,
    settle: Symbol,
    wanted: BTreeSet<Topic>,
    /// What stands at the venue, or was asked for.
    held: BTreeSet<Topic>,
    refused: BTreeSet<Topic>,
    asked: VecDeque<Asked>,
    requests: u64,
    phase: Phase,
    market: Market,
    anew: BTreeMap<Topic, BootMs>,
    ping_at: BootMs,
    /// A ping is out since then and nothing has been heard.
    unheard_since: Option<BootMs>,
    failures: u32,
    denied: bool,
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<&'a str>,
    op: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
}

impl Session {
    /// A connection that is to be made now; of the wallet, the row of this coin is read.
    pub fn new(feed: Feed, settle: Symbol, now: BootMs) -> Self {
        let wanted = match feed {
            Feed::Account => Topic::ACCOUNT.into_iter().collect(),
            Feed::Market => BTreeSet::new(),
        };
        Self {
            feed,
            settle,
            wanted,
            held: BTreeSet::new(),
            refused: BTreeSet::new(),
            asked: VecDeque::new(),
            requests: 0,
            phase: Phase::Away { again: now },
            market: Market::default(),
            anew: BTreeMap::new(),
            ping_at: now,
            unheard_since: None,
            failures: 0,
            denied: false,
        }
    }

    /// When to [`wake`](Self::wake) it; `None` while there is nothing to connect for.
    pub fn deadline(&self) -> Option<BootMs> {
        let asked = self.asked.iter().map(|asked| asked.until).min();
        let alive = self
            .unheard_since
            .map_or(self.ping_at, |since| since.after(PONG_PATIENCE));
        match self.phase {
            Phase::Away { again } => (!self.wanted.is_empty()).then_some(again),
            Phase::Dialling { until } | Phase::Signing { until } => Some(until),
            Phase::Joining | Phase::Live { .. } => Some(asked.map_or(alive, |at| at.min(alive))),
        }
    }

    /// Time has passed.
    pub fn wake(&mut self, now: BootMs) -> Vec<Act> {
        let gives_up = |why: &str| vec![Act::Hang(why.to_owned())];
        match self.phase {
            Phase::Away { again } if again <= now && !self.wanted.is_empty() => {
                let until = now.after(STEP_PATIENCE);
                self.phase = Phase::Dialling { until };
                vec![Act::Connect]
            }
            Phase::Dialling { until } if until <= now => gives_up("no connection in time"),
            Phase::Signing { until } if until <= now => gives_up("no answer to the signing in"),
            Phase::Joining | Phase::Live { .. } => {
                if self.asked.iter().any(|asked| asked.until <= now) {
                    return gives_up("no answer to a subscription");
                }
                self.keep_alive(now)
            }
            Phase::Away { .. } | Phase::Dialling { .. } | Phase::Signing { .. } => Vec::new(),
        }
    }

    /// Other topics are wanted from now on (of the market; the account's are always the same).
    pub fn want(&mut self, topics: &BTreeSet<Topic>, now: BootMs) -> Vec<Act> {
        if self.feed == Feed::Account {
            return Vec::new();
        }
        let ours = topics.iter().filter(|topic| topic.feed() == self.feed);
        let (fit, rest) = fitting(ours.copied());
        let mut acts: Vec<Act> = rest
            .into_iter()
            .filter(|topic| !self.wanted.contains(topic))
            .map(|topic| told_no(topic, "the connection holds no more topics"))
            .collect();
        self.wanted = fit.into_iter().collect();
        let wanted = self.wanted.clone();
        self.refused.retain(|topic| wanted.contains(topic));
        match self.phase {
            Phase::Joining | Phase::Live { .. } => {
                let gone: Vec<Topic> = self.held.difference(&self.wanted).copied().collect();
                for topic in &gone {
                    self.held.remove(topic);
                    self.market.forget(*topic);
                }
                for batch in batches(&gone) {
                    acts.push(say("unsubscribe", None, &batch));
                }
                acts.extend(self.join(now));
            }
            Phase::Away { .. } => acts.extend(self.wake(now)),
            Phase::Dialling { .. } | Phase::Signing { .. } => {}
        }
        acts
    }

    /// The connection stands. `auth` is the message that signs in, for the account.
    pub fn opened(&mut self, now: BootMs, auth: Option<String>) -> Vec<Act> {
        self.ping_at = now.after(PING_EVERY);
        self.unheard_since = None;
        let until = now.after(STEP_PATIENCE);
        match auth {
            Some(auth) => {
                self.phase = Phase::Signing { until };
                vec![Act::Send(auth)]
            }
            None => self.begin_joining(now),
        }
    }

    /// The connection is gone, or was not made; `roll` is a number from 0 to 999.
    pub fn ended(&mut self, now: BootMs, why: &str, end: End, roll: u16) -> Vec<Act> {
        if let Phase::Live { since } = self.phase
            && now.since(since) >= PROVEN_AFTER
        {
            self.failures = 0;
        }
        let doubled = PAUSE_FIRST << self.failures.min(16);
        let pause = match end {
            End::Broken if self.denied => PAUSE_DENIED,
            End::Broken => doubled.min(PAUSE_MOST),
            End::Forbidden => crate::limiter::BAN_MS,
            End::NotBefore(at) => at.since(now),
        };
        // Between half of it and all of it, so that not everyone comes back at once.
        let fixed = pause.saturating_mul(1_000 - JITTER) / 1_000;
        let drawn = (pause - fixed).saturating_mul(u64::from(roll.min(999))) / 1_000;
        let pause = match end {
            End::Broken => {
                self.failures = self.failures.saturating_add(1);
                fixed.saturating_add(drawn)
            }
            End::Forbidden | End::NotBefore(_) => pause,
        };
        self.denied = false;
        self.phase = Phase::Away {
            again: now.after(pause),
        };
        self.asked.clear();
        self.held.clear();
        self.refused.clear();
        self.anew.clear();
        self.market.clear();
        self.unheard_since = None;
        vec![Act::Tell(StreamEvent::Down(why.to_owned()))]
    }

    /// A text message has arrived.
    pub fn heard(&mut self, now: BootMs, text: &str) -> Vec<Act> {
        if matches!(self.phase, Phase::Away { .. } | Phase::Dialling { .. }) {
            return Vec::new();
        }
        self.unheard_since = None;
        match frame::read(self.feed, text) {
            Ok(Frame::Pong | Frame::Other) => Vec::new(),
            Ok(Frame::Auth { yes, words }) => self.signed_in(now, yes, words),
            Ok(Frame::Subscribed { req_id, yes, words }) => {
                self.answered(now, &req_id, yes, &words)
            }
            Ok(Frame::Data(data)) => self.told(now, &data),
            Err(error) => self.unreadable(now, error),
        }
    }

    fn keep_alive(&mut self, now: BootMs) -> Vec<Act> {
        if let Some(since) = self.unheard_since {
            if now >= since.after(PONG_PATIENCE) {
                return vec![Act::Hang("no pong".to_owned())];
            }
            return Vec::new();
        }
        if now < self.ping_at {
            return Vec::new();
        }
        self.ping_at = now.after(PING_EVERY);
        self.unheard_since = Some(now);
        vec![say("ping", None, &[])]
    }

    fn signed_in(&mut self, now: BootMs, yes: bool, words: String) -> Vec<Act> {
        if !matches!(self.phase, Phase::Signing { .. }) {
            return Vec::new();
        }
        if yes {
            return self.begin_joining(now);
        }
        self.denied = true;
        let why = format!("the venue did not let us sign in: {words}");
        vec![Act::Tell(StreamEvent::Denied(words)), Act::Hang(why)]
    }

    fn begin_joining(&mut self, now: BootMs) -> Vec<Act> {
        self.phase = Phase::Joining;
        self.join(now)
    }

    /// Subscribes to whatever is wanted and not held.
    fn join(&mut self, now: BootMs) -> Vec<Act> {
        let missing = self.wanted.iter().copied();
        let missing: Vec<Topic> = missing
            .filter(|topic| !self.held.contains(topic) && !self.refused.contains(topic))
            .collect();
        let mut acts: Vec<Act> = batches(&missing)
            .into_iter()
            .map(|batch| self.subscribe(now, batch))
            .collect();
        acts.extend(self.perhaps_up(now));
        acts
    }

    fn subscribe(&mut self, now: BootMs, topics: Vec<Topic>) -> Act {
        self.requests = self.requests.wrapping_add(1);
        let req_id = format!("s{}", self.requests);
        let act = say("subscribe", Some(&req_id), &topics);
        self.held.extend(topics.iter().copied());
        self.asked.push_back(Asked {
            req_id,
            topics,
            until: now.after(STEP_PATIENCE),
        });
        act
    }

    /// The venue answered a subscription; where it names none, the oldest.
    fn answered(&mut self, now: BootMs, req_id: &str, yes: bool, words: &str) -> Vec<Act> {
        let named = self.asked.iter().position(|asked| asked.req_id == req_id);
        let which = if req_id.is_empty() { Some(0) } else { named };
        let Some(asked) = which.and_then(|n| self.asked.remove(n)) else {
            return Vec::new();
        };
        let mut acts = Vec::new();
        if !yes {
            match asked.topics.as_slice() {
                [topic] => acts.extend(self.turned_down(*topic, words)),
                // One bad topic spoils its batch: each is asked for alone.
                several => {
                    for topic in several {
                        acts.push(self.subscribe(now, vec![*topic]));
                    }
                }
            }
        }
        acts.extend(self.perhaps_up(now));
        acts
    }

    fn turned_down(&mut self, topic: Topic, words: &str) -> Vec<Act> {
        self.held.remove(&topic);
        self.refused.insert(topic);
        let told = told_no(topic, words);
        match self.feed {
            Feed::Market => vec![told],
            // An account of which a part is not told cannot be relied on.
            Feed::Account => vec![
                told,
                Act::Hang(format!("the venue refuses {topic}: {words}")),
            ],
        }
    }

    fn perhaps_up(&mut self, now: BootMs) -> Option<Act> {
        let up = self.phase == Phase::Joining && self.asked.is_empty();
        // Hanging up is already on its way.
        let whole = self.feed == Feed::Market || self.refused.is_empty();
        (up && whole).then(|| {
            self.phase = Phase::Live { since: now };
            Act::Tell(StreamEvent::Up)
        })
    }

    fn told(&mut self, now: BootMs, data: &Data<'_>) -> Vec<Act> {
        if !self.held.contains(&data.topic) {
            // The last words of a subscription that has ended.
            return Vec::new();
        }
        let read = match self.feed {
            Feed::Account => account::read(data.topic, data.rows, self.settle)
                .map(|news| news.map_or(Read::Old, Read::News)),
            Feed::Market => self.market.read(data),
        };
        match read {
            Ok(Read::News(news)) => vec![Act::Tell(StreamEvent::Seen(data.made, news))],
            Ok(Read::Old) => Vec::new(),
            Ok(Read::NoSnapshot) => self.begin_anew(now, data.topic),
            Err(why) => {
                let error = StreamError {
                    stream: data.topic.to_string(),
                    topic: Some(data.topic),
                    why,
                };
                self.unreadable(now, error)
            }
        }
    }

    /// A message could not be read. Of a known topic, what it stood for is asked for anew; of
    /// anything else nobody knows what was missed.
    fn unreadable(&mut self, now: BootMs, error: StreamError) -> Vec<Act> {
        let topic = error.topic.filter(|topic| self.held.contains(topic));
        let why = error.why.clone();
        let mut acts = vec![Act::Tell(StreamEvent::Unreadable(error))];
        match topic {
            Some(topic) => {
                self.market.forget(topic);
                acts.extend(self.begin_anew(now, topic));
            }
            None => acts.push(Act::Hang(why)),
        }
        acts
    }

    /// Asks for a new snapshot of a topic of the market, now and then.
    fn begin_anew(&mut self, now: BootMs, topic: Topic) -> Vec<Act> {
        let lately = self.anew.get(&topic);
        if self.feed == Feed::Account || lately.is_some_and(|at| now.since(*at) < ANEW_EVERY) {
            return Vec::new();
        }
        self.anew.insert(topic, now);
        vec![
            say("unsubscribe", None, &[topic]),
            self.subscribe(now, vec![topic]),
        ]
    }
}

fn told_no(topic: Topic, words: &str) -> Act {
    Act::Tell(StreamEvent::Refused(topic, words.to_owned()))
}

fn say(op: &str, req_id: Option<&str>, topics: &[Topic]) -> Act {
    let args = topics.iter().map(ToString::to_string).collect();
    let request = Request { req_id, op, args };
    // Strings alone: it cannot fail, and an empty message would be refused.
    Act::Send(serde_json::to_string(&request).unwrap_or_default())
}

#[cfg(test)]
mod tests;
