//! An edit's way through the house, step by step.

use config::{Direction, diff};
use daemon::clock;
use daemon::server::Responder;
use protocol::control::Order;
use protocol::frame::{ErrorBody, ErrorCode};
use protocol::status::{ConfigChange, HeldEdit};
use protocol::supervisor::{ConfigHistory, ConfigResult, EditFate, SupervisorReply};
use protocol::{BootMs, Context, Process, Severity, Tag};

use super::{Held, UnderWay, told};
use crate::config_flow::{self, Hint, Look, Next, Reload};
use crate::house::House;
use crate::start::admit;

impl House {
    /// The kernel, the clock or an operator says that the file may have changed.
    pub(crate) fn look(&mut self, hint: Hint) {
        if !self.edits.is_idle() {
            // One edit at a time; a save that was finished meanwhile stays finished.
            let before = self.edits.look_again;
            self.edits.look_again = before.max(Some(hint));
            return;
        }
        let seen = config_flow::look(&self.beginning.file);
        let quiet = self.config().supervisor.reload_debounce_ms;
        match self
            .edits
            .settling
            .look(hint, seen, clock::boot_now(), quiet)
        {
            // Nothing new after all; what is still being saved is looked at again.
            Look::Wait if self.edits.settling.deadline().is_none() => self.tell_askers(false),
            Look::Wait => {}
            Look::TakeUp(bytes) => self.take_up(&bytes, None),
            Look::Gone => {
                let file = self.beginning.file.display();
                let why = format!("{file} is gone");
                self.reject(&why, Vec::new());
            }
        }
    }

    /// Looks if a quiet spell has ended, or an edit that others waited for.
    pub(crate) fn look_if_due(&mut self, now: BootMs) {
        if !self.edits.is_idle() {
            return;
        }
        let due = self.edits.settling.deadline().is_some_and(|at| at <= now);
        let again = self.edits.look_again.take();
        if let Some(hint) = again.or(due.then_some(Hint::Unsettled)) {
            self.look(hint);
        }
    }

    /// An operator wants the file read now, and to be told how it went.
    pub(crate) fn apply_now(&mut self, wait: bool, asker: Responder<SupervisorReply>) {
        let before = self.edits.attempted;
        let rejected = self.edits.rejected.clone();
        self.look(Hint::Finished);
        let settled = self.edits.is_idle() && self.edits.settling.deadline().is_none();
        if settled || !wait {
            let changed = self.edits.attempted != before || self.edits.rejected != rejected;
            asker.answer(&SupervisorReply::ConfigResult(self.result(changed)));
        } else {
            self.edits.askers.push(asker);
        }
    }

    /// An operator has looked at a held edit and wants it in force.
    pub(crate) fn confirm(&mut self, number: u64, by: &str, asker: Responder<SupervisorReply>) {
        let wrong = |message: String| ErrorBody::new(ErrorCode::NotReady, message);
        if !self.edits.is_idle() {
            let message = "an edit is under way; look again when it is in force".to_owned();
            return asker.fail(wrong(message));
        }
        match self.edits.held.take() {
            None => asker.fail(wrong("no edit is held".to_owned())),
            Some(held) if held.edit.number != number => {
                let message = format!(
                    "the edit that is held now has number {}, not {number}: it was saved again; look at it first",
                    held.edit.number
                );
                self.edits.held = Some(held);
                asker.fail(wrong(message));
            }
            Some(held) => {
                tracing::info!("the held edit is confirmed by {by}");
                self.edits.askers.push(asker);
                self.take_up(&held.bytes, Some(by.to_owned()));
            }
        }
    }

