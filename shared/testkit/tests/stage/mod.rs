//! A harness of real processes for one test: a simulator with frozen prices, a deployment in a
//! directory of its own, a bot.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::Command;

use money::{Amount, Price, Qty};
use protocol::gateway::Placed;
use protocol::status::{ChildState, RiskStatus};
use protocol::{IntentId, Outcome, Process, Side, Symbol, Tag};
use tempfile::TempDir;
use testkit::{
    Binaries, BotPlayer, Fault, Harness, HarnessSpec, LedgerOrder, Sim, SimSpec, intent, until,
};

/// Limits that nothing runs into, at the pace of a tight poll.
pub const PROFILE: &str = include_str!("../../../../configs/drill/normal.yaml");

// Dropped in this order: the harness stops while its exchange is still there.
pub struct Stage {
    pub harness: Harness,
    pub sim: Sim,
    pub dir: TempDir,
}

impl Stage {
    /// A harness that has read the venue.
    pub fn ready(profile: &str) -> Self {
        Self::ready_within(profile, Vec::new())
    }

    /// The same, with more in the supervisor's environment.
    pub fn ready_within(profile: &str, environment: Vec<(&'static str, String)>) -> Self {
        let mut stage = Self::begun(profile, environment, |_| true).unwrap();
        stage.harness.await_synced().unwrap();
        stage
    }

    /// A harness that has read the venue, whatever this process does.
    pub fn ready_but(profile: &str, process: Process) -> Self {
        let stage = Self::begun(profile, Vec::new(), |_| true).unwrap();
        until(40, "all others to be ready", || {
            let status = stage.harness.status().map_err(|e| e.to_string())?;
            let mut others = status.children.iter().filter(|c| c.process != process);
            let risk = stage.harness.risk().map_err(|e| e.to_string())?;
            if others.all(|child| child.state == ChildState::Ready) && risk.synced {
                Ok(())
            } else {
                Err(format!("{:?}", risk.waiting_for))
            }
        })
        .unwrap();
        stage
    }

    /// A harness that has read the venue, in a directory that was made ready for it; `None` if it
    /// cannot be.
    pub fn ready_on(profile: &str, prepare: impl FnOnce(&Path) -> bool) -> Option<Self> {
        let mut stage = Self::begun(profile, Vec::new(), prepare)?;
        stage.harness.await_synced().unwrap();
        Some(stage)
    }

    fn begun(
        profile: &str,
        environment: Vec<(&'static str, String)>,
        prepare: impl FnOnce(&Path) -> bool,
    ) -> Option<Self> {
        let binaries = Binaries::beside_this_program().unwrap();
        let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
        sim.price(sol(), Some(price("100"))).unwrap();
        let dir = tempfile::Builder::new().prefix("e2e-").tempdir().unwrap();
        if !prepare(dir.path()) {
            return None;
        }
        let spec = HarnessSpec {
            dir: dir.path().to_owned(),
            config: profile.replace("http://127.0.0.1:0", sim.url()),
            arguments: Vec::new(),
        };
        let harness = Harness::start_within(&binaries, spec, environment).unwrap();
        Some(Self { harness, sim, dir })
    }

    pub fn bot(&self) -> BotPlayer {
        BotPlayer::connect(self.harness.dir()).unwrap()
    }

    /// What the operator's hand answers, and its exit code.
    #[expect(clippy::disallowed_methods, reason = "the test is the operator")]
    pub fn perpsctl(&self, args: &[&str]) -> (i32, String) {
        let program = std::env::current_exe().unwrap();
        let place = program.parent().unwrap().parent().unwrap();
        let done = Command::new(place.join("perpsctl"))
            .arg("--dir")
            .arg(self.harness.dir())
            .args(args)
            .output()
            .unwrap();
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (done.status.code().unwrap(), said)
    }

    /// Orders at the venue that could open a position.
    pub fn openings(&self) -> Vec<LedgerOrder> {
        self.sim
            .ledger()
            .unwrap()
            .orders
            .into_iter()
            .filter(LedgerOrder::opens)
            .collect()
    }

    pub fn fault(&self, kind: &'static str, path: &'static str, ms: Option<i64>) {
        let fault = Fault {
            kind,
            path: Some(path),
            count: 1,
            ms,
            code: None,
            executed: false,
        };
        self.sim.fault(&fault).unwrap();
    }

    /// Waits until a process that was killed runs again and the venue has been read.
    pub fn await_back(&mut self, process: Process, old_pid: u32) {
        until(30, "a new process", || match self.harness.pid_of(process) {
            Ok(pid) if pid != old_pid => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .unwrap();
        self.harness.await_synced().unwrap();
    }

    /// Buys one until it is accepted; what is refused meanwhile never reaches the venue.
    pub fn await_buy(&self, name: &str) -> Placed {
        let mut n = 0;
        until(30, "an accepted order", || {
            n += 1;
            let id = IntentId::new(&format!("{name}-{n}")).unwrap();
            let mut bot = BotPlayer::connect(self.harness.dir()).map_err(|e| e.to_string())?;
            let placed = bot
                .place(intent(id, sol(), Side::Buy, qty("1")))
                .map_err(|e| e.to_string())?;
            if matches!(placed.outcome, Outcome::Accepted { .. }) {
                Ok(placed)
            } else {
                Err(format!("{:?}", placed.outcome))
            }
        })
        .unwrap()
    }
}

pub fn sol() -> Symbol {
    Symbol::new("SOLUSDT").unwrap()
}

pub fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

pub fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub fn named(name: &str) -> IntentId {
    IntentId::new(name).unwrap()
}

pub fn accepted(placed: &Placed) -> bool {
    matches!(placed.outcome, Outcome::Accepted { .. })
}

pub fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

/// Waits until the guard's picture is as it should be.
pub fn await_risk(stage: &Stage, what: &str, good: impl Fn(&RiskStatus) -> bool) -> RiskStatus {
    until(40, what, || {
        let risk = stage.harness.risk().map_err(|e| e.to_string())?;
        if good(&risk) {
            Ok(risk)
        } else {
            Err(format!(
                "{:?} {:?} {:?}",
                risk.trips, risk.account, risk.closes
            ))
        }
    })
    .unwrap()
}

pub fn stands(risk: &RiskStatus, tag: Tag) -> bool {
    risk.trips.iter().any(|trip| trip.tag == tag)
}

/// Waits until one line of `logs/trading.log` holds all of these.
pub fn await_log(stage: &Stage, parts: &[&str]) {
    until(20, &format!("{parts:?} in the log"), || {
        let log = stage.harness.trading_log().map_err(|e| e.to_string())?;
        let found = log
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)));
        if found { Ok(()) } else { Err(log) }
    })
    .unwrap();
}
