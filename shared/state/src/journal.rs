//! A whole journal, read without owning it.

use std::path::Path;

use crate::chain::{self, Tail};
use crate::error::OpenError;
use crate::filesystem::FileSystem;
use crate::segment::{FORMAT, LIMIT_BYTES, Scan, scan_all};

/// A journal as it stands, read without its lock and without changing anything.
#[derive(Debug)]
pub struct Journal {
    /// Every record that can be read and leads to the newest, in order, from the oldest that is
    /// kept.
    pub records: Tail,
    /// Whose it is.
    pub account: Option<String>,
    /// The number of the first record, if there is one.
    pub first_seq: Option<u64>,
    /// What is wrong with it, in words; `None` for a sound one. A torn end is sound.
    pub damage: Option<String>,
}

/// The number of a segment's first record, if its name is one of a segment and its head is sound.
pub fn first_record_of(fs: &dyn FileSystem, segment: &Path) -> Result<Option<u64>, OpenError> {
    let name = segment.file_name().and_then(|name| name.to_str());
    let ordinal = name
        .and_then(|name| name.strip_suffix(".seg"))
        .and_then(|digits| digits.parse::<u64>().ok());
    let Some(ordinal) = ordinal else {
        return Ok(None);
    };
    let bytes = fs
        .read_sparse(segment, LIMIT_BYTES)
        .map_err(|e| OpenError::io("read", segment, e))?;
    let scan = Scan::of(ordinal, segment.to_path_buf(), bytes);
    Ok(scan.head.map(|(_, first)| first))
}

/// Reads a journal for inspection or replay: `dir` is the journal's directory or an archive of one.
/// Its owner may be writing at the same time; what it has not finished is not seen.
pub fn read_journal(fs: &dyn FileSystem, dir: &Path) -> Result<Journal, OpenError> {
    let mut scans = scan_all(fs, dir)?;
    if let Some((head, _)) = scans
        .iter()
        .find_map(|s| s.head.as_ref().filter(|h| h.0.format > FORMAT))
    {
        return Err(OpenError::Newer {
            path: dir.to_path_buf(),
            what: "format",
            found: head.format,
            known: FORMAT,
        });
    }
    let is_anew = |s: &Scan| s.head.as_ref().is_some_and(|(head, _)| head.anew);
    if let Some(begins) = scans.iter().rposition(is_anew) {
        scans.drain(..begins);
    }
    let head = scans.iter().find_map(|s| s.head.as_ref());
    let (account, first) = head.map(|(h, first)| (h.account.clone(), *first)).unzip();
    let chain = chain::follow(&scans, first.unwrap_or(1).saturating_sub(1));
    let damage = chain.gap().map(|gap| gap.to_string());
    let records = Tail::new(scans, chain.picks);
    let first_seq = records.iter().next().map(|r| r.seq);
    Ok(Journal {
        records,
        account,
        first_seq,
        damage,
    })
}
