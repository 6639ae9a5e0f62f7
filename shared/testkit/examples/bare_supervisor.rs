//! The least that supervising can be, as a floor for `make bench`: it starts children, waits for
//! any of them to end, and starts one again at once. No config, no log, no budget, no backoff.
//!
//! `bare_supervisor SOCKET CHILDREN`: each child says `ready PID` in a datagram to the socket, as a
//! service manager is told, and sleeps until it is killed; or until the supervisor ends.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;

/// In place of a number: this process is one of the children.
const CHILD: &str = "child";

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [program, socket, how] = words.as_slice() else {
        return Err(io::Error::other("bare_supervisor SOCKET CHILDREN"));
    };
    if how == CHILD {
        return child(socket);
    }
    for _ in 0..how.parse::<usize>().map_err(io::Error::other)? {
        start(program, socket)?;
    }
    loop {
        waitpid(None, None)?;
        start(program, socket)?;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this program spawns its children"
)]
fn start(program: &str, socket: &str) -> io::Result<()> {
    // Its end is waited for with those of all others.
    Command::new(program)
        .args([socket, CHILD])
        .spawn()
        .map(drop)
}

fn child(socket: &str) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let words = format!("ready {}", std::process::id());
    UnixDatagram::unbound()?.send_to(words.as_bytes(), socket)?;
    loop {
        nix::unistd::pause();
    }
}
