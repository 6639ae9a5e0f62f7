//! What became of each edit: `accepted/history.jsonl`, the newest last, bounded.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use protocol::supervisor::ConfigHistory;

/// Lines that are kept; at twice as many the older half goes.
const KEPT: usize = 1_000;

/// The history of a deployment.
#[derive(Debug)]
pub(crate) struct History {
    path: PathBuf,
    lines: usize,
}

impl History {
    pub(crate) fn at(path: PathBuf) -> Self {
        let lines = fs::read_to_string(&path).map_or(0, |text| text.lines().count());
        Self { path, lines }
    }

    /// Adds an edit. A disk that does not take it costs the line and nothing else.
    pub(crate) fn add(&mut self, edit: &ConfigHistory) {
        if let Err(error) = self.try_add(edit) {
            tracing::warn!("{}: not written: {error}", self.path.display());
        }
    }

    fn try_add(&mut self, edit: &ConfigHistory) -> io::Result<()> {
        if self.lines >= KEPT.saturating_mul(2) {
            self.lines = keep_newest(&self.path)?;
        }
        let mut line = serde_json::to_vec(edit)?;
        line.push(b'\n');
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        file.write_all(&line)?;
        self.lines = self.lines.saturating_add(1);
        Ok(())
    }
}

fn keep_newest(path: &Path) -> io::Result<usize> {
    let text = fs::read_to_string(path)?;
    let all: Vec<&str> = text.lines().collect();
    let newest = all
        .get(all.len().saturating_sub(KEPT)..)
        .unwrap_or_default();
    let beside = path.with_extension("new");
    fs::write(&beside, newest.join("\n") + "\n")?;
    fs::rename(&beside, path)?;
    Ok(newest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::supervisor::EditFate;
    use protocol::{Generation, VenueMs};

    #[test]
    fn the_newest_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        let mut history = History::at(path.clone());
        let mut edit = ConfigHistory {
            at: VenueMs(1),
            fate: EditFate::Applied,
            generation: Generation(1),
            saved_by: "me".to_owned(),
            changes: Vec::new(),
            note: None,
        };
        for n in 0..2 * KEPT as u64 + 5 {
            edit.generation = Generation(n);
            history.add(&edit);
        }
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), KEPT + 5);
        let last: ConfigHistory = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last, edit);
    }
}