    fn take_up(&mut self, bytes: &[u8], confirmed_by: Option<String>) {
        let name = self.beginning.file.display().to_string();
        self.edits.held = None;
        let now = clock::boot_now();
        let in_force = self
            .beginning
            .deployment
            .generation_file(self.beginning.generation);
        if std::fs::read(in_force).is_ok_and(|old| old == bytes) {
            // Back to what is in force.
            self.edits.rejected = None;
            return self.tell_askers(false);
        }
        let config = match config::parse_bytes(bytes, &name) {
            Ok(config) => config,
            Err(problem) => return self.reject(&problem.to_string(), Vec::new()),
        };
        let changes = diff(self.config(), &config);
        let words: Vec<ConfigChange> = changes.iter().map(told).collect();
        if let Err(problem) = admit(self.beginning.mode, &config) {
            return self.reject(&problem.to_string(), words);
        }
        let loosens = changes
            .iter()
            .any(|change| change.direction == Direction::Loosening);
        if loosens && confirmed_by.is_none() && self.config().supervisor.confirm_loosening {
            return self.hold(bytes, words);
        }
        let generation = match self.beginning.generations.write(bytes) {
            Ok(generation) => generation,
            Err(problem) => {
                let why = format!("{problem}: {}", disk_word(&problem));
                return self.reject(&why, words);
            }
        };
        self.edits.attempted = generation;
        let restarts = changes.iter().filter(|change| change.needs_restart);
        let needs_restart = restarts.map(|change| change.path.to_owned()).collect();
        self.edits.needs_restart = needs_restart;
        let living: Vec<Process> = self
            .children
            .iter()
            .filter(|child| child.votes())
            .map(|child| child.process)
            .collect();
        let reload = Reload::begin(generation, &living, loosens, now);
        let prepare = Order::Prepare(self.prepare_of(generation));
        self.send_to(reload.members(), &prepare);
        self.edits.under_way = Some(UnderWay {
            reload,
            config,
            saved_by: config_flow::by_whom(&self.beginning.file),
            confirmed_by,
        });
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
                let Some(edit) = self.edits.under_way.take() else {
                    return;
                };
                self.send_to(&members, &Order::Abort(edit.reload.generation()));
                let changes = diff(self.config(), &edit.config);
                self.reject(&why, changes.iter().map(told).collect());
            }
        }
    }

    fn in_force(&mut self, silent: &[Process]) {
        let Some(edit) = self.edits.under_way.take() else {
            return;
        };
        let generation = edit.reload.generation();
        let changes: Vec<ConfigChange> =
            diff(self.config(), &edit.config).iter().map(told).collect();
        self.obey(generation, edit.config);
        self.edits.rejected = None;
        self.edits.applied_at = clock::boot_now();
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
        self.let_catch_up();
        self.say_in_force(&changes, &edit.saved_by, edit.confirmed_by.as_deref());
        self.remember(
            EditFate::Applied,
            &edit.saved_by,
            changes,
            edit.confirmed_by,
        );
        self.tell_askers(true);
    }

    fn say_in_force(&self, changes: &[ConfigChange], saved_by: &str, confirmed_by: Option<&str>) {
        let generation = self.beginning.generation;
        let mut context = Context::new()
            .with("generation", generation)
            .with("changes", changes.len())
            .with("saved_by", saved_by);
        if let Some(by) = confirmed_by {
            context = context.with("confirmed_by", by);
        }
        let what = in_words(changes);
        let message = format!("{generation} is in force everywhere: {what}");
        let loosens = changes.iter().any(|change| change.loosens);
        let severity = if loosens {
            Severity::Warning
        } else {
            Tag::ConfigApplied.severity()
        };
        let tag = Tag::ConfigApplied;
        self.alerting.raise_as(tag, severity, &message, context);
    }

    fn reject(&mut self, why: &str, changes: Vec<ConfigChange>) {
        let applied = self.beginning.generation;
        let saved_by = config_flow::by_whom(&self.beginning.file);
        let message = format!("{why}; {applied} stays in force");
        let context = Context::new()
            .with("applied", applied)
            .with("saved_by", &saved_by);
        self.alerting.raise(Tag::ConfigRejected, &message, context);
        self.edits.rejected = Some(why.to_owned());
        self.remember(EditFate::Refused, &saved_by, changes, Some(why.to_owned()));
        self.tell_askers(true);
    }

    /// Keeps a loosening edit until an operator says so.
    fn hold(&mut self, bytes: &[u8], changes: Vec<ConfigChange>) {
        let applied = self.beginning.generation;
        let saved_by = config_flow::by_whom(&self.beginning.file);
        self.edits.held_so_far = self.edits.held_so_far.saturating_add(1);
        let what = in_words(&changes);
        let message = format!(
            "held, since it loosens limits: {what}; {applied} stays in force until: perpsctl config confirm"
        );
        let context = Context::new()
            .with("applied", applied)
            .with("saved_by", &saved_by);
        self.alerting.raise(Tag::ConfigRejected, &message, context);
        self.edits.rejected = None;
        self.edits.held = Some(Held {
            edit: HeldEdit {
                number: self.edits.held_so_far,
                changes: changes.clone(),
                saved_by: saved_by.clone(),
            },
            bytes: bytes.to_vec(),
        });
        self.remember(EditFate::Held, &saved_by, changes, None);
        self.tell_askers(true);
    }

    /// Writes down what became of an edit.
    pub(crate) fn remember(
        &mut self,
        fate: EditFate,
        saved_by: &str,
        changes: Vec<ConfigChange>,
        note: Option<String>,
    ) {
        self.edits.history.add(&ConfigHistory {
            at: clock::wall_now(),
            fate,
            generation: self.beginning.generation,
            saved_by: saved_by.to_owned(),
            changes,
            note,
        });
    }

    fn result(&self, changed: bool) -> ConfigResult {
        ConfigResult {
            applied: self.beginning.generation,
            refused: self.edits.rejected.clone(),
            changed,
            held: self.edits.held.as_ref().map(|held| held.edit.clone()),
            under_way: !self.edits.is_idle() || self.edits.settling.deadline().is_some(),
        }
    }

    fn tell_askers(&mut self, changed: bool) {
        let result = self.result(changed);
        for asker in self.edits.askers.drain(..) {
            asker.answer(&SupervisorReply::ConfigResult(result.clone()));
        }
    }

    pub(crate) fn send_to(&self, members: &[Process], order: &Order) {
        for member in members {
            if let Some(child) = self.children.iter().find(|child| child.process == *member) {
                child.send(order);
            }
        }
    }
}

fn in_words(changes: &[ConfigChange]) -> String {
    if changes.is_empty() {
        return "no value has changed".to_owned();
    }
    let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
    words.join(", ")
}

fn disk_word(problem: &dyn std::error::Error) -> String {
    problem
        .source()
        .map_or_else(|| "unknown".to_owned(), ToString::to_string)
}
