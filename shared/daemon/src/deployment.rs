//! Where everything of one deployment lies. The one place that knows these names.
//!
//! A deployment is one directory that holds run/, logs/, data/, alerts/ and accepted/. Under a service manager that
//! hands out directories of its own for each purpose (systemd's `StateDirectory=` and its like), the
//! deployment is the state directory, and run/ and logs/ are links that lead to the others: every
//! path in a config, a document and an operator's habit means the same in both worlds.

use std::io;
use std::path::{Path, PathBuf};

use protocol::{Generation, Process};
use thiserror::Error;

use crate::environment;

/// Where the packaged service keeps the deployment of each account.
const INSTANCES: &str = "/var/lib/perps";

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

/// The directories that a service manager has made for this service; empty outside one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assigned {
    /// systemd's `StateDirectory=`.
    pub state: Option<PathBuf>,
    /// systemd's `RuntimeDirectory=`.
    pub runtime: Option<PathBuf>,
    /// systemd's `LogsDirectory=`.
    pub logs: Option<PathBuf>,
}

impl Assigned {
    /// What the environment says (systemd.exec, "`RuntimeDirectory=`"). The first of several counts.
    pub fn from_environment() -> Self {
        let first = |name| {
            let all = environment::text(name)?;
            all.split(':').next().map(PathBuf::from)
        };
        Self {
            state: first("STATE_DIRECTORY"),
            runtime: first("RUNTIME_DIRECTORY"),
            logs: first("LOGS_DIRECTORY"),
        }
    }
}

/// No name of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no name of an instance: letters, digits, '-', '_', ':' and '.', as in perps@demo.service"
)]
pub struct NoInstance(String);

impl Deployment {
    /// The directory of an instance of the packaged service, such as `demo` of `perps@demo.service`.
    pub fn dir_of_instance(name: &str) -> Result<PathBuf, NoInstance> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
            return Err(NoInstance(name.to_owned()));
        }
        Ok(Path::new(INSTANCES).join(name))
    }

    /// Lets run/ and logs/ lead to the directories that the service manager has made, if this
    /// deployment is the service's. A real directory that is there already stays and is used.
    pub fn adopt(&self, assigned: &Assigned) -> io::Result<()> {
        let real = |path: &Path| path.canonicalize().ok();
        let state = assigned.state.as_deref().and_then(real);
        if state.is_none() || state != real(&self.dir) {
            return Ok(());
        }
        for (ours, theirs) in [
            (self.run_dir(), &assigned.runtime),
            (self.logs_dir(), &assigned.logs),
        ] {
            if let Some(theirs) = theirs {
                lead(&ours, theirs)?;
            }
        }
        Ok(())
    }

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

    /// `run/`: sockets and the lock; 0700, or 0711 where somebody else comes in at a socket.
    pub fn run_dir(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// `logs/`: one file a process, and `trading.log`.
    pub fn logs_dir(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// `data/`: the guard's state, and nothing else: what is granted to a process is a directory
    /// with all that is below it.
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
        Self::gateway_socket_in(&self.run_dir())
    }

    /// `gateway.sock` of a run/ that is known by another name.
    pub fn gateway_socket_in(run: &Path) -> PathBuf {
        run.join("gateway.sock")
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

    /// Where earlier versions kept the directories of others below data/, and where they are now.
    pub fn moved(&self) -> [(PathBuf, PathBuf); 2] {
        [
            (self.data_dir().join("alerts"), self.alerts_dir()),
            (self.data_dir().join("config"), self.config_dir()),
        ]
    }

    /// `alerts/`: the alert-forwarder's spool.
    pub fn alerts_dir(&self) -> PathBuf {
        self.dir.join("alerts")
    }

    /// `accepted/`: the accepted config generations.
    pub fn config_dir(&self) -> PathBuf {
        self.dir.join("accepted")
    }

    /// `accepted/applied`: the number of the generation in force.
    pub fn applied_file(&self) -> PathBuf {
        self.config_dir().join("applied")
    }

    /// `accepted/history.jsonl`: what became of each edit, one JSON object a line.
    pub fn config_history(&self) -> PathBuf {
        self.config_dir().join("history.jsonl")
    }

    /// `accepted/g000017.yaml`: one accepted config, never changed once it is there.
    pub fn generation_file(&self, generation: Generation) -> PathBuf {
        self.config_dir().join(format!("g{:06}.yaml", generation.0))
    }
}

/// Makes `from` a link to `to`, in place of an older link.
fn lead(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(from) {
        Ok(there) if !there.file_type().is_symlink() => return Ok(()),
        Ok(_) if std::fs::read_link(from)? == to => return Ok(()),
        Ok(_) => std::fs::remove_file(from)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::os::unix::fs::symlink(to, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(base: &Path) -> Assigned {
        let made = |name: &str| {
            let path = base.join(name);
            std::fs::create_dir_all(&path).unwrap();
            Some(path)
        };
        Assigned {
            state: made("state"),
            runtime: made("runtime"),
            logs: made("logs"),
        }
    }

    #[test]
    fn run_and_logs_of_a_service_lead_to_its_own_directories() {
        let base = tempfile::tempdir().unwrap();
        let assigned = assigned(base.path());
        let deployment = Deployment::at(&base.path().join("state"));
        std::os::unix::fs::symlink("/nowhere", deployment.run_dir()).unwrap();
        for _ in 0..2 {
            deployment.adopt(&assigned).unwrap();
        }
        let leads = |path: PathBuf| std::fs::read_link(path).ok();
        assert_eq!(leads(deployment.run_dir()), assigned.runtime);
        assert_eq!(leads(deployment.logs_dir()), assigned.logs);
        assert!(!deployment.data_dir().exists());
    }

    #[test]
    fn another_directory_and_real_directories_are_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let assigned = assigned(base.path());
        let elsewhere = Deployment::at(base.path());
        elsewhere.adopt(&assigned).unwrap();
        assert!(!elsewhere.run_dir().exists());
        let deployment = Deployment::at(&base.path().join("state"));
        std::fs::create_dir(deployment.run_dir()).unwrap();
        deployment.adopt(&assigned).unwrap();
        assert!(std::fs::read_link(deployment.run_dir()).is_err());
        deployment.adopt(&Assigned::default()).unwrap();
    }

    #[test]
    fn an_instance_is_a_name_and_no_path() {
        let dir = Deployment::dir_of_instance("demo").unwrap();
        assert_eq!(dir, Path::new("/var/lib/perps/demo"));
        for name in ["", "..", "a/b", ".hidden", "a b"] {
            assert!(Deployment::dir_of_instance(name).is_err(), "{name}");
        }
    }

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
