//! What becomes of an edit: read, checked, perhaps held, written down, prepared, committed, told.
//!
//! ```text
//!  looked at ─▶ sound? ─▶ loosens, and must be confirmed? ─▶ prepare everywhere ─▶ commit everywhere
//!                 │ no          │ yes                           │ refused             └─▶ in force
//!                 ▼             ▼                               ▼
//!              rejected        held ── confirmed ──▶ prepare   rejected
//! ```
//! Whatever becomes of one edit, the next one is looked at.

mod flow;

use config::{Change, Config, Direction};
use daemon::server::Responder;
use protocol::status::{ConfigChange, ConfigStatus, HeldEdit};
use protocol::supervisor::SupervisorReply;
use protocol::{BootMs, Generation, Process};

use crate::config_flow::{Hint, History, Next, Reload, Settling};
use crate::start::Beginning;

/// The edits of the config file: seen, held, under way, refused.
pub(crate) struct Edits {
    settling: Settling,
    /// What happened while an edit was under way: look when it is over.
    look_again: Option<Hint>,
    under_way: Option<UnderWay>,
    held: Option<Held>,
    held_so_far: u64,
    rejected: Option<String>,
    attempted: Generation,
    applied_at: BootMs,
    needs_restart: Vec<String>,
    askers: Vec<Responder<SupervisorReply>>,
    history: History,
}

/// An edit between being written down and being in force.
struct UnderWay {
    reload: Reload,
    config: Config,
    saved_by: String,
    /// Who confirmed it, if it was held.
    confirmed_by: Option<String>,
}

/// An edit that waits for an operator.
struct Held {
    edit: HeldEdit,
    bytes: Vec<u8>,
}

impl Edits {
    pub(crate) fn new(beginning: &Beginning, now: BootMs) -> Self {
        Self {
            settling: Settling::on(beginning.seen.clone()),
            look_again: None,
            under_way: None,
            held: None,
            held_so_far: 0,
            rejected: beginning.rejected.clone(),
            attempted: beginning.generation,
            applied_at: now,
            needs_restart: Vec::new(),
            askers: Vec::new(),
            history: History::at(beginning.deployment.config_history()),
        }
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }

    /// Why the file on disk is not in force.
    pub(crate) fn rejected(&self) -> Option<String> {
        let held = || {
            self.held
                .as_ref()
                .map(|_| "held: it loosens limits".to_owned())
        };
        self.rejected.clone().or_else(held)
    }

    pub(crate) fn status(&self, beginning: &Beginning, now: BootMs) -> ConfigStatus {
        ConfigStatus {
            file: beginning.file.display().to_string(),
            applied: beginning.generation,
            applied_for_ms: now.since(self.applied_at),
            attempted: self.attempted,
            rejected: self.rejected.clone(),
            held: self.held.as_ref().map(|held| held.edit.clone()),
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
            .map_or(Next::Wait, |edit| act(&mut edit.reload))
    }

    /// When time alone changes something: a quiet spell ends, or a child's patience.
    pub(crate) fn deadline(&self) -> Option<BootMs> {
        match &self.under_way {
            Some(edit) => Some(edit.reload.deadline()),
            None => self.settling.deadline(),
        }
    }
}

/// A change in the words of the wire.
fn told(change: &Change) -> ConfigChange {
    ConfigChange {
        key: change.path.to_owned(),
        old: change.old.clone(),
        new: change.new.clone(),
        loosens: change.direction == Direction::Loosening,
    }
}
