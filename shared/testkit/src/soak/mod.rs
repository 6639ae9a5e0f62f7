//! A soak: a whole deployment under order load while its processes are killed, stopped and
//! terminated at random; afterwards the books of the venue, of the guard and of its journal must
//! agree.
//!
//! ```text
//!  plan (pure, from a seed) ──▶ blows on the processes ─┐
//!  load: bots that buy, close, rest, cancel, repeat ────┼──▶ calm ──▶ verdict: ledger, journal, guard
//! ```
//! The seed fixes which blow falls on whom after which pause, and what each bot wants in which
//! order. It cannot fix how the kernel interleaves them.

mod approvals;
mod load;
mod plan;
mod verdict;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use daemon::clock;
use money::Price;
use nix::sys::signal::Signal;
use protocol::Process;

use crate::{Binaries, Harness, HarnessSpec, PlayError, Sim, SimSpec, until};
pub use approvals::Approvals;
use load::Load;
use plan::{Blow, Kind, plan};
pub use verdict::Verdict;

/// Limits that the load does not run into, and a policy under which no death is the last.
const PROFILE: &str = include_str!("../../../../configs/drill/normal.yaml");
const POLICY: &str = "supervisor:
  restartBudget: 1000
  backoffMinMs: 10
  backoffMaxSeconds: 0.2
  heartbeatTimeoutSeconds: 3
";

/// Bots that place orders side by side.
const BOTS: u64 = 3;

/// How often the run says how it goes.
const WORD_EVERY_MS: u64 = 5_000;

/// What is asked of a soak.
#[derive(Debug, Clone)]
pub struct SoakSpec {
    /// How long the blows fall.
    pub seconds: u64,
    /// What fixes the blows and the orders.
    pub seed: u64,
    /// A directory of its own.
    pub dir: PathBuf,
}

/// How it goes.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Seconds since the blows began.
    pub seconds: u64,
    /// Blows so far.
    pub blows: usize,
    /// Orders the bots know to be accepted.
    pub accepted: u64,
    /// Orders they know to be refused or not sent.
    pub refused: u64,
    /// Orders whose outcome they do not know: a process died meanwhile.
    pub unknown: u64,
    /// Approvals that stood in the guard's journal.
    pub approvals: usize,
    /// The last blow.
    pub last: String,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            seconds,
            blows,
            accepted,
            refused,
            unknown,
            approvals,
            last,
        } = self;
        write!(
            f,
            "{seconds:>4} s  {blows} blows, orders: {accepted} accepted, {refused} refused, \
             {unknown} unknown, {approvals} approved; last: {last}"
        )
    }
}

/// Plays one soak; `tell` hears how it goes.
pub fn soak(
    binaries: &Binaries,
    spec: &SoakSpec,
    mut tell: impl FnMut(&Progress),
) -> Result<Verdict, PlayError> {
    let sim = Sim::start(binaries, &SimSpec::default())?;
    let hundred = Price::parse("100").map_err(|e| wrong(&e))?;
    sim.price(load::symbol()?, Some(hundred))?;
    let mut harness = Harness::start(
        binaries,
        HarnessSpec {
            dir: spec.dir.clone(),
            config: profile(sim.url()),
            arguments: Vec::new(),
        },
    )?;
    let session = harness.await_synced()?.session.id;
    let mut approvals = Approvals::begin(&spec.dir)?;
    let load = Load::begin(&spec.dir, spec.seed, BOTS)?;
    let blows = strike(&mut harness, spec, &load, &mut approvals, &mut tell)?;
    load.end()?;
    harness.await_synced()?;
    verdict::judge(&harness, &sim, session, blows, approvals)
}

fn profile(url: &str) -> String {
    let profile = PROFILE
        .replace("http://127.0.0.1:0", url)
        .replace("sessionMaxTrades: 100", "sessionMaxTrades: 1000000")
        .replace("consecutiveLossLimit: 50", "consecutiveLossLimit: 1000000");
    format!("{profile}{POLICY}")
}

/// Lets the blows fall one after the other, and the processes come back.
fn strike(
    harness: &mut Harness,
    spec: &SoakSpec,
    load: &Load,
    approvals: &mut Approvals,
    tell: &mut impl FnMut(&Progress),
) -> Result<usize, PlayError> {
    let begun = clock::boot_now();
    let mut word_at = begun.after(WORD_EVERY_MS);
    let mut fallen = 0;
    for blow in plan(spec.seed, spec.seconds) {
        crate::wait::rest(blow.after_ms);
        fall(harness, blow)?;
        fallen += 1;
        let now = clock::boot_now();
        if now >= word_at {
            word_at = now.after(WORD_EVERY_MS);
            approvals.catch_up(&spec.dir)?;
            let known = |count: &AtomicU64| count.load(Ordering::Relaxed);
            tell(&Progress {
                seconds: now.since(begun) / 1_000,
                blows: fallen,
                accepted: known(&load.counts.accepted),
                refused: known(&load.counts.refused),
                unknown: known(&load.counts.unknown),
                approvals: approvals.found().len(),
                last: blow.to_string(),
            });
        }
    }
    Ok(fallen)
}

/// One blow. A process that is not there right now has been hit by the one before.
fn fall(harness: &mut Harness, blow: Blow) -> Result<(), PlayError> {
    if blow.process == Process::Supervisor {
        return fall_on_supervisor(harness, blow.kind);
    }
    let Ok(pid) = harness.pid_of(blow.process) else {
        return Ok(());
    };
    let hit = |signal| crate::harness::send(pid, signal).ok();
    match blow.kind {
        Kind::Kill => drop(hit(Signal::SIGKILL)),
        Kind::Terminate => drop(hit(Signal::SIGTERM)),
        Kind::Stop { ms } => {
            hit(Signal::SIGSTOP);
            crate::wait::rest(ms);
            // Its supervisor may have lost patience; its number is not used again this soon.
            hit(Signal::SIGCONT);
        }
    }
    Ok(())
}

/// As a service manager would: whatever ended it, it is started again.
fn fall_on_supervisor(harness: &mut Harness, kind: Kind) -> Result<(), PlayError> {
    match kind {
        Kind::Kill => harness.kill()?,
        Kind::Terminate => drop(harness.stop()?),
        Kind::Stop { ms } => {
            harness.signal_supervisor(Signal::SIGSTOP)?;
            crate::wait::rest(ms);
            return harness.signal_supervisor(Signal::SIGCONT);
        }
    }
    harness.restart()?;
    until(30, "the supervisor to answer again", || {
        harness.status().map(drop).map_err(|e| e.to_string())
    })
}

fn wrong(error: &dyn std::error::Error) -> PlayError {
    PlayError::Ended {
        what: error.to_string(),
    }
}
