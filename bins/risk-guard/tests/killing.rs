//! `kill -9` of a real guard under load, again and again: every allow that was spoken is there
//! after it, every outcome that was acknowledged too, and nothing is there that was never asked.
//!
//! `make crash` for a long run with its counts; `PERPS_KILLS` says how many.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly, and its counts are worth seeing"
)]

mod player;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use history::Story;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use player::{Peer, Supervisor, intent, sync};
use protocol::frame::Empty;
use protocol::guard::{GuardReply, GuardRequest, OutcomeReport, StoreWord};
use protocol::{Approval, ApprovalId, Decision, Intent, IntentId, OrderLinkId, Outcome};
use state::{Disk, Options, Outlook, StorePaths, inspect};

/// A profile that nothing runs into.
const WIDE: &str = "trading:\n  max_daily_risk: 0.5\nperps:\n  useTestnet: true\n";

/// Kills in `make test`.
const KILLS: u32 = 100;

/// The longest a guard lives under load before it is killed, in microseconds.
const LONGEST_LIFE_US: u64 = 25_000;

/// What was said to the guard and heard from it, over all its lives.
#[derive(Default)]
struct Ledger {
    asked: BTreeMap<IntentId, Intent>,
    /// Allows that were spoken and whose end was not told yet.
    open: BTreeMap<ApprovalId, Approval>,
    /// Outcomes told; whether they reached it is not known yet.
    telling: BTreeSet<ApprovalId>,
    /// Outcomes acknowledged.
    over: BTreeSet<ApprovalId>,
    /// Every link id that was ever spoken, and to which approval.
    links: BTreeMap<OrderLinkId, ApprovalId>,
    count: Count,
}

#[derive(Default, Debug)]
struct Count {
    kills: u32,
    allows: u64,
    outcomes: u64,
    /// Spoken allows that were open at a kill, and there after it.
    recovered: u64,
    /// Allows on disk whose answer the kill cut off.
    unheard: u64,
    saves: u64,
}

impl Ledger {
    /// What a guard that has just started must know of.
    fn check(&mut self, unresolved: &[Approval]) {
        let known: BTreeMap<ApprovalId, &Approval> =
            unresolved.iter().map(|a| (a.approval_id, a)).collect();
        assert_eq!(known.len(), unresolved.len(), "an approval twice");
        for (id, spoken) in &self.open {
            match known.get(id) {
                Some(found) => {
                    assert_eq!(
                        (&found.link_id, &found.intent),
                        (&spoken.link_id, &spoken.intent)
                    );
                    self.count.recovered += 1;
                }
                None => panic!("lost: {spoken:?}"),
            }
        }
        for (id, found) in known {
            assert!(
                !self.over.contains(&id),
                "its outcome was acknowledged: {found:?}"
            );
            let asked = self.asked.get(&found.intent.intent_id);
            assert_eq!(asked, Some(&found.intent), "invented: {found:?}");
            let before = self.links.insert(found.link_id, id);
            assert!(
                before.is_none_or(|before| before == id),
                "a name twice: {found:?}"
            );
            if !self.open.contains_key(&id) && !self.telling.contains(&id) {
                self.count.unheard += 1;
            }
        }
        // What was on its way at the kill has arrived or has not; both are sound.
        self.telling.clear();
        self.open = unresolved
            .iter()
            .map(|a| (a.approval_id, a.clone()))
            .collect();
    }

    fn heard(&mut self, approval: Approval) {
        assert_eq!(
            self.asked.get(&approval.intent.intent_id),
            Some(&approval.intent)
        );
        let before = self.links.insert(approval.link_id, approval.approval_id);
        assert_eq!(before, None, "a name twice: {approval:?}");
        self.count.allows += 1;
        self.open.insert(approval.approval_id, approval);
    }
}

#[test]
fn whatever_was_spoken_is_there_after_every_kill() {
    let kills = std::env::var("PERPS_KILLS").map_or(KILLS, |n| n.parse().unwrap());
    let mut guard = Supervisor::new();
    let mut ledger = Ledger::default();
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for round in 0..kills {
        guard.start(WIDE, &[]);
        let (mut gateway, welcome) = Peer::gateway(&guard.socket());
        ledger.check(&welcome.unresolved);
        sync(&mut gateway);
        for approval in welcome.unresolved {
            let id = gateway.send(&over(approval.approval_id));
            assert!(matches!(gateway.answer_to(id), GuardReply::Done(Empty {})));
            ledger.open.remove(&approval.approval_id);
            ledger.over.insert(approval.approval_id);
        }
        let pid = Pid::from_raw(i32::try_from(guard.pid()).unwrap());
        let life = Duration::from_micros(random(&mut seed) % LONGEST_LIFE_US);
        let killer = std::thread::spawn(move || {
            // Not waiting for anything: any moment will do.
            std::thread::sleep(life);
            kill(pid, Signal::SIGKILL).unwrap();
        });
        load(&mut gateway, &mut ledger, &mut seed, round);
        killer.join().unwrap();
        guard.reap();
        ledger.count.kills += 1;
    }
    let file = guard.dir().join("data/perps_state.json");
    whole(&file, &ledger);
    println!(
        "kill -9: {} kills, {} allows acknowledged, {} of them open at a kill and recovered, {} \
         recovered that the kill kept from being heard, {} outcomes acknowledged, {} snapshots \
         asked for; lost 0, invented 0",
        ledger.count.kills,
        ledger.count.allows,
        ledger.count.recovered,
        ledger.count.unheard,
        ledger.count.outcomes,
        ledger.count.saves
    );
    assert!(ledger.count.allows > u64::from(kills), "hardly any load");
}

