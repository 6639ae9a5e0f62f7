//! The real file system.

use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use crate::filesystem::{Entry, EntryKind, File, FileSystem, Lock, LockRefused};
use crate::sparse::Sparse;

const OWNER_ONLY_FILE: u32 = 0o600;
const OWNER_ONLY_DIR: u32 = 0o700;
/// What a lock file says of its holder, filled up with blanks.
const HOLDER_BYTES: usize = 79;

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

struct DiskFile(fs::File);

struct DiskLock {
    /// Closing it gives the lock back; the file itself stays, so that nobody can hold a lock on a
    /// name that is gone.
    _file: fs::File,
}

impl Lock for DiskLock {}

/// Up to a byte more than the limit, and about how many there will be.
fn open_to_read(path: &Path, limit: u64) -> io::Result<(io::Take<fs::File>, usize)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    let expected = file.metadata()?.len().min(limit);
    let expected = usize::try_from(expected).unwrap_or(0);
    Ok((file.take(limit.saturating_add(1)), expected))
}

fn within(length: usize, limit: u64) -> io::Result<()> {
    if u64::try_from(length).is_ok_and(|length| length <= limit) {
        Ok(())
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

impl File for DiskFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl FileSystem for Disk {
    fn look(&self, path: &Path) -> io::Result<Option<Entry>> {
        let meta = match fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let kind = if meta.is_file() {
            EntryKind::File
        } else if meta.is_dir() {
            EntryKind::Directory
        } else if meta.is_symlink() {
            EntryKind::Symlink
        } else {
            EntryKind::Other
        };
        Ok(Some(Entry {
            kind,
            len: meta.len(),
            mode: meta.mode() & 0o7777,
            inode: meta.ino(),
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let (mut file, expected) = open_to_read(path, limit)?;
        let mut bytes = Vec::with_capacity(expected);
        file.read_to_end(&mut bytes)?;
        within(bytes.len(), limit)?;
        Ok(bytes)
    }

    fn read_sparse(&self, path: &Path, limit: u64) -> io::Result<Sparse> {
        let (file, expected) = open_to_read(path, limit)?;
        let read = Sparse::read(file, expected)?;
        within(read.bytes.len(), limit)?;
        Ok(read)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(OWNER_ONLY_DIR).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(OWNER_ONLY_FILE)
            .open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn Lock>, LockRefused> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWNER_ONLY_FILE)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(path)
            .map_err(LockRefused::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                let read = (&mut file).take(200).read_to_string(&mut by);
                let by = if read.is_ok() { by.trim() } else { "" };
                let by = if by.is_empty() {
                    "an unknown process"
                } else {
                    by
                };
                return Err(LockRefused::Held(by.to_owned()));
            }
            Err(TryLockError::Error(e)) => return Err(LockRefused::Io(e)),
        }
        // Of one length and in place: to cut a file off costs a transaction of the file system.
        let line = format!("{holder:<HOLDER_BYTES$}\n");
        let longer = file.metadata().map_err(LockRefused::Io)?.len() > line.len() as u64;
        let cut = if longer { file.set_len(0) } else { Ok(()) };
        cut.and_then(|()| file.write_all_at(line.as_bytes(), 0))
            .map_err(LockRefused::Io)?;
        Ok(Box::new(DiskLock { _file: file }))
    }
}
