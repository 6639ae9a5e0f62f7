//! When a save is over, as a pure state machine: the content as it is seen goes in, what to take up
//! comes out.
//!
//! ```text
//!  save finished (closed after writing, moved into place) ──▶ taken up at once
//!  anything else ──▶ the same for a quiet spell ────────────▶ taken up
//!  somebody has it open for writing ──▶ waits, however long
//! ```
//! Half a file may be a sound config, and one that allows more: so nothing is taken up while it is
//! still being written.

use protocol::BootMs;

/// How a look at the file came about; the later says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hint {
    /// Something is going on; look when it has been quiet for a while.
    Unsettled,
    /// A save has just been finished: closed after writing, or moved into place.
    Finished,
}

/// What stands under the file's name now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The content; `None` if it is not there or cannot be read.
    pub(crate) bytes: Option<Vec<u8>>,
    /// Whether somebody has it open for writing.
    pub(crate) being_written: bool,
}

/// What follows from a look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing new, or not yet.
    Wait,
    /// Take this up.
    TakeUp(Vec<u8>),
    /// The file is gone.
    Gone,
}

/// What was seen of the file.
#[derive(Debug)]
pub(crate) struct Settling {
    /// What was last taken up; `None` once it was gone.
    taken: Option<Vec<u8>>,
    /// Other content, and since when it has been the same.
    pending: Option<(Option<Vec<u8>>, BootMs)>,
    look_at: Option<BootMs>,
}

impl Settling {
    /// A watch that begins when this has been taken up.
    pub(crate) fn on(taken: Vec<u8>) -> Self {
        Self {
            taken: Some(taken),
            pending: None,
            look_at: None,
        }
    }

    /// When to look again without being told.
    pub(crate) const fn deadline(&self) -> Option<BootMs> {
        self.look_at
    }

    /// A look at the file.
    pub(crate) fn look(&mut self, hint: Hint, seen: Seen, now: BootMs, quiet_ms: u64) -> Look {
        self.look_at = None;
        if seen.being_written {
            self.pending = None;
            self.look_at = Some(now.after(quiet_ms));
            return Look::Wait;
        }
        if seen.bytes == self.taken {
            self.pending = None;
            return Look::Wait;
        }
        // A file that is gone may be about to be made again.
        if hint == Hint::Finished && seen.bytes.is_some() {
            return self.take_up(seen.bytes);
        }
        let since = match self.pending.take() {
            Some((bytes, since)) if bytes == seen.bytes => since,
            Some(_) | None => now,
        };
        if now.since(since) >= quiet_ms {
            return self.take_up(seen.bytes);
        }
        self.pending = Some((seen.bytes, since));
        self.look_at = Some(since.after(quiet_ms));
        Look::Wait
    }

    fn take_up(&mut self, bytes: Option<Vec<u8>>) -> Look {
        self.pending = None;
        self.taken.clone_from(&bytes);
        bytes.map_or(Look::Gone, Look::TakeUp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: u64 = 300;

    fn is(text: &str) -> Seen {
        Seen {
            bytes: Some(text.as_bytes().to_vec()),
            being_written: false,
        }
    }

    fn written(text: &str) -> Seen {
        Seen {
            being_written: true,
            ..is(text)
        }
    }

    fn gone() -> Seen {
        Seen {
            bytes: None,
            being_written: false,
        }
    }

    fn taken(text: &str) -> Look {
        Look::TakeUp(text.as_bytes().to_vec())
    }

    fn settling() -> Settling {
        Settling::on(b"old".to_vec())
    }

    #[test]
    fn a_finished_save_is_taken_up_at_once_and_only_once() {
        let mut file = settling();
        let look =
            |file: &mut Settling, at| file.look(Hint::Finished, is("new"), BootMs(at), QUIET);
        assert_eq!(look(&mut file, 1), taken("new"));
        assert_eq!(look(&mut file, 2), Look::Wait);
        assert_eq!(file.deadline(), None);
    }

    #[test]
    fn anything_else_must_stay_the_same_for_a_quiet_spell() {
        let mut file = settling();
        let mut look = |text, at| {
            let found = file.look(Hint::Unsettled, is(text), BootMs(at), QUIET);
            (found, file.deadline().map(|at| at.0))
        };
        assert_eq!(look("ne", 0), (Look::Wait, Some(300)));
        assert_eq!(
            look("ne", 10),
            (Look::Wait, Some(300)),
            "two events are no quiet spell"
        );
        assert_eq!(look("new", 200), (Look::Wait, Some(500)));
        assert_eq!(look("new", 499), (Look::Wait, Some(500)));
        assert_eq!(look("new", 500), (taken("new"), None));
    }

    #[test]
    fn what_is_being_written_waits_however_long_and_whatever_is_said() {
        let mut file = settling();
        for at in [0, 300, 600, 60_000] {
            for hint in [Hint::Unsettled, Hint::Finished] {
                let found = file.look(hint, written("half"), BootMs(at), QUIET);
                assert_eq!(found, Look::Wait);
                assert_eq!(file.deadline(), Some(BootMs(at + QUIET)));
            }
        }
        let found = file.look(Hint::Finished, is("whole"), BootMs(60_001), QUIET);
        assert_eq!(found, taken("whole"));
    }

    #[test]
    fn an_edit_that_is_taken_back_was_none() {
        let mut file = settling();
        file.look(Hint::Unsettled, is("new"), BootMs(0), QUIET);
        assert_eq!(
            file.look(Hint::Unsettled, is("old"), BootMs(10), QUIET),
            Look::Wait
        );
        assert_eq!(file.deadline(), None);
    }

    #[test]
    fn a_file_that_is_gone_is_said_after_a_quiet_spell_and_its_return_counts() {
        let mut file = settling();
        assert_eq!(
            file.look(Hint::Finished, gone(), BootMs(0), QUIET),
            Look::Wait
        );
        assert_eq!(
            file.look(Hint::Unsettled, gone(), BootMs(300), QUIET),
            Look::Gone
        );
        assert_eq!(
            file.look(Hint::Unsettled, gone(), BootMs(900), QUIET),
            Look::Wait
        );
        let back = file.look(Hint::Finished, is("old"), BootMs(1_000), QUIET);
        assert_eq!(back, taken("old"));
    }
}
