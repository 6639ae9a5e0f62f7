//! The engine beside a naive model of the design: after every step both say the same, and no
//! opening order passes while the model says that something blocks.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_wrap,
    reason = "a test may fail loudly"
)]
#![allow(unreachable_pub, reason = "the model is a file of its own")]

mod reference;
mod support;

use money::{Amount, Decimal, Price, Qty, Ratio};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use protocol::guard::{Observation, ResetTarget, Verb};
use protocol::status::TradingState;
use protocol::venue::{ClosedTrade, ExecKind, Execution, Order, OrderStatus, Wallet};
use protocol::{Approval, Decision, ExecId, Intent, OrderId, OrderType, Side, Tag};
use reference::{Block, Event, Picture, Reference, Rules, What};
use risk::Limits;
use support::{World, order, price, ratio, sol, symbol, wide};

/// Days that are played.
const CASES: u32 = 128;

/// What a bot, a venue and an operator do.
#[derive(Debug, Clone)]
enum Move {
    /// Buys at the market; it fills at once.
    Buy {
        tenths: u32,
        at: u32,
    },
    /// Places a bid that rests.
    Rest,
    /// A bid fills, or is cancelled.
    Fill {
        which: usize,
        at: u32,
    },
    Cancel {
        which: usize,
    },
    /// A part of what is held is sold.
    Sell {
        percent: u32,
        at: u32,
    },
    Funding(i32),
    /// Open profit or loss as the next read shows it.
    Float(i32),
    Pass(u32),
    Operator(u8),
    Restart,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (1u32..200, 90u32..110).prop_map(|(tenths, at)| Move::Buy { tenths, at }),
        2 => Just(Move::Rest),
        2 => (any::<usize>(), 90u32..110).prop_map(|(which, at)| Move::Fill { which, at }),
        1 => any::<usize>().prop_map(|which| Move::Cancel { which }),
        5 => (1u32..=100, 80u32..112).prop_map(|(percent, at)| Move::Sell { percent, at }),
        1 => (-20i32..20).prop_map(Move::Funding),
        2 => (-900i32..600).prop_map(Move::Float),
        3 => prop_oneof![1u32..60, 60u32..7_200, 7_200u32..90_000].prop_map(Move::Pass),
        2 => (0u8..10).prop_map(Move::Operator),
        1 => Just(Move::Restart),
    ]
}

fn rules() -> Rules {
    Rules {
        streak: 3,
        daily: Decimal::new(2, 2),
        cooldown_ms: 7_200_000,
        drawdown: Decimal::new(5, 2),
        hysteresis: Decimal::new(1, 1),
        latch: false,
        trades: 6,
        runtime_ms: 43_200_000,
    }
}

fn limits(rules: &Rules) -> Limits {
    Limits {
        consecutive_loss_limit: Some(u32::try_from(rules.streak).unwrap()),
        max_daily_risk: Ratio::new(rules.daily).unwrap(),
        daily_loss_cooldown_ms: u64::try_from(rules.cooldown_ms).unwrap(),
        drawdown_threshold: Ratio::new(rules.drawdown).unwrap(),
        drawdown_hysteresis: Ratio::new(rules.hysteresis).unwrap(),
        drawdown_latch: rules.latch,
        session_max_trades: Some(u32::try_from(rules.trades).unwrap()),
        session_max_runtime_ms: Some(u64::try_from(rules.runtime_ms).unwrap()),
        max_margin_ratio: ratio("1000"),
        // What the model does not know is kept quiet.
        max_data_staleness_ms: 1_000_000_000_000,
        ..wide()
    }
}

/// The engine and the model, told the same.
struct Both {
    world: World,
    model: Reference,
    balance: Decimal,
    float: Decimal,
    fees_open: Decimal,
    count: u64,
    resting: Vec<(u64, Approval)>,
}

