//! The writing thread: each record into its process's file, and the story into `trading.log`.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use config::LoggingSettings;
use daemon::clock;
use daemon::deployment::Deployment;
use daemon::logline::{Level, LogLine};
use protocol::{Context, Process};
use tokio::sync::watch;

use super::file::{LogFile, Trouble};
use super::journal::Journal;

/// Records that may wait for the disk; one more is lost and counted.
const WAITING_MOST: usize = 16_384;

/// How the files are kept; comes from the config and may change.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) trading_log: PathBuf,
    pub(crate) max_bytes: u64,
    pub(crate) keep: u32,
    pub(crate) json: bool,
}

impl Plan {
    pub(crate) fn of(settings: &LoggingSettings, deployment: &Deployment) -> Self {
        Self {
            trading_log: deployment.dir().join(&settings.file),
            max_bytes: settings.max_size_bytes,
            keep: settings.backup_count,
            json: settings.json,
        }
    }
}

enum Task {
    Write(LogLine),
    Reopen,
    Follow(Plan),
    End(SyncSender<()>),
}

/// The way to the writing thread. Nobody ever waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    tasks: Sender<Task>,
    health: Arc<Health>,
    /// How many pipes are still read.
    pipes: watch::Sender<usize>,
}

/// A pipe whose end has not been read yet.
#[derive(Debug)]
pub(super) struct Reading(watch::Sender<usize>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.send_modify(|pipes| *pipes = pipes.saturating_sub(1));
    }
}

/// How the writing goes, for the operator.
#[derive(Debug, Default)]
struct Health {
    /// Records lost since the start.
    lost: AtomicU64,
    /// Tasks that wait for the thread. Counted here, since a queue of a fixed length touches all of
    /// its memory when it is made.
    waiting: AtomicUsize,
    /// Why lines cannot be written now.
    fault: Mutex<Option<String>>,
}

impl Health {
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    fn fault(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Begins the thread.
    pub(crate) fn begin(deployment: Deployment, plan: Plan) -> io::Result<Self> {
        let (tasks, waiting) = mpsc::channel();
        let health = Arc::new(Health::default());
        let told = Arc::clone(&health);
        std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || {
                let mut files = Files::new(deployment, plan, told);
                files.join_journal();
                files.work(&waiting);
            })?;
        let pipes = watch::Sender::new(0);
        Ok(Self {
            tasks,
            health,
            pipes,
        })
    }

    /// One more pipe is read, until this is dropped.
    pub(super) fn reading(&self) -> Reading {
        self.pipes
            .send_modify(|pipes| *pipes = pipes.saturating_add(1));
        Reading(self.pipes.clone())
    }

    /// Waits until every pipe has been read to its end: whoever wrote into it is gone, and all that
    /// it wrote has been handed over.
    pub(crate) async fn drained(&self) {
        let mut pipes = self.pipes.subscribe();
        // Cannot fail while we hold the other end.
        pipes.wait_for(|pipes| *pipes == 0).await.ok();
    }

    /// Whether there was room.
    fn send(&self, task: Task) -> bool {
        let waiting = &self.health.waiting;
        let room = waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MOST;
        let sent = room && self.tasks.send(task).is_ok();
        if !sent {
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    }

    /// Writes a record, if there is room.
    pub(crate) fn write(&self, line: LogLine) {
        if !self.send(Task::Write(line)) {
            self.health.lose();
        }
    }

    /// The files have been moved away; open them anew.
    pub(crate) fn reopen(&self) {
        // With this many records waiting the files are about to be opened in vain anyway.
        self.send(Task::Reopen);
    }

    /// A new config holds.
    pub(crate) fn follow(&self, plan: Plan) {
        self.send(Task::Follow(plan));
    }

    /// Records lost since the start: no room, or no disk.
    pub(crate) fn lost(&self) -> u64 {
        self.health.lost.load(Ordering::Relaxed)
    }

    /// Why lines cannot be written, or files not rotated, now; `None` if all is well.
    pub(crate) fn fault(&self) -> Option<String> {
        self.health.fault().clone()
    }

    /// Writes what waits and ends, within a moment.
    pub(crate) fn end(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        if self.send(Task::End(done)) {
            wait.recv_timeout(std::time::Duration::from_secs(2)).ok();
        }
    }
}

struct Files {
    deployment: Deployment,
    plan: Plan,
    own: BTreeMap<Process, LogFile>,
    trading: LogFile,
    journal: Option<Journal>,
    health: Arc<Health>,
    /// Losses that a line has told of.
    told: u64,
}

impl Files {
    fn new(deployment: Deployment, plan: Plan, health: Arc<Health>) -> Self {
        let mut files = Files {
            trading: LogFile::at(plan.trading_log.clone()),
            own: Process::ALL
                .into_iter()
                .map(|process| (process, LogFile::at(deployment.log(process))))
                .collect(),
            deployment,
            plan,
            journal: None,
            health,
            told: 0,
        };
        files.link_trading_log();
        files.prune();
        files
    }

