//! Whatever happens, in whatever order: no panic, no order past a trip, no growth, and a replay
//! that ends in the same state.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::collections::BTreeMap;

use money::{Amount, Decimal, Ratio};
use proptest::prelude::*;
use protocol::guard::{Observation, ResetTarget, Verb};
use protocol::{Approval, Decision, Intent, OrderType, Outcome, Side, Tag};
use risk::{Engine, InputKind, Limits};
use support::{World, flat, held, order, price, wide};

/// Something that can happen.
#[derive(Debug, Clone)]
enum Move {
    Place {
        buy: bool,
        tenths: u32,
        limit: Option<u32>,
        reduce: bool,
    },
    Outcome {
        which: usize,
        how: u8,
    },
    Execute {
        which: usize,
        tenths: u32,
        at: u32,
    },
    Lookup {
        which: usize,
        found: bool,
    },
    Close(i32),
    Float(i32),
    Positions(i32),
    Orders(bool),
    Pass(u32),
    Gateway(bool),
    Operator(u8),
    Restart,
    Repeat,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (any::<bool>(), 0u32..60, prop::option::of(1u32..200), any::<bool>())
            .prop_map(|(buy, tenths, limit, reduce)| Move::Place { buy, tenths, limit, reduce }),
        4 => (any::<usize>(), 0u8..4).prop_map(|(which, how)| Move::Outcome { which, how }),
        4 => (any::<usize>(), 1u32..40, 80u32..120).prop_map(|(which, tenths, at)| Move::Execute { which, tenths, at }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, found)| Move::Lookup { which, found }),
        2 => (-50i32..50).prop_map(Move::Close),
        2 => (-3000i32..3000).prop_map(Move::Float),
        2 => (-30i32..30).prop_map(Move::Positions),
        1 => any::<bool>().prop_map(Move::Orders),
        3 => (0u32..100_000).prop_map(Move::Pass),
        1 => any::<bool>().prop_map(Move::Gateway),
        1 => (0u8..9).prop_map(Move::Operator),
        1 => Just(Move::Restart),
        1 => Just(Move::Repeat),
    ]
}

fn limits() -> Limits {
    Limits {
        consecutive_loss_limit: Some(3),
        session_max_trades: Some(5),
        session_max_runtime_ms: Some(3_600_000),
        max_orders_per_minute: Some(6),
        max_position_notional: money::Notional::parse("2000").ok(),
        max_daily_risk: Ratio::parse("0.02").unwrap(),
        drawdown_threshold: Ratio::parse("0.1").unwrap(),
        ..wide()
    }
}

/// Plays moves and checks after each what must always hold.
struct Player {
    world: World,
    approvals: Vec<Approval>,
    last: Option<Intent>,
}

impl Player {
    fn new() -> Self {
        Self {
            world: World::ready(limits()),
            approvals: Vec::new(),
            last: None,
        }
    }

    fn pick(&self, which: usize) -> Option<Approval> {
        let n = which.checked_rem(self.approvals.len())?;
        self.approvals.get(n).cloned()
    }

    fn play(&mut self, step: &Move) {
        match *step {
            Move::Place {
                buy,
                tenths,
                limit,
                reduce,
            } => self.place(buy, tenths, limit, reduce),
            Move::Outcome { which, how } => {
                let Some(approval) = self.pick(which) else {
                    return;
                };
                let why = "why".to_owned();
                match how {
                    0 => drop(self.world.accept(&approval)),
                    1 => drop(self.world.report(
                        &approval,
                        Outcome::Rejected {
                            code: 7,
                            message: why,
                        },
                    )),
                    2 => drop(self.world.report(&approval, Outcome::NotSent { why })),
                    _ => drop(self.world.report(&approval, Outcome::Ambiguous { why })),
                }
            }
            Move::Execute { which, tenths, at } => {
                let Some(approval) = self.pick(which) else {
                    return;
                };
                let id = protocol::OrderId::new(&format!("o-{}", approval.approval_id.0)).unwrap();
                let size = Decimal::new(tenths.into(), 1).to_string();
                self.world
                    .execute(id, approval.intent.side, &size, &at.to_string(), "0.1");
            }
            Move::Lookup { which, found } => {
                let Some(approval) = self.pick(which) else {
                    return;
                };
                let now = self.world.venue_now();
                let row = protocol::venue::Order {
                    link_id: Some(approval.link_id),
                    ..order(&format!("o-{}", approval.approval_id.0), now)
                };
                self.world.lookup(&approval, found.then_some(row));
            }
            Move::Close(pnl) => drop(self.world.closed(&pnl.to_string())),
            Move::Float(pnl) => drop(self.world.float(&pnl.to_string())),
            Move::Positions(tenths) => {
                let side = if tenths < 0 { Side::Sell } else { Side::Buy };
                let size = Decimal::new(tenths.unsigned_abs().into(), 1).to_string();
                let row = if tenths == 0 {
                    flat()
                } else {
                    held(side, &size)
                };
                self.world.positions(&[row]);
            }
            Move::Orders(foreign) => {
                let now = self.world.venue_now();
                let all = if foreign {
                    vec![order("theirs", now)]
                } else {
                    vec![]
                };
                self.world.see(Observation::OpenOrders(all));
            }
            Move::Pass(ms) => drop(self.world.pass(ms.into())),
            Move::Gateway(true) => drop(self.world.join(&[], &[])),
            Move::Gateway(false) => drop(self.world.say(InputKind::GatewayLost)),
            Move::Operator(n) => drop(self.world.operate(verb(n))),
            Move::Restart => drop(self.world.restart()),
            Move::Repeat => self.repeat(),
        }
    }

