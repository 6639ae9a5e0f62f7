//! Setting an old state aside under a name with a time, without taking it from where it stands.
//!
//! The archive holds second names (hard links) of the same files. So there is no moment in which a
//! crash finds half of the state here and half there, and the original goes only when the new
//! snapshot has replaced it.

use std::path::PathBuf;

use crate::error::OpenError;
use crate::filesystem::FileSystem;
use crate::paths::{StorePaths, UnixMs};
use crate::segment::Scan;

/// Archives the snapshots that are there and every segment that was read; returns the directory.
pub(crate) fn archive(
    fs: &dyn FileSystem,
    paths: &StorePaths,
    scans: &[Scan],
    now: UnixMs,
) -> Result<PathBuf, OpenError> {
    let mut attempt = 0;
    let mut dir = paths.archive(now, attempt);
    while fs
        .look(&dir)
        .map_err(|e| OpenError::io("look at", &dir, e))?
        .is_some()
    {
        attempt += 1;
        dir = paths.archive(now, attempt);
    }
    fs.create_dir(&dir)
        .map_err(|e| OpenError::io("make the directory", &dir, e))?;
    let files = [paths.snapshot().to_path_buf(), paths.previous()];
    for path in files.iter().chain(scans.iter().map(|s| &s.path)) {
        let there = fs
            .look(path)
            .map_err(|e| OpenError::io("look at", path, e))?;
        if let (Some(_), Some(name)) = (there, path.file_name()) {
            let to = dir.join(name);
            fs.link(path, &to)
                .map_err(|e| OpenError::io("archive", path, e))?;
        }
    }
    fs.sync_dir(&dir)
        .map_err(|e| OpenError::io("sync", &dir, e))?;
    fs.sync_dir(paths.dir())
        .map_err(|e| OpenError::io("sync", paths.dir(), e))?;
    Ok(dir)
}
