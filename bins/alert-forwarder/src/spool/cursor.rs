//! How far a sink is, in a file of its own that is replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Findings, SpoolError};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Cursor {
    version: u32,
    sink: String,
    taken_through: u64,
}

/// The number of the last alert that this sink took; 0 for a new sink. A damaged file counts as
/// none, and is told: a repeat is better than a gap.
pub(crate) fn read_cursor(
    dir: &Path,
    sink: &str,
    findings: &mut Findings,
) -> Result<u64, SpoolError> {
    let path = path(dir, sink);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(SpoolError::io("read", &path)(e)),
    };
    match serde_json::from_slice::<Cursor>(&text) {
        Ok(cursor) if cursor.version > VERSION => Err(SpoolError::Newer {
            path,
            found: cursor.version,
        }),
        Ok(cursor) if cursor.sink == sink => Ok(cursor.taken_through),
        Ok(cursor) => {
            findings.push(format!(
                "{} is the cursor of {}, not of {sink}; everything kept is delivered again",
                path.display(),
                cursor.sink
            ));
            Ok(0)
        }
        Err(e) => {
            findings.push(format!(
                "{} is no cursor ({e}); everything kept is delivered again",
                path.display()
            ));
            Ok(0)
        }
    }
}

/// Writes how far a sink is, durably.
pub(crate) fn write_cursor(dir: &Path, sink: &str, taken_through: u64) -> Result<(), SpoolError> {
    let path = path(dir, sink);
    let temporary = path.with_extension("json.tmp");
    let cursor = Cursor {
        version: VERSION,
        sink: sink.to_owned(),
        taken_through,
    };
    let text = serde_json::to_vec(&cursor).map_err(|source| SpoolError::Encode { source })?;
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&text)?;
        file.sync_data()?;
        fs::rename(&temporary, &path)?;
        File::open(dir)?.sync_all()
    };
    written().map_err(SpoolError::io("replace", &path))
}

fn path(dir: &Path, sink: &str) -> PathBuf {
    dir.join(format!("cursor-{sink}.json"))
}
