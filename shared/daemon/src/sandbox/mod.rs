//! A process locks itself up: what it never needs, it can no longer do.
//!
//! ```text
//!               new privileges  files written      files read    network   execute   signals out
//!  risk-guard   never           data/ (state)      state, configs never     never     never
//!  alerts       never           alerts/ (spool)    spool, system  yes       never     never
//!  gateway      never           none               all            yes       never     never
//!  bot          never           -                  -              yes       yes       never
//! ```
//! By Landlock (files, TCP, signals, other processes' memory and environment), seccomp (sockets) and
//! resource limits. What the kernel lacks is said and left out: the harness runs without it, as it
//! did before these existed. [`enter`] binds the calling thread and all that it starts, so it comes
//! first in `main`.
//!
//! What is granted is always a directory, never a file: a file that is replaced by a rename would
//! be another one.
//!
//! What this room does not do: sandbox the service as a whole (`systemd/` does), or judge what a
//! process may do over sockets that it was given.

mod files;
mod network;
mod privileges;

use std::path::{Path, PathBuf};

use crate::deployment::Deployment;

/// Where programs, their libraries and the names of users come from.
const SYSTEM: [&str; 9] = [
    "/usr",
    "/lib",
    "/lib64",
    "/proc",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/ld.so.cache",
    "/run/systemd/userdb",
];

/// What it takes besides to reach a host by name and to know its certificate.
const NETWORKED: [&str; 6] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/run/systemd/resolve",
];

/// Descriptors that a process of ours may hold at most.
const DESCRIPTORS_MOST: u64 = 4_096;

/// What a process may still do afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Directories in which it may do anything with files. `None`: files are not its limit.
    files: Option<Files>,
    network: bool,
    execute: bool,
    /// It holds keys: its memory goes into no core file and to no other process.
    secrets: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Files {
    write: Vec<PathBuf>,
    /// `None`: everything that its user may read.
    read: Option<Vec<PathBuf>>,
}

impl Rules {
    /// The guard: its state, the accepted configs, no network.
    pub fn of_guard(state_dir: &Path, configs: &Path) -> Self {
        Self {
            files: Some(Files {
                write: vec![state_dir.to_owned()],
                read: Some(system(&[]).chain([configs.to_owned()]).collect()),
            }),
            network: false,
            execute: false,
            secrets: false,
        }
    }

    /// The alert-forwarder: its spool; its sinks may speak to the network.
    pub fn of_alerts(deployment: &Deployment) -> Self {
        let read = system(&NETWORKED)
            .chain([deployment.config_dir()])
            .collect();
        Self {
            files: Some(Files {
                write: vec![deployment.alerts_dir()],
                read: Some(read),
            }),
            network: true,
            execute: false,
            secrets: false,
        }
    }

    /// The gateway: it writes no file, and nobody looks into it.
    pub fn of_gateway() -> Self {
        Self {
            files: Some(Files {
                write: Vec::new(),
                read: None,
            }),
            network: true,
            execute: false,
            secrets: true,
        }
    }

    /// A bot, whatever it is: it keeps its files and its network. It gains no privileges, signals
    /// nobody outside, and looks into no other process.
    pub const fn of_bot() -> Self {
        Self {
            files: None,
            network: true,
            execute: true,
            secrets: false,
        }
    }
}

fn system(more: &[&'static str]) -> impl Iterator<Item = PathBuf> {
    let all: Vec<&'static str> = SYSTEM.iter().chain(more).copied().collect();
    all.into_iter().map(PathBuf::from)
}

/// What holds from now on, and what this kernel does not give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// In force.
    pub holds: Vec<String>,
    /// Not in force, and why.
    pub lacks: Vec<String>,
}

impl Held {
    fn note(&mut self, what: &str, done: Result<(), String>) {
        match done {
            Ok(()) => self.holds.push(what.to_owned()),
            Err(why) => self.lacks.push(format!("{what}: {why}")),
        }
    }

    /// Says it in the log.
    pub fn tell(&self) {
        tracing::info!("locked up: {}", self.holds.join(", "));
        for lack in &self.lacks {
            tracing::warn!("not locked up as far as it could be: {lack}");
        }
    }
}

/// Locks the calling thread, and whatever it starts, up for good.
pub fn enter(rules: &Rules) -> Held {
    let mut held = Held::default();
    held.note("no new privileges", privileges::give_up());
    held.note("no core file", privileges::no_core());
    held.note(
        "few descriptors",
        privileges::few_descriptors(DESCRIPTORS_MOST),
    );
    if rules.secrets {
        held.note("memory kept from others", privileges::hide_memory());
    }
    match files::restrict(rules) {
        Ok(abi) => held.holds.push(format!("Landlock {abi}")),
        Err(why) => held.lacks.push(format!("Landlock: {why}")),
    }
    if !rules.network {
        held.note("no network", network::forbid());
    }
    held
}

#[cfg(test)]
mod tests;
