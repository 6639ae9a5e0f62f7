//! What streams tell, and what follows from it: the same observations that reads make, by the same
//! way in.
//!
//! A read may be on its way while a stream speaks. Whatever says something newer wins: an
//! observation from a stream counts from when the venue made it, and never as older than the read
//! that it was put into.

use std::collections::BTreeSet;

use daemon::clock::boot_now;
use exchange::stream::{Feed, News, StreamError, StreamEvent, Topic};
use protocol::gateway::CandleTopic;
use protocol::guard::Observation;
use protocol::venue::{Candle, Execution, Position};
use protocol::{BootMs, Symbol, VenueMs};

use super::Gateway;
use crate::feeds::REPAIRS;
use crate::plan::Task;
use crate::venue::{Begun, settle_coin};

impl Gateway {
    /// Takes what a stream has to say.
    pub(super) fn on_stream(&mut self, feed: Feed, event: StreamEvent) {
        match event {
            StreamEvent::Up => self.stream_up(feed),
            StreamEvent::Down(why) => self.stream_down(feed, &why),
            StreamEvent::Seen(made, news) => self.streamed(made, news),
            StreamEvent::Unreadable(error) => self.stream_unreadable(feed, &error),
            StreamEvent::Refused(topic, words) => {
                tracing::warn!("the venue does not stream {topic}: {words}; it is polled");
            }
            StreamEvent::Denied(words) => {
                tracing::warn!("{} stream: not let in: {words}", feed.word());
                // A clock that is off is the usual reason; a read shows whether the keys are.
                self.plan
                    .hasten(&[Task::ServerTime, Task::Wallet], boot_now());
            }
        }
    }

    fn stream_up(&mut self, feed: Feed) {
        let now = boot_now();
        self.stream_troubles.remove(&feed);
        tracing::info!("{} stream: up; what was missed is read", feed.word());
        self.feeds.up(feed, now);
        match feed {
            Feed::Account => self.plan.hasten(&REPAIRS, now),
            Feed::Market => self.plan.hasten(&self.market_tasks(), now),
        }
        self.refollow();
    }

    fn stream_down(&mut self, feed: Feed, why: &str) {
        let was_up = self.feeds.down(feed, boot_now());
        let said = self.stream_troubles.insert(feed, why.to_owned());
        if was_up || said.as_deref() != Some(why) {
            tracing::warn!("{} stream: {why}; polls carry the load", feed.word());
        }
        if !was_up {
            return;
        }
        // Under the wide pace everything may be seconds away.
        let now = boot_now();
        match feed {
            Feed::Account => self.plan.hasten(&REPAIRS, now),
            Feed::Market => self.plan.hasten(&self.market_tasks(), now),
        }
        self.refollow();
    }

    /// A message could not be read: the truth is asked of REST.
    fn stream_unreadable(&mut self, feed: Feed, error: &StreamError) {
        tracing::warn!("{error}; it is read over REST");
        let now = boot_now();
        match error.topic {
            Some(Topic::Tickers(symbol) | Topic::Quotes(symbol)) => {
                self.plan.hasten(&[Task::Ticker(symbol)], now);
            }
            Some(Topic::Candles(symbol, interval)) => {
                let topic = CandleTopic { symbol, interval };
                self.plan.hasten(&[Task::Candles(topic)], now);
            }
            Some(Topic::Position | Topic::Execution | Topic::Order | Topic::Wallet) => {
                self.feeds.missed(now);
                self.plan.hasten(&REPAIRS, now);
                self.refollow();
            }
            // The connection ends for it, and its end has everything read.
            None => match feed {
                Feed::Account => self.feeds.missed(now),
                Feed::Market => {}
            },
        }
    }

    fn streamed(&mut self, made: VenueMs, news: News) {
        let begun = self.begun_at(made);
        match news {
            News::Ticker(ticker) => {
                let told = self.books.take_tick(&ticker, begun.boot);
                if told {
                    self.listeners.ticker(&ticker);
                }
                if !self.walking() {
                    self.ticks.add(begun, ticker);
                }
            }
            News::Quote { symbol, bid, ask } => {
                if let Some(ticker) = self.books.take_quote(symbol, bid, ask) {
                    self.listeners.ticker(&ticker);
                }
            }
            News::Candle {
                topic: Topic::Candles(symbol, interval),
                candle,
                closed,
            } => self.candle_streamed(CandleTopic { symbol, interval }, candle, closed),
            News::Candle { .. } => {}
            // The start-up order has the guard's ear to itself; what is told meanwhile is read
            // again when it is through.
            News::Executions(_) | News::Orders(_) | News::Positions(_) | News::Wallet(..)
                if self.walking() =>
            {
                self.feeds.missed(begun.boot);
            }
            News::Executions(rows) => self.executions_streamed(begun, rows),
            News::Orders(rows) => {
                self.books.take_orders(&rows);
                self.observe(begun, Observation::Orders(rows));
            }
            News::Positions(rows) => self.positions_streamed(begun, rows),
            News::Wallet(kind, wallet) => {
                if self.hands.venue.reads_account(kind) {
                    let begun = not_before(begun, self.books.wallet.as_ref().map(|r| r.begun));
                    self.observe(begun, Observation::Wallet(wallet));
                }
            }
        }
    }

