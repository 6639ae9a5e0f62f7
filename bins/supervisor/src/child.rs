//! One child as the supervisor holds it: its life, its channel, what it last said.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use config::SupervisorSettings;
use daemon::lines::Lines;
use protocol::control::{Order, Report, Standing};
use protocol::frame::{self, Envelope, Head};
use protocol::status::{ChildState, ChildStatus};
use protocol::{BootMs, Generation, Process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::lifecycle::{Event, Exit, Lifecycle};
use crate::spawn::Spawned;

/// What a child, or its end, has to say. `life` tells one process of a child from the next.
#[derive(Debug)]
pub(crate) enum News {
    /// On the control channel.
    Report(Process, u64, Report),
    /// It has ended.
    Exited(Process, u64, Exit),
}

/// One child.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) process: Process,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) listener: Option<UnixListener>,
    pub(crate) pid: Option<u32>,
    pub(crate) generation: Option<Generation>,
    pub(crate) waiting_for: String,
    /// It has said that it has had everything it needs.
    pub(crate) settled: bool,
    /// How trading stands by its last word; from the guard alone.
    pub(crate) standing: Option<Standing>,
    /// Why it said it cannot run.
    pub(crate) failing: Option<String>,
    /// The generation that it is asked to follow by itself, since a reload went by while it started.
    pub(crate) catching_up: Option<Generation>,
    life: u64,
    orders: Option<mpsc::UnboundedSender<Vec<u8>>>,
    started: Option<BootMs>,
    heartbeat: Option<BootMs>,
    progress: u64,
    dropped_lines: u64,
    last_exit: Option<(Exit, BootMs)>,
}

impl Child {
    pub(crate) fn new(
        process: Process,
        policy: &SupervisorSettings,
        listener: Option<UnixListener>,
    ) -> Self {
        Self {
            process,
            lifecycle: Lifecycle::new(policy, process == Process::Bot),
            listener,
            pid: None,
            generation: None,
            waiting_for: String::new(),
            settled: false,
            standing: None,
            failing: None,
            catching_up: None,
            life: 0,
            orders: None,
            started: None,
            heartbeat: None,
            progress: 0,
            dropped_lines: 0,
            last_exit: None,
        }
    }

    /// Whether this news is of the process that runs now.
    pub(crate) const fn is_of(&self, life: u64) -> bool {
        self.life == life
    }

    /// Takes over a started process; its reports and its end come as news.
    pub(crate) fn started(
        &mut self,
        spawned: Spawned,
        now: BootMs,
        news: &mpsc::Sender<News>,
    ) -> io::Result<()> {
        self.life = self.life.saturating_add(1);
        self.pid = Some(spawned.pid);
        self.started = Some(now);
        self.heartbeat = None;
        self.generation = None;
        self.waiting_for.clear();
        self.settled = false;
        self.standing = None;
        self.failing = None;
        self.catching_up = None;
        let (closes, closed) = oneshot::channel();
        let (process, life) = (self.process, self.life);
        tokio::spawn(await_exit(
            process,
            life,
            spawned.exit,
            closed,
            news.clone(),
        ));
        if let Some(control) = spawned.control {
            let (orders, outgoing) = mpsc::unbounded_channel();
            self.orders = Some(orders);
            talk(process, life, control, outgoing, closes, news.clone())?;
        }
        Ok(())
    }

    /// Sends an order, if there is anybody to hear it.
    pub(crate) fn send(&self, order: &Order) {
        let mut bytes = Vec::new();
        match (&self.orders, frame::write(Head::push(), order, &mut bytes)) {
            // A child that is gone shows as its end.
            (Some(orders), Ok(())) => drop(orders.send(bytes)),
            (Some(_), Err(error)) => tracing::error!("control channel: {error}"),
            (None, _) => {}
        }
    }

    /// Takes note of a sign of life; true if it shows progress.
    pub(crate) fn alive(&mut self, beat: protocol::control::Heartbeat, now: BootMs) -> bool {
        self.heartbeat = Some(now);
        self.waiting_for = beat.waiting_for;
        self.settled = beat.settled;
        self.standing = beat.standing;
        self.dropped_lines = beat.dropped_lines;
        let moved = beat.progress != self.progress;
        self.progress = beat.progress;
        moved
    }

