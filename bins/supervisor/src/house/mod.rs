//! The house as it stands: the children, the config in force, what is under way. It acts on what
//! the pure rooms (`lifecycle`, `config_flow`) decide, and sleeps until one of them is due.

mod acts;
mod restart;

use config::Config;
use daemon::alerting::Alerting;
use daemon::clock;
use daemon::deployment::Deployment;
use daemon::logline::Level;
use protocol::control::{EXIT_CONFIG, EXIT_FAILURE, Order, Prepare, Report};
use protocol::frame::Empty;
use protocol::status::ChildState;
use protocol::{BootMs, Generation, Process};
use tokio::sync::mpsc;

use crate::bot_user::{self, DoorError};
use crate::child::{Child, News};
use crate::config_edit::Edits;
use crate::lifecycle::Event;
use crate::logs::{Plan, Writer};
use crate::notify::{Picture, Seen};
use crate::sockets::OccupyError;
use crate::spawn::Spawner;
use crate::start::Beginning;

/// How long a first start may take to reach the venue before it gives up.
const FIRST_CONTACT_MS: u64 = 20_000;

/// The supervisor's whole state.
pub(crate) struct House {
    pub(crate) beginning: Beginning,
    pub(crate) children: Vec<Child>,
    pub(crate) edits: Edits,
    pub(crate) writer: Writer,
    pub(crate) alerting: Alerting,
    pub(crate) begun: BootMs,
    spawner: Spawner,
    news: mpsc::Sender<News>,
    stopping: bool,
    /// What the first guard is told on its command line, and no later one.
    words_of_guard: Vec<&'static str>,
    /// All children have been ready and the venue has been reached: this deployment works.
    settled: bool,
    /// Why a first start is given up.
    pub(crate) given_up: Option<GivenUp>,
}

/// A first start that is given up, and the code that the supervisor ends with.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct GivenUp {
    why: String,
    pub(crate) code: u8,
}

