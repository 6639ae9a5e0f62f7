//! The writing thread: each record into its process's file, and the story into `trading.log`.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};

use config::LoggingSettings;
use daemon::clock;
use daemon::deployment::Deployment;
use daemon::logline::{Level, LogLine};
use protocol::{Context, Process};

use super::file::LogFile;
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
    tasks: SyncSender<Task>,
    lost: Arc<AtomicU64>,
}

impl Writer {
    /// Begins the thread.
    pub(crate) fn begin(deployment: Deployment, plan: Plan) -> io::Result<Self> {
        let (tasks, waiting) = mpsc::sync_channel(WAITING_MOST);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || {
                let mut files = Files::new(deployment, plan, counted);
                files.join_journal();
                files.work(&waiting);
            })?;
        Ok(Self { tasks, lost })
    }

    /// Writes a record, if there is room.
    pub(crate) fn write(&self, line: LogLine) {
        if self.tasks.try_send(Task::Write(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The files have been moved away; open them anew.
    pub(crate) fn reopen(&self) {
        // With this many records waiting the files are about to be opened in vain anyway.
        drop(self.tasks.try_send(Task::Reopen));
    }

    /// A new config holds.
    pub(crate) fn follow(&self, plan: Plan) {
        drop(self.tasks.try_send(Task::Follow(plan)));
    }

    /// Records lost since the start: no room, or no disk.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes what waits and ends, within a moment.
    pub(crate) fn end(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        if self.tasks.try_send(Task::End(done)).is_ok() {
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
    lost: Arc<AtomicU64>,
}

impl Files {
    fn new(deployment: Deployment, plan: Plan, lost: Arc<AtomicU64>) -> Self {
        let trading = LogFile::at(plan.trading_log.clone());
        let files = Files {
            deployment,
            plan,
            own: BTreeMap::new(),
            trading,
            journal: None,
            lost,
        };
        files.link_trading_log();
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
            match task {
                Task::Write(line) => self.write(&line),
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
                }
                Task::End(done) => {
                    done.try_send(()).ok();
                    return;
                }
            }
        }
    }

    fn write(&mut self, line: &LogLine) {
        if let Some(journal) = &mut self.journal {
            journal.write(line);
        }
        let text = if self.plan.json {
            serde_json::to_string(line).unwrap_or_else(|_| line.to_string())
        } else {
            line.to_string()
        };
        let (max, keep) = (self.plan.max_bytes, self.plan.keep);
        let path = self.deployment.log(line.process);
        let own = self
            .own
            .entry(line.process)
            .or_insert_with(|| LogFile::at(path));
        let mut written = own.append(&text, max, keep).is_ok();
        if line.story {
            written &= self.trading.append(&text, max, keep).is_ok();
        }
        if !written {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Where the config puts `trading.log` elsewhere, its usual place leads there.
    fn link_trading_log(&self) {
        let usual = self.deployment.trading_log();
        if usual == self.plan.trading_log || usual.exists() {
            return;
        }
        // Only a convenience; the file itself is where the config says.
        drop(std::os::unix::fs::symlink(&self.plan.trading_log, usual));
    }
}