    /// From here on journald is told as well, where there is one that reads our stderr.
    fn join_journal(&mut self) {
        match Journal::from_environment() {
            None => {}
            Some(Ok(journal)) => self.journal = Some(journal),
            Some(Err(error)) => {
                // Said here and not by way of `tracing`, which may not have begun yet.
                self.write(&LogLine {
                    at: clock::wall_now(),
                    level: Level::Warn,
                    process: Process::Supervisor,
                    message: format!("journald cannot be reached ({error}): log files alone"),
                    context: Context::new(),
                    story: false,
                });
            }
        }
    }

    fn work(mut self, tasks: &Receiver<Task>) {
        for task in tasks {
            self.health.waiting.fetch_sub(1, Ordering::Relaxed);
            match task {
                Task::Write(line) => {
                    if self.write(&line) {
                        self.tell_of_losses();
                    }
                }
                Task::Reopen => {
                    self.own.values_mut().for_each(LogFile::reopen);
                    self.trading.reopen();
                }
                Task::Follow(plan) => {
                    if plan.trading_log != self.plan.trading_log {
                        self.trading = LogFile::at(plan.trading_log.clone());
                    }
                    self.plan = plan;
                    self.link_trading_log();
                    self.prune();
                }
                Task::End(done) => {
                    done.try_send(()).ok();
                    return;
                }
            }
        }
    }

    /// Writes a record into its files; whether it is in all of them.
    fn write(&mut self, line: &LogLine) -> bool {
        if let Some(journal) = &mut self.journal {
            journal.write(line);
        }
        let text = if self.plan.json {
            serde_json::to_string(line).unwrap_or_else(|_| line.to_string())
        } else {
            line.to_string()
        };
        let (max, keep) = (self.plan.max_bytes, self.plan.keep);
        let own = self.own.get_mut(&line.process);
        let mut results = vec![own.map_or(Ok(()), |own| own.append(&text, max, keep))];
        if line.story {
            results.push(self.trading.append(&text, max, keep));
        }
        let troubles: Vec<Trouble> = results.into_iter().filter_map(Result::err).collect();
        let lost = troubles.iter().any(|it| matches!(it, Trouble::Lost(_)));
        if lost {
            self.health.lose();
        }
        self.set_fault(troubles.first());
        !lost
    }

    /// Says a fault once, where it can still be said.
    fn set_fault(&self, trouble: Option<&Trouble>) {
        let fault = trouble.map(|trouble| match trouble {
            Trouble::Lost(error) => format!("log lines are lost: {error}"),
            Trouble::NotRotated(error) => format!("a log file cannot be rotated: {error}"),
        });
        let mut known = self.health.fault();
        if let Some(fault) = &fault
            && known.as_ref() != Some(fault)
        {
            // With stderr gone there is nobody left to tell.
            drop(writeln!(io::stderr(), "perps-supervisor: {fault}"));
        }
        *known = fault;
    }

    /// Once there is room again, how many lines are missing.
    fn tell_of_losses(&mut self) {
        let lost = self.health.lost.load(Ordering::Relaxed);
        if lost == self.told {
            return;
        }
        let missing = lost.saturating_sub(self.told);
        self.told = lost;
        self.write(&LogLine {
            at: clock::wall_now(),
            level: Level::Warn,
            process: Process::Supervisor,
            message: format!("{missing} log lines were lost: the disk did not take them in time"),
            context: Context::new(),
            story: true,
        });
    }

    fn prune(&self) {
        let all = self.own.values().chain([&self.trading]);
        all.for_each(|file| file.prune(self.plan.keep));
    }

