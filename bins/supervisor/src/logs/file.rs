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
    /// Part of a line stands at the end; the next one begins on a line of its own.
    torn: bool,
}

/// What went wrong with a line.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is not in the file.
    Lost(io::Error),
    /// It is in the file, which could not be rotated and grows past its size.
    NotRotated(io::Error),
}

impl LogFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            open: None,
            torn: false,
        }
    }

    /// Appends a line; rotates first if it would grow past `max_bytes`. A line that is lost is
    /// forgotten; the next one tries anew.
    pub(super) fn append(&mut self, line: &str, max_bytes: u64, keep: u32) -> Result<(), Trouble> {
        let mut bytes = Vec::with_capacity(line.len().saturating_add(2));
        if self.torn {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let is_full = |size: u64| size > 0 && size.saturating_add(length) > max_bytes;
        let mut rotated = Ok(());
        if self.opened().map_err(Trouble::Lost)?.is_some_and(is_full) {
            self.open = None;
            rotated = rotate(&self.path, keep);
            self.opened().map_err(Trouble::Lost)?;
        }
        self.write(&bytes, length).map_err(Trouble::Lost)?;
        rotated.map_err(Trouble::NotRotated)
    }

    /// Opens the file if it is not open; its size.
    fn opened(&mut self) -> io::Result<Option<u64>> {
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
        Ok(self.open.as_ref().map(|(_, size)| *size))
    }

    fn write(&mut self, bytes: &[u8], length: u64) -> io::Result<()> {
        let Some((file, size)) = &mut self.open else {
            return Ok(());
        };
        match file.write_all(bytes) {
            Ok(()) => {
                self.torn = false;
                *size = size.saturating_add(length);
                Ok(())
            }
            Err(e) => {
                // Part of the line may be there. It goes, if the disk lets it.
                self.torn = file.set_len(*size).is_err();
                self.open = None;
                Err(e)
            }
        }
    }

    /// Removes rotated files that are numbered past `keep`. Only this file's own: `risk.log` has
    /// nothing to do with `risk-guard.log.1`.
    pub(super) fn prune(&self, keep: u32) {
        let (Some(dir), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return;
        };
        let Some(prefix) = name.to_str().map(|name| format!("{name}.")) else {
            return;
        };
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix(&prefix))
                .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|number| number.parse::<u32>().ok());
            if number.is_some_and(|number| number > keep) {
                // What cannot be removed now is tried again at the next start.
                fs::remove_file(entry.path()).ok();
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
    fn fewer_are_kept_from_now_on_and_siblings_stay() {
        let dir = tempfile::tempdir().unwrap();
        let ours = ["risk.log.1", "risk.log.2", "risk.log.3", "risk.log.12"];
        let others = [
            "risk-guard.log.3",
            "risk.log.3.gz",
            "risk.log.old",
            "risk.log.",
            "risk.log2.9",
        ];
        for name in ours.iter().chain(&others) {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        LogFile::at(dir.path().join("risk.log")).prune(2);
        let there = |name: &&str| dir.path().join(name).exists();
        assert!(ours[..2].iter().all(there) && !ours[2..].iter().any(there));
        assert!(others.iter().all(there));
    }

    #[test]
    fn a_torn_line_does_not_spoil_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "whole\npar").unwrap();
        let mut log = LogFile::at(path.clone());
        log.torn = true;
        log.append("next", 1000, 1).unwrap();
        log.append("more", 1000, 1).unwrap();
        assert_eq!(
            fs::read_to_string(path).unwrap(),
            "whole\npar\nnext\nmore\n"
        );
    }

    #[test]
    fn a_file_that_cannot_be_rotated_goes_on_growing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        // A directory with something in it stands where the old file is to go.
        fs::create_dir_all(dir.path().join("a.log.1/x")).unwrap();
        let mut log = LogFile::at(path.clone());
        log.append("one", 4, 1).unwrap();
        assert!(matches!(
            log.append("two", 4, 1),
            Err(Trouble::NotRotated(_))
        ));
        assert_eq!(fs::read_to_string(path).unwrap(), "one\ntwo\n");
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
