//! `strace` on a running guard: makes its calls fail, or counts them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::NamedTempFile;

/// One `strace`, attached until it is dropped or let go.
pub(crate) struct Tracer {
    strace: Child,
    lines: NamedTempFile,
}

impl Tracer {
    /// Attaches to a process; `None`, and a line that says so, where that cannot be done.
    #[allow(clippy::disallowed_methods, reason = "a test starts what it needs")]
    pub(crate) fn attach(pid: u32, expressions: &[&str]) -> Option<Self> {
        let lines = NamedTempFile::new().unwrap();
        let mut command = Command::new("strace");
        command
            .args(["-y", "-p", &pid.to_string(), "-o"])
            .arg(lines.path());
        for expression in expressions {
            command.args(["-e", expression]);
        }
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut strace) = spawned else {
            println!("SKIPPED: strace is not here");
            return None;
        };
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        if !line.contains("attached") {
            println!("SKIPPED: strace cannot attach here: {}", line.trim());
            drop(strace.wait());
            return None;
        }
        // Whatever else it says is not waited for.
        std::thread::spawn(move || said.lines().map_while(Result::ok).for_each(drop));
        Some(Self { strace, lines })
    }

    /// Detaches; every call that was traced, one a line.
    pub(crate) fn let_go(mut self) -> Vec<String> {
        self.end();
        let text = std::fs::read_to_string(self.lines.path()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn end(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.strace.id()).unwrap());
        // It lets the traced process go on.
        if self.strace.try_wait().unwrap().is_none() {
            kill(pid, Signal::SIGINT).unwrap();
            self.strace.wait().unwrap();
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.end();
    }
}
