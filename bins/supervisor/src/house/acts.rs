//! What a child's life asks for, done: spawning, asking, killing, telling.

use std::collections::BTreeMap;
use std::path::PathBuf;

use daemon::deployment::Deployment;
use daemon::logline::Level;
use protocol::control::Order;
use protocol::frame::Empty;
use protocol::{BootMs, Context, Process, Tag};

use super::House;
use crate::bot_user;
use crate::lifecycle::{Action, Event};
use crate::logs::{read_output, read_records};
use crate::spawn;

impl House {
    /// Lets an event into a child's life and does what follows.
    pub(super) async fn advance(&mut self, n: usize, event: Event, now: BootMs) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let Some(child) = self.children.get_mut(n) else {
                return;
            };
            for action in child.on(event, now) {
                next = self.act(n, action, now).await.or(next);
            }
        }
    }

    /// Does one thing; what comes of it at once is the next event.
    async fn act(&mut self, n: usize, action: Action, now: BootMs) -> Option<Event> {
        let child = self.children.get(n)?;
        let process = child.process;
        let context = Context::new().with("process", process);
        match action {
            Action::Spawn => return self.spawn(n, now).await,
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

    async fn spawn(&mut self, n: usize, now: BootMs) -> Option<Event> {
        match self.try_spawn(n, now).await {
            // The bot speaks no control protocol: it is ready once it runs.
            Ok(Process::Bot) => Some(Event::Ready),
            Ok(_) => None,
            Err(error) => {
                let child = self.children.get_mut(n)?;
                tracing::error!("{} could not be started: {error}", child.process);
                child.failing = Some(error.to_string());
                Some(Event::SpawnFailed)
            }
        }
    }

    async fn try_spawn(&mut self, n: usize, now: BootMs) -> std::io::Result<Process> {
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
        if let Some(child) = self.children.get_mut(n) {
            child.started(spawned, now, &news)?;
            child.send(&prepare);
        }
        Ok(process)
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
        let mut other_user = false;
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
