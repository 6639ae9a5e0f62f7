//! Log records on their way to the supervisor: structured, in order, and never waited for.
//!
//! Each record is one JSON line ([`LogLine`]) on the inherited pipe. A pipe that is full drops the
//! record and counts it; the count is told in the heartbeat and in a line of its own as soon as
//! there is room again. Without a supervisor records go to stderr as text.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use protocol::{Alert, BootMs, Context, Process, Severity, Tag};
use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::logline::{Level, LogLine};

static LOG: OnceLock<Log> = OnceLock::new();
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);
static DROPPED: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicBool = AtomicBool::new(false);
/// The first line of a batch has begun to wait.
static BEGUN: Notify = Notify::const_new();

/// How often a batch is written by a loop that is busy anyway, however many lines that is.
const BATCH_MS: u64 = 1;

/// How long lines are held at most, by a loop that would otherwise rest.
const HELD_MOST_MS: u64 = 5;

/// How much is held at most before it is written at once.
const HELD_MOST_BYTES: usize = 64 * 1024;

/// Begins logging for this process: `tracing` records and [`event`], [`order`] and [`alert`]
/// lines, and a line for a panic. Called once, first thing; later calls change nothing.
pub fn begin(process: Process, pipe: Option<OwnedFd>) {
    let pipe = pipe.map(|fd| {
        // Failing leaves a blocking pipe, which the supervisor drains all the same.
        fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).ok();
        File::from(fd)
    });
    let log = Log {
        process,
        sink: Mutex::new(Sink {
            pipe,
            rest: Vec::new(),
            untold: 0,
        }),
    };
    if LOG.set(log).is_err() {
        return;
    }
    let subscriber = tracing_subscriber::registry().with(ToLog);
    // Only a second subscriber could fail, and `LOG` lets nobody come here twice.
    drop(tracing::subscriber::set_global_default(subscriber));
    std::panic::set_hook(Box::new(|panic| {
        tell(
            Level::Error,
            format!("panic: {panic}"),
            Context::new(),
            false,
        );
        release();
    }));
}

/// For a loop that answers first and logs after: while this lives, lines wait for [`Held::tend`] or
/// [`Held::keep`], and one write to the pipe, with the reader that it wakes, serves a whole batch.
#[derive(Debug)]
pub struct Held {
    written: BootMs,
}

impl Held {
    /// Holds lines from now on.
    pub fn begin() -> Self {
        HELD.store(true, Ordering::Relaxed);
        Self { written: BootMs(0) }
    }

    /// When [`Held::tend`] is to be called; `None` while no line waits.
    pub fn deadline(&self) -> Option<BootMs> {
        waits().then(|| self.written.after(HELD_MOST_MS))
    }

    /// Tends for as long as it is polled; for a loop on tokio, in a task of its own.
    pub async fn keep(self) {
        loop {
            BEGUN.notified().await;
            // A full pipe leaves some of them.
            while waits() {
                tokio::time::sleep(Duration::from_millis(BATCH_MS)).await;
                release();
            }
        }
    }

