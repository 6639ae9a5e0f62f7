//! The lock of a deployment and its listening sockets, bound once and kept while children come and
//! go, so that clients queue instead of failing.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use daemon::deployment::Deployment;
use interprocess::local_socket::{GenericFilePath, Listener, ListenerOptions, ToFsName};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use nix::unistd::{AccessFlags, eaccess};
use protocol::Process;
use thiserror::Error;

/// Why a deployment cannot be occupied.
#[derive(Debug, Error)]
pub(crate) enum OccupyError {
    #[error("{what} {path}: is the directory writable for this user?")]
    Directory {
        what: &'static str,
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "another perps-supervisor (pid {holder}) runs in {dir}; stop it first, or choose another --dir"
    )]
    Taken { holder: String, dir: String },
    #[error("cannot bind {path}")]
    Bind {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Door(#[from] crate::bot_user::DoorError),
    #[error(transparent)]
    TooLong(#[from] daemon::deployment::PathTooLong),
}

/// The most digits that a process id has.
const PID_DIGITS: usize = 10;

/// The deployment is ours while this lives.
#[derive(Debug)]
pub(crate) struct Occupied {
    lock: File,
}

/// Makes the deployment's directories and takes the one lock.
pub(crate) fn occupy(deployment: &Deployment) -> Result<Occupied, OccupyError> {
    deployment.sockets_fit()?;
    for dir in [
        deployment.run_dir(),
        deployment.logs_dir(),
        deployment.data_dir(),
    ] {
        private_dir(&dir)?;
    }
    let path = deployment.lock();
    let problem = |source| OccupyError::Directory {
        what: "cannot open",
        path: path.display().to_string(),
        source,
    };
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(problem)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            lock.read_to_string(&mut holder).map_err(problem)?;
            let dir = deployment.dir().display().to_string();
            return Err(OccupyError::Taken {
                holder: holder.trim().to_owned(),
                dir,
            });
        }
        Err(TryLockError::Error(source)) => return Err(problem(source)),
    }
    // Of one length and in place: to cut a file off costs a transaction of the file system.
    lock.rewind().map_err(problem)?;
    writeln!(lock, "{:<PID_DIGITS$}", std::process::id()).map_err(problem)?;
    for (before, now) in deployment.moved() {
        if before.exists() && !now.exists() {
            fs::rename(&before, &now).map_err(|source| OccupyError::Directory {
                what: "cannot move what an earlier version kept in",
                path: before.display().to_string(),
                source,
            })?;
        }
        private_dir(&now)?;
    }
    Ok(Occupied { lock })
}

impl Occupied {
    /// Binds a process's socket, in place of one that a dead supervisor left.
    pub(crate) fn bind(
        &self,
        deployment: &Deployment,
        process: Process,
    ) -> Result<Option<UnixListener>, OccupyError> {
        let Some(path) = deployment.socket(process) else {
            return Ok(None);
        };
        let problem = |source| OccupyError::Bind {
            path: path.display().to_string(),
            source,
        };
        // The lock is held, so whoever bound this name is gone.
        debug_assert!(self.lock.metadata().is_ok());
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(problem(e)),
            Ok(()) | Err(_) => {}
        }
        let name = path
            .as_path()
            .to_fs_name::<GenericFilePath>()
            .map_err(problem)?;
        let bound = ListenerOptions::new()
            .name(name)
            .mode(0o600)
            .reclaim_name(false)
            .create_sync()
            .map_err(problem)?;
        let Listener::UdSocket(bound) = bound;
        Ok(Some(UnixListener::from(OwnedFd::from(bound))))
    }
}

/// Makes a directory that only its owner can enter; one that is there is left with its mode unless
/// others may enter it.
fn private_dir(path: &Path) -> Result<(), OccupyError> {
    let problem = |what| {
        move |source| OccupyError::Directory {
            what,
            path: path.display().to_string(),
            source,
        }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(problem("cannot make"))?;
    let mode = fs::metadata(path)
        .map_err(problem("cannot look at"))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 && path.ends_with("run") {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(problem("cannot close to others"))?;
    }
    eaccess(path, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|error| problem("cannot write in")(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(dir.path());
        let first = occupy(&deployment).unwrap();
        let told = occupy(&deployment).unwrap_err().to_string();
        assert!(told.contains(&std::process::id().to_string()), "{told}");
        drop(first);
        occupy(&deployment).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        if nix::unistd::geteuid().is_root() {
            // Root may write everywhere but on a read-only file system.
            let told = private_dir(Path::new("/proc/sys")).unwrap_err().to_string();
            assert!(told.contains("cannot write in /proc/sys"), "{told}");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("closed");
        DirBuilder::new().mode(0o500).create(&path).unwrap();
        let told = private_dir(&path).unwrap_err().to_string();
        assert!(told.contains("cannot write in"), "{told}");
    }

    #[test]
    fn what_an_earlier_version_kept_in_data_is_moved_once() {
        let dir = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(dir.path());
        let config = deployment.data_dir().join("config");
        let alerts = deployment.data_dir().join("alerts");
        for (before, file) in [(&config, "applied"), (&alerts, "spooled")] {
            fs::create_dir_all(before).unwrap();
            fs::write(before.join(file), file).unwrap();
        }
        drop(occupy(&deployment).unwrap());
        let read = |path| fs::read_to_string(path).unwrap();
        assert_eq!(read(deployment.applied_file()), "applied");
        assert_eq!(read(deployment.alerts_dir().join("spooled")), "spooled");
        assert!(!config.exists() && !alerts.exists());
        // Nothing that comes later goes over what is there now.
        fs::create_dir(&config).unwrap();
        fs::write(config.join("applied"), "old").unwrap();
        drop(occupy(&deployment).unwrap());
        assert_eq!(read(deployment.applied_file()), "applied");
    }

    #[test]
    fn sockets_are_bound_anew_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(dir.path());
        let held = occupy(&deployment).unwrap();
        for _ in 0..2 {
            let bound = held.bind(&deployment, Process::RiskGuard).unwrap();
            assert!(bound.is_some());
            let mode = fs::metadata(deployment.guard_socket())
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(held.bind(&deployment, Process::Bot).unwrap().is_none());
    }
}
