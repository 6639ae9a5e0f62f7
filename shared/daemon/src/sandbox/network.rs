//! No network, by seccomp: of all sockets only those of the Unix family can be made.
//!
//! Landlock alone would leave UDP, and kernels before 6.7 nothing at all. `io_uring` could make
//! sockets past the filter, so it is refused as well.

use std::collections::BTreeMap;

use nix::libc::{AF_UNIX, EACCES, SYS_io_uring_setup, SYS_socket, SYS_socketpair};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// Forbids this thread, and what it starts, every socket but a Unix one.
pub(super) fn forbid() -> Result<(), String> {
    filter()
        .and_then(|filter| seccompiler::apply_filter(&filter))
        .map_err(|error| error.to_string())
}

fn filter() -> Result<BpfProgram, Error> {
    let family = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Ne,
        u64::from(AF_UNIX.unsigned_abs()),
    )?;
    let not_unix = SeccompRule::new(vec![family])?;
    let rules = BTreeMap::from([
        (SYS_socket, vec![not_unix.clone()]),
        (SYS_socketpair, vec![not_unix]),
        (SYS_io_uring_setup, Vec::new()),
    ]);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(EACCES.unsigned_abs()),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}