impl Both {
    fn new(rules: Rules) -> Self {
        let world = World::ready(limits(&rules));
        let began = world.venue_now().0;
        let mut both = Self {
            world,
            model: Reference::new(rules, began),
            balance: Decimal::from(10_000),
            float: Decimal::ZERO,
            fees_open: Decimal::ZERO,
            count: 0,
            resting: Vec::new(),
        };
        both.happened(What::Nothing);
        both.settle();
        both
    }

    fn happened(&mut self, what: What) {
        let at = self.world.venue_now().0;
        self.model.tell(Event { at, what });
    }

    /// Everything is read, so that the read can be proven: nothing happens close to it.
    fn settle(&mut self) {
        self.wait(3_000);
        let equity = self.balance + self.float;
        self.world.see(Observation::Wallet(Wallet {
            coin: symbol("USDT"),
            equity: Amount::new(equity).unwrap(),
            balance: Amount::new(self.balance).unwrap(),
            position_margin: Some(Amount::ZERO),
            order_margin: Some(Amount::ZERO),
            account_margin_rate: None,
            unrealised: None,
        }));
        let balance = self.balance;
        self.happened(What::Read { equity, balance });
        self.wait(3_000);
        let now = self.world.venue_now();
        self.world.see(Observation::ExecutionsComplete(now));
    }

    fn wait(&mut self, ms: u64) {
        self.world.wait(ms);
        self.happened(What::Nothing);
    }

    fn play(&mut self, step: &Move) {
        match *step {
            Move::Buy { tenths, at } => self.buy(Decimal::new(tenths.into(), 1), at.into()),
            Move::Rest => self.rest(),
            Move::Fill { which, at } => {
                if let Some((intent, approval)) = self.take(which) {
                    let qty = approval.intent.qty.get();
                    self.bought(intent, &approval, qty, at.into());
                }
            }
            Move::Cancel { which } => {
                if let Some((intent, approval)) = self.take(which) {
                    let gone = Order {
                        order_id: name_of(&approval),
                        link_id: Some(approval.link_id),
                        status: OrderStatus::Cancelled,
                        ..order("x", self.world.venue_now())
                    };
                    self.world.see(Observation::Orders(vec![gone]));
                    self.happened(What::Gone(intent));
                }
            }
            Move::Sell { percent, at } => self.sell(percent, at.into()),
            Move::Funding(paid) => self.funding(Decimal::new(paid.into(), 1)),
            Move::Float(open) => self.float = open.into(),
            Move::Pass(seconds) => self.wait(u64::from(seconds) * 1_000),
            Move::Operator(n) => self.operate(n),
            Move::Restart => self.restart(),
        }
        self.compare(step);
        self.settle();
        self.compare(step);
    }

    fn take(&mut self, which: usize) -> Option<(u64, Approval)> {
        let n = which.checked_rem(self.resting.len())?;
        Some(self.resting.remove(n))
    }

    /// Asks; the model knows the answer before.
    fn ask(&mut self, intent: &Intent) -> Option<(u64, Approval)> {
        if self.balance < Decimal::from(3_000) {
            // Nearly ruined: what margin and a balance of nothing do is not the model's.
            return None;
        }
        let blocks = self.model.blocks();
        match self.world.authorize(intent) {
            Decision::Approved(approval) => {
                assert!(blocks.is_empty(), "approved while the model has {blocks:?}");
                self.count += 1;
                self.happened(What::Approved(self.count));
                self.world.accept(&approval);
                Some((self.count, approval))
            }
            other => {
                assert!(!blocks.is_empty(), "the model has no reason: {other:?}");
                None
            }
        }
    }

    fn buy(&mut self, qty: Decimal, at: Decimal) {
        self.world.price("100");
        let intent = self.world.intent(Side::Buy, &qty.to_string());
        if let Some((count, approval)) = self.ask(&intent) {
            self.bought(count, &approval, qty, at);
        }
    }

    fn rest(&mut self) {
        self.world.price("100");
        let intent = Intent {
            order_type: OrderType::Limit,
            price: Some(price("95")),
            ..self.world.intent(Side::Buy, "2")
        };
        let asked = self.ask(&intent);
        self.resting.extend(asked);
    }

