//! What the demo's operator does while the bot trades: the harness's answers are the show.

use std::fs;

use nix::sys::signal::Signal;
use protocol::Process;
use protocol::guard::Verb;
use testkit::{Harness, PlayError};

/// The line of the config that the operator edits.
const KEY: &str = "maxOrderNotional: 4000";

/// Something an operator does.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// Saves the config with this in the place of [`KEY`].
    Edit(&'static str),
    KillGuard,
    Halt,
}

/// When (percent of the session), in which words, and what.
const MOMENTS: [(u64, &str, Deed); 5] = [
    (
        16,
        "saves the config with a misspelt key: maxOrderNotionl",
        Deed::Edit("maxOrderNotionl: 1000"),
    ),
    (
        26,
        "mends it: maxOrderNotional: 1000, less than the bot wants",
        Deed::Edit("maxOrderNotional: 1000"),
    ),
    (52, "puts maxOrderNotional: 4000 back", Deed::Edit(KEY)),
    (68, "kill -9 of the risk-guard", Deed::KillGuard),
    (88, "pulls the kill switch: perpsctl halt", Deed::Halt),
];

/// The moments that are still to come.
pub(super) struct Moments {
    config: String,
    next: usize,
}

impl Moments {
    pub(super) fn of(config: &str) -> Self {
        Self {
            config: config.to_owned(),
            next: 0,
        }
    }

    /// Does what is due at this percentage of the session, and says it.
    pub(super) fn pass(
        &mut self,
        percent: u64,
        harness: &Harness,
    ) -> Result<Option<&'static str>, PlayError> {
        let Some((at, words, deed)) = MOMENTS.get(self.next).copied() else {
            return Ok(None);
        };
        if percent < at {
            return Ok(None);
        }
        self.next = self.next.saturating_add(1);
        match deed {
            Deed::Edit(line) => {
                let file = harness.config_file();
                fs::write(&file, self.config.replace(KEY, line)).map_err(|source| {
                    PlayError::Io {
                        what: format!("write {}", file.display()),
                        source,
                    }
                })?;
            }
            Deed::KillGuard => harness.signal(Process::RiskGuard, Signal::SIGKILL)?,
            Deed::Halt => {
                harness.operate(Verb::Halt { flatten: false })?;
            }
        }
        Ok(Some(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::demo::CONFIG;

    #[test]
    fn the_edits_find_their_line() {
        assert_eq!(CONFIG.matches(KEY).count(), 1);
    }

    #[test]
    fn the_moments_come_in_order() {
        assert!(MOMENTS.is_sorted_by_key(|(at, _, _)| *at));
    }
}
