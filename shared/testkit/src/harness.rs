//! One whole deployment of real processes in a directory of its own.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use daemon::client::Client;
use daemon::deployment::Deployment;
use daemon::logline::LogLine;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::frame::Empty;
use protocol::guard::{GuardReply, GuardRequest, OperatorVerb, Verb, VerbDone};
use protocol::status::{ChildState, RiskStatus, SupervisorStatus};
use protocol::supervisor::{SupervisorReply, SupervisorRequest};
use protocol::{Process, Tag};

use crate::{Binaries, PlayError, until};

const PATIENCE: Duration = Duration::from_secs(5);

/// What a deployment is started with.
#[derive(Debug, Clone)]
pub struct HarnessSpec {
    /// The deployment's directory.
    pub dir: PathBuf,
    /// The config's text, its base URL already that of the simulator.
    pub config: String,
    /// Further arguments of the supervisor.
    pub arguments: Vec<&'static str>,
}

/// A running deployment; stopped in order when dropped.
#[derive(Debug)]
pub struct Harness {
    binaries: Binaries,
    spec: HarnessSpec,
    environment: Vec<(&'static str, String)>,
    supervisor: Child,
}

impl Harness {
    /// Writes the config and starts the supervisor; does not wait for anything.
    pub fn start(binaries: &Binaries, spec: HarnessSpec) -> Result<Self, PlayError> {
        Self::start_within(binaries, spec, Vec::new())
    }

    /// The same, with more in the supervisor's environment.
    pub fn start_within(
        binaries: &Binaries,
        spec: HarnessSpec,
        environment: Vec<(&'static str, String)>,
    ) -> Result<Self, PlayError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&spec.dir)
            .map_err(PlayError::io(format!("make {}", spec.dir.display())))?;
        let config = spec.dir.join("perps.yaml");
        fs::write(&config, &spec.config)
            .map_err(PlayError::io(format!("write {}", config.display())))?;
        let supervisor = spawn(binaries, &spec, &environment)?;
        Ok(Self {
            binaries: binaries.clone(),
            spec,
            environment,
            supervisor,
        })
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.spec.dir
    }

    /// The config file that the supervisor watches.
    pub fn config_file(&self) -> PathBuf {
        self.spec.dir.join("perps.yaml")
    }

    /// Process id of the supervisor.
    pub fn pid(&self) -> u32 {
        self.supervisor.id()
    }

    /// Waits until every process is ready and the guard has compared its book with the venue.
    pub fn await_synced(&mut self) -> Result<RiskStatus, PlayError> {
        self.await_children()?;
        until(30, "the guard to have read the venue", || {
            if let Some(end) = self.ended() {
                return Ok(Err(end));
            }
            let risk = self.risk().map_err(|e| e.to_string())?;
            if risk.synced {
                Ok(Ok(risk))
            } else {
                Err(format!("{:?}", risk.waiting_for))
            }
        })?
    }

    /// Waits until every process is ready, whatever the venue does.
    pub fn await_children(&mut self) -> Result<SupervisorStatus, PlayError> {
        until(30, "every process to be ready", || {
            if let Some(end) = self.ended() {
                return Ok(Err(end));
            }
            let status = self.status().map_err(|e| e.to_string())?;
            if status
                .children
                .iter()
                .all(|child| child.state == ChildState::Ready)
            {
                Ok(Ok(status))
            } else {
                let states: Vec<String> = status
                    .children
                    .iter()
                    .map(|c| format!("{} {:?}", c.process, c.state))
                    .collect();
                Err(states.join(", "))
            }
        })?
    }

    /// What there is to say if the supervisor has ended.
    fn ended(&mut self) -> Option<PlayError> {
        let status = self.supervisor.try_wait().ok().flatten()?;
        Some(PlayError::Ended {
            what: format!("the supervisor ended, {status}: {}", self.last_words()),
        })
    }

    /// The supervisor's picture.
    pub fn status(&self) -> Result<SupervisorStatus, PlayError> {
        let path = Deployment::at(self.dir()).supervisor_socket();
        let reply = ask(&path, &SupervisorRequest::Status(Empty {}))?;
        if let SupervisorReply::Status(status) = reply {
            Ok(status)
        } else {
            Err(socket(&path, format!("answered {reply:?}")))
        }
    }

    /// The guard's picture.
    pub fn risk(&self) -> Result<RiskStatus, PlayError> {
        let path = Deployment::at(self.dir()).guard_socket();
        let reply = ask(&path, &GuardRequest::Status(Empty {}))?;
        if let GuardReply::Status(status) = reply {
            Ok(status)
        } else {
            Err(socket(&path, format!("answered {reply:?}")))
        }
    }

    /// Says an operator's word to the guard.
    pub fn operate(&self, verb: Verb) -> Result<VerbDone, PlayError> {
        let path = Deployment::at(self.dir()).guard_socket();
        let word = OperatorVerb {
            by: "player".to_owned(),
            verb,
        };
        let reply = ask(&path, &GuardRequest::Operator(word))?;
        if let GuardReply::VerbDone(done) = reply {
            Ok(done)
        } else {
            Err(socket(&path, format!("answered {reply:?}")))
        }
    }

