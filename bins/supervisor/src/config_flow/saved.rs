//! What the file system tells of a save: the content, whether it is still going on, and by whom.

use daemon::user;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::libc;

use super::Seen;

/// Looks at the file.
pub(crate) fn look(path: &Path) -> Seen {
    let read = File::open(path).and_then(|mut file| {
        // Asked before and after: what was closed in between has a hint of its own on the way.
        let before = is_open_for_writing(&file);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok((bytes, before || is_open_for_writing(&file)))
    });
    match read {
        Ok((bytes, being_written)) => Seen {
            bytes: Some(bytes),
            being_written,
        },
        Err(_) => Seen {
            bytes: None,
            being_written: false,
        },
    }
}

/// Whether anybody has the file open for writing. Where the kernel does not tell (a file of another
/// user, a network disk) the quiet spell alone must do.
///
/// A read lease is granted only on a file that nobody has open for writing (fcntl(2)); it is given
/// back at once. Whoever opens the file meanwhile makes the kernel send SIGIO, which `run` takes.
#[expect(unsafe_code, reason = "nix has no leases")]
fn is_open_for_writing(file: &File) -> bool {
    // SAFETY: both calls take a descriptor that `file` keeps open, and an integer.
    let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
    if asked == 0 {
        // SAFETY: as above.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
        return false;
    }
    nix::errno::Errno::last() == nix::errno::Errno::EAGAIN
}

/// What is known of who saved the file, in words: its owner and when it was last written. An
/// in-place save keeps the owner, so this is a trace, no proof.
pub(crate) fn by_whom(path: &Path) -> String {
    std::fs::metadata(path).map_or_else(|_| "nobody knows: it is gone".to_owned(), |m| in_words(&m))
}

fn in_words(file: &Metadata) -> String {
    let uid = file.uid();
    let written = jiff::Timestamp::from_second(file.mtime())
        .map_or_else(|_| "?".to_owned(), |at| at.to_string());
    format!("{}, written {written}", user::in_words(uid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[tokio::test]
    async fn a_writer_is_seen_until_it_closes() {
        use tokio::signal::unix::{SignalKind, signal};
        let _breaks = signal(SignalKind::io()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.yaml");
        let mut writer = File::create(&path).unwrap();
        writer.write_all(b"half").unwrap();
        let seen = look(&path);
        assert_eq!(seen.bytes.as_deref(), Some(&b"half"[..]));
        if !seen.being_written {
            println!("this file system tells nothing of writers");
            return;
        }
        drop(writer);
        assert!(!look(&path).being_written);
    }

    #[test]
    fn a_save_has_an_owner_and_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.yaml");
        std::fs::write(&path, "x").unwrap();
        let words = by_whom(&path);
        let uid = nix::unistd::geteuid().as_raw();
        assert!(
            words.contains(&format!("uid {uid}")) && words.contains("written 2"),
            "{words}"
        );
        assert!(look(&dir.path().join("none")).bytes.is_none());
    }
}
