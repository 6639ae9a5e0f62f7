//! One child as the supervisor holds it: its life, its channel, its spare, what it last said.

use std::io;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use config::SupervisorSettings;
use daemon::lines::Lines;
use daemon::stream::{self, ReadHalf, WriteHalf};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use protocol::control::{Order, Prepare, Report, Standing};
use protocol::frame::{self, Envelope, Head};
use protocol::status::{ChildState, ChildStatus};
use protocol::{BootMs, Generation, Process};
use tokio::sync::{mpsc, oneshot};

use crate::lifecycle::{Event, Exit, Lifecycle};
use crate::reap::Reaper;
use crate::spare::Spare;
use crate::spawn::{Program, Spawned};

/// What a child, its start, or its end, has to say. The number tells one process of a child from
/// the next.
#[derive(Debug)]
pub(crate) enum News {
    /// It has been started, or could not be.
    Spawned(Process, u64, Box<io::Result<Spawned>>),
    /// On the control channel.
    Report(Process, u64, Report),
    /// It has ended.
    Exited(Process, u64, Exit),
}

/// One process of a child, and the way to it.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) number: u64,
    pub(crate) pid: u32,
    /// What it runs.
    pub(crate) program: Program,
    /// The generation that it was last asked to prepare.
    pub(crate) asked: Generation,
    /// Absent for the bot, which speaks no control protocol.
    orders: Option<WriteHalf>,
}

impl Life {
    /// Takes over a started process; its reports and its end come as news.
    pub(crate) fn of(
        process: Process,
        number: u64,
        spawned: Spawned,
        reaper: Reaper,
        news: &mpsc::Sender<News>,
    ) -> io::Result<Self> {
        let (closes, closed) = oneshot::channel();
        let ended = await_exit(process, number, spawned.exit, closed, news.clone());
        tokio::spawn(ended);
        let mut orders = None;
        if let Some(control) = spawned.control {
            let (reports, out) = stream::halves(control)?;
            let news = news.clone();
            tokio::spawn(async move {
                listen(process, number, reports, news).await;
                // Whoever closes its channel is about to end, or has ended: the signal that says so
                // may come behind everything else that its end has woken us for.
                reaper.look();
                closes.send(()).ok();
            });
            orders = Some(out);
        }
        Ok(Self {
            number,
            pid: spawned.pid,
            program: spawned.program,
            asked: spawned.asked,
            orders,
        })
    }

    /// Asks it to prepare a generation.
    pub(crate) fn prepare(&mut self, prepare: Prepare) {
        self.asked = prepare.generation;
        self.send(&Order::Prepare(prepare));
    }

    /// Sends an order, if there is anybody to hear it. It is in the channel when this returns: whoever
    /// waits for it begins while we still do what else there is to do.
    pub(crate) fn send(&self, order: &Order) {
        let (Some(orders), Some(bytes)) = (&self.orders, written(order)) else {
            return;
        };
        match orders.write(&bytes) {
            Ok(sent) if sent == bytes.len() => {}
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => {
                // A process that is gone shows as its end.
            }
            Ok(_) | Err(_) => {
                // Hundreds of orders wait already.
                tracing::error!(
                    "process {} does not read its orders; it is killed",
                    self.pid
                );
                self.signal(Signal::SIGKILL);
            }
        }
    }

    /// Sends a signal to its process group.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.pid) {
            // It may have ended by itself just now.
            killpg(Pid::from_raw(group), signal).ok();
        }
    }
}

/// An order as it goes over the channel.
pub(crate) fn written(order: &Order) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match frame::write(Head::push(), order, &mut bytes) {
        Ok(()) => Some(bytes),
        Err(error) => {
            tracing::error!("control channel: {error}");
            None
        }
    }
}

/// One child.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) process: Process,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) listener: Option<UnixListener>,
    /// The process that it is now.
    pub(crate) life: Option<Life>,
    /// The process that it will be next.
    pub(crate) spare: Spare<Life>,
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
    lives: u64,
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
            life: None,
            spare: Spare::default(),
            generation: None,
            waiting_for: String::new(),
            settled: false,
            standing: None,
            failing: None,
            catching_up: None,
            lives: 0,
            started: None,
            heartbeat: None,
            progress: 0,
            dropped_lines: 0,
            last_exit: None,
        }
    }

    /// Whether its last process ended by itself with this code.
    pub(crate) fn ended_with(&self, code: u8) -> bool {
        let last = self.last_exit.as_ref();
        last.is_some_and(|(exit, _)| *exit == Exit::Code(i32::from(code)))
    }

    /// Whether this news is of the process that runs now.
    pub(crate) fn is_of(&self, life: u64) -> bool {
        self.life.as_ref().is_some_and(|now| now.number == life)
    }

    /// A number that no process of it has had.
    pub(crate) const fn next_life(&mut self) -> u64 {
        self.lives = self.lives.saturating_add(1);
        self.lives
    }

    /// This process is the child from now on.
    pub(crate) fn began(&mut self, life: Life, now: BootMs) {
        self.life = Some(life);
        self.started = Some(now);
        self.heartbeat = None;
        self.generation = None;
        self.waiting_for.clear();
        self.settled = false;
        self.standing = None;
        self.failing = None;
        self.catching_up = None;
    }

    /// When a spare is to be asked for. A program of the operator's own has none: what it does when
    /// it starts is not known here.
    pub(crate) fn spare_due(&self) -> Option<BootMs> {
        let lifecycle = &self.lifecycle;
        (self.process != Process::Bot)
            .then(|| self.spare.due(lifecycle.state(), lifecycle.since()))
            .flatten()
    }

    /// Sends an order, if there is anybody to hear it.
    pub(crate) fn send(&self, order: &Order) {
        if let Some(life) = &self.life {
            life.send(order);
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
        self.life = None;
        self.standing = None;
        self.started = None;
        self.generation = None;
    }

    /// Whether it takes part in a config reload now.
    pub(crate) fn votes(&self) -> bool {
        self.process != Process::Bot && self.lifecycle.state() == ChildState::Ready
    }

    /// Ends its process group.
    pub(crate) fn kill(&self) {
        if let Some(life) = &self.life {
            life.signal(Signal::SIGKILL);
        }
    }

    /// Asks a program that speaks no control protocol to end.
    pub(crate) fn terminate(&self) {
        if let Some(life) = &self.life {
            life.signal(Signal::SIGTERM);
        }
    }

    pub(crate) fn status(&self, policy: &SupervisorSettings, now: BootMs) -> ChildStatus {
        ChildStatus {
            process: self.process,
            state: self.lifecycle.state(),
            pid: self.life.as_ref().map(|life| life.pid),
            spare_pid: self.spare.life().map(|life| life.pid),
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

/// Tells what the process reports, until it closes its end.
async fn listen(process: Process, life: u64, reports: ReadHalf, news: mpsc::Sender<News>) {
    let mut lines = Lines::new();
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = reports.read(&mut bytes).await {
        lines.push(bytes.get(..n).unwrap_or_default());
        while let Some(line) = lines.next() {
            match line.and_then(|line| Envelope::read(line)?.message::<Report>()) {
                Ok(report) => drop(news.send(News::Report(process, life, report)).await),
                Err(error) => tracing::error!("control channel of {process}: {error}"),
            }
        }
    }
}