    /// Takes note of its end.
    pub(crate) fn ended(&mut self, exit: Exit, now: BootMs) {
        self.last_exit = Some((exit, now));
        self.pid = None;
        self.standing = None;
        self.orders = None;
        self.started = None;
        self.generation = None;
    }

    /// Whether it takes part in a config reload now.
    pub(crate) fn votes(&self) -> bool {
        self.process != Process::Bot && self.lifecycle.state() == ChildState::Ready
    }

    /// Ends its process group.
    pub(crate) fn kill(&self) {
        let group = self.pid.and_then(|pid| i32::try_from(pid).ok());
        if let Some(group) = group {
            use nix::sys::signal::{Signal, killpg};
            // It may have ended by itself just now.
            killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL).ok();
        }
    }

    /// Asks a program that speaks no control protocol to end.
    pub(crate) fn terminate(&self) {
        let group = self.pid.and_then(|pid| i32::try_from(pid).ok());
        if let Some(group) = group {
            use nix::sys::signal::{Signal, killpg};
            killpg(nix::unistd::Pid::from_raw(group), Signal::SIGTERM).ok();
        }
    }

    pub(crate) fn status(&self, policy: &SupervisorSettings, now: BootMs) -> ChildStatus {
        ChildStatus {
            process: self.process,
            state: self.lifecycle.state(),
            pid: self.pid,
            up_ms: self.started.map(|at| now.since(at)),
            restarts: u32::try_from(self.lifecycle.restarts(now)).unwrap_or(u32::MAX),
            restart_budget: policy.restart_budget,
            restart_window_ms: policy.restart_window_ms,
            last_exit: self.last_exit.map(|(exit, _)| exit.to_string()),
            last_exit_ms_ago: self.last_exit.map(|(_, at)| now.since(at)),
            heartbeat_ms_ago: self.heartbeat.map(|at| now.since(at)),
            generation: self.generation,
            waiting_for: self.waiting_for.clone(),
            dropped_lines: self.dropped_lines,
        }
    }

    /// Lets time or an event into its life.
    pub(crate) fn on(&mut self, event: Event, now: BootMs) -> Vec<crate::lifecycle::Action> {
        self.lifecycle.on(event, now, fastrand::u64(0..=1_000))
    }
}

/// How long the last reports of a child that has ended may be on their way.
const LAST_REPORTS: Duration = Duration::from_millis(500);

/// Tells of the end, after everything that the child still said.
async fn await_exit(
    process: Process,
    life: u64,
    exit: oneshot::Receiver<Exit>,
    closed: oneshot::Receiver<()>,
    news: mpsc::Sender<News>,
) {
    let exit = exit.await.unwrap_or(Exit::Code(-1));
    // Without a control channel the other end is gone already.
    tokio::time::timeout(LAST_REPORTS, closed).await.ok();
    // Only a supervisor that is ending does not want to know.
    drop(news.send(News::Exited(process, life, exit)).await);
}

fn talk(
    process: Process,
    life: u64,
    control: UnixStream,
    mut outgoing: mpsc::UnboundedReceiver<Vec<u8>>,
    closes: oneshot::Sender<()>,
    news: mpsc::Sender<News>,
) -> io::Result<()> {
    control.set_nonblocking(true)?;
    let (mut reader, mut writer) = tokio::net::UnixStream::from_std(control)?.into_split();
    tokio::spawn(async move {
        while let Some(bytes) = outgoing.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let mut lines = Lines::new();
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(n @ 1..) = reader.read(&mut bytes).await {
            lines.push(bytes.get(..n).unwrap_or_default());
            while let Some(line) = lines.next() {
                match line.and_then(|line| Envelope::read(line)?.message::<Report>()) {
                    Ok(report) => drop(news.send(News::Report(process, life, report)).await),
                    Err(error) => tracing::error!("control channel of {process}: {error}"),
                }
            }
        }
        closes.send(()).ok();
    });
    Ok(())
}
