//! One file of the spool: lines in, lines out, and what a crash may have left at its end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::Alert;
use serde::{Deserialize, Serialize};

use super::{Entry, Findings, SpoolError};

#[derive(Serialize)]
struct LineOut<'a> {
    seq: u64,
    alert: &'a Alert,
}

#[derive(Deserialize)]
struct LineIn {
    seq: u64,
    alert: Alert,
}

/// One file, open for appending once it is needed.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The number in its name.
    pub(super) first: u64,
    /// The newest alert in it; one less than `first` while it is empty.
    pub(super) last: u64,
    /// Bytes that are known to be whole lines.
    pub(super) bytes: u64,
    /// All of it is durable: whoever wrote what was only read may have died before its sync.
    pub(super) proven: bool,
    file: Option<File>,
}

impl Segment {
    /// Makes an empty file, its name durable.
    pub(super) fn create(dir: &Path, first: u64) -> Result<Self, SpoolError> {
        let path = dir.join(format!("spool-{first:016}.ndjson"));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(SpoolError::io("make", &path))?;
        File::open(dir)
            .and_then(|d| d.sync_all())
            .map_err(SpoolError::io("sync", dir))?;
        Ok(Self {
            path,
            first,
            last: first.saturating_sub(1),
            bytes: 0,
            proven: true,
            file: Some(file),
        })
    }

    /// Reads the alerts of a file with numbers below `end`. A damaged line is left out and told;
    /// each line stands for itself.
    pub(super) fn read(
        path: &Path,
        end: Option<u64>,
        findings: &mut Findings,
    ) -> Result<(Self, Vec<Entry>), SpoolError> {
        let text = fs::read(path).map_err(SpoolError::io("read", path))?;
        let first = number(path).unwrap_or(0);
        let mut entries: Vec<Entry> = Vec::new();
        let mut last = first.saturating_sub(1);
        let mut whole = 0_usize;
        for (n, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
            let place = || format!("{}:{}", path.display(), n.saturating_add(1));
            let Some(content) = line.strip_suffix(b"\n") else {
                findings.push(format!("{}: a torn last line was dropped", place()));
                break;
            };
            whole = whole.saturating_add(line.len());
            match serde_json::from_slice::<LineIn>(content) {
                Ok(line) if end.is_some_and(|end| line.seq >= end) => {}
                Ok(LineIn { seq, alert }) if seq > last => {
                    last = seq;
                    entries.push(Entry {
                        seq,
                        alert: Arc::new(alert),
                        bytes: content.len(),
                    });
                }
                Ok(line) => {
                    findings.push(format!(
                        "{}: number {} out of order, left out",
                        place(),
                        line.seq
                    ));
                }
                Err(e) => findings.push(format!("{}: left out, not an alert: {e}", place())),
            }
        }
        let bytes = u64::try_from(whole).unwrap_or(u64::MAX);
        Ok((
            Self {
                path: path.to_owned(),
                first,
                last,
                bytes,
                proven: false,
                file: None,
            },
            entries,
        ))
    }

    /// Cuts off a torn last line, so that the next one does not grow together with it.
    pub(super) fn trim(&mut self) -> Result<(), SpoolError> {
        let bytes = self.bytes;
        let file = self.open()?;
        let torn = file.metadata().map(|file| file.len() > bytes);
        let cut = torn.and_then(|torn| if torn { file.set_len(bytes) } else { Ok(()) });
        cut.map_err(SpoolError::io("trim", &self.path))
    }

    /// Makes what was read durable, unless something appended since has.
    pub(super) fn prove(&mut self) -> Result<(), SpoolError> {
        if !self.proven {
            let synced = self.open()?.sync_data();
            synced.map_err(SpoolError::io("sync", &self.path))?;
            self.proven = true;
        }
        Ok(())
    }

    /// Appends whole lines and makes them durable. On failure the file is cut back if it can be.
    pub(super) fn append(&mut self, lines: &[u8], entries: &[Entry]) -> Result<(), SpoolError> {
        let file = self.open()?;
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        if let Err(error) = written {
            self.discard_tail();
            return Err(SpoolError::io("append to", &self.path)(error));
        }
        self.proven = true;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        self.last = entries.last().map_or(self.last, |entry| entry.seq);
        Ok(())
    }

    /// Cuts the file back to its whole lines, if the system lets us; a reader leaves them out
    /// otherwise.
    fn discard_tail(&mut self) {
        if let Some(file) = &self.file
            && let Err(error) = file.set_len(self.bytes)
        {
            tracing::debug!(path = %self.path.display(), %error, "could not cut a torn line off");
        }
    }

    fn open(&mut self) -> Result<&mut File, SpoolError> {
        if self.file.is_none() {
            let file = OpenOptions::new()
                .append(true)
                .open(&self.path)
                .map_err(SpoolError::io("open", &self.path))?;
            self.file = Some(file);
        }
        self.file
            .as_mut()
            .ok_or_else(|| SpoolError::io("open", &self.path)(io::ErrorKind::NotFound.into()))
    }
}

/// The lines of these alerts, numbered from `first`.
pub(super) fn encode(first: u64, alerts: &[&Alert]) -> Result<(Vec<u8>, Vec<Entry>), SpoolError> {
    let mut lines = Vec::new();
    let mut entries = Vec::with_capacity(alerts.len());
    for (seq, alert) in (first..).zip(alerts) {
        let start = lines.len();
        serde_json::to_writer(&mut lines, &LineOut { seq, alert })
            .map_err(|source| SpoolError::Encode { source })?;
        lines.push(b'\n');
        let bytes = lines.len().saturating_sub(start);
        entries.push(Entry {
            seq,
            alert: Arc::new((*alert).clone()),
            bytes,
        });
    }
    Ok((lines, entries))
}

/// The files of a directory, oldest first.
pub(super) fn paths(dir: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let list = fs::read_dir(dir).map_err(SpoolError::io("list", dir))?;
    let mut found = Vec::new();
    for entry in list {
        let path = entry.map_err(SpoolError::io("list", dir))?.path();
        if let Some(first) = number(&path) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The number in the name of a spool file; `None` for any other file.
pub(super) fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("spool-")?
        .strip_suffix(".ndjson")?
        .parse()
        .ok()
}
