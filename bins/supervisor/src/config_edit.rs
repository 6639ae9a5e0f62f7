//! What becomes of an edit: read, checked, written down, prepared, committed, told.

use config::{Config, Direction, diff};
use daemon::clock;
use daemon::server::Responder;
use protocol::control::Order;
use protocol::status::ConfigStatus;
use protocol::supervisor::{ConfigResult, SupervisorReply};
use protocol::{BootMs, Context, Generation, Process, Tag};

use crate::config_flow::{Hint, Next, Reload};
use crate::house::House;
use crate::start::{Beginning, admit};

/// The edits of the config file: seen, under way, refused.
pub(crate) struct Edits {
    /// The bytes that were last taken up.
    seen: Vec<u8>,
    /// Bytes that were seen while something was still going on.
    unsettled: Option<Vec<u8>>,
    look_at: Option<BootMs>,
    under_way: Option<(Reload, Config)>,
    rejected: Option<String>,
    attempted: Generation,
    applied_at: BootMs,
    needs_restart: Vec<String>,
    askers: Vec<Responder<SupervisorReply>>,
}

impl Edits {
    pub(crate) fn new(beginning: &Beginning, now: BootMs) -> Self {
        Self {
            seen: beginning.seen.clone(),
            unsettled: None,
            look_at: None,
            under_way: None,
            rejected: beginning.rejected.clone(),
            attempted: beginning.generation,
            applied_at: now,
            needs_restart: Vec::new(),
            askers: Vec::new(),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }

    /// Why the file on disk is not in force.
    pub(crate) fn rejected(&self) -> Option<String> {
        self.rejected.clone()
    }

    pub(crate) fn status(&self, beginning: &Beginning, now: BootMs) -> ConfigStatus {
        ConfigStatus {
            file: beginning.file.display().to_string(),
            applied: beginning.generation,
            applied_for_ms: now.since(self.applied_at),
            attempted: self.attempted,
            rejected: self.rejected.clone(),
            needs_restart: self.needs_restart.clone(),
        }
    }

    pub(crate) fn prepared(
        &mut self,
        process: Process,
        generation: Generation,
        now: BootMs,
    ) -> Next {
        self.reload(|reload| reload.prepared(process, generation, now))
    }

    pub(crate) fn applied(
        &mut self,
        process: Process,
        generation: Generation,
        now: BootMs,
    ) -> Next {
        self.reload(|reload| reload.applied(process, generation, now))
    }

    pub(crate) fn refused(&mut self, process: Process, generation: Generation, why: &str) -> Next {
        self.reload(|reload| reload.refused(process, generation, why))
    }

    pub(crate) fn gone(&mut self, process: Process, now: BootMs) -> Next {
        self.reload(|reload| reload.gone(process, now))
    }

    pub(crate) fn tick(&mut self, now: BootMs) -> Next {
        self.reload(|reload| reload.tick(now))
    }

    fn reload(&mut self, act: impl FnOnce(&mut Reload) -> Next) -> Next {
        self.under_way
            .as_mut()
            .map_or(Next::Wait, |(reload, _)| act(reload))
    }

    /// When the file is to be looked at next, if something was going on.
    pub(crate) const fn look_at(&self) -> Option<BootMs> {
        self.look_at
    }
}

impl House {
    /// The kernel, the clock or an operator says that the file may have changed.
    pub(crate) fn look(&mut self, hint: Hint) {
        self.edits.look_at = None;
        if !self.edits.is_idle() {
            // One edit at a time; the periodic look finds this one when that is over.
            return;
        }
        let Ok(bytes) = std::fs::read(&self.beginning.file) else {
            return;
        };
        if bytes == self.edits.seen {
            self.edits.unsettled = None;
            return;
        }
        if hint == Hint::Unsettled && self.edits.unsettled.as_ref() != Some(&bytes) {
            // Look again after a quiet spell: half a file may be a sound config, too.
            let quiet = self.config().supervisor.reload_debounce_ms;
            self.edits.unsettled = Some(bytes);
            self.edits.look_at = Some(clock::boot_now().after(quiet));
            return;
        }
        self.edits.unsettled = None;
        self.take_up(&bytes);
    }

    /// An operator wants the file read now, and to be told how it went.
    pub(crate) fn apply_now(&mut self, asker: Responder<SupervisorReply>) {
        self.edits.askers.push(asker);
        let before = self.edits.seen.clone();
        if self.edits.is_idle() {
            self.look(Hint::Finished);
        }
        if self.edits.is_idle() {
            self.tell_askers(self.edits.seen != before);
        }
    }

