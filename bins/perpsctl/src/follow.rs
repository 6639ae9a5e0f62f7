//! A log file as it grows, also across rotation: whole lines only.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::failure::Failed;

/// Why a log cannot be shown.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failed {
    let name = path.display();
    if error.kind() != io::ErrorKind::NotFound {
        return Failed::new(format!("{name}: {error}"));
    }
    Failed::with(
        Exit::NotRunning,
        format!("{name}: no such file; has the supervisor run here? (--dir DIR)"),
    )
}

/// Whether a supervisor keeps its logs here and nothing has gone into this one.
pub(crate) fn is_empty_yet(path: &Path) -> bool {
    !path.exists() && path.parent().is_some_and(Path::is_dir)
}

/// An open file and its inode, which it keeps whatever its name becomes.
type Opened = (u64, BufReader<File>);

/// A file that is read to its end again and again.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    open: Option<Opened>,
    partial: String,
}

impl Follower {
    /// Begins at the start of the file, which need not be there yet.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: None,
            partial: String::new(),
        }
    }

    /// The lines that have come since the last call.
    pub(crate) fn news(&mut self) -> io::Result<Vec<String>> {
        let mut lines = self.drain()?;
        // More than one rotation may have gone by: one file after the other.
        while let Some(inode) = self.rotated()? {
            // Between the look and the rotation more may have been written.
            lines.extend(self.drain()?);
            let Some(next) = self.after(inode)? else {
                break;
            };
            self.open = Some(next);
            lines.extend(self.drain()?);
        }
        Ok(lines)
    }

    fn drain(&mut self) -> io::Result<Vec<String>> {
        if self.open.is_none() {
            self.open = open(&self.path)?;
        }
        let mut lines = Vec::new();
        while let Some((_, reader)) = &mut self.open {
            if reader.read_line(&mut self.partial)? == 0 {
                break;
            }
            if self.partial.ends_with('\n') {
                lines.push(self.partial.trim_end().to_owned());
                self.partial.clear();
            }
        }
        Ok(lines)
    }

    /// The file that came after the one with this inode; the oldest that is left where that one is
    /// gone, and the same from its start where it was cut short. `None` while it is being made.
    ///
    /// Files only ever move to higher numbers, the oldest first: while one stands at its number, the
    /// next lower number cannot have taken a younger file's place.
    fn after(&self, inode: u64) -> io::Result<Option<Opened>> {
        loop {
            let (place, oldest) = self.places(inode);
            let Some(place) = place else {
                return open(&self.numbered(oldest));
            };
            let next = open(&self.numbered(place.saturating_sub(1)))?;
            if inode_of(&self.numbered(place)) == Some(inode) {
                return Ok(next);
            }
        }
    }

    /// The number that the file with this inode has now, and the highest that any has.
    fn places(&self, inode: u64) -> (Option<u32>, u32) {
        let (mut oldest, mut missing) = (0, 0);
        for n in 0.. {
            match inode_of(&self.numbered(n)) {
                Some(found) if found == inode => return (Some(n), n),
                Some(_) => (oldest, missing) = (n, 0),
                // One number is free for a moment in the middle of a rotation.
                None if missing == 0 => missing = 1,
                None => break,
            }
        }
        (None, oldest)
    }

    /// The file's name after so many rotations.
    fn numbered(&self, n: u32) -> PathBuf {
        if n == 0 {
            return self.path.clone();
        }
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    }

    /// The inode of what is read, if another file stands under the name or the file was cut short.
    fn rotated(&mut self) -> io::Result<Option<u64>> {
        let Some((inode, reader)) = &mut self.open else {
            return Ok(None);
        };
        let position = reader.stream_position()?;
        match std::fs::metadata(&self.path) {
            Ok(there) if there.ino() != *inode || there.len() < position => Ok(Some(*inode)),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

fn inode_of(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|there| there.ino())
}

/// Opens a file that need not be there.
fn open(path: &Path) -> io::Result<Option<Opened>> {
    match File::open(path) {
        Ok(file) => Ok(Some((file.metadata()?.ino(), BufReader::new(file)))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The last lines of a file, without reading more than its end.
pub(crate) fn tail(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    const END: u64 = 1 << 20;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(END);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut all: Vec<&str> = text.lines().collect();
    if skipped > 0 && !all.is_empty() {
        all.remove(0);
    }
    let from = all.len().saturating_sub(lines);
    Ok(all
        .get(from..)
        .unwrap_or_default()
        .iter()
        .map(|line| (*line).to_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn follows_across_a_rotation_and_waits_for_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut follower = Follower::new(&path);
        assert!(follower.news().unwrap().is_empty(), "no file yet");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(follower.news().unwrap(), ["one"]);
        file.write_all(b"o\nthree\n").unwrap();
        std::fs::rename(&path, dir.path().join("a.log.1")).unwrap();
        std::fs::write(&path, "four\n").unwrap();
        assert_eq!(follower.news().unwrap(), ["two", "three", "four"]);
    }

    #[test]
    fn follows_across_several_rotations_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let old = |n: u32| dir.path().join(format!("a.log.{n}"));
        std::fs::write(&path, "one\n").unwrap();
        let mut follower = Follower::new(&path);
        assert_eq!(follower.news().unwrap(), ["one"]);
        // What was read last is now the third; two files came and went since.
        std::fs::rename(&path, old(3)).unwrap();
        std::fs::write(old(2), "two\n").unwrap();
        std::fs::write(old(1), "three\n").unwrap();
        std::fs::write(&path, "four\n").unwrap();
        assert_eq!(follower.news().unwrap(), ["two", "three", "four"]);
        assert!(follower.news().unwrap().is_empty());
        // The one that was read last is gone for good.
        std::fs::rename(&path, old(9)).unwrap();
        std::fs::remove_file(old(9)).unwrap();
        std::fs::remove_file(old(3)).unwrap();
        std::fs::write(old(2), "five\n").unwrap();
        std::fs::write(old(1), "six\n").unwrap();
        std::fs::write(&path, "seven\n").unwrap();
        assert_eq!(follower.news().unwrap(), ["five", "six", "seven"]);
    }

    #[test]
    fn nothing_is_missed_while_files_rotate_all_the_time() {
        const FILES: usize = 400;
        const EACH: usize = 5;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let old = |n: usize| dir.path().join(format!("a.log.{n}"));
        std::fs::write(&path, "it begins\n").unwrap();
        let mut follower = Follower::new(&path);
        assert_eq!(follower.news().unwrap(), ["it begins"]);
        let mut lines = Vec::new();
        std::thread::scope(|threads| {
            let writes = threads.spawn(|| {
                for file in 0..FILES {
                    for n in (1..=file).rev() {
                        std::fs::rename(old(n), old(n + 1)).unwrap();
                    }
                    std::fs::rename(&path, old(1)).unwrap();
                    let mut log = File::create_new(&path).unwrap();
                    for line in 0..EACH {
                        writeln!(log, "{}", file * EACH + line).unwrap();
                    }
                }
            });
            while !writes.is_finished() {
                lines.extend(follower.news().unwrap());
            }
        });
        lines.extend(follower.news().unwrap());
        let mut wanted = 0..FILES * EACH;
        for line in lines {
            assert_eq!(line, wanted.next().unwrap().to_string());
        }
        assert!(wanted.is_empty(), "{wanted:?} were missed");
    }

    #[test]
    fn the_tail_is_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&path, 2).unwrap(), ["two", "three"]);
        assert_eq!(tail(&path, 9).unwrap().len(), 3);
    }
}
