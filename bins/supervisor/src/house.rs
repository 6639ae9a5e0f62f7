//! The house as it stands: the children, the config in force, what is under way. It acts on what
//! the pure rooms (`lifecycle`, `config_flow::reload`) decide.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::Config;
use daemon::alerting::Alerting;
use daemon::clock;
use daemon::logline::Level;
use protocol::control::{Order, Prepare, Report};
use protocol::frame::Empty;
use protocol::status::ChildState;
use protocol::{BootMs, Context, Generation, Process, Tag};
use tokio::sync::mpsc;

use crate::child::{Child, News};
use crate::config_edit::Edits;
use crate::lifecycle::{Action, Event};
use crate::logs::{Plan, Writer, read_output, read_records};
use crate::notify::{Picture, Seen};
use crate::sockets::OccupyError;
use crate::spawn::{self, Spawner};
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
    new_session: bool,
    /// All children have been ready and the venue has been reached: this deployment works.
    settled: bool,
    /// Why a first start is given up.
    pub(crate) given_up: Option<String>,
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
        let alerts = beginning.deployment.alerts_socket();
        let edits = Edits::new(&beginning, now);
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
            new_session,
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
    pub(crate) async fn on_news(&mut self, news: News) {
        let now = clock::boot_now();
        match news {
            News::Report(process, life, report) => {
                if let Some(n) = self.position(process, life) {
                    self.on_report(n, report, now).await;
                }
            }
            News::Exited(process, life, exit) => {
                let Some(n) = self.position(process, life) else {
                    return;
                };
                if let Some(child) = self.children.get_mut(n) {
                    child.ended(exit, now);
                }
                self.advance(n, Event::Exited(exit), now).await;
                let next = self.edits.gone(process, now);
                self.follow(next);
            }
        }
    }

    /// Time has passed.
    pub(crate) async fn tick(&mut self) {
        let now = clock::boot_now();
        for n in 0..self.children.len() {
            self.advance(n, Event::Tick, now).await;
        }
        if self.stopping {
            // The last one that is not over goes next; those before it wait for its end.
            if let Some(n) = self
                .children
                .iter()
                .rposition(|child| !child.lifecycle.is_over())
            {
                self.advance(n, Event::Stop, now).await;
            }
        } else {
            self.start_next(now).await;
            self.settle(now);
        }
        let next = self.edits.tick(now);
        self.follow(next);
    }

    /// Starts the first child that waits, once those before it are up (or given up).
    async fn start_next(&mut self, now: BootMs) {
        let waits = |child: &Child| child.lifecycle.state() == ChildState::Waiting;
        let Some(n) = self.children.iter().position(waits) else {
            return;
        };
        let before = self.children.get(..n).unwrap_or_default();
        let up = |child: &Child| {
            child.lifecycle.is_over() || child.lifecycle.state() == ChildState::Ready
        };
        if before.iter().all(up) {
            self.advance(n, Event::Start, now).await;
        }
    }

    /// A first start proves itself by reaching the venue, or is given up with a sentence.
    fn settle(&mut self, now: BootMs) {
        if self.settled || self.given_up.is_some() {
            return;
        }
        if let Some(child) = self
            .children
            .iter()
            .find(|c| c.lifecycle.state() == ChildState::Latched)
        {
            let why = child.failing.clone().unwrap_or_else(|| {
                format!(
                    "{} does not stay up; see {}",
                    child.process,
                    self.beginning.deployment.log(child.process).display()
                )
            });
            self.given_up = Some(why);
            return self.stop();
        }
        if self
            .children
            .iter()
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
            self.given_up = Some(why);
            self.stop();
        }
    }

    async fn on_report(&mut self, n: usize, report: Report, now: BootMs) {
        let Some(child) = self.children.get_mut(n) else {
            return;
        };
        let process = child.process;
        match report {
            Report::Prepared(generation) if child.lifecycle.state() == ChildState::Starting => {
                child.send(&Order::Commit(generation));
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
            Report::Refused(refused) => {
                let next = self
                    .edits
                    .refused(process, refused.generation, &refused.reason);
                self.follow(next);
            }
            Report::Applied(generation) => {
                child.generation = Some(generation);
                let next = self.edits.applied(process, generation, now);
                self.follow(next);
            }
            Report::Ready(_) => {
                tracing::info!("{process} is ready");
                let behind = child.generation != Some(self.beginning.generation);
                self.advance(n, Event::Ready, now).await;
                if behind && self.edits.is_idle() {
                    // A reload went by while it was starting: end it, it starts into the new one.
                    if let Some(child) = self.children.get(n) {
                        child.kill();
                    }
                }
            }
            Report::Heartbeat(beat) => {
                if child.alive(beat, now) {
                    self.advance(n, Event::Alive, now).await;
                }
            }
            Report::Failing(why) => {
                tracing::error!("{process} cannot run: {why}");
                child.failing = Some(why);
            }
        }
    }

    /// Lets an event into a child's life and does what follows.
    async fn advance(&mut self, n: usize, event: Event, now: BootMs) {
        let Some(child) = self.children.get_mut(n) else {
            return;
        };
        for action in child.on(event, now) {
            self.act(n, action, now).await;
        }
    }

    async fn act(&mut self, n: usize, action: Action, now: BootMs) {
        let Some(child) = self.children.get(n) else {
            return;
        };
        let process = child.process;
        let context = Context::new().with("process", process);
        match action {
            Action::Spawn => self.spawn(n, now).await,
            Action::AskToStop if process == Process::Bot => child.terminate(),
            Action::AskToStop => child.send(&Order::Stop(Empty {})),
            Action::Kill => {
                tracing::warn!("{process} does not answer; it is killed");
                child.kill();
            }
            Action::Down(why) => {
                self.alerting
                    .raise(Tag::ProcessDown, &format!("{process} {why}"), context);
            }
            Action::Up => {
                let message = format!("{process} is ready again");
                let warning = protocol::Severity::Warning;
                self.alerting
                    .raise_as(Tag::ProcessDown, warning, &message, context);
            }
            Action::GivenUp(why) => {
                let why = child
                    .failing
                    .as_ref()
                    .map_or(why.clone(), |said| format!("{why}: {said}"));
                self.alerting
                    .raise(Tag::ProcessDown, &format!("{process} {why}"), context);
            }
        }
    }

    async fn spawn(&mut self, n: usize, now: BootMs) {
        let started = self.try_spawn(n, now).await;
        if let Err(error) = started {
            tracing::error!("child {n} could not be started: {error}");
            if let Some(child) = self.children.get_mut(n) {
                child.failing = Some(error.to_string());
                // The pause that follows needs no action but its own end.
                drop(child.on(Event::SpawnFailed, now));
            }
        }
    }

    async fn try_spawn(&mut self, n: usize, now: BootMs) -> std::io::Result<()> {
        let order = self.order_for(n)?;
        let process = order.process;
        let mut spawned = self.spawner.spawn(order).await?;
        tracing::info!(pid = spawned.pid, "{process} started");
        let level = if process == Process::Bot {
            Level::Info
        } else {
            Level::Warn
        };
        for end in spawned.output.drain(..) {
            read_output(process, end, level, self.writer.clone())?;
        }
        if let Some(log) = spawned.log.take() {
            read_records(process, log, self.writer.clone())?;
        }
        let prepare = self.prepare_of(self.beginning.generation);
        let news = self.news.clone();
        let Some(child) = self.children.get_mut(n) else {
            return Ok(());
        };
        child.started(spawned, now, &news)?;
        child.send(&prepare);
        if process == Process::Bot {
            self.children
                .get_mut(n)
                .map(|child| child.on(Event::Ready, now));
        }
        Ok(())
    }

    fn order_for(&mut self, n: usize) -> std::io::Result<spawn::Order> {
        let deployment = &self.beginning.deployment;
        let generation = deployment.generation_file(self.beginning.generation);
        let new_session = std::mem::take(&mut self.new_session);
        let child = self
            .children
            .get(n)
            .ok_or_else(|| std::io::Error::other("no such child"))?;
        let mut arguments = Vec::new();
        let mut environment = BTreeMap::new();
        let program = match child.process {
            Process::AlertForwarder => spawn::sibling("perps-alerts")?,
            Process::Gateway => spawn::sibling("perps-gateway")?,
            Process::RiskGuard => {
                if new_session {
                    arguments.push("--new-session".to_owned());
                }
                spawn::sibling("perps-guard")?
            }
            Process::Bot | Process::Supervisor => {
                let bot = &self.beginning.config.bot;
                environment.clone_from(&bot.environment);
                let path = |path: PathBuf| path.display().to_string();
                environment.insert(
                    "PERPS_GATEWAY_SOCKET".to_owned(),
                    path(deployment.gateway_socket()),
                );
                environment.insert("PERPS_CONFIG".to_owned(), path(generation));
                arguments.push("--become-bot".to_owned());
                arguments.push(std::process::id().to_string());
                arguments.extend(bot_command(&bot.command));
                std::env::current_exe()?
            }
        };
        if child.process != Process::RiskGuard {
            self.new_session = new_session;
        }
        let listener = child
            .listener
            .as_ref()
            .map(std::os::unix::net::UnixListener::try_clone);
        Ok(spawn::Order {
            process: child.process,
            program,
            arguments,
            environment,
            dir: deployment.dir().to_owned(),
            listener: listener.transpose()?,
        })
    }

    pub(crate) fn prepare_of(&self, generation: Generation) -> Order {
        let path = self.beginning.deployment.generation_file(generation);
        Order::Prepare(Prepare {
            generation,
            file: self.beginning.file.display().to_string(),
            path: path.display().to_string(),
            mode: self.beginning.mode,
        })
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
        self.beginning.generation = generation;
        self.beginning.config = config;
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
}

/// The bot's command line; a bare name that stands beside our own programs means that one.
fn bot_command(command: &[String]) -> Vec<String> {
    let mut command = command.to_vec();
    if let Some(program) = command.first_mut()
        && !program.contains('/')
        && let Ok(path) = spawn::sibling(program)
    {
        *program = path.display().to_string();
    }
    command
}