    /// Where the config puts `trading.log` elsewhere, its usual place leads there.
    fn link_trading_log(&mut self) {
        let usual = self.deployment.trading_log();
        if usual == self.plan.trading_log || usual.exists() {
            return;
        }
        // Only a convenience; the file itself is where the config says.
        drop(std::os::unix::fs::symlink(&self.plan.trading_log, usual));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use crate::logs::{read_output, read_records};

    fn line(process: Process, message: &str) -> LogLine {
        LogLine {
            at: protocol::VenueMs(0),
            level: Level::Info,
            process,
            message: message.to_owned(),
            context: Context::new(),
            story: true,
        }
    }

    fn plan(deployment: &Deployment) -> Plan {
        Plan {
            trading_log: deployment.trading_log(),
            max_bytes: 1 << 30,
            keep: 3,
            json: false,
        }
    }

    #[tokio::test]
    async fn nothing_is_interleaved_when_all_write_at_once() {
        const EACH: usize = 2_000;
        let dir = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(dir.path());
        let writer = Writer::begin(deployment.clone(), plan(&deployment)).unwrap();
        let mut threads = Vec::new();
        for process in Process::ALL {
            let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
            let is_bot = process == Process::Bot;
            if is_bot {
                read_output(process, read, Level::Info, writer.clone()).unwrap();
            } else {
                read_records(process, read, writer.clone()).unwrap();
            }
            threads.push(std::thread::spawn(move || {
                let mut pipe = fs::File::from(write);
                for n in 0..EACH {
                    let message = format!("{n} {}", "x".repeat(n % 300));
                    let mut text = if is_bot {
                        message
                    } else {
                        serde_json::to_string(&line(process, &message)).unwrap()
                    };
                    text.push('\n');
                    // In pieces, as a pipe that is nearly full takes it.
                    for piece in text.as_bytes().chunks(97) {
                        pipe.write_all(piece).unwrap();
                    }
                }
            }));
        }
        let written = |name: PathBuf| fs::read_to_string(name).unwrap_or_default();
        let enough = |process| written(deployment.log(process)).lines().count() >= EACH;
        while !Process::ALL.into_iter().all(enough) {
            assert_eq!(writer.lost(), 0);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        for thread in threads {
            thread.join().unwrap();
        }
        writer.end();
        for process in Process::ALL {
            for (n, text) in written(deployment.log(process)).lines().enumerate() {
                let read: LogLine = text.parse().unwrap();
                let whole = format!("{n} {}", "x".repeat(n % 300));
                assert_eq!(
                    (read.process, read.message.as_str()),
                    (process, whole.trim_end())
                );
            }
        }
        let story = written(deployment.trading_log());
        assert_eq!(story.lines().count(), EACH * (Process::ALL.len() - 1));
        assert!(story.lines().all(|text| text.parse::<LogLine>().is_ok()));
    }

    #[tokio::test]
    async fn drained_means_that_the_last_words_are_in_the_files() {
        const LINES: usize = 5_000;
        let dir = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(dir.path());
        let writer = Writer::begin(deployment.clone(), plan(&deployment)).unwrap();
        // Nobody writes, nothing to wait for.
        writer.drained().await;
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        read_output(Process::Bot, read, Level::Info, writer.clone()).unwrap();
        let soon = std::time::Duration::from_millis(50);
        let waits = tokio::time::timeout(soon, writer.drained()).await;
        assert!(waits.is_err(), "the pipe is open");
        let writes = std::thread::spawn(move || {
            let mut pipe = fs::File::from(write);
            for n in 0..LINES {
                writeln!(pipe, "line {n}").unwrap();
            }
        });
        writer.drained().await;
        writes.join().unwrap();
        writer.end();
        let text = fs::read_to_string(deployment.log(Process::Bot)).unwrap();
        assert_eq!(text.lines().count(), LINES);
        assert!(text.ends_with(&format!("line {}\n", LINES - 1)));
    }

    #[test]
    fn what_the_disk_does_not_take_is_counted_and_said_once_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(dir.path());
        // A directory stands where the file should be.
        fs::create_dir_all(deployment.log(Process::Gateway)).unwrap();
        let writer = Writer::begin(deployment.clone(), plan(&deployment)).unwrap();
        for n in 0..7 {
            writer.write(line(Process::Gateway, &format!("{n}")));
        }
        while writer.lost() < 7 {
            std::thread::yield_now();
        }
        while writer.fault().is_none() {
            std::thread::yield_now();
        }
        fs::remove_dir(deployment.log(Process::Gateway)).unwrap();
        writer.write(line(Process::Gateway, "again"));
        writer.end();
        assert_eq!(writer.fault(), None);
        let text = fs::read_to_string(deployment.log(Process::Gateway)).unwrap();
        assert!(text.ends_with("again\n"), "{text}");
        for log in [
            deployment.log(Process::Supervisor),
            deployment.trading_log(),
        ] {
            let text = fs::read_to_string(log).unwrap();
            assert!(text.contains("7 log lines were lost"), "{text}");
        }
    }

    #[test]
    fn lines_are_json_by_option() {
        let dir = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(dir.path());
        let json = Plan {
            json: true,
            ..plan(&deployment)
        };
        let writer = Writer::begin(deployment.clone(), json).unwrap();
        writer.write(line(Process::RiskGuard, "SAFETY_HALT: by me"));
        writer.end();
        let text = fs::read_to_string(deployment.trading_log()).unwrap();
        let read: LogLine = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(read, line(Process::RiskGuard, "SAFETY_HALT: by me"));
    }
}
