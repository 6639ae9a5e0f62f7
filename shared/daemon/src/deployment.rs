//! Where everything of one deployment lies. The one place that knows these names.

use std::path::{Path, PathBuf};

use protocol::{Generation, Process};
use thiserror::Error;

/// The longest path that a Unix socket can be bound to on Linux (`sun_path`, less its final zero).
const SOCKET_PATH_MOST: usize = 107;

/// One deployment's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    dir: PathBuf,
}

/// The directory's name is too long for the sockets in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{path} has {length} bytes, a Unix socket's path at most {SOCKET_PATH_MOST}: choose a shorter --dir"
)]
pub struct PathTooLong {
    path: String,
    length: usize,
}

impl Deployment {
    /// The deployment in this directory.
    pub fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `run/`: sockets and the lock; 0700.
    pub fn run_dir(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// `logs/`: one file a process, and `trading.log`.
    pub fn logs_dir(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// `data/`: state, spool and config generations.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// `run/supervisor.lock`: held while a supervisor lives here.
    pub fn lock(&self) -> PathBuf {
        self.run_dir().join("supervisor.lock")
    }

    /// `run/supervisor.sock`.
    pub fn supervisor_socket(&self) -> PathBuf {
        self.run_dir().join("supervisor.sock")
    }

    /// `run/guard.sock`.
    pub fn guard_socket(&self) -> PathBuf {
        self.run_dir().join("guard.sock")
    }

    /// `run/gateway.sock`.
    pub fn gateway_socket(&self) -> PathBuf {
        self.run_dir().join("gateway.sock")
    }

    /// `run/alerts.sock`.
    pub fn alerts_socket(&self) -> PathBuf {
        self.run_dir().join("alerts.sock")
    }

    /// The socket a process listens on; `None` for the bot.
    pub fn socket(&self, process: Process) -> Option<PathBuf> {
        match process {
            Process::Supervisor => Some(self.supervisor_socket()),
            Process::AlertForwarder => Some(self.alerts_socket()),
            Process::RiskGuard => Some(self.guard_socket()),
            Process::Gateway => Some(self.gateway_socket()),
            Process::Bot => None,
        }
    }

    /// Whether every socket's path fits the kernel's limit.
    pub fn sockets_fit(&self) -> Result<(), PathTooLong> {
        for path in Process::ALL
            .into_iter()
            .filter_map(|process| self.socket(process))
        {
            let length = path.as_os_str().len();
            if length > SOCKET_PATH_MOST {
                return Err(PathTooLong {
                    path: path.display().to_string(),
                    length,
                });
            }
        }
        Ok(())
    }

    /// `logs/<process>.log`.
    pub fn log(&self, process: Process) -> PathBuf {
        self.logs_dir().join(format!("{process}.log"))
    }

    /// `logs/trading.log`: every safety event, alert and order, unless the config puts it elsewhere.
    pub fn trading_log(&self) -> PathBuf {
        self.logs_dir().join("trading.log")
    }

    /// `data/alerts/`: the alert-forwarder's spool.
    pub fn alerts_dir(&self) -> PathBuf {
        self.data_dir().join("alerts")
    }

    /// `data/config/`: the accepted config generations.
    pub fn config_dir(&self) -> PathBuf {
        self.data_dir().join("config")
    }

    /// `data/config/g000017.yaml`: one accepted config, never changed once it is there.
    pub fn generation_file(&self, generation: Generation) -> PathBuf {
        self.config_dir().join(format!("g{:06}.yaml", generation.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_too_deep_for_sockets_is_told() {
        assert!(Deployment::at(Path::new("here")).sockets_fit().is_ok());
        let deep = "d".repeat(100);
        let told = Deployment::at(Path::new(&deep))
            .sockets_fit()
            .unwrap_err()
            .to_string();
        assert!(told.contains("107") && told.contains("--dir"), "{told}");
    }
}
