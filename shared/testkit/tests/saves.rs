//! The save matrix: every way in which editors, scripts and orchestrators save a config, against a
//! real supervisor and its children. A finished save is read at once, half a file never, and what
//! is no save of this file is none. The table goes to the test's output.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod stage;

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use protocol::status::SupervisorStatus;
use protocol::supervisor::{ConfigApply, ConfigResult, SupervisorReply, SupervisorRequest};
use protocol::{Generation, Process, Tag};
use stage::{PROFILE, Stage};
use testkit::until;

/// One table: what is saved how, and what is to be seen of it.
struct Matrix {
    stage: Stage,
    generation: Cell<u64>,
    trades: Cell<u32>,
    rows: RefCell<Vec<(&'static str, &'static str)>>,
}

impl Matrix {
    fn with(policy: &str) -> Self {
        Self {
            stage: Stage::ready(&format!("{PROFILE}{policy}")),
            generation: Cell::new(1),
            trades: Cell::new(100),
            rows: RefCell::default(),
        }
    }

    fn file(&self) -> PathBuf {
        self.stage.harness.config_file()
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.stage.harness.dir().join(name)
    }

    /// A sound config that differs from all before.
    fn next(&self) -> String {
        let text = fs::read_to_string(self.file()).unwrap();
        self.edited(&text)
    }

    fn edited(&self, text: &str) -> String {
        self.trades.set(self.trades.get() + 1);
        let line = |line: &str| line.trim_start().starts_with("sessionMaxTrades");
        let old = text.lines().find(|l| line(l)).unwrap();
        text.replace(old, &format!("  sessionMaxTrades: {}", self.trades.get()))
    }

    /// Saves in one way; it must be in force everywhere, as exactly one generation.
    fn seen(&self, way: &'static str, save: impl FnOnce(&str)) {
        let text = self.next();
        save(&text);
        self.in_force(way);
        self.rows.borrow_mut().push((way, "seen"));
    }

    fn in_force(&self, way: &str) {
        self.generation.set(self.generation.get() + 1);
        let wanted = Generation(self.generation.get());
        until(20, &format!("{way}: {wanted} everywhere"), || {
            let status = self.status()?;
            let all = |child: &protocol::status::ChildStatus| child.generation == Some(wanted);
            if status.config.applied == wanted && status.children.iter().all(all) {
                Ok(())
            } else {
                Err(format!("{:?}", status.config))
            }
        })
        .unwrap();
        assert_eq!(self.limit(), self.trades.get().to_string(), "{way}");
    }

    /// Does something; a supervisor that is made to look finds nothing to take up.
    fn not_seen(&self, way: &'static str, act: impl FnOnce()) -> ConfigResult {
        act();
        let result = self.look_now();
        assert_eq!(result.applied, Generation(self.generation.get()), "{way}");
        assert!(!result.changed, "{way}: {result:?}");
        self.rows.borrow_mut().push((way, "rightly not"));
        result
    }

    fn look_now(&self) -> ConfigResult {
        let apply = SupervisorRequest::ConfigApply(ConfigApply { wait: false });
        let reply = self.stage.harness.ask_supervisor(&apply).unwrap();
        let SupervisorReply::ConfigResult(result) = reply else {
            panic!("{reply:?}")
        };
        result
    }

    fn status(&self) -> Result<SupervisorStatus, String> {
        self.stage.harness.status().map_err(|e| e.to_string())
    }

    fn limit(&self) -> String {
        let risk = self.stage.harness.risk().unwrap();
        let mut limits = risk.limits.into_iter();
        let limit = limits.find(|limit| limit.key == "perps.sessionMaxTrades");
        limit.and_then(|limit| limit.limit).unwrap()
    }

    /// The table, past the test's captured output.
    fn show(&self, title: &str) {
        let mut text = format!("\nsave matrix, {title}\n");
        for (way, seen) in self.rows.borrow().iter() {
            writeln!(text, "  {way:<58} {seen}").unwrap();
        }
        io::stdout().write_all(text.as_bytes()).unwrap();
    }
}

fn replace_link(link: &Path, target: &str) {
    let beside = link.with_file_name("swapped-in");
    symlink(target, &beside).unwrap();
    fs::rename(beside, link).unwrap();
}

/// No quiet spell and no periodic look ends while these run: what is seen is seen at once.
const NEVER_QUIET: &str = "supervisor:\n  reloadDebounceMs: 60000\n  reloadPollSeconds: 3600\n";

