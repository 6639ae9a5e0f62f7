//! What a child's life asks for, done: spawning, asking, killing, telling.

use std::collections::BTreeMap;
use std::path::PathBuf;

use daemon::deployment::Deployment;
use daemon::logline::Level;
use nix::sys::signal::Signal;
use protocol::control::{Order, Report};
use protocol::frame::Empty;
use protocol::status::ChildState;
use protocol::{BootMs, Context, Process, Tag};

use super::House;
use crate::bot_user;
use crate::child::{Life, written};
use crate::lifecycle::{Action, Event};
use crate::logs::{read_output, read_records};
use crate::spare::{Ahead, Came, Want};
use crate::spawn::{self, Spawned};

impl House {
    /// Lets an event into a child's life and does what follows.
    pub(super) fn advance(&mut self, n: usize, event: Event, now: BootMs) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let Some(child) = self.children.get_mut(n) else {
                return;
            };
            for action in child.on(event, now) {
                next = self.act(n, action, now).or(next);
            }
        }
    }

    /// Does one thing; what comes of it at once is the next event.
    fn act(&mut self, n: usize, action: Action, now: BootMs) -> Option<Event> {
        let child = self.children.get(n)?;
        let process = child.process;
        let context = Context::new().with("process", process);
        match action {
            Action::Spawn => return self.start(n, now),
            Action::AskToStop if process == Process::Bot => child.terminate(),
            Action::AskToStop => child.send(&Order::Stop(Empty {})),
            Action::Kill(why) => {
                tracing::warn!("{process} is killed: {why}");
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
        None
    }

    /// The child is to run: by its spare, if one waits and is what would be started now.
    fn start(&mut self, n: usize, now: BootMs) -> Option<Event> {
        let child = self.children.get_mut(n)?;
        match child.spare.want() {
            Want::Comes => return None,
            Want::Take(ahead) if self.spawner.holds(ahead.life.pid) => {
                if ahead.life.program.is_current() {
                    return self.begin(n, ahead, now);
                }
                tracing::info!("another {} was installed; it is taken", child.process);
                ahead.life.signal(Signal::SIGKILL);
            }
            Want::Take(_) | Want::Ask => {}
        }
        self.ask(n, true)
            .err()
            .and_then(|error| self.unstarted(n, &error))
    }

    /// Asks for spares where they are due, and ends those that are of no use any more.
    pub(super) fn keep_spares(&mut self, now: BootMs) {
        for n in 0..self.children.len() {
            let Some(child) = self.children.get_mut(n) else {
                continue;
            };
            if self.stopping || child.lifecycle.is_over() {
                if let Some(surplus) = child.spare.let_go() {
                    surplus.signal(Signal::SIGKILL);
                }
            } else if child.spare_due().is_some_and(|at| at <= now)
                && let Err(error) = self.ask(n, false)
            {
                self.lost(n, &error.to_string(), now);
            }
        }
    }

    /// Asks for a process; it comes as news.
    fn ask(&mut self, n: usize, wanted: bool) -> std::io::Result<()> {
        let order = self.order_for(n)?;
        let number = order.number;
        self.spawner.spawn(order)?;
        if let Some(child) = self.children.get_mut(n) {
            child.spare.asked(number, wanted);
        }
        Ok(())
    }

    /// A process was started, or could not be.
    pub(super) fn on_spawned(
        &mut self,
        process: Process,
        number: u64,
        spawned: std::io::Result<Spawned>,
        now: BootMs,
    ) {
        let Some(n) = self.children.iter().position(|c| c.process == process) else {
            return;
        };
        let life = spawned.and_then(|spawned| self.take_over(process, number, spawned));
        let Some(child) = self.children.get_mut(n) else {
            return;
        };
        let event = match life {
            Ok(life) => match child.spare.came(number, life) {
                Came::Take(ahead) => self.begin(n, ahead, now),
                Came::Waits => {
                    self.prepare_spare(n);
                    None
                }
                Came::Surplus(life) => {
                    life.signal(Signal::SIGKILL);
                    None
                }
            },
            Err(error) if child.spare.failed(number, now) => self.unstarted(n, &error),
            Err(error) => {
                tracing::warn!("no spare of {process} could be started: {error}");
                None
            }
        };
        if let Some(event) = event {
            self.advance(n, event, now);
        }
    }

    /// Reads what it prints and says from now on.
    fn take_over(
        &self,
        process: Process,
        number: u64,
        mut spawned: Spawned,
    ) -> std::io::Result<Life> {
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
        Life::of(process, number, spawned, self.spawner.reaper(), &self.news)
    }

    /// This process is the child from now on. If it has checked the config in force it puts it in
    /// force; else it does as soon as it says that it has.
    fn begin(&mut self, n: usize, ahead: Ahead<Life>, now: BootMs) -> Option<Event> {
        let generation = self.beginning.generation;
        let prepare = self.prepare_of(generation);
        let child = self.children.get_mut(n)?;
        let process = child.process;
        let Ahead {
            mut life, prepared, ..
        } = ahead;
        if life.asked != generation {
            life.prepare(prepare);
        } else if prepared == Some(generation) {
            life.send(&Order::Commit(generation));
        }
        tracing::info!(pid = life.pid, "{process} started");
        child.began(life, now);
        if process == Process::RiskGuard {
            self.words_of_guard.clear();
        }
        if child.lifecycle.state() == ChildState::Stopping {
            // The word to stop came before it did.
            child.kill();
        }
        // The bot speaks no control protocol: it is ready once it runs.
        (process == Process::Bot).then_some(Event::Ready)
    }

    /// A spare has something to say.
    pub(super) fn on_spare_report(&mut self, n: usize, number: u64, report: Report, now: BootMs) {
        let Some(child) = self.children.get_mut(n) else {
            return;
        };
        let Some(ahead) = child.spare.waiting(number) else {
            return;
        };
        match report {
            Report::Prepared(generation) => ahead.prepared = Some(generation),
            Report::Refused(refused) => {
                ahead.life.signal(Signal::SIGKILL);
                self.lost(n, &refused.reason, now);
            }
            Report::Failing(why) => self.lost(n, &why, now),
            Report::Applied(_) | Report::Ready(_) | Report::Heartbeat(_) => {}
        }
    }

    /// A spare is no good, or has ended.
    pub(super) fn lost(&mut self, n: usize, why: &str, now: BootMs) {
        if let Some(child) = self.children.get_mut(n) {
            child.spare.lost(now);
            tracing::warn!("the spare of {} is lost: {why}", child.process);
        }
    }

    /// A spare goes with the config in force.
    pub(super) fn prepare_spare(&mut self, n: usize) {
        let generation = self.beginning.generation;
        let prepare = self.prepare_of(generation);
        if let Some(ahead) = self.children.get_mut(n).and_then(|c| c.spare.ahead())
            && ahead.life.asked != generation
        {
            ahead.prepared = None;
            ahead.life.prepare(prepare);
        }
    }

    fn unstarted(&mut self, n: usize, error: &std::io::Error) -> Option<Event> {
        let child = self.children.get_mut(n)?;
        tracing::error!("{} could not be started: {error}", child.process);
        child.failing = Some(error.to_string());
        Some(Event::SpawnFailed)
    }

    fn order_for(&mut self, n: usize) -> std::io::Result<spawn::Order> {
        let deployment = &self.beginning.deployment;
        let generation = deployment.generation_file(self.beginning.generation);
        let asked = self.beginning.generation;
        let words = written(&Order::Prepare(self.prepare_of(asked))).unwrap_or_default();
        let child = self
            .children
            .get_mut(n)
            .ok_or_else(|| std::io::Error::other("no such child"))?;
        let mut arguments = Vec::new();
        let mut environment = BTreeMap::new();
        let mut other_user = false;
        let program = match child.process {
            Process::AlertForwarder | Process::Gateway => spawn::sibling(child.process.program())?,
            Process::RiskGuard => {
                arguments.extend(self.words_of_guard.iter().map(|word| (*word).to_owned()));
                spawn::sibling(child.process.program())?
            }
            Process::Bot | Process::Supervisor => {
                let bot = &self.beginning.config.bot;
                let user = bot
                    .user
                    .as_deref()
                    .filter(|name| bot_user::is_another(name));
                environment.clone_from(&bot.environment);
                let path = |path: PathBuf| path.display().to_string();
                // By its real name: another user may not pass through the links to it.
                let run = deployment.run_dir().canonicalize()?;
                let gateway = Deployment::gateway_socket_in(&run);
                environment.insert("PERPS_GATEWAY_SOCKET".to_owned(), path(gateway));
                let config = match user {
                    Some(_) => bot_user::config_copy(&run, &generation)?,
                    None => generation,
                };
                environment.insert("PERPS_CONFIG".to_owned(), path(config));
                arguments.push("--become-bot".to_owned());
                arguments.push(std::process::id().to_string());
                arguments.push(user.unwrap_or(spawn::OWN_USER).to_owned());
                arguments.extend(bot_command(&bot.command));
                other_user = user.is_some();
                std::env::current_exe()?
            }
        };
        let listener = child
            .listener
            .as_ref()
            .map(std::os::unix::net::UnixListener::try_clone);
        Ok(spawn::Order {
            process: child.process,
            number: child.next_life(),
            words,
            asked,
            program,
            arguments,
            environment,
            dir: deployment.dir().to_owned(),
            listener: listener.transpose()?,
            other_user,
        })
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
