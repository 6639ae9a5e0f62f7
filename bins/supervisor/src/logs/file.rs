//! One log file: appends whole lines, rotates by size, keeps a few old ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A log file that may be missing its disk for a while.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    open: Option<(File, u64)>,
}

impl LogFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// Appends a line; rotates first if it would grow past `max_bytes`. An error loses the line and
    /// is forgotten by the next one, which tries anew.
    pub(super) fn append(&mut self, line: &str, max_bytes: u64, keep: u32) -> io::Result<()> {
        let length = u64::try_from(line.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        if self
            .open
            .as_ref()
            .is_some_and(|(_, size)| *size > 0 && size.saturating_add(length) > max_bytes)
        {
            self.open = None;
            rotate(&self.path, keep)?;
        }
        if self.open.is_none() {
            if let Some(dir) = self.path.parent() {
                fs::create_dir_all(dir)?;
            }
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o640)
                .open(&self.path)?;
            let size = file.metadata()?.len();
            self.open = Some((file, size));
        }
        let Some((file, size)) = &mut self.open else {
            return Ok(());
        };
        let mut bytes = Vec::with_capacity(line.len().saturating_add(1));
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        match file.write_all(&bytes) {
            Ok(()) => {
                *size = size.saturating_add(length);
                Ok(())
            }
            Err(e) => {
                // Part of the line may be there; the next one begins on a line of its own.
                self.open = None;
                Err(e)
            }
        }
    }

    /// Opens the file anew with the next line: somebody has moved it away.
    pub(super) fn reopen(&mut self) {
        self.open = None;
    }
}

/// `a.log` becomes `a.log.1`, that one `a.log.2`, and so on; what is past `keep` goes.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    let numbered = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    };
    if keep == 0 {
        return forgiving(fs::remove_file(path));
    }
    for n in (1..keep).rev() {
        forgiving(fs::rename(numbered(n), numbered(n.saturating_add(1))))?;
    }
    forgiving(fs::rename(path, numbered(1)))
}

fn forgiving(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_keeps_the_newest_lines_whole_and_nothing_of_its_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        let neighbour = dir.path().join("risk-guard.log.1");
        fs::write(&neighbour, "mine").unwrap();
        let path = dir.path().join("risk.log");
        let mut log = LogFile::at(path.clone());
        for n in 0..10 {
            log.append(&format!("line {n}"), 16, 2).unwrap();
        }
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text("risk.log"), "line 8\nline 9\n");
        assert_eq!(text("risk.log.1"), "line 6\nline 7\n");
        assert_eq!(text("risk.log.2"), "line 4\nline 5\n");
        assert!(!dir.path().join("risk.log.3").exists());
        assert_eq!(fs::read_to_string(neighbour).unwrap(), "mine");
    }

    #[test]
    fn a_file_moved_away_is_opened_anew_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut log = LogFile::at(path.clone());
        log.append("one", 1000, 1).unwrap();
        fs::rename(&path, dir.path().join("moved")).unwrap();
        log.reopen();
        log.append("two", 1000, 1).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "two\n");
    }
}