#[test]
fn finished_saves_are_read_at_once_and_half_a_file_never() {
    let m = Matrix::with(NEVER_QUIET);
    let file = m.file();
    m.seen("written in place and closed", |text| {
        fs::write(&file, text).unwrap();
    });
    m.seen("moved over (mv new.yaml perps.yaml)", |text| {
        fs::write(m.beside("new.yaml"), text).unwrap();
        fs::rename(m.beside("new.yaml"), &file).unwrap();
    });
    m.seen("vim: 4913, backup perps.yaml~, written anew", |text| {
        File::create(m.beside("4913")).unwrap();
        fs::remove_file(m.beside("4913")).unwrap();
        fs::rename(&file, m.beside("perps.yaml~")).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(m.beside("perps.yaml~")).unwrap();
    });
    m.seen("deleted and made again", |text| {
        fs::remove_file(&file).unwrap();
        fs::write(&file, text).unwrap();
    });
    m.not_seen("touched, chmod, read by others", || {
        let open = OpenOptions::new().append(true).open(&file).unwrap();
        drop(open);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        fs::read(&file).unwrap();
    });
    m.not_seen("saved beside it: .perps.yaml.swp, other.yaml", || {
        fs::write(m.beside(".perps.yaml.swp"), "x").unwrap();
        fs::write(m.beside("other.yaml"), "perps:\n").unwrap();
    });
    two_halves(&m);
    m.seen("after both halves, and closed: again in place", |text| {
        fs::write(&file, text).unwrap();
    });
    links(&m);
    bad_then_good(&m);
    ten_in_a_second(&m);
    m.show("a quiet spell of 60 s: what is seen is seen at once");
}

/// The first half is a sound config that allows more: it drops a limit.
fn two_halves(m: &Matrix) {
    let whole = format!("{}alerts:\n  reminderMinutes: 7\n", m.next());
    let cut = whole.find("  consecutiveLossLimit").unwrap();
    let (first, second) = whole.split_at(cut);
    assert!(config::parse(first, "half").is_ok(), "a sound half");
    let mut open = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(m.file())
        .unwrap();
    let told = m.not_seen("the first half of a write, a sound config", || {
        open.write_all(first.as_bytes()).unwrap();
        open.flush().unwrap();
    });
    assert!(told.under_way, "it is still being saved: {told:?}");
    open.write_all(second.as_bytes()).unwrap();
    drop(open);
    m.in_force("both halves");
    m.rows
        .borrow_mut()
        .push(("its second half, and closed", "seen"));
}

fn links(m: &Matrix) {
    let file = m.file();
    m.seen("a symlink swapped in", |text| {
        fs::write(m.beside("target.yaml"), text).unwrap();
        replace_link(&file, "target.yaml");
    });
    m.seen("written behind the symlink", |text| {
        fs::write(m.beside("target.yaml"), text).unwrap();
    });
    // As the kubelet mounts a ConfigMap: perps.yaml -> ..data/perps.yaml, ..data -> ..v1.
    let volume = |name: &str, text: &str| {
        fs::create_dir(m.beside(name)).unwrap();
        fs::write(m.beside(name).join("perps.yaml"), text).unwrap();
        replace_link(&m.beside("..data"), name);
    };
    m.seen("a Kubernetes volume in its place", |text| {
        volume("..v1", text);
        replace_link(&file, "..data/perps.yaml");
    });
    for (way, name, old) in [
        ("Kubernetes: ..data swapped", "..v2", "..v1"),
        (
            "Kubernetes: ..data swapped again, the old one gone",
            "..v3",
            "..v2",
        ),
    ] {
        m.seen(way, |text| {
            volume(name, text);
            fs::remove_dir_all(m.beside(old)).unwrap();
        });
    }
    m.seen("a symlinked directory in its place", |text| {
        fs::create_dir_all(m.beside("releases/1")).unwrap();
        fs::write(m.beside("releases/1/perps.yaml"), text).unwrap();
        symlink("releases/1", m.beside("current")).unwrap();
        replace_link(&file, "current/perps.yaml");
    });
    m.seen("an edit behind the symlinked directory", |text| {
        fs::write(m.beside("releases/1/perps.yaml"), text).unwrap();
    });
    m.seen("the symlinked directory swapped", |text| {
        fs::create_dir_all(m.beside("releases/2")).unwrap();
        fs::write(m.beside("releases/2/perps.yaml"), text).unwrap();
        replace_link(&m.beside("current"), "releases/2");
    });
    m.seen("a plain file again", |text| {
        fs::write(m.beside("plain"), text).unwrap();
        fs::rename(m.beside("plain"), &file).unwrap();
    });
}

