//! Every approval that the guard's journal holds, read along while it is written: a journal drops
//! its oldest segments, and an approval that went with them was one all the same.

use std::collections::BTreeMap;
use std::path::Path;

use history::{Story, StoryError};
use protocol::Decision;
use risk::Engine;
use state::Disk;

use super::wrong;
use crate::{PlayError, until};

/// A reader of one journal, with an engine of its own.
#[derive(Debug)]
pub struct Approvals {
    engine: Engine,
    /// The last record that was read.
    seq: u64,
    kept_from: u64,
    found: BTreeMap<String, String>,
}

impl Approvals {
    /// Reads what the journal of the deployment in `dir` holds so far.
    pub fn begin(dir: &Path) -> Result<Self, PlayError> {
        let story = read(dir).map_err(|e| wrong(&e))?;
        let mut begun = Self {
            engine: story.engine(),
            seq: story.base().seq(),
            kept_from: 0,
            found: BTreeMap::new(),
        };
        begun.take(&story)?;
        Ok(begun)
    }

    /// Reads what has come since. Fails if records between were dropped before they were read:
    /// nothing can be said about those.
    pub fn catch_up(&mut self, dir: &Path) -> Result<(), PlayError> {
        // The guard may be dropping a segment at this moment: what is seen twice is so.
        let story = until(5, "the journal to be readable", || {
            read(dir).map_err(|e| e.to_string())
        })?;
        self.take(&story)
    }

    /// Link id of each approval, with the intent it was for.
    pub const fn found(&self) -> &BTreeMap<String, String> {
        &self.found
    }

    /// The oldest record that the journal held when it was read last.
    pub const fn kept_from(&self) -> u64 {
        self.kept_from
    }

    fn take(&mut self, story: &Story) -> Result<(), PlayError> {
        self.kept_from = story.first().unwrap_or(self.kept_from);
        for (seq, recorded) in story.inputs_after(self.seq) {
            if seq != self.seq.saturating_add(1) {
                return Err(PlayError::Ended {
                    what: format!(
                        "the journal was read up to record {}, and goes on with {seq}: what is \
                         between was dropped unread",
                        self.seq
                    ),
                });
            }
            let input = recorded.map_err(|e| wrong(&e))?.input;
            self.seq = seq;
            if let Some(Decision::Approved(approval)) = self.engine.step(&input).decision {
                let link = approval.link_id.to_string();
                let intent = approval.intent.intent_id.to_string();
                self.found.insert(link, intent);
            }
        }
        Ok(())
    }
}

fn read(dir: &Path) -> Result<Story, StoryError> {
    Story::read(&Disk, &dir.join("data/perps_state.json"))
}