    fn place(&mut self, buy: bool, tenths: u32, limit: Option<u32>, reduce: bool) {
        let side = if buy { Side::Buy } else { Side::Sell };
        let size = Decimal::new(tenths.into(), 1).to_string();
        let mut intent = self.world.intent(side, &size);
        intent.reduce_only = reduce;
        if let Some(at) = limit {
            intent.order_type = OrderType::Limit;
            intent.price = Some(price(&at.to_string()));
        }
        let before = self.world.status();
        let decision = self.world.authorize(&intent);
        if let Decision::Approved(approval) = decision {
            assert_eq!(approval.opens, !reduce);
            if approval.opens {
                assert!(
                    before.trips.is_empty() && before.synced && before.waiting_for.is_empty(),
                    "opened past {before:?}"
                );
                let session = self.world.status().session;
                assert!(
                    session.trades + session.live_openers <= 5 || session.trades > 5,
                    "{session:?}"
                );
            }
            self.approvals.push(approval);
        }
        self.last = Some(intent);
    }

    /// A repeat is never approved again.
    fn repeat(&mut self) {
        let Some(intent) = self.last.clone() else {
            return;
        };
        assert!(!matches!(
            self.world.authorize(&intent),
            Decision::Approved(_)
        ));
    }
}

fn verb(n: u8) -> Verb {
    match n {
        0 => Verb::Halt { flatten: false },
        1 => Verb::Freeze,
        2 | 3 => Verb::Resume,
        4 => Verb::Reset {
            what: ResetTarget::CircuitBreaker,
        },
        5 => Verb::Reset {
            what: ResetTarget::DailyLoss,
        },
        6 => Verb::Reset {
            what: ResetTarget::Drawdown { rebase: true },
        },
        7 => Verb::SessionNew,
        _ => Verb::ReconAcknowledge,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_input_panics_and_nothing_opens_past_a_trip(steps in prop::collection::vec(moves(), 1..120)) {
        let mut player = Player::new();
        for step in &steps {
            player.play(step);
        }
    }

    #[test]
    fn a_replay_from_any_point_ends_in_the_same_state(
        steps in prop::collection::vec(moves(), 1..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut player = Player::new();
        // Restarts are inputs of their own; the replay below has its own.
        for step in steps.iter().filter(|step| !matches!(step, Move::Restart)) {
            player.play(step);
        }
        let inputs = &player.world.inputs;
        let start = World::unread(limits());
        let mut engine = Engine::resume(fresh(&start));
        let cut = cut.index(inputs.len());
        for (n, input) in inputs.iter().enumerate() {
            if n == cut {
                let text = serde_json::to_string(engine.state()).unwrap();
                engine = Engine::resume(serde_json::from_str(&text).unwrap());
            }
            let text = serde_json::to_string(input).unwrap();
            engine.step(&serde_json::from_str(&text).unwrap());
        }
        prop_assert_eq!(engine.state(), player.world.engine.state());
    }

    /// Counters against a model that only knows sums.
    #[test]
    fn counters_equal_the_naive_model(trades in prop::collection::vec((1u32..50, 60u32..140), 1..30)) {
        let mut world = World::ready(Limits { max_daily_risk: Ratio::parse("9").unwrap(), drawdown_threshold: Ratio::parse("0.99").unwrap(), ..wide() });
        let (mut cash, mut streak) = (Decimal::ZERO, 0_u32);
        for (n, (tenths, exit)) in trades.iter().enumerate() {
            let size = Decimal::new((*tenths).into(), 1);
            world.round_trip(&size.to_string(), &exit.to_string());
            let pnl = (Decimal::from(*exit) - Decimal::ONE_HUNDRED) * size - Decimal::TWO;
            cash += pnl;
            streak = if pnl < Decimal::ZERO { streak + 1 } else { 0 };
            let status = world.status();
            prop_assert_eq!(status.session.trades as usize, n + 1);
            prop_assert_eq!(status.account.loss_streak, streak);
            prop_assert_eq!(status.account.realised_today, Amount::new(cash).unwrap());
            prop_assert!(status.positions.is_empty());
        }
    }
}

/// The state before the first input of a world that has only been started.
fn fresh(world: &World) -> risk::State {
    let stamp = world.inputs[0].stamp;
    let genesis = risk::Genesis {
        stamp,
        mode: protocol::Mode::Testnet,
        account: None,
        generation: protocol::Generation(1),
        limits: limits(),
    };
    Engine::new(genesis).state().clone()
}

#[test]
fn the_state_stays_small_whatever_the_history() {
    let mut world = World::ready(wide());
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    for n in 1..=12_000_u32 {
        let name = protocol::Symbol::new(&format!("S{n}")).unwrap();
        let stranger = Intent {
            symbol: name,
            ..world.intent(Side::Buy, "1")
        };
        assert_eq!(world.denied(&stranger), Tag::OrderLimit);
        if n % 3 == 0 {
            world.round_trip("1", "103");
            world.pass(3_000);
            world.positions(&[flat()]);
            world.see(Observation::OpenOrders(vec![]));
        }
        if n == 6_000 || n == 12_000 {
            sizes.insert(
                n,
                serde_json::to_string(world.engine.state()).unwrap().len(),
            );
        }
        world.inputs.clear();
    }
    let (half, whole) = (sizes[&6_000], sizes[&12_000]);
    assert!(whole < half + half / 5, "{half} bytes grew to {whole}");
}
