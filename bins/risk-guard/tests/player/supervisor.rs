//! Starts a real guard as the supervisor does: an inherited listener, control channel and log pipe.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::control::{Order, Prepare, Report, inherited};
use protocol::frame::{self, Empty, Envelope, Head};
use protocol::{Generation, Mode};
use tempfile::TempDir;

use super::{PATIENCE, Peer, until};

/// A deployment of one guard.
pub(crate) struct Supervisor {
    own: Option<TempDir>,
    dir: PathBuf,
    listener: UnixListener,
    child: Option<Running>,
    log: Arc<Mutex<Vec<String>>>,
    binary: PathBuf,
    uid: Option<u32>,
}

/// A guard that runs.
pub(crate) struct Running {
    child: Child,
    control: UnixStream,
    reports: BufReader<UnixStream>,
}

impl Running {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Supervisor {
    /// A deployment in a directory of its own, nothing started.
    pub(crate) fn new() -> Self {
        let own_dir = TempDir::new().unwrap();
        let mut supervisor = Self::at(own_dir.path());
        supervisor.own = Some(own_dir);
        supervisor
    }

    /// A deployment in this directory, nothing started.
    pub(crate) fn at(dir: &Path) -> Self {
        for name in ["run", "data", "logs"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        let listener = UnixListener::bind(dir.join("run/guard.sock")).unwrap();
        Self {
            own: None,
            dir: dir.to_owned(),
            listener,
            child: None,
            log: Arc::default(),
            binary: PathBuf::from(env!("CARGO_BIN_EXE_perps-guard")),
            uid: None,
        }
    }

    /// Starts it, applies the config and waits until it is ready.
    pub(crate) fn started(config: &str) -> Self {
        let mut supervisor = Self::new();
        supervisor.start(config, &[]);
        supervisor
    }

    /// Starts the guard, applies the config and waits until it is ready.
    pub(crate) fn start(&mut self, config: &str, arguments: &[&str]) {
        self.spawn(arguments);
        assert_eq!(self.prepare(1, config), Report::Prepared(Generation(1)));
        self.say(&Order::Commit(Generation(1)));
        let mut applied = false;
        loop {
            match self.report() {
                Some(Report::Ready(Empty {})) => break,
                Some(Report::Applied(Generation(1))) => applied = true,
                Some(Report::Heartbeat(_)) => {}
                other => panic!("{other:?}; the log: {:#?}", self.log()),
            }
        }
        assert!(applied, "ready before the config was applied");
    }

    /// From here on guards run as a user that owns nothing.
    pub(crate) fn as_nobody(&mut self) {
        let copy = self.dir.join("perps-guard");
        fs::copy(&self.binary, &copy).unwrap();
        for path in [self.dir.clone(), self.dir.join("run"), copy.clone()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.binary = copy;
        self.uid = Some(65_534);
    }

    /// Starts the guard and says nothing to it.
    #[allow(
        clippy::disallowed_methods,
        reason = "this test starts the program it tests"
    )]
    pub(crate) fn spawn(&mut self, arguments: &[&str]) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let map = |fd: OwnedFd, child_fd| FdMapping {
            parent_fd: fd,
            child_fd,
        };
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env(inherited::CONTROL_FD, "3")
            .env(inherited::LISTEN_FD, "4")
            .env(inherited::LOG_FD, "5")
            .env(inherited::DIR, &self.dir)
            .stdin(Stdio::null())
            .fd_mappings(vec![
                map(theirs.into(), 3),
                map(self.listener.try_clone().unwrap().into(), 4),
                map(writer.into(), 5),
            ])
            .unwrap();
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        let child = command.spawn().unwrap();
        drop(command);
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                log.lock().unwrap().push(line);
            }
        });
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let reports = BufReader::new(ours.try_clone().unwrap());
        self.child = Some(Running {
            child,
            control: ours,
            reports,
        });
    }

    /// Writes a generation down, asks the guard to check it and gives back its answer.
    pub(crate) fn prepare(&mut self, number: u64, config: &str) -> Report {
        let path = self.dir.join(format!("run/config-g{number}.yaml"));
        fs::write(&path, config).unwrap();
        self.say(&Order::Prepare(Prepare {
            generation: Generation(number),
            file: "perps.yaml".to_owned(),
            path: path.display().to_string(),
            mode: Mode::Testnet,
        }));
        self.report_that(|report| !matches!(report, Report::Heartbeat(_)))
    }

    /// Says something on the control channel.
    pub(crate) fn say(&mut self, order: &Order) {
        let mut bytes = Vec::new();
        frame::write(Head::push(), order, &mut bytes).unwrap();
        self.running().control.write_all(&bytes).unwrap();
    }

    /// The next report; `None` when the guard has closed the channel.
    pub(crate) fn report(&mut self) -> Option<Report> {
        let mut line = Vec::new();
        match self.running().reports.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Envelope::read(&line).unwrap().message().unwrap()),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(e) => panic!("no report: {e}; the log: {:#?}", self.log()),
        }
    }

    /// The next report that fits.
    pub(crate) fn report_that(&mut self, fits: impl Fn(&Report) -> bool) -> Report {
        loop {
            match self.report() {
                Some(report) if fits(&report) => return report,
                Some(_) => {}
                None => panic!("the guard ended; the log: {:#?}", self.log()),
            }
        }
    }

    /// Starts another guard beside the one that runs, up to its answer to the config, and gives
    /// back the one that runs: what is said from here on goes to the other.
    pub(crate) fn spare(&mut self, config: &str) -> Running {
        let first = self.child.take().unwrap();
        self.spawn(&[]);
        assert_eq!(self.prepare(1, config), Report::Prepared(Generation(1)));
        first
    }

    /// Ends the guard at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.take().unwrap().kill();
    }

    /// Waits for the end of a guard that somebody has killed.
    pub(crate) fn reap(&mut self) {
        let mut running = self.child.take().unwrap();
        running.child.wait().unwrap();
    }

    /// Asks the guard to end and waits for it.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.say(&Order::Stop(Empty {}));
        self.ended()
    }

    /// Closes the control channel, as the death of the supervisor would, and waits for the end.
    pub(crate) fn vanish(&mut self) -> ExitStatus {
        let Running {
            mut child,
            control,
            reports,
        } = self.child.take().unwrap();
        drop((control, reports));
        until("the guard to end", || child.try_wait().unwrap())
    }

    /// Waits for the guard to end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut running = self.child.take().unwrap();
        until("the guard to end", || running.child.try_wait().unwrap())
    }

    /// The guard's process id.
    pub(crate) fn pid(&mut self) -> u32 {
        self.running().child.id()
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("run/guard.sock")
    }

    /// The deployment's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Connects a peer.
    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(&self.socket())
    }

    /// Every log line so far, of all starts.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a log line that holds this text.
    pub(crate) fn await_log(&self, text: &str) -> String {
        let find = || self.log().into_iter().find(|line| line.contains(text));
        let mut tries = 0;
        until(&format!("{text:?} in the log"), || {
            tries += 1;
            if tries % 1000 == 0 {
                eprintln!("so far: {:#?}", self.log());
            }
            find()
        })
    }

    fn running(&mut self) -> &mut Running {
        self.child.as_mut().expect("the guard runs")
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(mut running) = self.child.take() {
            drop(running.child.kill());
            drop(running.child.wait());
        }
    }
}

/// Stops a process in its tracks.
pub(crate) fn sigstop(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGSTOP).unwrap();
}

/// Lets it go on.
pub(crate) fn sigcont(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGCONT).unwrap();
}
