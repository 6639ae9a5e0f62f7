//! A panic of a program of the house stands in its log file, whether or not its log had begun, and
//! the rest of the house goes on.
//!
//! The programs have no panic switch. So this program stands in the place of one of them: started by
//! a supervisor it takes its inheritance and begins its log as every sidecar does, and then counts
//! on what is not there. Started by hand it is the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly, and this one must"
)]

mod stage;

use std::fs;

use daemon::deployment::Deployment;
use daemon::inherited::Inherited;
use daemon::logging;
use daemon::logline::{Level, LogLine};
use nix::sys::signal::Signal;
use protocol::status::ChildState;
use protocol::{Process, Tag};
use stage::{PROFILE, price, sol};
use testkit::{Binaries, BotPlayer, Harness, HarnessSpec, Sim, SimSpec, intent, until};

fn main() {
    if daemon::environment::number(protocol::control::inherited::CONTROL_FD).is_some() {
        return panic_as_a_sidecar();
    }
    a_panic_stands_in_the_log_of_its_process();
    println!("test a_panic_stands_in_the_log_of_its_process ... ok");
}

fn panic_as_a_sidecar() {
    let nobody: Vec<u8> = Vec::new();
    // A life before logging begins: stderr is all there is.
    let dir = daemon::environment::path(protocol::control::inherited::DIR).unwrap();
    if fs::remove_file(dir.join("panic-early")).is_ok() {
        std::process::exit(i32::from(nobody[0]));
    }
    let mut inherited = Inherited::take().unwrap();
    logging::begin(Process::AlertForwarder, inherited.log.take());
    tracing::info!("the last line before a panic");
    std::process::exit(i32::from(nobody[0]));
}

fn a_panic_stands_in_the_log_of_its_process() {
    let programs = tempfile::Builder::new().prefix("bin-").tempdir().unwrap();
    let built = Binaries::beside_this_program().unwrap();
    let binaries = built.linked_into(programs.path()).unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    sim.price(sol(), Some(price("100"))).unwrap();
    let dir = tempfile::Builder::new().prefix("e2e-").tempdir().unwrap();
    let policy = "supervisor:\n  restartBudget: 2\n  backoffMinMs: 10\n";
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config: format!(
            "{}{policy}",
            PROFILE.replace("http://127.0.0.1:0", sim.url())
        ),
        arguments: Vec::new(),
    };
    let mut harness = Harness::start(&binaries, spec).unwrap();
    harness.await_synced().unwrap();
    let deployment = Deployment::at(dir.path());
    until(30, "the first start to be proven", || {
        fs::read(deployment.applied_file()).map_err(|e| e.to_string())
    })
    .unwrap();

    // From its next life on another program stands in the alert-forwarder's place.
    let place = programs.path().join("perps-alerts");
    fs::remove_file(&place).unwrap();
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &place).unwrap();
    fs::write(dir.path().join("panic-early"), "").unwrap();
    harness
        .signal(Process::AlertForwarder, Signal::SIGKILL)
        .unwrap();
    until(30, "it to be given up", || {
        let children = harness.status().map_err(|e| e.to_string())?.children;
        let mut children = children.into_iter();
        let alerts = children.find(|child| child.process == Process::AlertForwarder);
        match alerts {
            Some(child) if child.state == ChildState::Latched => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();

    let lines = until(10, "both panics in its log", || {
        let text = fs::read_to_string(deployment.log(Process::AlertForwarder));
        let text = text.map_err(|e| e.to_string())?;
        let lines: Vec<LogLine> = text.lines().map(|line| line.parse().unwrap()).collect();
        let panics = lines
            .iter()
            .filter(|line| line.message.contains("panicked at"));
        if panics.count() == 2 {
            Ok(lines)
        } else {
            Err(text)
        }
    })
    .unwrap();
    let at = |word: &str| lines.iter().position(|line| line.message.contains(word));
    let (early, late) = (at("thread 'main'"), at("panic: panicked at"));
    let (Some(early), Some(late)) = (early, late) else {
        panic!("{lines:#?}");
    };
    assert!(early < late, "{lines:#?}");
    for panic in [early, late] {
        let told: Vec<&str> = lines[panic..]
            .iter()
            .map(|line| line.message.as_str())
            .collect();
        let told = told.join(" ");
        assert!(told.contains("tests/panics.rs:"), "where: {told}");
        assert!(
            told.contains("index out of bounds: the len is 0"),
            "why: {told}"
        );
    }
    assert_eq!(lines[late].level, Level::Error);
    assert_eq!(lines[late - 1].message, "the last line before a panic");
    let told = harness.trading_log().unwrap();
    assert!(told.contains("alert-forwarder ended: exit 101"), "{told}");
    assert!(harness.tags().unwrap().contains(&Tag::ProcessDown));

    // Nobody delivers alerts, and trading goes on.
    let mut bot = BotPlayer::connect(dir.path()).unwrap();
    let id = protocol::IntentId::new("after-the-panics").unwrap();
    let placed = bot.place(intent(id, sol(), protocol::Side::Buy, stage::qty("1")));
    assert!(stage::accepted(&placed.unwrap()));
}
