//! What a process gives up by a word to the kernel: privileges, core files, descriptors.

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// No program that it might run gains anything by set-user-id or file capabilities.
pub(super) fn give_up() -> Result<(), String> {
    prctl::set_no_new_privs().map_err(|error| error.to_string())
}

/// A crash writes no memory to a disk.
pub(super) fn no_core() -> Result<(), String> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(|error| error.to_string())
}

/// At most so many open files and sockets; fewer if it had fewer.
pub(super) fn few_descriptors(most: u64) -> Result<(), String> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| error.to_string())?;
    let most = most.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(|error| error.to_string())
}

/// No process of the same user can read its memory or environment, and no core handler gets it.
pub(super) fn hide_memory() -> Result<(), String> {
    prctl::set_dumpable(false).map_err(|error| error.to_string())
}