    fn bought(&mut self, intent: u64, approval: &Approval, qty: Decimal, at: Decimal) {
        let fee = qty * at / Decimal::ONE_THOUSAND;
        self.balance -= fee;
        self.fees_open += fee;
        self.execute(name_of(approval), Side::Buy, qty, at, fee, ExecKind::Trade);
        self.happened(What::Bought {
            intent,
            qty,
            price: at,
            fee,
        });
    }

    fn sell(&mut self, percent: u32, at: Decimal) {
        let size = self.model.size();
        let part = (size * Decimal::from(percent) / Decimal::ONE_HUNDRED).round_dp(1);
        let qty = if percent > 90 { size } else { part };
        if qty.is_zero() || qty > size {
            return;
        }
        let fee = qty * at / Decimal::ONE_THOUSAND;
        let before = self.model.realised_today();
        self.count += 1;
        let stop = OrderId::new(&format!("stop-{}", self.count)).unwrap();
        self.execute(stop, Side::Sell, qty, at, fee, ExecKind::Trade);
        self.happened(What::Sold {
            qty,
            price: at,
            fee,
        });
        let earned = self.model.realised_today() - before;
        self.balance += earned;
        let fees = self.fees_open * qty / size;
        self.fees_open -= fees;
        let pnl = (earned - fees).round_dp(8);
        let now = self.world.venue_now();
        self.world.see(Observation::ClosedTrades(vec![ClosedTrade {
            order_id: stop,
            symbol: sol(),
            side: Side::Sell,
            qty: Qty::new(qty).unwrap(),
            entry: price("100"),
            exit: Price::new(at).unwrap(),
            entry_value: None,
            exit_value: None,
            pnl: Amount::new(pnl).unwrap(),
            created: now,
            updated: now,
        }]));
        self.happened(What::Closed(pnl));
    }

    fn funding(&mut self, paid: Decimal) {
        self.balance -= paid;
        self.count += 1;
        let funding = OrderId::new(&format!("funding-{}", self.count)).unwrap();
        let one = Decimal::ONE;
        self.execute(funding, Side::Buy, one, one, paid, ExecKind::Funding);
        self.happened(What::Funding(paid));
    }

    fn execute(
        &mut self,
        order_id: OrderId,
        side: Side,
        qty: Decimal,
        at: Decimal,
        fee: Decimal,
        kind: ExecKind,
    ) {
        let n = self.world.next();
        let execution = Execution {
            exec_id: ExecId::new(&format!("e-{n}")).unwrap(),
            order_id,
            link_id: None,
            symbol: sol(),
            side,
            price: Price::new(at).unwrap(),
            qty: Qty::new(qty).unwrap(),
            fee: Amount::new(fee).unwrap(),
            kind,
            closed: None,
            at: self.world.venue_now(),
        };
        self.world.see(Observation::Executions(vec![execution]));
    }

    fn operate(&mut self, n: u8) {
        let reset = |what| Verb::Reset { what };
        let (verb, what) = match n {
            0 => (Verb::Halt { flatten: false }, What::Halt),
            1 => (Verb::Freeze, What::Freeze),
            2..=4 => (Verb::Resume, What::Resume),
            5 => (reset(ResetTarget::CircuitBreaker), What::ResetStreak),
            6 => (reset(ResetTarget::DailyLoss), What::ResetDay),
            7 => (
                reset(ResetTarget::Drawdown { rebase: true }),
                What::ResetDrawdown { rebase: true },
            ),
            8 => (
                reset(ResetTarget::Drawdown { rebase: false }),
                What::ResetDrawdown { rebase: false },
            ),
            _ => (Verb::SessionNew, What::NewSession),
        };
        self.world.operate(verb);
        self.happened(what);
    }

