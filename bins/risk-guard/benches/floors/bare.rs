//! The floor of supervising: testkit's `bare_supervisor`, a loop around `waitpid` and nothing else.

use std::collections::VecDeque;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::Binaries;

use crate::measure::now_ns;

/// What starts it, and where its children are heard.
pub(crate) struct Bench {
    program: PathBuf,
    path: PathBuf,
    socket: UnixDatagram,
}

/// One that runs; it and its children end when dropped.
pub(crate) struct Bare<'a> {
    bench: &'a Bench,
    supervisor: Child,
    /// The longest alive first.
    children: VecDeque<Pid>,
}

impl Bench {
    /// Copies the program into a folder.
    pub(crate) fn installed(built: &Binaries, folder: &Path) -> Self {
        let program = folder.join("bare_supervisor");
        std::fs::copy(built.path("examples/bare_supervisor").unwrap(), &program).unwrap();
        let path = folder.join("bare.sock");
        Self {
            program,
            socket: UnixDatagram::bind(&path).unwrap(),
            path,
        }
    }

    /// Starts one with so many children; also how long it took until all were ready.
    pub(crate) fn start(&self, children: usize) -> (Bare<'_>, u64) {
        let begun = now_ns();
        let supervisor = Command::new(&self.program)
            .arg(&self.path)
            .arg(children.to_string())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let children = (0..children).map(|_| self.heard()).collect();
        let took = now_ns() - begun;
        let bare = Bare {
            bench: self,
            supervisor,
            children,
        };
        (bare, took)
    }

    /// The next child that says that it is ready.
    fn heard(&self) -> Pid {
        let mut bytes = [0; 64];
        let n = self.socket.recv(&mut bytes).unwrap();
        let words = std::str::from_utf8(&bytes[..n]).unwrap();
        Pid::from_raw(words.strip_prefix("ready ").unwrap().parse().unwrap())
    }
}

impl Bare<'_> {
    /// From the `kill -9` of a child until the next one is ready.
    pub(crate) fn kill(&mut self) -> u64 {
        let child = self.children.pop_front().unwrap();
        let begun = now_ns();
        kill(child, Signal::SIGKILL).unwrap();
        self.children.push_back(self.bench.heard());
        now_ns() - begun
    }
}

impl Drop for Bare<'_> {
    fn drop(&mut self) {
        self.supervisor.kill().unwrap();
        self.supervisor.wait().unwrap();
    }
}
