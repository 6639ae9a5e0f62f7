//! The snapshot file: one JSON object that a person can read, checksummed to the last byte.
//!
//! ```text
//! {
//!   "what": "perps guard state",
//!   "format": 1,
//!   "schema_version": 1,
//!   "account": "...",
//!   "mode": "testnet",
//!   "written_at": "2026-11-24T10:44:20.123Z",
//!   "last_seq": 4711,
//!   "checksum": "crc32c:0f1e2d3c",
//!   "state": { ... }
//! }
//! ```
//! The checksum is taken over the whole file with its own eight digits as zeros, so an edit by hand
//! is found like a flipped bit.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{OpenError, StoreError};
use crate::filesystem::{EntryKind, FileSystem, remove_if_there};
use crate::paths::{StorePaths, UnixMs};
use crate::segment::in_words;

/// No snapshot of ours is longer.
pub(crate) const LIMIT_BYTES: u64 = 64 * 1024 * 1024;

const WHAT: &str = "perps guard state";
const FORMAT: u32 = 1;
const CHECKSUM_KEY: &[u8] = b"\"checksum\": \"crc32c:";
const CHECKSUM_DIGITS: usize = 8;

/// Whose state it is and which schema this program writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account at the venue.
    pub account: String,
    /// Testnet or whatever else there will be.
    pub mode: String,
    /// The newest schema version that the caller understands; the one that it writes.
    pub schema: u32,
}

/// A snapshot that was read and is sound.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Whose it is, and the schema version that its state was written under.
    pub identity: Identity,
    /// When it was written, as text.
    pub written_at: String,
    /// The last record whose effect is in the state.
    pub last_seq: u64,
    /// The state, as JSON.
    pub state: Box<RawValue>,
}

/// What was found where a snapshot belongs.
#[derive(Debug)]
pub(crate) enum Found {
    Missing,
    Good(Snapshot),
    Bad { reason: String, ours: bool },
}

#[derive(Serialize)]
struct Writing<'a, T> {
    what: &'a str,
    format: u32,
    schema_version: u32,
    account: &'a str,
    mode: &'a str,
    written_at: String,
    last_seq: u64,
    checksum: &'a str,
    state: &'a T,
}

#[derive(Deserialize)]
struct Reading {
    what: String,
    format: u32,
    schema_version: u32,
    account: String,
    mode: String,
    written_at: String,
    last_seq: u64,
    state: Box<RawValue>,
}

/// The bytes of a snapshot file.
pub(crate) fn encode<T: Serialize>(
    identity: &Identity,
    now: UnixMs,
    last_seq: u64,
    state: &T,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(&Writing {
        what: WHAT,
        format: FORMAT,
        schema_version: identity.schema,
        account: &identity.account,
        mode: &identity.mode,
        written_at: now.to_string(),
        last_seq,
        checksum: "crc32c:00000000",
        state,
    })?;
    bytes.push(b'\n');
    if let Some(at) = checksum_at(&bytes) {
        let digits = format!("{:08x}", crc32c::crc32c(&bytes));
        bytes[at..at + CHECKSUM_DIGITS].copy_from_slice(digits.as_bytes());
    }
    Ok(bytes)
}

/// Reads one snapshot file for inspection; `None` if there is none. Says in words what is wrong.
pub fn read_snapshot(
    fs: &dyn FileSystem,
    path: &Path,
) -> Result<Option<Result<Snapshot, String>>, OpenError> {
    Ok(match read(fs, path)? {
        Found::Missing => None,
        Found::Good(snapshot) => Some(Ok(snapshot)),
        Found::Bad { reason, ours: _ } => Some(Err(reason)),
    })
}

/// Writes a snapshot file of its own, a backup: under another name, synced, then named; replaces
/// what had the name.
pub fn write_snapshot<T: Serialize>(
    fs: &dyn FileSystem,
    path: &Path,
    identity: &Identity,
    now: UnixMs,
    last_seq: u64,
    state: &T,
) -> Result<(), StoreError> {
    let bytes =
        encode(identity, now, last_seq, state).map_err(|source| StoreError::Encode { source })?;
    let paths = StorePaths::new(path);
    let temporary = paths.temporary();
    let failed = |doing, path: &Path| {
        let path = path.to_path_buf();
        move |e| StoreError::mild(doing, path, e)
    };
    remove_if_there(fs, &temporary)?;
    let mut file = fs.create(&temporary).map_err(failed("make", &temporary))?;
    let written = file
        .write_at(&bytes, 0)
        .map_err(failed("write", &temporary))
        .and_then(|()| file.sync().map_err(failed("sync", &temporary)));
    if let Err(problem) = written {
        drop(file);
        // A part of a snapshot is of no use, and its room may be what is missing.
        remove_if_there(fs, &temporary).ok();
        return Err(problem);
    }
    fs.rename(&temporary, path)
        .map_err(failed("replace", path))?;
    fs.sync_dir(paths.dir())
        .map_err(failed("sync", paths.dir()))
}

