//! What each process of the harness is given and what it has given up, as the kernel tells it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod stage;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use daemon::deployment::Deployment;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::Process;
use protocol::status::ChildState;
use stage::{PROFILE, price, sol};
use testkit::{Binaries, Harness, HarnessSpec, Sim, SimSpec, until};

/// Words of a service manager to the supervisor alone.
const MANAGERS: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "JOURNAL_STREAM",
];

fn environment_of(pid: u32) -> Option<String> {
    // The gateway's is closed to everyone but root.
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn status_of(pid: u32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "started by hand")]
fn a_word_that_is_no_text_gets_a_sentence_and_no_panic() {
    let binaries = Binaries::beside_this_program().unwrap();
    for program in [
        "perps-supervisor",
        "perps-alerts",
        "perps-guard",
        "perps-gateway",
        "perps-bot",
        "perpsctl",
        "zoomex-sim",
    ] {
        let word = OsStr::from_bytes(b"--n\xff");
        let mut run = Command::new(binaries.path(program).unwrap());
        let said = run.arg(word).output().unwrap();
        let text = String::from_utf8_lossy(&said.stderr);
        let code = said.status.code().unwrap();
        assert!((1..=3).contains(&code) || code == 78, "{program}: {code}");
        assert!(!text.contains("panicked"), "{program}: {text}");
        assert!(!text.is_empty(), "{program}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "started by hand")]
fn the_help_names_every_directory_of_a_deployment() {
    let binaries = Binaries::beside_this_program().unwrap();
    let here = Deployment::at(Path::new("/"));
    for program in ["perps-supervisor", "perpsctl"] {
        let mut run = Command::new(binaries.path(program).unwrap());
        let help = run.arg("--help").output().unwrap().stdout;
        let help = String::from_utf8(help).unwrap();
        for dir in [
            here.run_dir(),
            here.logs_dir(),
            here.data_dir(),
            here.alerts_dir(),
            here.config_dir(),
        ] {
            let name = format!("{}/", dir.file_name().unwrap().display());
            assert!(help.contains(&name), "{program} --help without {name}");
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "started by hand")]
fn started_by_hand_each_says_what_to_start_in_one_line() {
    let binaries = Binaries::beside_this_program().unwrap();
    for process in [
        Process::AlertForwarder,
        Process::RiskGuard,
        Process::Gateway,
    ] {
        let program = process.program();
        let run = |arguments: &[&str]| {
            let mut command = Command::new(binaries.path(program).unwrap());
            command.args(arguments).env("RUST_BACKTRACE", "1");
            let output = command.output().unwrap();
            let said = |bytes| String::from_utf8(bytes).unwrap();
            (output.status, said(output.stdout), said(output.stderr))
        };
        let (status, out, words) = run(&[]);
        assert_eq!(status.code(), Some(1), "{program}");
        assert_eq!(out, "");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(
            words.starts_with(&format!("{program}: ")) && words.contains("perps-supervisor"),
            "{words}"
        );
        let (status, out, _) = run(&["--version"]);
        assert!(status.success(), "{program}");
        assert!(out.starts_with(&format!("{program} ")), "{out}");
    }
}

#[test]
fn a_service_manager_hears_of_us_and_no_child_hears_of_it_or_of_the_keys() {
    let binaries = Binaries::beside_this_program().unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    sim.price(sol(), Some(price("100"))).unwrap();
    let dir = tempfile::Builder::new().prefix("e2e-").tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let bot = "bot: {command: [sleep, infinity]}\n";
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config: format!("{bot}{}", PROFILE.replace("http://127.0.0.1:0", sim.url())),
        arguments: Vec::new(),
    };
    let given = |name: &str| match name {
        "NOTIFY_SOCKET" => path.display().to_string(),
        "WATCHDOG_USEC" => "3000000".to_owned(),
        // Of another process: there is no watchdog for this one.
        "WATCHDOG_PID" => "1".to_owned(),
        _ => "9".to_owned(),
    };
    let environment = MANAGERS.map(|name| (name, given(name)));
    let mut harness = Harness::start_within(&binaries, spec, environment.into()).unwrap();
    harness.await_synced().unwrap();

    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    until(30, "READY and a status line that says ACTIVE", || {
        while let Ok(n) = manager.recv(&mut bytes) {
            heard.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
        }
        let ready = heard.iter().any(|h| h == "READY=1");
        let active = heard.iter().any(|h| h == "STATUS=TESTNET ACTIVE");
        (ready && active).then_some(()).ok_or(format!("{heard:?}"))
    })
    .unwrap();
    assert!(!heard.iter().any(|h| h == "WATCHDOG=1"), "{heard:?}");

    for process in Process::ALL {
        if process == Process::Supervisor {
            continue;
        }
        let pid = harness.pid_of(process).unwrap();
        if let Some(environment) = environment_of(pid) {
            for name in MANAGERS {
                assert!(!environment.contains(name), "{process} has {name}");
            }
            let has_keys = environment.contains("sim-key") && environment.contains("sim-secret");
            assert_eq!(has_keys, process == Process::Gateway, "keys of {process}");
        }
        let status = status_of(pid);
        assert_eq!(status["NoNewPrivs"], "1", "{process}");
        assert_eq!(status["SigBlk"], "0000000000000000", "{process}");
        if process == Process::RiskGuard {
            assert_eq!(status["Seccomp"], "2", "{process} has no filter on sockets");
        }
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|l| l.starts_with("Max core file size"));
        let words: Vec<&str> = core.unwrap().split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{process} may leave a core file");
    }
    for process in [
        Process::RiskGuard,
        Process::Gateway,
        Process::AlertForwarder,
    ] {
        let log = dir.path().join(format!("logs/{process}.log"));
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("locked up: no new privileges"), "{log}");
    }
    // What the guard may write is data/, so nothing of others lies there.
    let data: Vec<String> = fs::read_dir(dir.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let its_own = |name: &String| name.starts_with("perps_state");
    assert!(!data.is_empty() && data.iter().all(its_own), "{data:?}");
    assert!(harness.stop().unwrap().success());
    while let Ok(n) = manager.recv(&mut bytes) {
        heard.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
    }
    assert!(heard.iter().any(|h| h == "STOPPING=1"), "{heard:?}");
}

#[test]
fn what_was_left_open_for_the_supervisor_goes_to_nobody() {
    let binaries = Binaries::beside_this_program().unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    let dir = tempfile::Builder::new().prefix("e2e-").tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("left-open");
    let left = fs::File::create(&path).unwrap();
    fcntl(&left, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let bot = "bot: {command: [sleep, infinity]}\n";
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config: format!("{bot}{}", PROFILE.replace("http://127.0.0.1:0", sim.url())),
        arguments: Vec::new(),
    };
    let mut harness = Harness::start(&binaries, spec).unwrap();
    drop(left);
    let status = harness.await_children().unwrap();
    // The gateway's are closed to everyone but root.
    let has_it = |pid: u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let names = open.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        Some(names.collect::<Vec<_>>().contains(&path))
    };
    assert_eq!(has_it(harness.pid()), Some(true));
    assert_eq!(status.children.len(), 4);
    for child in status.children {
        for pid in child.pid.into_iter().chain(child.spare_pid) {
            assert_ne!(has_it(pid), Some(true), "{}", child.process);
        }
    }
    assert!(harness.stop().unwrap().success());
}

#[test]
fn the_spare_takes_the_place_of_a_child_that_is_killed_and_gets_one_itself() {
    let binaries = Binaries::beside_this_program().unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    let dir = tempfile::Builder::new().prefix("e2e-").tempdir().unwrap();
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config: PROFILE.replace("http://127.0.0.1:0", sim.url()),
        arguments: Vec::new(),
    };
    let mut harness = Harness::start(&binaries, spec).unwrap();
    harness.await_synced().unwrap();
    for process in [
        Process::AlertForwarder,
        Process::RiskGuard,
        Process::Gateway,
    ] {
        let pids = |harness: &Harness| {
            let status = harness.status().unwrap();
            let child = status.children.into_iter().find(|c| c.process == process);
            let child = child.unwrap();
            (child.state == ChildState::Ready, child.pid, child.spare_pid)
        };
        let spare = until(30, "a spare", || pids(&harness).2.ok_or("none".to_owned())).unwrap();
        // Given and locked up as the child itself is.
        if let Some(environment) = environment_of(spare) {
            let has_keys = environment.contains("sim-key") && environment.contains("sim-secret");
            assert_eq!(has_keys, process == Process::Gateway, "keys of {process}");
        }
        harness.signal(process, Signal::SIGKILL).unwrap();
        until(30, "the spare to be the child, and another spare", || {
            let (ready, pid, next) = pids(&harness);
            let taken = ready && pid == Some(spare) && next.is_some_and(|next| next != spare);
            taken.then_some(()).ok_or(format!("{pid:?} {next:?}"))
        })
        .unwrap();
        // A spare that is killed itself costs nothing; the child is then started from nothing.
        let (_, _, next) = pids(&harness);
        let next = i32::try_from(next.unwrap()).unwrap();
        kill(Pid::from_raw(next), Signal::SIGKILL).unwrap();
        let child = until(30, "the loss of the spare", || {
            let (ready, pid, spare) = pids(&harness);
            let lost = ready && spare.is_none();
            lost.then_some(pid).ok_or(format!("{spare:?}"))
        });
        assert_eq!(child.unwrap(), Some(spare), "{process}");
    }
    let pids: Vec<u32> = harness
        .status()
        .unwrap()
        .children
        .iter()
        .flat_map(|child| child.pid.into_iter().chain(child.spare_pid))
        .collect();
    assert!(harness.stop().unwrap().success());
    until(10, "nobody to be left", || {
        let alive = |pid: &&u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
        let left: Vec<&u32> = pids.iter().filter(alive).collect();
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    })
    .unwrap();
}
