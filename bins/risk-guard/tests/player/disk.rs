//! A small file system of its own for a test, in memory; and a world in which it may be mounted.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set for a test that runs in a user namespace.
const INSIDE: &str = "PERPS_TEST_NAMESPACE";

/// A mounted tmpfs; unmounted when dropped.
pub(crate) struct SmallDisk {
    at: PathBuf,
}

/// What a test is to do that needs a mount.
pub(crate) enum Mounted {
    /// Go on with this one.
    Here(SmallDisk),
    /// Nothing: it was run elsewhere, or cannot run here, which was said.
    Done,
}

impl SmallDisk {
    /// Mounts a file system of this size at `at`. Where that takes root and there is none, the test
    /// `name` runs again in a user namespace of its own, and must succeed there.
    #[allow(clippy::disallowed_methods, reason = "a test starts what it needs")]
    pub(crate) fn mount(at: &Path, size: &str, name: &str) -> Mounted {
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            return Mounted::Here(Self { at: at.to_owned() });
        }
        let possible = std::env::var(INSIDE).is_err()
            && Command::new("unshare")
                .args(["--user", "--map-root-user", "--mount", "true"])
                .output()
                .is_ok_and(|output| output.status.success());
        if !possible {
            println!(
                "SKIPPED: no file system can be mounted here, neither as root nor in a user namespace"
            );
            return Mounted::Done;
        }
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "in a user namespace: {text}");
        assert!(text.contains("1 passed"), "{text}");
        Mounted::Done
    }

    /// Mounts it anew, read-only.
    #[allow(clippy::disallowed_methods, reason = "a test starts what it needs")]
    pub(crate) fn make_read_only(&self) {
        let output = Command::new("mount")
            .args(["-o", "remount,bind,ro"])
            .arg(&self.at)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Leaves no room.
    pub(crate) fn fill(&self) {
        let mut ballast = fs::File::create(self.at.join("ballast")).unwrap();
        let block = vec![1; 4096];
        while ballast.write_all(&block).is_ok() {}
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    #[allow(clippy::disallowed_methods, reason = "a test starts what it needs")]
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.at).output());
    }
}