    /// Every tag in `logs/trading.log`, each once, in the order of its first line.
    pub fn tags(&self) -> Result<Vec<Tag>, PlayError> {
        let mut tags = Vec::new();
        for line in self.trading_log()?.lines() {
            let tag = line.parse::<LogLine>().ok().and_then(|line| line.tag());
            if let Some(tag) = tag
                && !tags.contains(&tag)
            {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    /// Waits until a tag stands in `logs/trading.log`.
    pub fn await_tag(&self, tag: Tag) -> Result<(), PlayError> {
        until(90, &format!("{tag} in logs/trading.log"), || {
            let tags = self.tags().map_err(|e| e.to_string())?;
            if tags.contains(&tag) {
                Ok(())
            } else {
                Err(format!("{tags:?}"))
            }
        })
    }

    /// The text of `logs/trading.log`; empty while there is none.
    pub fn trading_log(&self) -> Result<String, PlayError> {
        let path = Deployment::at(self.dir()).trading_log();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(e) => Err(PlayError::io(format!("read {}", path.display()))(e)),
        }
    }

    /// Process id of a child.
    pub fn pid_of(&self, process: Process) -> Result<u32, PlayError> {
        let status = self.status()?;
        let child = status
            .children
            .iter()
            .find(|child| child.process == process);
        child
            .and_then(|child| child.pid)
            .ok_or_else(|| PlayError::Ended {
                what: format!("{process} does not run"),
            })
    }

    /// Sends a signal to a child of the supervisor.
    pub fn signal(&self, process: Process, signal: Signal) -> Result<(), PlayError> {
        send(self.pid_of(process)?, signal)
    }

    /// Sends a signal to the supervisor itself.
    pub fn signal_supervisor(&self, signal: Signal) -> Result<(), PlayError> {
        send(self.pid(), signal)
    }

    /// Asks the supervisor anything.
    pub fn ask_supervisor(
        &self,
        request: &SupervisorRequest,
    ) -> Result<SupervisorReply, PlayError> {
        ask(&Deployment::at(self.dir()).supervisor_socket(), request)
    }

    /// Stops everything in order and says how the supervisor ended.
    pub fn stop(&mut self) -> Result<ExitStatus, PlayError> {
        send(self.supervisor.id(), Signal::SIGTERM)?;
        self.await_end()
    }

    /// Waits for the supervisor to end by itself.
    pub fn await_end(&mut self) -> Result<ExitStatus, PlayError> {
        let supervisor = &mut self.supervisor;
        until(30, "the supervisor to end", || {
            match supervisor.try_wait() {
                Ok(Some(status)) => Ok(status),
                Ok(None) => Err("still running".to_owned()),
                Err(e) => Err(e.to_string()),
            }
        })
    }

    /// Kills the supervisor at once; its children end by themselves.
    pub fn kill(&mut self) -> Result<(), PlayError> {
        self.supervisor
            .kill()
            .map_err(PlayError::io("kill the supervisor"))?;
        self.supervisor
            .wait()
            .map(drop)
            .map_err(PlayError::io("wait for the supervisor"))
    }

    /// Starts the supervisor again in the same directory, after it has ended.
    pub fn restart(&mut self) -> Result<(), PlayError> {
        self.supervisor = spawn(&self.binaries, &self.spec, &self.environment)?;
        Ok(())
    }

    /// What the supervisor last said on stderr.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(self.spec.dir.join("supervisor.stderr")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(12);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if matches!(self.supervisor.try_wait(), Ok(Some(_))) {
            return;
        }
        if self.stop().is_err() {
            drop(self.kill());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this room spawns the supervisor")]
fn spawn(
    binaries: &Binaries,
    spec: &HarnessSpec,
    environment: &[(&'static str, String)],
) -> Result<Child, PlayError> {
    let stderr = spec.dir.join("supervisor.stderr");
    let words =
        File::create(&stderr).map_err(PlayError::io(format!("make {}", stderr.display())))?;
    Command::new(binaries.path("perps-supervisor")?)
        .args(["--mode", "testnet", "--config"])
        .arg(spec.dir.join("perps.yaml"))
        .arg("--dir")
        .arg(&spec.dir)
        .args(&spec.arguments)
        .env("ZOOMEX_TESTNET_API_KEY", "sim-key")
        .env("ZOOMEX_TESTNET_API_SECRET", "sim-secret")
        .env("BYBIT_TESTNET_API_KEY", "sim-key")
        .env("BYBIT_TESTNET_API_SECRET", "sim-secret")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(words)
        .spawn()
        .map_err(PlayError::io("start perps-supervisor"))
}

fn ask<Q, R>(path: &Path, request: &Q) -> Result<R, PlayError>
where
    Q: protocol::frame::Message,
    R: protocol::frame::Message,
{
    let mut client = Client::connect(path, PATIENCE).map_err(|e| socket(path, e.to_string()))?;
    client
        .request(request, PATIENCE)
        .map_err(|e| socket(path, e.to_string()))
}

fn socket(path: &Path, why: String) -> PlayError {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    PlayError::Socket { socket: name, why }
}

pub(crate) fn send(pid: u32, signal: Signal) -> Result<(), PlayError> {
    let pid = i32::try_from(pid)
        .map(Pid::from_raw)
        .map_err(|_| PlayError::Ended {
            what: format!("{pid} is no process id"),
        })?;
    kill(pid, signal).map_err(|e| PlayError::io(format!("send {signal} to {pid}"))(e.into()))
}