    /// Writes what waits, if the last batch is old enough.
    pub fn tend(&mut self, now: BootMs) {
        if self.deadline().is_some() && now >= self.written.after(BATCH_MS) {
            self.written = now;
            release();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.store(false, Ordering::Relaxed);
        release();
    }
}

fn waits() -> bool {
    LOG.get().is_some_and(|log| !log.sink().rest.is_empty())
}

fn release() {
    if let Some(log) = LOG.get() {
        log.sink().flush();
    }
}

/// Ends the way to the pipe, so that its reader comes to the end of it; later lines go to stderr.
/// False if the pipe is full: let it be read, and call this again.
pub fn end() -> bool {
    let Some(log) = LOG.get() else { return true };
    let mut sink = log.sink();
    sink.flush();
    let all = sink.rest.is_empty();
    if all {
        sink.pipe = None;
    }
    all
}

/// Which records are written from now on.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// How many records have been dropped because the pipe was full.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Writes a safety event: `SAFETY_X: message  key=value`. The one way to log one.
pub fn event(tag: Tag, severity: Severity, message: &str, context: &Context) {
    tell(
        severity.into(),
        [tag.name(), ": ", message].concat(),
        context.clone(),
        true,
    );
}

/// Writes a line of an order's life; it goes into `trading.log` as well.
pub fn order(message: &str, context: Context) {
    tell(Level::Info, message.to_owned(), context, true);
}

/// Writes the log sink's line of an alert: `ALERT[safety_x]: message | context={...}`.
pub fn alert(alert: &Alert) {
    tell(
        alert.severity.into(),
        alert.to_string(),
        Context::new(),
        true,
    );
}

fn tell(level: Level, message: String, context: Context, story: bool) {
    if (level as u8) < LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let Some(log) = LOG.get() else { return };
    let line = LogLine {
        at: clock::wall_now(),
        level,
        process: log.process,
        message,
        context,
        story,
    };
    log.sink().write(&line);
}

struct Log {
    process: Process,
    sink: Mutex<Sink>,
}

impl Log {
    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sink {
    pipe: Option<File>,
    /// Lines that are held, or what a full pipe left of one; goes first.
    rest: Vec<u8>,
    /// Drops that no line has told of yet.
    untold: u64,
}

impl Sink {
    fn write(&mut self, line: &LogLine) {
        if self.pipe.is_none() {
            // With stderr gone there is nobody left to tell.
            drop(writeln!(std::io::stderr(), "{line}"));
            return;
        }
        if !self.may_wait() {
            self.flush();
        }
        if self.may_wait() && self.untold > 0 {
            let message = format!(
                "{} log lines were dropped: the log pipe was full",
                self.untold
            );
            self.untold = 0;
            let told = LogLine {
                level: Level::Warn,
                message,
                context: Context::new(),
                ..line.clone()
            };
            self.queue(&told);
        }
        if self.may_wait() {
            self.queue(line);
        } else {
            self.untold = self.untold.saturating_add(1);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn queue(&mut self, line: &LogLine) {
        let begins = self.rest.len();
        if serde_json::to_writer(&mut self.rest, line).is_err() {
            // No such line exists; half of one would spoil the next.
            return self.rest.truncate(begins);
        }
        self.rest.push(b'\n');
        if !HELD.load(Ordering::Relaxed) {
            self.flush();
        } else if begins == 0 {
            BEGUN.notify_one();
        }
    }

    /// Whether one more line may join those that wait.
    fn may_wait(&self) -> bool {
        self.rest.is_empty() || HELD.load(Ordering::Relaxed) && self.rest.len() < HELD_MOST_BYTES
    }

    /// Writes what is left as far as the pipe takes it without waiting.
    fn flush(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        while !self.rest.is_empty() {
            match pipe.write(&self.rest) {
                Ok(0) => return,
                Ok(written) => drop(self.rest.drain(..written)),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    // The reader is gone for good; whoever starts us next gives us a new pipe.
                    self.rest.clear();
                    return;
                }
            }
        }
    }
}

/// Takes `tracing` records into the log. The target `story` marks what belongs into `trading.log`.
struct ToLog;

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ToLog {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            // Libraries below us are chatty; their debug lines are not ours.
            _ if !is_ours(metadata.target()) => return,
            _ => Level::Debug,
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        tell(
            level,
            fields.message,
            fields.context,
            metadata.target() == "story",
        );
    }
}

fn is_ours(target: &str) -> bool {
    const OURS: [&str; 9] = [
        "perps", "config", "daemon", "exchange", "protocol", "risk", "state", "story", "zoomex",
    ];
    OURS.iter().any(|name| target.starts_with(name))
}

#[derive(Default)]
struct Fields {
    message: String,
    context: Context,
}

impl Fields {
    fn take(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else {
            let facts = std::mem::take(&mut self.context);
            self.context = facts.with(field.name(), text);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn line(message: &str) -> LogLine {
        LogLine {
            at: protocol::VenueMs(0),
            level: Level::Info,
            process: Process::Gateway,
            message: message.to_owned(),
            context: Context::new(),
            story: false,
        }
    }

    #[test]
    fn a_full_pipe_drops_counts_and_tells() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut sink = Sink {
            pipe: Some(File::from(OwnedFd::from(ours))),
            rest: Vec::new(),
            untold: 0,
        };
        let long = "x".repeat(1000);
        while sink.untold == 0 {
            sink.write(&line(&long));
        }
        sink.write(&line(&long));
        let dropped = sink.untold;
        theirs.set_nonblocking(true).unwrap();
        let mut bytes = vec![0; 1 << 22];
        let mut read = 0;
        let mut text = String::new();
        while let Ok(n @ 1..) = theirs.read(&mut bytes) {
            read += n;
            text.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
            if read > 0 && sink.untold == dropped {
                sink.write(&line("room again"));
            }
        }
        let lines: Vec<LogLine> = text
            .lines()
            .map(|l| serde_json::from_str(l).expect("whole lines only"))
            .collect();
        let told = format!("{dropped} log lines were dropped: the log pipe was full");
        assert!(lines.iter().any(|l| l.message == told), "the drop is told");
        assert!(lines.iter().any(|l| l.message == "room again"));
    }
}
