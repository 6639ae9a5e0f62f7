//! One lane: a simulator, a harness, a worker for each symbol, and the reckoning.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use money::{Price, Qty};
use nix::sys::signal::Signal;
use protocol::gateway::Placed;
use protocol::{Intent, IntentId, Outcome, Side, Symbol, Tag};

use super::PROFILE;
use super::counts::Counts;
use super::mischief::{self, Mischief, Victim};
use crate::{Binaries, BotPlayer, Harness, HarnessSpec, PlayError, Sim, SimSpec, intent, until};

/// What is traded, how much at a time, and at which price.
const MARKETS: [(&str, &str, &str); 3] = [
    ("BTCUSDT", "0.001", "50000"),
    ("ETHUSDT", "0.01", "3000"),
    ("SOLUSDT", "0.1", "100"),
];
/// How long an intent may take to a definite outcome, seconds: restarts and look-ups included.
const DEFINITE_S: u64 = 120;

/// What a lane is played with.
pub(super) struct Spec {
    pub(super) number: usize,
    pub(super) intents: usize,
    pub(super) seed: u64,
    pub(super) dir: PathBuf,
}

/// A lane at work. Workers share it.
struct Lane<'a> {
    spec: &'a Spec,
    sim: Sim,
    harness: Mutex<Harness>,
    next: AtomicUsize,
    counts: Mutex<Counts>,
    /// Every intent, and the first definite answer to it.
    answered: Mutex<Vec<(Intent, Placed)>>,
    tell: &'a (dyn Fn(&str) + Sync),
}

/// Plays a lane to its end, or as far as it gets: then the counts say so.
pub(super) fn play(binaries: &Binaries, spec: &Spec, tell: &(dyn Fn(&str) + Sync)) -> Counts {
    let mut lane = match Lane::begin(binaries, spec, tell) {
        Ok(lane) => lane,
        Err(problem) => {
            let mut counts = Counts::default();
            broke_off(&mut counts, spec, &problem);
            return counts;
        }
    };
    let ends: Vec<Result<(), PlayError>> = std::thread::scope(|scope| {
        let lane = &lane;
        let workers: Vec<_> = MARKETS
            .into_iter()
            .map(|(name, size, _)| scope.spawn(|| lane.work(name, size)))
            .collect();
        workers
            .into_iter()
            .map(|w| w.join().unwrap_or_else(|_| Err(ended("a worker panicked"))))
            .collect()
    });
    let mut counts = std::mem::take(
        lane.counts
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner),
    );
    let worked = ends.into_iter().collect::<Result<(), PlayError>>();
    let reckoned = worked.and_then(|()| lane.reckon(&mut counts));
    if let Err(problem) = reckoned {
        broke_off(&mut counts, spec, &problem);
        lane.judge_what_is_there(&mut counts);
    }
    counts
}

/// A lane ends before its time.
fn broke_off(counts: &mut Counts, spec: &Spec, problem: &PlayError) {
    counts
        .unfinished
        .push(format!("lane {}: {problem}", spec.number));
}

impl<'a> Lane<'a> {
    fn begin(
        binaries: &Binaries,
        spec: &'a Spec,
        tell: &'a (dyn Fn(&str) + Sync),
    ) -> Result<Self, PlayError> {
        let sim = Sim::start(
            binaries,
            &SimSpec {
                balance: 100_000_000,
                ..SimSpec::default()
            },
        )?;
        for (name, _, at) in MARKETS {
            sim.price(symbol(name)?, Some(number(at, Price::parse)?))?;
        }
        let mut harness = Harness::start(
            binaries,
            HarnessSpec {
                dir: spec.dir.clone(),
                config: PROFILE.replace("http://127.0.0.1:0", sim.url()),
                arguments: Vec::new(),
            },
        )?;
        harness.await_synced()?;
        Ok(Self {
            spec,
            sim,
            harness: Mutex::new(harness),
            next: AtomicUsize::new(0),
            counts: Mutex::default(),
            answered: Mutex::default(),
            tell,
        })
    }
}