fn bad_then_good(m: &Matrix) {
    let good = m.next();
    let bad = good.replace("sessionMaxTrades", "sessionMaxTrade");
    fs::write(m.file(), bad).unwrap();
    until(20, "the refusal", || match m.status()?.config.rejected {
        Some(_) => Ok(()),
        None => Err("not yet".to_owned()),
    })
    .unwrap();
    assert_eq!(
        m.status().unwrap().config.applied,
        Generation(m.generation.get())
    );
    fs::write(m.file(), good).unwrap();
    m.in_force("good after bad");
    m.rows
        .borrow_mut()
        .push(("bad, then good", "refused, then seen"));
}

fn ten_in_a_second(m: &Matrix) {
    let mut text = fs::read_to_string(m.file()).unwrap();
    for _ in 0..10 {
        text = m.edited(&text);
        fs::write(m.beside("new.yaml"), &text).unwrap();
        fs::rename(m.beside("new.yaml"), m.file()).unwrap();
    }
    let last = m.trades.get().to_string();
    until(20, "the last of ten saves", || {
        let status = m.status()?;
        m.generation.set(status.config.applied.0);
        match m.limit() {
            limit if limit == last => Ok(()),
            limit => Err(limit),
        }
    })
    .unwrap();
    m.rows
        .borrow_mut()
        .push(("ten saves in a second", "the last is in force"));
}

#[test]
fn what_is_not_finished_is_read_after_a_quiet_spell_and_a_lost_event_costs_nothing() {
    let m = Matrix::with("supervisor:\n  reloadPollSeconds: 3600\n");
    m.seen("cut in place by truncate(2): nobody closes it", |text| {
        // The end is a comment, so the file is sound before and after.
        let longer = format!("{text}# a comment that is cut off again");
        fs::write(m.file(), &longer).unwrap();
        m.in_force("with the comment");
        nix::unistd::truncate(&m.file(), i64::try_from(text.len()).unwrap()).unwrap();
    });
    fs::remove_file(m.file()).unwrap();
    until(20, "the loss of the file to be said", || {
        let rejected = m.status()?.config.rejected;
        match rejected {
            Some(why) if why.contains("is gone") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    m.rows
        .borrow_mut()
        .push(("deleted", "said; the old one stays in force"));
    let kept = m.stage.harness.dir().join("accepted");
    let in_force = kept.join(format!("g{:06}.yaml", m.generation.get()));
    let text = m.edited(&fs::read_to_string(in_force).unwrap());
    fs::write(m.file(), text).unwrap();
    m.in_force("made again later");
    m.rows.borrow_mut().push(("made again later", "seen"));
    overflow(&m);
    m.show("the default quiet spell, without a periodic look");
}

/// More events than the kernel keeps, while nobody reads them; the save comes after.
fn overflow(m: &Matrix) {
    let kept: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    m.stage.harness.signal_supervisor(Signal::SIGSTOP).unwrap();
    for n in 0..=kept {
        // At least one event each; two names, so that no two neighbours are merged.
        fs::write(m.beside(["a", "b"][n % 2]), "").unwrap();
    }
    let text = m.next();
    fs::write(m.beside("new.yaml"), text).unwrap();
    fs::rename(m.beside("new.yaml"), m.file()).unwrap();
    m.stage.harness.signal_supervisor(Signal::SIGCONT).unwrap();
    m.in_force("after an overflow");
    m.rows
        .borrow_mut()
        .push(("saved when the kernel's queue had overflowed", "seen"));
}

#[test]
fn a_generation_is_told_only_once_it_is_everywhere_and_a_failed_reload_leaves_no_deaf_ear() {
    let m = Matrix::with("");
    let gateway = |signal| m.stage.harness.signal(Process::Gateway, signal).unwrap();
    // A child that does not answer: attempted, not applied.
    gateway(Signal::SIGSTOP);
    fs::write(m.file(), m.next()).unwrap();
    let mut attempted = false;
    until(30, "the reload to fail", || {
        let status = m.status()?;
        attempted |= status.config.attempted == Generation(2);
        assert_eq!(status.config.applied, Generation(1), "told too early");
        let guard = |c: &&protocol::status::ChildStatus| c.process == Process::RiskGuard;
        let guard = status.children.iter().find(guard).unwrap();
        assert_eq!(guard.generation, Some(Generation(1)));
        match status.config.rejected {
            Some(why) if why.contains("gateway did not answer in time") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    assert!(attempted);
    gateway(Signal::SIGCONT);
    // The number of the failed one is not used again.
    m.generation.set(2);
    m.seen("after a reload that failed", |text| {
        fs::write(m.file(), text).unwrap();
    });
    assert!(
        m.stage
            .harness
            .tags()
            .unwrap()
            .contains(&Tag::ConfigRejected)
    );
}
