//! Log files of a real deployment: rotated, reopened, followed, on a disk that is full and through
//! pipes that nobody reads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail loudly"
)]

mod stage;

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use daemon::deployment::Deployment;
use daemon::logline::LogLine;
use nix::sys::signal::Signal;
use protocol::{Outcome, Process, Tag};
use stage::{PROFILE, Stage, accepted, qty, sol};
use testkit::{Binaries, until};

/// A bot that prints numbered lines once the file `go` is there.
fn talkative(lines: u32, policy: &str) -> String {
    let script = format!(
        "echo it begins; while [ ! -e go ]; do sleep 0.05; done; seq -f 'line %g of the bot' 1 {lines}; exec sleep 1000"
    );
    format!("{PROFILE}bot:\n  command: [\"/bin/sh\", \"-c\", \"{script}\"]\n{policy}")
}

fn go(stage: &Stage) {
    fs::write(stage.harness.dir().join("go"), "").unwrap();
}

fn path(stage: &Stage, process: Process) -> PathBuf {
    Deployment::at(stage.harness.dir()).log(process)
}

fn message(line: &str) -> String {
    line.parse::<LogLine>().unwrap().message
}

/// `perpsctl logs -f`, ended when dropped.
struct Follow {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Follow {
    fn of(stage: &Stage, process: &str) -> Self {
        let program = Binaries::beside_this_program().unwrap();
        let mut child = Command::new(program.path("perpsctl").unwrap())
            .arg("--dir")
            .arg(stage.harness.dir())
            .args(["logs", "-f", process])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn files_rotate_by_size_and_count_and_a_follower_misses_nothing() {
    const LINES: u32 = 3_000;
    let policy = "logging:\n  max_size: 16KB\n  backup_count: 40\n  json: true\n";
    let stage = Stage::ready(&talkative(LINES, policy));
    let mut follow = Follow::of(&stage, "bot");
    let first = follow.lines.next().unwrap().unwrap();
    assert_eq!(message(&first), "it begins");
    go(&stage);
    let mut wanted = 1..=LINES;
    for line in follow.lines.by_ref() {
        let line = line.unwrap();
        assert!(line.starts_with('{'), "JSON lines by option: {line}");
        assert_eq!(
            message(&line),
            format!("line {} of the bot", wanted.next().unwrap())
        );
        if wanted.is_empty() {
            break;
        }
    }
    assert!(wanted.is_empty(), "the follower ended early");
    let of_the_bot = |name: &str| name.starts_with("bot.log");
    let logs = stage.harness.dir().join("logs");
    let sizes: Vec<u64> = fs::read_dir(&logs)
        .unwrap()
        .flatten()
        .filter(|entry| of_the_bot(entry.file_name().to_str().unwrap()))
        .map(|entry| entry.metadata().unwrap().len())
        .collect();
    assert!(sizes.len() > 5 && sizes.len() <= 41, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 16 * 1024), "{sizes:?}");

    // As logrotate does it: moved away, then SIGHUP.
    let file = path(&stage, Process::Gateway);
    let moved = file.with_extension("moved");
    fs::rename(&file, &moved).unwrap();
    stage.harness.signal_supervisor(Signal::SIGHUP).unwrap();
    stage.await_buy("after");
    until(30, "a new file", || {
        fs::metadata(&file).map(drop).map_err(|e| e.to_string())
    })
    .unwrap();
    let before = fs::metadata(&moved).unwrap().len();
    stage.await_buy("more");
    assert_eq!(fs::metadata(&moved).unwrap().len(), before);
}

/// The bot's stdout, held open by us as well.
fn held(stage: &Stage) -> fs::File {
    let bot = stage.harness.pid_of(Process::Bot).unwrap();
    let file = format!("/proc/{bot}/fd/1");
    fs::File::options().write(true).open(file).unwrap()
}

#[test]
fn the_last_words_are_written_before_the_end() {
    let mut stage = Stage::ready(&talkative(1, ""));
    let mut pipe = held(&stage);
    let ours = path(&stage, Process::Supervisor);
    let speaks = std::thread::spawn(move || {
        until(30, "everything else to have ended", || {
            let text = fs::read_to_string(&ours).map_err(|e| e.to_string())?;
            let last = message(text.lines().last().unwrap_or_default());
            (last == "everything has ended").then_some(()).ok_or(last)
        })
        .unwrap();
        // Later than whoever waits for time instead of the pipe's end would wait.
        std::thread::sleep(Duration::from_millis(300));
        writeln!(pipe, "the very last word").unwrap();
    });
    assert!(stage.harness.stop().unwrap().success());
    speaks.join().unwrap();
    let said = fs::read_to_string(path(&stage, Process::Bot)).unwrap();
    assert_eq!(message(said.lines().last().unwrap()), "the very last word");
}

#[test]
fn a_pipe_that_somebody_holds_open_delays_the_end_for_a_moment_and_is_said() {
    let mut stage = Stage::ready(&talkative(1, ""));
    let held = held(&stage);
    assert!(stage.harness.stop().unwrap().success());
    drop(held);
    let ours = fs::read_to_string(path(&stage, Process::Supervisor)).unwrap();
    let last = message(ours.lines().last().unwrap());
    assert!(last.starts_with("somebody held a log pipe open"), "{last}");
}

#[test]
fn pipes_that_nobody_reads_stop_no_decision_and_the_drops_are_said() {
    let profile = PROFILE.replace("sessionMaxTrades: 100", "sessionMaxTrades: 1");
    let stage = Stage::ready(&profile);
    let mut bot = stage.bot();
    assert!(accepted(&bot.buy(sol(), qty("1")).unwrap()));
    bot.await_size(sol(), qty("1")).unwrap();
    stage.harness.signal_supervisor(Signal::SIGSTOP).unwrap();
    // Every refusal is a line of some hundred bytes in a pipe of 64 KiB.
    for _ in 0..1_200 {
        let refused = bot.buy(sol(), qty("1")).unwrap();
        assert!(
            matches!(&refused.outcome, Outcome::Denied(d) if d.tag == Tag::SessionTrades),
            "{refused:?}"
        );
    }
    assert!(accepted(&bot.close(sol(), qty("1")).unwrap()), "exits go");
    stage.harness.signal_supervisor(Signal::SIGCONT).unwrap();
    until(30, "the drops to be said", || {
        bot.buy(sol(), qty("1")).map_err(|e| e.to_string())?;
        let status = stage.harness.status().map_err(|e| e.to_string())?;
        let counted: u64 = status.children.iter().map(|c| c.dropped_lines).sum();
        let text = [Process::Gateway, Process::RiskGuard]
            .map(|process| fs::read_to_string(path(&stage, process)).unwrap_or_default())
            .concat();
        let said = text.contains("log lines were dropped: the log pipe was full");
        if said && counted > 0 {
            assert!(text.lines().all(|line| line.parse::<LogLine>().is_ok()));
            Ok(())
        } else {
            Err(format!("{counted} counted, said: {said}"))
        }
    })
    .unwrap();
}

/// A small disk of its own, taken away when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn on(path: &Path) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let disk = Self(path.to_owned());
        disk.mount("size=64k").then_some(disk)
    }