impl Lane<'_> {
    /// Takes intent after intent until none is left.
    fn work(&self, name: &str, size: &str) -> Result<(), PlayError> {
        let (symbol, size) = (symbol(name)?, number(size, Qty::parse)?);
        let mut bot = None;
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            if n >= self.spec.intents {
                return Ok(());
            }
            if n > 0 && n.is_multiple_of(100) {
                (self.tell)(&format!("lane {}: {n} intents", self.spec.number));
            }
            let id = format!("f-{}-{n}", self.spec.number);
            let id = IntentId::new(&id).map_err(|e| ended(&e.to_string()))?;
            let mischief = mischief::of(self.spec.seed, n);
            // Every fourth shrinks what the others have opened.
            let wanted = Intent {
                reduce_only: n % 4 == 3,
                ..intent(
                    id,
                    symbol,
                    if n % 4 == 3 { Side::Sell } else { Side::Buy },
                    size,
                )
            };
            let placed = self.place(&mut bot, &wanted, &mischief)?;
            lock(&self.answered).push((wanted, placed));
            self.await_calm()?;
        }
    }

    /// Names an intent until its outcome is definite, while it suffers what it is to suffer.
    fn place(
        &self,
        bot: &mut Option<BotPlayer>,
        wanted: &Intent,
        mischief: &Mischief,
    ) -> Result<Placed, PlayError> {
        for fault in [&mischief.create, &mischief.read].into_iter().flatten() {
            self.sim.fault(fault)?;
            let mut counts = lock(&self.counts);
            Counts::count(&mut counts.faults, fault.kind);
        }
        let before = self.sim.orders()?;
        std::thread::scope(|scope| {
            let killer = mischief
                .kill
                .map(|victim| scope.spawn(move || self.kill(victim, before)));
            let placed = self.definite(bot, wanted);
            if let Some(killer) = killer {
                killer
                    .join()
                    .unwrap_or_else(|_| Err(ended("a killer panicked")))?;
            }
            placed
        })
    }

    fn definite(&self, bot: &mut Option<BotPlayer>, wanted: &Intent) -> Result<Placed, PlayError> {
        let mut asked = 0_usize;
        until(
            DEFINITE_S,
            &format!("a definite outcome of {}", wanted.intent_id),
            || {
                asked = asked.saturating_add(1);
                let answer = self.ask(bot, wanted);
                let mut counts = lock(&self.counts);
                counts.repeats = counts.repeats.saturating_add(usize::from(asked > 1));
                let placed = answer.map_err(|e| e.to_string())?;
                if matches!(placed.outcome, Outcome::Ambiguous { .. }) && asked == 1 {
                    counts.ambiguous = counts.ambiguous.saturating_add(1);
                }
                if definite(&placed) {
                    Ok(placed)
                } else {
                    Err(format!("{:?}", placed.outcome))
                }
            },
        )
    }

    /// Asks once, on a new connection if the last one failed.
    fn ask(&self, bot: &mut Option<BotPlayer>, wanted: &Intent) -> Result<Placed, PlayError> {
        let mut player = match bot.take() {
            Some(player) => player,
            None => BotPlayer::connect(&self.spec.dir)?,
        };
        let placed = player.place(wanted.clone())?;
        *bot = Some(player);
        Ok(placed)
    }

    /// Kills once something more has arrived at the venue: between its arrival and its answer.
    fn kill(&self, victim: Victim, orders: u64) -> Result<(), PlayError> {
        let arrived = until(5, "an order to be under way", || {
            let now = self.sim.orders().map_err(|e| e.to_string())?;
            if now > orders {
                Ok(())
            } else {
                Err(now.to_string())
            }
        });
        // The intent may have been refused: then it dies between orders.
        drop(arrived);
        let mut harness = lock(&self.harness);
        match victim {
            Victim::One(process) => {
                // It may be down already from the kill before.
                if harness.signal(process, Signal::SIGKILL).is_err() {
                    return Ok(());
                }
            }
            Victim::All => {
                harness.kill()?;
                harness.restart()?;
            }
        }
        let mut counts = lock(&self.counts);
        Counts::count(&mut counts.kills, victim.word());
        Ok(())
    }

    /// Waits until entries can go again: an intent that is refused for a kill proves little.
    fn await_calm(&self) -> Result<(), PlayError> {
        until(DEFINITE_S, "the harness to be in order again", || {
            let risk = lock(&self.harness).risk().map_err(|e| e.to_string())?;
            if risk.synced && risk.waiting_for.is_empty() {
                Ok(())
            } else {
                Err(format!("{:?}", risk.waiting_for))
            }
        })
    }

    /// Everything is started anew, every intent is named once more, and the ledger judges.
    fn reckon(&mut self, counts: &mut Counts) -> Result<(), PlayError> {
        let harness = self.harness.get_mut();
        let harness = harness.unwrap_or_else(PoisonError::into_inner);
        let settled = until(DEFINITE_S, "every order to be resolved", || {
            let risk = harness.risk().map_err(|e| e.to_string())?;
            if risk.unresolved == 0 {
                Ok(())
            } else {
                Err(format!("{} unresolved", risk.unresolved))
            }
        });
        settled?;
        harness.stop()?;
        harness.restart()?;
        harness.await_synced()?;
        let mut bot = BotPlayer::connect(harness.dir())?;
        let mut recorded = Vec::new();
        let answered = self.answered.get_mut();
        let answered = answered.unwrap_or_else(PoisonError::into_inner);
        for (wanted, first) in &*answered {
            let again = bot.place(wanted.clone())?;
            if !again.repeated || again.outcome != first.outcome {
                counts.lost = counts.lost.saturating_add(1);
                counts.problem(format!(
                    "{}: said {:?}, and after a restart {again:?}",
                    wanted.intent_id, first.outcome
                ));
            }
            recorded.push(again);
        }
        let orders = self.sim.ledger()?.orders;
        let trips = harness.risk()?.trips;
        harness.stop()?;
        counts.intents = answered.len();
        counts.judge(&recorded, &orders);
        for trip in trips {
            counts.trips = counts.trips.saturating_add(1);
            counts.problem(format!("{}: {}", trip.tag, trip.message));
        }
        Ok(())
    }

    /// Of a lane that broke off: the answers it had, against the ledger.
    fn judge_what_is_there(&mut self, counts: &mut Counts) {
        let answered = self.answered.get_mut();
        let answered = answered.unwrap_or_else(PoisonError::into_inner);
        counts.intents = answered.len();
        let recorded: Vec<Placed> = answered.iter().map(|(_, first)| first.clone()).collect();
        match self.sim.ledger() {
            Ok(ledger) => counts.judge(&recorded, &ledger.orders),
            Err(problem) => broke_off(counts, self.spec, &problem),
        }
    }
}

/// Whether nothing more will become of it. What the gateway refused because the guard was silent is
/// not recorded: it may be asked again.
fn definite(placed: &Placed) -> bool {
    match &placed.outcome {
        Outcome::Accepted { .. } | Outcome::Rejected { .. } | Outcome::NotSent { .. } => true,
        Outcome::Denied(denial) => denial.tag != Tag::GuardLost,
        Outcome::Pending | Outcome::Ambiguous { .. } => false,
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn symbol(name: &str) -> Result<Symbol, PlayError> {
    Symbol::new(name).map_err(|e| ended(&e.to_string()))
}

fn number<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, money::MoneyError>,
) -> Result<T, PlayError> {
    parse(text).map_err(|e| ended(&e.to_string()))
}

fn ended(what: &str) -> PlayError {
    PlayError::Ended {
        what: what.to_owned(),
    }
}