/// Reads and checks one snapshot file.
pub(crate) fn read(fs: &dyn FileSystem, path: &Path) -> Result<Found, OpenError> {
    let Some(entry) = fs
        .look(path)
        .map_err(|e| OpenError::io("look at", path, e))?
    else {
        return Ok(Found::Missing);
    };
    if entry.kind != EntryKind::File {
        let what = in_words(entry.kind);
        return Err(OpenError::NotAFile {
            path: path.to_path_buf(),
            what,
        });
    }
    if entry.len > LIMIT_BYTES {
        let (bytes, limit) = (entry.len, LIMIT_BYTES);
        return Err(OpenError::TooBig {
            path: path.to_path_buf(),
            bytes,
            limit,
        });
    }
    if entry.mode & 0o022 != 0 {
        return Err(OpenError::Exposed {
            path: path.to_path_buf(),
            mode: entry.mode,
        });
    }
    let bytes = fs
        .read(path, LIMIT_BYTES)
        .map_err(|e| OpenError::io("read", path, e))?;
    match decode(&bytes) {
        Err(reason) => {
            let what = format!("\"{WHAT}\"");
            let ours = bytes.windows(what.len()).any(|w| w == what.as_bytes());
            Ok(Found::Bad { reason, ours })
        }
        Ok((format, _)) if format > FORMAT => Err(OpenError::Newer {
            path: path.to_path_buf(),
            what: "format",
            found: format,
            known: FORMAT,
        }),
        Ok((_, snapshot)) => Ok(Found::Good(snapshot)),
    }
}

/// Refuses a state of another account or mode, or of a newer schema.
pub fn admit(found: &Identity, wanted: &Identity, path: &Path) -> Result<(), OpenError> {
    for (what, has, wants) in [
        ("account", &found.account, &wanted.account),
        ("mode", &found.mode, &wanted.mode),
    ] {
        if has != wants {
            return Err(OpenError::Foreign {
                path: path.to_path_buf(),
                what,
                found: has.clone(),
                wanted: wants.clone(),
            });
        }
    }
    if found.schema > wanted.schema {
        return Err(OpenError::Newer {
            path: path.to_path_buf(),
            what: "schema",
            found: found.schema,
            known: wanted.schema,
        });
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<(u32, Snapshot), String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    let at = checksum_at(bytes).ok_or("it has no checksum")?;
    let (before, rest) = bytes.split_at(at);
    let (digits, after) = rest
        .split_at_checked(CHECKSUM_DIGITS)
        .ok_or("it is cut short")?;
    let crc = crc32c::crc32c(before);
    let crc = crc32c::crc32c_append(crc, &[b'0'; CHECKSUM_DIGITS]);
    let crc = crc32c::crc32c_append(crc, after);
    if format!("{crc:08x}").as_bytes() != digits {
        return Err("its checksum does not fit its content".to_owned());
    }
    let read: Reading =
        serde_json::from_slice(bytes).map_err(|e| format!("it is no state: {e}"))?;
    if read.what != WHAT {
        return Err(format!("it calls itself {:?}", read.what));
    }
    let snapshot = Snapshot {
        identity: Identity {
            account: read.account,
            mode: read.mode,
            schema: read.schema_version,
        },
        written_at: read.written_at,
        last_seq: read.last_seq,
        state: read.state,
    };
    Ok((read.format, snapshot))
}

/// Where the digits of the checksum begin. A quote inside a JSON string is escaped, so the key
/// cannot be found in an account's name; the key stands before the state.
fn checksum_at(bytes: &[u8]) -> Option<usize> {
    let found = bytes
        .windows(CHECKSUM_KEY.len())
        .position(|w| w == CHECKSUM_KEY)?;
    Some(found + CHECKSUM_KEY.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            account: "a \"checksum\": \"crc32c:".into(),
            mode: "testnet".into(),
            schema: 3,
        }
    }

    #[test]
    fn what_was_written_is_read_and_every_flipped_bit_is_found() {
        let state = serde_json::json!({"equity": "10081.12", "trips": [1, 2]});
        let bytes = encode(&identity(), UnixMs(0), 7, &state).unwrap();
        let (_, snapshot) = decode(&bytes).unwrap();
        assert_eq!(snapshot.identity, identity());
        assert_eq!(snapshot.last_seq, 7);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(snapshot.state.get()).unwrap(),
            state
        );
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(decode(&bad).is_err(), "byte {at} bit {bit}");
            }
            assert!(decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
