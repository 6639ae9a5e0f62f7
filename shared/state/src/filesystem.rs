//! The narrow interface through which the store touches files.
//!
//! Everything durable goes through [`FileSystem`], so that a test can stand in for the disk, cut
//! the power between any two calls, tear a write at any byte and fail any call. The real one is
//! [`crate::Disk`].

use std::io;
use std::path::Path;

use crate::error::StoreError;
use crate::sparse::Sparse;

/// What stands at a path, not following a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// File, directory or something else.
    pub kind: EntryKind,
    /// Bytes, for a file.
    pub len: u64,
    /// Permission bits.
    pub mode: u32,
    /// Which file it is, whatever its name.
    pub inode: u64,
}

/// The kind of an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, a pipe, a device.
    Other,
}

/// Why a lock was not granted.
#[derive(Debug)]
pub enum LockRefused {
    /// Somebody else holds it: what they wrote into it.
    Held(String),
    /// It could not be tried.
    Io(io::Error),
}

/// A lock that is held until it is dropped.
pub trait Lock: Send {}

/// An open file.
pub trait File: Send {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written so far durable (`fdatasync`).
    fn sync(&mut self) -> io::Result<()>;
}

/// The file work that the store needs, and no more.
pub trait FileSystem: Send {
    /// What stands at `path`; `None` if nothing does.
    fn look(&self, path: &Path) -> io::Result<Option<Entry>>;
    /// The names in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// The whole of a file; an error if it is longer than `limit` bytes.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
    /// The same of a file that is mostly zeros.
    fn read_sparse(&self, path: &Path, limit: u64) -> io::Result<Sparse> {
        let bytes = self.read(path, limit)?;
        Sparse::read(bytes.as_slice(), bytes.len())
    }
    /// Makes a directory that only its owner may enter (0700).
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a file that only its owner may read (0600); an error if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Opens a file that is there for writing, not following a symbolic link.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file one more name; an error if it is taken.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a name away.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the exclusive lock on the file at `path`, made if need be, and writes `holder` into it.
    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn Lock>, LockRefused>;
}

/// Removes a file that need not be there.
pub(crate) fn remove_if_there(fs: &dyn FileSystem, path: &Path) -> Result<(), StoreError> {
    match fs.remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::mild("remove", path, e)),
        Ok(()) | Err(_) => Ok(()),
    }
}