    fn take_up(&mut self, bytes: &[u8]) {
        let name = self.beginning.file.display().to_string();
        self.edits.seen = bytes.to_vec();
        let now = clock::boot_now();
        if let Ok(old) = std::fs::read(self.generation_path())
            && old == bytes
        {
            // Back to what is in force.
            self.edits.rejected = None;
            return self.tell_askers(false);
        }
        let config = match config::parse_bytes(bytes, &name) {
            Ok(config) => config,
            Err(problem) => return self.reject(&problem.to_string()),
        };
        if let Err(problem) = admit(self.beginning.mode, &config) {
            return self.reject(&problem.to_string());
        }
        let changes = diff(self.config(), &config);
        let loosens = changes
            .iter()
            .any(|change| change.direction == Direction::Loosening);
        self.edits.needs_restart = changes
            .iter()
            .filter(|change| change.needs_restart)
            .map(|change| change.path.to_owned())
            .collect();
        let generation = match self.beginning.generations.write(bytes) {
            Ok(generation) => generation,
            Err(problem) => return self.reject(&format!("{problem}: {}", disk_word(&problem))),
        };
        self.edits.attempted = generation;
        let living: Vec<Process> = self
            .children
            .iter()
            .filter(|child| child.votes())
            .map(|child| child.process)
            .collect();
        let reload = Reload::begin(generation, &living, loosens, now);
        let prepare = self.prepare_of(generation);
        self.send_to(reload.members(), &prepare);
        self.edits.under_way = Some((reload, config));
        if living.is_empty() {
            self.follow(Next::Applied);
        }
    }

    /// Does what a reload says.
    pub(crate) fn follow(&mut self, next: Next) {
        match next {
            Next::Wait => {}
            Next::Send(members, order) => self.send_to(&members, &order),
            Next::Applied => self.in_force(&[]),
            Next::AppliedBut(silent) => self.in_force(&silent),
            Next::Refused(members, why) => {
                let generation = self
                    .edits
                    .under_way
                    .take()
                    .map(|(reload, _)| reload.generation());
                if let Some(generation) = generation {
                    self.send_to(&members, &Order::Abort(generation));
                }
                self.reject(&why);
            }
        }
    }

    fn in_force(&mut self, silent: &[Process]) {
        let Some((reload, config)) = self.edits.under_way.take() else {
            return;
        };
        let generation = reload.generation();
        let changes = diff(self.config(), &config);
        self.obey(generation, config);
        self.edits.rejected = None;
        self.edits.applied_at = clock::boot_now();
        for change in &changes {
            tracing::info!(
                key = change.path,
                old = change.old,
                new = change.new,
                "config: {:?}",
                change.direction
            );
        }
        for child in self
            .children
            .iter()
            .filter(|child| silent.contains(&child.process))
        {
            tracing::error!(
                "{} did not confirm {generation}; it is started anew into it",
                child.process
            );
            child.kill();
        }
        let context = Context::new()
            .with("generation", generation)
            .with("changes", changes.len());
        let what: Vec<String> = changes
            .iter()
            .map(|change| format!("{} {} -> {}", change.path, change.old, change.new))
            .collect();
        let message = format!("{generation} is in force everywhere: {}", what.join(", "));
        self.alerting.raise(Tag::ConfigApplied, &message, context);
        self.tell_askers(true);
    }

    fn reject(&mut self, why: &str) {
        let applied = self.beginning.generation;
        let message = format!("{why}; {applied} stays in force");
        self.alerting.raise(
            Tag::ConfigRejected,
            &message,
            Context::new().with("applied", applied),
        );
        self.edits.rejected = Some(why.to_owned());
        self.tell_askers(true);
    }

    fn tell_askers(&mut self, changed: bool) {
        let result = ConfigResult {
            applied: self.beginning.generation,
            refused: self.edits.rejected.clone(),
            changed,
        };
        for asker in self.edits.askers.drain(..) {
            asker.answer(&SupervisorReply::ConfigResult(result.clone()));
        }
    }

    fn send_to(&self, members: &[Process], order: &Order) {
        for member in members {
            if let Some(child) = self.children.iter().find(|child| child.process == *member) {
                child.send(order);
            }
        }
    }

    fn generation_path(&self) -> std::path::PathBuf {
        self.beginning
            .deployment
            .generation_file(self.beginning.generation)
    }
}

fn disk_word(problem: &dyn std::error::Error) -> String {
    problem
        .source()
        .map_or_else(|| "unknown".to_owned(), ToString::to_string)
}