/// Asks for bursts of orders, tells what became of most of them, and sometimes wants a snapshot;
/// until the guard is gone.
fn load(gateway: &mut Peer, ledger: &mut Ledger, seed: &mut u64, round: u32) {
    let mut count = 0;
    let mut gone = false;
    while !gone {
        let mut asked = BTreeSet::new();
        for _ in 0..=random(seed) % 12 {
            count += 1;
            let intent = intent(&format!("k-{round}-{count}"));
            ledger.asked.insert(intent.intent_id, intent.clone());
            let Some(id) = gateway.try_send(&GuardRequest::Authorize(intent)) else {
                gone = true;
                break;
            };
            asked.insert(id);
        }
        if !gone
            && random(seed).is_multiple_of(4)
            && let Some(id) = gateway.try_send(&GuardRequest::Store(StoreWord::Save))
        {
            asked.insert(id);
        }
        while !asked.is_empty() {
            // An answer that came before the end counts, whatever could not be sent any more.
            let Some((id, reply)) = gateway.reply() else {
                return;
            };
            asked.remove(&id.unwrap());
            match reply {
                GuardReply::Decision(Decision::Approved(approval)) => ledger.heard(approval),
                GuardReply::Decision(Decision::Denied(denial)) => panic!("{denial:?}"),
                GuardReply::Store(_) => ledger.count.saves += 1,
                other => panic!("{other:?}"),
            }
        }
        let ended: Vec<ApprovalId> = ledger
            .open
            .keys()
            .filter(|_| !random(seed).is_multiple_of(8))
            .copied()
            .collect();
        let mut told = BTreeMap::new();
        for approval in ended {
            ledger.open.remove(&approval);
            ledger.telling.insert(approval);
            let Some(id) = gateway.try_send(&over(approval)) else {
                gone = true;
                break;
            };
            told.insert(id, approval);
        }
        while !told.is_empty() {
            let Some((id, reply)) = gateway.reply() else {
                return;
            };
            assert!(matches!(reply, GuardReply::Done(Empty {})), "{reply:?}");
            let approval = told.remove(&id.unwrap()).unwrap();
            ledger.telling.remove(&approval);
            ledger.over.insert(approval);
            ledger.count.outcomes += 1;
        }
    }
}

/// After all of it the files are sound, bounded, and the journal leads to every snapshot.
fn whole(file: &std::path::Path, ledger: &Ledger) {
    let seen = inspect(&Disk, &StorePaths::new(file), risk::SCHEMA_VERSION).unwrap();
    assert_eq!(seen.outlook, Outlook::Sound);
    // Those kept for replay, and the few that no snapshot covers yet.
    let most = Options::default().keep_segments + 4;
    assert!(
        seen.segments.len() <= most,
        "{} segments",
        seen.segments.len()
    );
    let story = Story::read(&Disk, file).unwrap();
    assert_eq!(story.damage(), None);
    let mut engine = story.engine();
    let mut passed = usize::from(story.base().seq() > 0);
    for (seq, recorded) in story.inputs() {
        let recorded = recorded.unwrap();
        let effects = engine.step(&recorded.input);
        assert_eq!(
            history::record::told(&effects).unwrap(),
            recorded.told,
            "record {seq}"
        );
        if let Some(checkpoint) = story.checkpoints().iter().find(|c| c.seq == seq) {
            assert_eq!(engine.state(), &*checkpoint.state);
            passed += 1;
        }
    }
    assert!(passed > 0);
    for id in ledger.open.keys() {
        assert!(engine.state().reservations.contains_key(id), "lost: {id}");
    }
}

fn over(approval_id: ApprovalId) -> GuardRequest {
    GuardRequest::Outcome(OutcomeReport {
        approval_id,
        outcome: Outcome::NotSent {
            why: "only a trial".into(),
        },
        signed_at: None,
    })
}

/// xorshift64*: the same moments in every run, as far as the machine allows.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
}
