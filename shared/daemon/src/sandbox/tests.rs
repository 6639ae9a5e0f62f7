//! The kernel is the judge: each test locks a thread of its own up and tries.

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::*;

/// Runs `tries` in a thread that is locked up, if this kernel can do it.
fn locked_up<T: Send + 'static>(
    rules: Rules,
    tries: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let thread = std::thread::spawn(move || {
        let held = enter(&rules);
        if let Some(lack) = held.lacks.first() {
            // Part of it is another test's matter; without it there is nothing to try.
            writeln_stdout(&format!("SKIPPED: {lack}"));
            return None;
        }
        Some(tries())
    });
    thread.join().unwrap()
}

fn writeln_stdout(text: &str) {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}").unwrap();
}

/// A deployment with a state, a config, a spool and a file of keys.
fn deployment(dir: &Path) -> Deployment {
    let deployment = Deployment::at(dir);
    for made in [
        deployment.data_dir(),
        deployment.alerts_dir(),
        deployment.config_dir(),
        deployment.logs_dir(),
        deployment.run_dir(),
    ] {
        fs::create_dir_all(made).unwrap();
    }
    fs::write(deployment.alerts_dir().join("spooled"), "an alert").unwrap();
    fs::write(deployment.config_history(), "{}").unwrap();
    fs::write(dir.join("credentials"), "api_key=k").unwrap();
    fs::write(deployment.config_dir().join("g000001.yaml"), "a: 1").unwrap();
    deployment
}

fn denied<T: std::fmt::Debug>(done: std::io::Result<T>) -> bool {
    matches!(done, Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied)
}

#[test]
fn the_guard_writes_its_state_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().to_owned();
    let house = deployment(&base);
    let rules = Rules::of_guard(&base.join("data"), &house.config_dir());
    let other = tempfile::tempdir().unwrap();
    let elsewhere = other.path().to_owned();
    let found = locked_up(rules, move || {
        let state = base.join("data");
        // As a snapshot is replaced: a rename needs the directory, not the file.
        for n in 0..2 {
            fs::write(state.join("s.tmp"), n.to_string()).unwrap();
            fs::rename(state.join("s.tmp"), state.join("s.json")).unwrap();
        }
        fs::create_dir(state.join("journal")).unwrap();
        fs::rename(state.join("s.json"), state.join("journal/old")).unwrap();
        fs::remove_file(state.join("journal/old")).unwrap();
        fs::read(house.config_dir().join("g000001.yaml")).unwrap();
        let accepted = house.config_dir().join("g000001.yaml");
        let spooled = house.alerts_dir().join("spooled");
        let loose = state.join("loose");
        fs::write(&loose, "exchange: {}").unwrap();
        let journal = state.join("journal");
        vec![
            ("a config", denied(fs::write(&accepted, "b: 2"))),
            ("in its place", denied(fs::rename(&loose, &accepted))),
            ("history", denied(fs::write(house.config_history(), ""))),
            ("applied", denied(fs::write(house.applied_file(), "9"))),
            ("an alert", denied(fs::write(&spooled, ""))),
            ("away with it", denied(fs::remove_file(&spooled))),
            ("a log", denied(fs::write(house.trading_log(), ""))),
            ("the lock", denied(fs::write(house.lock(), ""))),
            ("beside", denied(fs::write(base.join("x"), ""))),
            ("elsewhere", denied(fs::write(elsewhere.join("x"), ""))),
            ("the keys", denied(fs::read(base.join("credentials")))),
            ("out", denied(fs::rename(&journal, base.join("j")))),
            ("a link", denied(symlink(&accepted, state.join("l")))),
            ("a door", denied(UnixListener::bind(state.join("s")))),
        ]
    });
    for (what, denied) in found.unwrap_or_default() {
        assert!(denied, "{what}");
    }
}

#[test]
fn the_guard_has_no_network_but_its_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().to_owned();
    let house = deployment(&base);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = tcp.local_addr().unwrap();
    let path = base.join("alerts.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let rules = Rules::of_guard(&base.join("data"), &house.config_dir());
    let found = locked_up(rules, move || {
        UnixStream::connect(&path).unwrap();
        UnixStream::pair().unwrap();
        vec![
            ("tcp", denied(TcpStream::connect(there))),
            ("listen", denied(TcpListener::bind("127.0.0.1:0"))),
            ("udp", denied(UdpSocket::bind("127.0.0.1:0"))),
            ("udp6", denied(UdpSocket::bind("[::1]:0"))),
        ]
    });
    drop(unix);
    for (what, denied) in found.unwrap_or_default() {
        assert!(denied, "{what}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is tried is to spawn")]
fn nobody_of_ours_runs_programs_signals_others_or_looks_into_them() {
    use std::process::Command;
    let dir = tempfile::tempdir().unwrap();
    let house = deployment(dir.path());
    let mut other = Command::new("/bin/sleep").arg("60").spawn().unwrap();
    let pid = other.id();
    let all = [
        (
            "guard",
            Rules::of_guard(dir.path(), &house.config_dir()),
            true,
        ),
        ("alerts", Rules::of_alerts(&house), true),
        (
            "gateway",
            Rules {
                secrets: false,
                ..Rules::of_gateway()
            },
            true,
        ),
        ("bot", Rules::of_bot(), false),
    ];
    for (who, rules, only_itself) in all {
        let found = locked_up(rules, move || {
            let other = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
            let signal = nix::sys::signal::kill(other, nix::sys::signal::Signal::SIGTERM);
            let run = Command::new("/bin/true").status();
            // As its memory and environment; those two root may read all the same (CAP_PERFMON).
            let looked = fs::read_link(format!("/proc/{pid}/cwd"));
            (signal, run, looked)
        });
        if let Some((signal, run, looked)) = found {
            assert_eq!(signal, Err(nix::errno::Errno::EPERM), "{who}");
            assert_eq!(denied(run), only_itself, "{who}");
            assert!(denied(looked), "{who}");
        }
    }
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn the_gateway_writes_no_file_and_reaches_the_venue() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().to_owned();
    deployment(&base);
    let venue = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = venue.local_addr().unwrap();
    let rules = Rules {
        secrets: false,
        ..Rules::of_gateway()
    };
    let found = locked_up(rules, move || {
        TcpStream::connect(there).unwrap();
        fs::read(base.join("credentials")).unwrap();
        fs::write("/dev/null", "nothing").unwrap();
        denied(fs::write(base.join("x"), "")) && denied(fs::remove_file(base.join("credentials")))
    });
    assert!(found.unwrap_or(true));
}

#[test]
fn a_directory_that_is_missing_is_not_granted_and_harms_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().to_owned();
    let house = deployment(&base);
    let rules = Rules::of_guard(&base.join("not/there"), &house.config_dir());
    let found = locked_up(rules, move || {
        fs::read(house.config_dir().join("g000001.yaml")).unwrap();
        denied(fs::create_dir_all(base.join("not/there")))
    });
    assert!(found.unwrap_or(true));
}