    /// The venue's time of a message on both clocks, never later than now.
    fn begun_at(&self, made: VenueMs) -> Begun {
        let now = self.hands.venue.begun();
        let boot = self.hands.venue.boot_at(made).unwrap_or(now.boot);
        Begun {
            venue: made.min(now.venue),
            boot: boot.min(now.boot),
        }
    }

    fn executions_streamed(&mut self, begun: Begun, rows: Vec<Execution>) {
        let ours = rows.into_iter().filter(|row| self.settles_here(row.symbol));
        let rows: Vec<Execution> = ours.collect();
        if !rows.is_empty() {
            self.observe(begun, Observation::Executions(rows));
        }
    }

    /// The guard hears all positions: the last whole read with the changed rows in it.
    fn positions_streamed(&mut self, begun: Begun, rows: Vec<Position>) {
        let ours = rows.into_iter().filter(|row| self.settles_here(row.symbol));
        let rows: Vec<Position> = ours.collect();
        if !self.feeds.whole().account {
            // The last whole read is from before the gap.
            self.plan.hasten(&[Task::Positions], boot_now());
            return;
        }
        let begun = not_before(begun, self.books.positions.as_ref().map(|read| read.begun));
        if let Some(all) = self.books.with_positions(rows) {
            self.observe(begun, Observation::Positions(all));
        }
    }

    fn candle_streamed(&mut self, topic: CandleTopic, candle: Candle, closed: bool) {
        let read = self.books.candles.told(topic, candle, closed);
        for news in &read.news {
            self.listeners.candle(news);
        }
        if read.too_short {
            self.plan.hasten(&[Task::Candles(topic)], boot_now());
        }
    }

    fn settles_here(&self, symbol: Symbol) -> bool {
        settle_coin(symbol) == settle_coin(self.settings.topic.symbol)
    }

    /// Hands the guard the prices that have waited long enough.
    pub(super) fn tell_ticks(&mut self, now: BootMs) {
        if let Some((begun, batch)) = self.ticks.due(now) {
            self.tell_guard(begun, Observation::Tickers(batch));
        }
    }

    /// A followed price or series that no stream has told for a while is read: a subscription may
    /// have died without a word, and a market may be too quiet to begin a candle.
    pub(super) fn watch_market(&mut self, now: BootMs) {
        if !self.feeds.whole().market {
            return;
        }
        let most = self.settings.config.limits.max_data_staleness_ms / 2;
        let silent = |symbol: &Symbol| {
            let read = self.books.tickers.get(symbol);
            read.is_none_or(|read| now.since(read.begun) > most)
        };
        let symbols = self.symbols_followed().into_iter().filter(silent);
        let venue_now = self.hands.venue.begun().venue;
        let overdue = self.books.candles.overdue(venue_now, most);
        let series = overdue.into_iter().map(Task::Candles);
        let tasks: Vec<Task> = symbols.map(Task::Ticker).chain(series).collect();
        self.plan.hasten(&tasks, now);
    }

    /// What both streams are asked for.
    pub(super) fn wish(&self, symbols: &BTreeSet<Symbol>, series: &BTreeSet<CandleTopic>) {
        let configured = self.settings.topic.symbol;
        let topics: BTreeSet<Topic> = symbols
            .iter()
            .map(|symbol| Topic::Tickers(*symbol))
            .chain(series.iter().map(|t| Topic::Candles(t.symbol, t.interval)))
            .chain([Topic::Quotes(configured)])
            .collect();
        self.wishes.send_if_modified(|wished| {
            let changed = *wished != topics;
            *wished = topics;
            changed
        });
    }

    fn market_tasks(&self) -> Vec<Task> {
        let symbols = self.symbols_followed().into_iter().map(Task::Ticker);
        let series = self.listeners.topics().into_iter().map(Task::Candles);
        symbols.chain(series).collect()
    }
}

/// A part of a picture is not older than the picture that it was put into.
fn not_before(begun: Begun, read: Option<BootMs>) -> Begun {
    Begun {
        boot: read.map_or(begun.boot, |read| begun.boot.max(read)),
        ..begun
    }
}