impl House {
    pub(crate) fn new(
        beginning: Beginning,
        writer: Writer,
        spawner: Spawner,
        news: mpsc::Sender<News>,
        new_session: bool,
    ) -> Result<Self, OccupyError> {
        let now = clock::boot_now();
        let policy = &beginning.config.supervisor;
        let mut children = Vec::new();
        for process in [
            Process::AlertForwarder,
            Process::RiskGuard,
            Process::Gateway,
        ] {
            let listener = beginning.occupied.bind(&beginning.deployment, process)?;
            children.push(Child::new(process, policy, listener));
        }
        if beginning.config.bot.enabled && !beginning.config.bot.command.is_empty() {
            children.push(Child::new(Process::Bot, policy, None));
        }
        open_doors(&beginning.deployment, &beginning.config)?;
        let alerts = beginning.deployment.alerts_socket();
        let edits = Edits::new(&beginning, now);
        let mut words_of_guard = vec!["--first"];
        if new_session {
            words_of_guard.push("--new-session");
        }
        Ok(Self {
            settled: !beginning.first,
            beginning,
            children,
            edits,
            writer,
            alerting: Alerting::to(Process::Supervisor, alerts),
            begun: now,
            spawner,
            news,
            stopping: false,
            words_of_guard,
            given_up: None,
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.beginning.config
    }

    /// How it stands, for the service manager.
    pub(crate) fn picture(&self) -> Picture {
        let seen = |child: &Child| Seen {
            process: child.process,
            state: child.lifecycle.state(),
            waiting_for: child.waiting_for.clone(),
            standing: child.standing.clone(),
        };
        Picture {
            mode: self.beginning.mode,
            stopping: self.stopping,
            children: self.children.iter().map(seen).collect(),
            rejected: self.edits.rejected(),
        }
    }

    /// Begins to end everything, in reverse order.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether everything has ended that was to end.
    pub(crate) fn is_over(&self) -> bool {
        self.stopping && self.children.iter().all(|child| child.lifecycle.is_over())
    }

    /// What a child has said, or its end.
    pub(crate) fn on_news(&mut self, news: News) {
        let now = clock::boot_now();
        match news {
            News::Spawned(process, life, spawned) => self.on_spawned(process, life, *spawned, now),
            News::Report(process, life, report) => {
                if let Some(n) = self.position(process, life) {
                    self.on_report(n, report, now);
                } else if let Some(n) = self.position_of_spare(process, life) {
                    self.on_spare_report(n, life, report, now);
                }
            }
            News::Exited(process, life, exit) => {
                if let Some(n) = self.position_of_spare(process, life) {
                    return self.lost(n, &format!("it ended: {exit}"), now);
                }
                let Some(n) = self.position(process, life) else {
                    return;
                };
                if let Some(child) = self.children.get_mut(n) {
                    child.ended(exit, now);
                }
                self.advance(n, Event::Exited(exit), now);
                let next = self.edits.gone(process, now);
                self.follow(next);
            }
        }
    }

    /// Does everything that is due, and says when the next thing is; call it after anything that
    /// has happened.
    pub(crate) fn turn(&mut self) -> Option<BootMs> {
        loop {
            let now = clock::boot_now();
            for n in 0..self.children.len() {
                let child = self.children.get(n);
                if child.is_some_and(|child| child.lifecycle.deadline().is_some_and(|at| at <= now))
                {
                    self.advance(n, Event::Tick, now);
                }
            }
            if self.stopping {
                self.stop_next(now);
            } else {
                while let Some(n) = self.next_to_start() {
                    self.advance(n, Event::Start, now);
                }
                self.settle(now);
            }
            self.keep_spares(now);
            let next = self.edits.tick(now);
            self.follow(next);
            self.look_if_due(now);
            let due = self.deadline();
            if due.is_none_or(|at| at > now) {
                return due;
            }
        }
    }

    fn deadline(&self) -> Option<BootMs> {
        let lives = self.children.iter().filter_map(|c| c.lifecycle.deadline());
        let spares = self.children.iter().filter_map(Child::spare_due);
        lives
            .chain(self.edits.deadline())
            .chain(self.settles_by())
            .chain(spares.filter(|_| !self.stopping))
            .min()
    }

    /// Ends the last child that is not over; those before it wait for its end.
    fn stop_next(&mut self, now: BootMs) {
        let unfinished = |child: &Child| !child.lifecycle.is_over();
        while let Some(n) = self.children.iter().rposition(unfinished) {
            // Also one that is stopping already: it was to be started again, perhaps.
            self.advance(n, Event::Stop, now);
            let state = self.children.get(n).map(|child| child.lifecycle.state());
            if state == Some(ChildState::Stopping) {
                return;
            }
        }
    }

    /// The first child that waits, once those before it are up (or given up).
    fn next_to_start(&self) -> Option<usize> {
        let waits = |child: &Child| child.lifecycle.state() == ChildState::Waiting;
        let n = self.children.iter().position(waits)?;
        let up = |child: &Child| {
            child.lifecycle.is_over() || child.lifecycle.state() == ChildState::Ready
        };
        let before = self.children.get(..n).unwrap_or_default();
        before.iter().all(up).then_some(n)
    }

    /// Until when a first start must have reached the venue, once all are ready.
    fn settles_by(&self) -> Option<BootMs> {
        if self.settled || self.given_up.is_some() {
            return None;
        }
        let gateway = self
            .children
            .iter()
            .find(|child| child.process == Process::Gateway)?;
        let ready = gateway.lifecycle.state() == ChildState::Ready;
        ready.then(|| gateway.lifecycle.since().after(FIRST_CONTACT_MS).after(1))
    }

    /// A first start proves itself by reaching the venue, or is given up with a sentence.
    fn settle(&mut self, now: BootMs) {
        if self.settled || self.given_up.is_some() {
            return;
        }
        // Whether the operator's own program stays up proves nothing about the harness.
        let ours = |child: &&Child| child.process != Process::Bot;
        if let Some(child) = self
            .children
            .iter()
            .filter(ours)
            .find(|c| c.lifecycle.state() == ChildState::Latched)
        {
            let why = child.failing.clone().unwrap_or_else(|| {
                format!(
                    "{} does not stay up; see {}",
                    child.process,
                    self.beginning.deployment.log(child.process).display()
                )
            });
            // What no restart of the child would mend, none of ours will.
            let code = if child.ended_with(EXIT_CONFIG) {
                EXIT_CONFIG
            } else {
                EXIT_FAILURE
            };
            self.given_up = Some(GivenUp { why, code });
            return self.stop();
        }
        if self
            .children
            .iter()
            .filter(ours)
            .any(|child| child.lifecycle.state() != ChildState::Ready)
        {
            return;
        }
        let gateway = self
            .children
            .iter()
            .find(|child| child.process == Process::Gateway);
        let Some(gateway) = gateway else { return };
        if gateway.settled {
            self.settled = true;
            self.write_applied(self.beginning.generation);
        } else if now.since(gateway.lifecycle.since()) > FIRST_CONTACT_MS {
            let why = format!(
                "the venue has not been reached: {}; check exchange.base_url, the keys and the network",
                gateway.waiting_for
            );
            self.given_up = Some(GivenUp {
                why,
                code: EXIT_FAILURE,
            });
            self.stop();
        }
    }

    fn on_report(&mut self, n: usize, report: Report, now: BootMs) {
        let Some(child) = self.children.get_mut(n) else {
            return;
        };
        let process = child.process;
        match report {
            Report::Prepared(generation)
                if child.lifecycle.state() == ChildState::Starting
                    || child.catching_up == Some(generation) =>
            {
                let in_force = self.beginning.generation;
                let prepare = self.prepare_of(in_force);
                let Some(life) = self.children.get_mut(n).and_then(|c| c.life.as_mut()) else {
                    return;
                };
                if generation == in_force {
                    life.send(&Order::Commit(generation));
                } else if life.asked != in_force {
                    // A reload went by meanwhile.
                    life.prepare(prepare);
                    if let Some(child) = self.children.get_mut(n) {
                        child.catching_up = child.catching_up.map(|_| in_force);
                    }
                }
            }
            Report::Prepared(generation) => {
                let next = self.edits.prepared(process, generation, now);
                self.follow(next);
            }
            Report::Refused(refused) if child.lifecycle.state() == ChildState::Starting => {
                tracing::error!(
                    "{process} cannot start into {}: {}",
                    refused.generation,
                    refused.reason
                );
                child.failing = Some(refused.reason);
                child.send(&Order::Stop(Empty {}));
            }
            Report::Refused(refused) if child.catching_up == Some(refused.generation) => {
                let (generation, reason) = (refused.generation, refused.reason);
                tracing::error!("{process} cannot follow {generation}: {reason}; it starts anew");
                child.kill();
            }
            Report::Refused(refused) => {
                let (generation, reason) = (refused.generation, &refused.reason);
                let next = self.edits.refused(process, generation, reason);
                self.follow(next);
            }
            Report::Applied(generation) => {
                child.generation = Some(generation);
                child.catching_up = None;
                let next = self.edits.applied(process, generation, now);
                self.follow(next);
            }
            Report::Ready(_) => {
                tracing::info!("{process} is ready");
                self.advance(n, Event::Ready, now);
                self.let_catch_up();
            }
            Report::Heartbeat(beat) => {
                if child.alive(beat, now) {
                    self.advance(n, Event::Alive, now);
                }
            }
            Report::Failing(why) => {
                tracing::error!("{process} cannot run: {why}");
                child.failing = Some(why);
            }
        }
    }

    /// Whoever became ready into an older generation, because a reload went by while it started,
    /// is asked to follow.
    pub(crate) fn let_catch_up(&mut self) {
        if !self.edits.is_idle() {
            return;
        }
        let generation = self.beginning.generation;
        let prepare = self.prepare_of(generation);
        for child in &mut self.children {
            if child.votes()
                && child.generation != Some(generation)
                && let Some(life) = &mut child.life
            {
                child.catching_up = Some(generation);
                life.prepare(prepare.clone());
            }
        }
    }

    pub(crate) fn prepare_of(&self, generation: Generation) -> Prepare {
        let path = self.beginning.deployment.generation_file(generation);
        Prepare {
            generation,
            file: self.beginning.file.display().to_string(),
            path: path.display().to_string(),
            mode: self.beginning.mode,
        }
    }

    /// A new config is in force: what the supervisor itself takes from it.
    pub(crate) fn obey(&mut self, generation: Generation, config: Config) {
        for child in &mut self.children {
            child.lifecycle.set_policy(&config.supervisor);
        }
        self.writer
            .follow(Plan::of(&config.logging, &self.beginning.deployment));
        if let Some(level) = Level::named(config.logging.level.name()) {
            daemon::logging::set_level(level);
        }
        if let Err(error) = open_doors(&self.beginning.deployment, &config) {
            let why = anyhow::Error::from(error);
            tracing::error!("who comes in at run/ stays as it was: {why:#}");
        }
        self.beginning.generation = generation;
        self.beginning.config = config;
        for n in 0..self.children.len() {
            self.prepare_spare(n);
        }
        if self.settled {
            self.write_applied(generation);
        }
    }

    fn write_applied(&self, generation: Generation) {
        if let Err(error) = self.beginning.generations.applied(generation) {
            tracing::error!("{error}: the next start would not know {generation}");
        }
    }

    fn position(&self, process: Process, life: u64) -> Option<usize> {
        self.children
            .iter()
            .position(|child| child.process == process && child.is_of(life))
    }

    fn position_of_spare(&mut self, process: Process, life: u64) -> Option<usize> {
        self.children
            .iter_mut()
            .position(|child| child.process == process && child.spare.waiting(life).is_some())
    }
}

fn open_doors(deployment: &Deployment, config: &Config) -> Result<(), DoorError> {
    let bot = config.bot.user.as_deref().filter(|_| config.bot.enabled);
    let operators = config.supervisor.operator_group.is_some();
    bot_user::open_doors(deployment, bot, operators)
}