    fn mount(&self, options: &str) -> bool {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "perps-test"])
            .arg(&self.0)
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[test]
fn a_full_log_disk_stops_no_decision_and_is_reported() {
    // 100 KB of bot lines onto 64 KiB.
    let mut disk = None;
    let Some(stage) = Stage::ready_on(&talkative(3_000, ""), |dir| {
        disk = SmallDisk::on(&dir.join("logs"));
        disk.is_some()
    }) else {
        println!("SKIPPED: a disk of its own cannot be mounted here (root is needed)");
        return;
    };
    let disk = disk.unwrap();
    go(&stage);
    until(30, "the full disk to be reported", || {
        let status = stage.harness.status().map_err(|e| e.to_string())?;
        match status.log_fault {
            Some(why) if why.contains("No space left") && status.log_lines_lost > 0 => Ok(()),
            other => Err(format!("{other:?}, {} lost", status.log_lines_lost)),
        }
    })
    .unwrap();
    assert!(
        stage
            .harness
            .last_words()
            .contains("log lines are lost: No space left")
    );
    let mut bot = stage.bot();
    assert!(accepted(&bot.buy(sol(), qty("1")).unwrap()));
    bot.await_size(sol(), qty("1")).unwrap();
    assert!(accepted(&bot.close(sol(), qty("1")).unwrap()));
    assert!(disk.mount("remount,size=16m"), "more room");
    until(30, "the losses to be said", || {
        bot.positions().map_err(|e| e.to_string())?;
        let placed = bot.buy(sol(), qty("1")).map_err(|e| e.to_string())?;
        let log = stage.harness.trading_log().map_err(|e| e.to_string())?;
        let status = stage.harness.status().map_err(|e| e.to_string())?;
        if log.contains("log lines were lost") && status.log_fault.is_none() {
            assert!(log.lines().all(|line| line.parse::<LogLine>().is_ok()));
            Ok(())
        } else {
            Err(format!("{:?}, {:?}", status.log_fault, placed.outcome))
        }
    })
    .unwrap();
    drop(stage);
    drop(disk);
}