    /// The guard is killed and comes back; the gateway walks through its start-up order.
    fn restart(&mut self) {
        self.world.restart();
        self.world.say(risk::InputKind::GatewayJoined);
        let size = self.model.size();
        let row = if size.is_zero() {
            support::flat()
        } else {
            support::held(Side::Buy, &size.to_string())
        };
        self.world.positions(&[row]);
        let open = self.resting.iter().map(|(_, approval)| Order {
            order_id: name_of(approval),
            link_id: Some(approval.link_id),
            qty: approval.intent.qty,
            ..order("x", self.world.venue_now())
        });
        let open = open.collect();
        self.world.see(Observation::OpenOrders(open));
        self.world.see(Observation::Synced);
    }

    fn compare(&self, step: &Move) {
        let status = self.world.status();
        let known = |tag: Tag| match tag {
            Tag::CircuitBreaker => Some(Block::Streak),
            Tag::DailyLoss => Some(Block::Day),
            Tag::Drawdown => Some(Block::Drawdown),
            Tag::SessionTrades => Some(Block::Trades),
            Tag::SessionRuntime => Some(Block::Runtime),
            Tag::Halt => None,
            other => panic!("{other} was to be kept quiet: {:?}", status.trips),
        };
        let mut blocks: Vec<Block> = status.trips.iter().filter_map(|t| known(t.tag)).collect();
        let state = self.world.engine.state();
        blocks.extend(state.halted.map(|_| Block::Halt));
        blocks.extend(state.frozen.map(|_| Block::Freeze));
        blocks.sort();
        let account = &status.account;
        let held = state.book.positions.get(&sol());
        let size = held.map_or(Decimal::ZERO, |held| held.size.get());
        let theirs = self.model.picture();
        // The engine rounds a share of a cost as the venue does, the model never: that is no
        // difference.
        let as_theirs = |ours: Decimal, theirs: Decimal| {
            let rounding = Decimal::new(1, 6);
            if (ours - theirs).abs() <= rounding {
                theirs
            } else {
                ours
            }
        };
        let both = |ours: Option<Amount>, theirs: Option<Decimal>| {
            ours.map(|ours| as_theirs(ours.get(), theirs.unwrap_or(ours.get())))
        };
        let ours = Picture {
            blocks: blocks.clone(),
            streak: account.loss_streak.into(),
            realised_today: as_theirs(account.realised_today.get(), theirs.realised_today),
            day_open: both(account.day_open, theirs.day_open),
            peak: both(account.peak, theirs.peak),
            trades: status.session.trades.into(),
            live: status.session.live_openers.into(),
            size: size.normalize(),
        };
        let theirs = Picture {
            // The engine raises the peak once a read is proven, which `settle` sees to.
            peak: ours.peak.filter(|_| step_is_open(self)).or(theirs.peak),
            size: theirs.size.normalize(),
            ..theirs
        };
        assert_eq!(ours, theirs, "after {step:?}");
        let expected = match blocks.last() {
            Some(Block::Freeze) => TradingState::Frozen,
            Some(Block::Halt) => TradingState::Halted,
            Some(_) => TradingState::ReduceOnly,
            None => TradingState::Active,
        };
        assert_eq!(status.state, expected);
    }
}

/// Whether the last read is not proven yet.
fn step_is_open(both: &Both) -> bool {
    both.world.engine.state().wallet.unverified.is_some()
}

fn name_of(approval: &Approval) -> OrderId {
    OrderId::new(&format!("o-{}", approval.approval_id.0)).unwrap()
}

#[test]
fn the_engine_says_what_the_naive_model_says() {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(CASES)
    };
    let seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let days = (prop::collection::vec(moves(), 1..40), any::<bool>());
    let played = TestRunner::new(config).run(&days, |(steps, latch)| {
        let mut both = Both::new(Rules { latch, ..rules() });
        for step in &steps {
            both.play(step);
            seen.borrow_mut().extend(both.model.blocks());
        }
        Ok(())
    });
    if let Err(failed) = played {
        panic!("{failed}");
    }
    assert_eq!(
        seen.borrow().len(),
        7,
        "every block stood at some time: {seen:?}"
    );
}
