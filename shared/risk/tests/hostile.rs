//! Whatever is said to the engine, in whatever order, at whatever time: it answers, it can be
//! written down and read back, and it does not grow.
//!
//! `cargo test --release -p risk --test hostile` plays a million inputs, a debug build fewer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(
    clippy::too_many_lines,
    reason = "a line for each kind of input there is"
)]

mod support;

use money::{Amount, Decimal, Notional, Price, Qty, Ratio};
use proptest::prelude::*;
use protocol::guard::{
    CommandResult, Observation, Observe, OperatorVerb, OutcomeReport, ResetTarget, Verb,
};
use protocol::order::{Amend, Lookup};
use protocol::venue::{
    ClosedTrade, ExecKind, Execution, Instrument, Order, OrderStatus, Position, Ticker, Wallet,
};
use protocol::{
    ApprovalId, BootId, BootMs, CommandId, ExecId, Generation, Intent, IntentId, Mode, OrderId,
    OrderLinkId, OrderType, Outcome, Side, Stamp, Symbol, VenueMs,
};
use risk::{Engine, Input, InputKind, Limits, NewLimits, OnTrip, Start, StoreCondition};
use support::{NOON, World, ratio, wide};

/// Random bits, always the same for a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: u64) -> u64 {
        self.bits() % most
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let n = usize::try_from(self.below(from.len() as u64)).unwrap();
        from[n]
    }

    /// Mostly a number of the everyday, now and then the largest, the smallest, the finest.
    fn decimal(&mut self) -> Decimal {
        if self.one_in(12) {
            let finest = Decimal::from_i128_with_scale(1, 28);
            let thirds = Decimal::MAX / Decimal::from(3);
            return self.pick(&[Decimal::MAX, Decimal::MIN, finest, Decimal::ZERO, thirds]);
        }
        let mantissa = i64::try_from(self.below(2_000_000)).unwrap() - 600_000;
        Decimal::new(mantissa, u32::try_from(self.below(6)).unwrap())
    }

    fn price(&mut self) -> Price {
        let any = self.decimal();
        Price::new(any.abs()).unwrap_or_else(|_| Price::parse("100").unwrap())
    }

    fn qty(&mut self) -> Qty {
        Qty::new(self.decimal().abs()).unwrap()
    }

    fn amount(&mut self) -> Amount {
        Amount::new(self.decimal()).unwrap()
    }

    fn ratio(&mut self) -> Ratio {
        Ratio::new(self.decimal()).unwrap()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.one_in(3)).then(|| make(self))
    }

    fn side(&mut self) -> Side {
        self.pick(&[Side::Buy, Side::Sell])
    }

    fn symbol(&mut self) -> Symbol {
        let n = if self.one_in(8) {
            self.below(5_000)
        } else {
            self.below(3)
        };
        let name = match n {
            0 | 1 => "SOLUSDT".to_owned(),
            2 => "BTCUSDT".to_owned(),
            n => format!("S{n}"),
        };
        Symbol::new(&name).unwrap()
    }

    fn name(&mut self, prefix: &str) -> String {
        let n = if self.one_in(4) {
            self.bits()
        } else {
            self.below(400)
        };
        format!("{prefix}{n:x}")
    }

    fn order_id(&mut self) -> OrderId {
        OrderId::new(&self.name("o-")).unwrap()
    }

    fn time(&mut self, now: i64) -> VenueMs {
        let near = i64::try_from(self.below(200_000)).unwrap() - 150_000;
        let wild = [i64::MIN, i64::MAX, 0, -1, NOON + 40 * 86_400_000];
        let one = self.pick(&wild);
        VenueMs(if self.one_in(40) {
            one
        } else {
            now.saturating_add(near)
        })
    }
}

/// A source of inputs that mean no good. It listens to the answers, so that what it says of orders
/// is often about real ones.
struct Foe {
    dice: Dice,
    now: i64,
    boot: u64,
    boot_id: BootId,
    links: Vec<(ApprovalId, OrderLinkId)>,
}

impl Foe {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed | 1),
            now: NOON + 60_000,
            boot: 61_000,
            boot_id: BootId::default(),
            links: Vec::new(),
        }
    }

    fn hear(&mut self, effects: &risk::Effects) {
        if let Some(protocol::Decision::Approved(approval)) = &effects.decision {
            self.links.push((approval.approval_id, approval.link_id));
            if self.links.len() > 64 {
                self.links.remove(0);
            }
        }
    }

    /// Time goes on, mostly; sometimes back, sometimes a day, sometimes the machine boots.
    fn stamp(&mut self, tame: bool) -> Stamp {
        self.boot = self.boot.saturating_add(self.dice.below(2_000));
        self.now = self
            .now
            .saturating_add(i64::try_from(self.dice.below(2_000)).unwrap());
        if self.dice.one_in(50) {
            self.now = self.now.saturating_sub(5_000);
        }
        if self.dice.one_in(5_000) {
            self.now = self.now.saturating_add(86_400_000);
            self.boot = self.boot.saturating_add(86_400_000);
        }
        if self.dice.one_in(3_000) {
            self.boot_id = BootId::new(&self.dice.name("boot-")).unwrap();
            self.boot = self.dice.below(10_000);
        }
        let wild = !tame && self.dice.one_in(200);
        let venue = if wild {
            self.dice.time(self.now)
        } else {
            VenueMs(self.now)
        };
        let boot = if wild { self.dice.bits() } else { self.boot };
        Stamp {
            venue,
            boot: BootMs(boot),
            boot_id: self.boot_id,
        }
    }

    fn link(&mut self) -> (ApprovalId, OrderLinkId) {
        if self.links.is_empty() || self.dice.one_in(6) {
            let strange = ["pg-0-zzzzzzzzzzzzz", "pg--", "pg-1-1", "theirs", "pg-zz-9"];
            let link = OrderLinkId::new(self.dice.pick(&strange)).unwrap();
            return (ApprovalId(self.dice.bits()), link);
        }
        let n = usize::try_from(self.dice.below(self.links.len() as u64)).unwrap();
        self.links[n]
    }

    fn intent(&mut self) -> Intent {
        let dice = &mut self.dice;
        let limit = dice.one_in(2);
        Intent {
            intent_id: IntentId::new(&dice.name("i-")).unwrap(),
            at: if dice.one_in(10) {
                dice.time(self.now)
            } else {
                VenueMs(self.now)
            },
            symbol: dice.symbol(),
            side: dice.side(),
            order_type: if limit {
                OrderType::Limit
            } else {
                OrderType::Market
            },
            qty: dice.qty(),
            price: limit.then(|| dice.price()),
            time_in_force: None,
            reduce_only: dice.one_in(3),
            take_profit: None,
            stop_loss: None,
        }
    }

    fn order(&mut self) -> Order {
        let (_, link) = self.link();
        let now = self.now;
        let dice = &mut self.dice;
        let statuses = [
            OrderStatus::New,
            OrderStatus::Filled,
            OrderStatus::Cancelled,
            OrderStatus::Rejected,
            OrderStatus::PartiallyFilled,
            OrderStatus::Unknown,
        ];
        Order {
            order_id: dice.order_id(),
            link_id: dice.maybe(|_| link),
            symbol: dice.symbol(),
            side: dice.side(),
            order_type: OrderType::Limit,
            price: Some(dice.price()),
            qty: dice.qty(),
            filled: dice.qty(),
            status: dice.pick(&statuses),
            reduce_only: dice.one_in(2),
            close_on_trigger: false,
            venue_made: dice.one_in(4),
            trigger_price: None,
            stop_loss: None,
            take_profit: None,
            time_in_force: None,
            created: dice.time(now),
            updated: dice.time(now),
        }
    }

    fn execution(&mut self) -> Execution {
        let (_, link) = self.link();
        let now = self.now;
        let dice = &mut self.dice;
        let kinds = [
            ExecKind::Trade,
            ExecKind::Trade,
            ExecKind::Funding,
            ExecKind::Bust,
            ExecKind::Adl,
            ExecKind::Unknown,
        ];
        Execution {
            exec_id: ExecId::new(&dice.name("x-")).unwrap(),
            order_id: dice.order_id(),
            link_id: dice.maybe(|_| link),
            symbol: dice.symbol(),
            side: dice.side(),
            price: dice.price(),
            qty: dice.qty(),
            fee: dice.amount(),
            kind: dice.pick(&kinds),
            closed: None,
            at: dice.time(now),
        }
    }

    fn position(&mut self) -> Position {
        let dice = &mut self.dice;
        Position {
            symbol: dice.symbol(),
            side: dice.maybe(Dice::side),
            size: dice.qty(),
            entry: dice.maybe(Dice::price),
            mark: dice.maybe(Dice::price),
            leverage: dice.maybe(Dice::ratio),
            unrealised: dice.maybe(Dice::amount),
            stop_loss: None,
            take_profit: None,
            index: u8::from(dice.one_in(10)),
        }
    }

    fn several<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let n = self.dice.below(4);
        (0..n).map(|_| make(self)).collect()
    }

    fn observation(&mut self) -> Observation {
        let now = self.now;
        match self.dice.below(15) {
            0 => Observation::Instruments(self.several(|foe| {
                let dice = &mut foe.dice;
                Instrument {
                    symbol: dice.symbol(),
                    trading: !dice.one_in(5),
                    max_leverage: dice.ratio(),
                    min_notional: Notional::new(dice.decimal().abs()).ok(),
                    ..support::instrument("SOLUSDT")
                }
            })),
            1 | 2 => Observation::Tickers(self.several(|foe| {
                let dice = &mut foe.dice;
                Ticker {
                    symbol: dice.symbol(),
                    last: dice.price(),
                    mark: dice.price(),
                    bid: None,
                    ask: None,
                    at: dice.time(now),
                }
            })),
            3 | 4 => {
                let dice = &mut self.dice;
                Observation::Wallet(Wallet {
                    coin: support::symbol("USDT"),
                    equity: dice.amount(),
                    balance: dice.amount(),
                    position_margin: dice.maybe(Dice::amount),
                    order_margin: dice.maybe(Dice::amount),
                    account_margin_rate: dice.maybe(Dice::ratio),
                    unrealised: dice.maybe(Dice::amount),
                })
            }
            5 => Observation::Positions(self.several(Self::position)),
            6 => Observation::OpenOrders(self.several(Self::order)),
            7 => Observation::Orders(self.several(Self::order)),
            8 | 9 => Observation::Executions(self.several(Self::execution)),
            10 => Observation::ExecutionsComplete(self.dice.time(now)),
            11 => Observation::ClosedTrades(self.several(|foe| {
                let dice = &mut foe.dice;
                ClosedTrade {
                    order_id: dice.order_id(),
                    symbol: dice.symbol(),
                    side: dice.side(),
                    qty: dice.qty(),
                    entry: dice.price(),
                    exit: dice.price(),
                    entry_value: None,
                    exit_value: None,
                    pnl: dice.amount(),
                    created: dice.time(now),
                    updated: dice.time(now),
                }
            })),
            12 => Observation::Synced,
            13 => {
                let wild = self.dice.pick(&[0, 0, 0, 5_000, i64::MIN, i64::MAX]);
                Observation::ClockSkew(wild)
            }
            _ => match self.dice.below(3) {
                0 => Observation::Banned(self.dice.time(now)),
                1 => Observation::AccessDenied(self.dice.maybe(|dice| dice.name("why "))),
                _ => Observation::CandlesStale {
                    symbol: self.dice.symbol(),
                    why: self.dice.maybe(|dice| dice.name("gap ")),
                },
            },
        }
    }

    fn outcome(&mut self) -> Outcome {
        let why = "why".to_owned();
        match self.dice.below(6) {
            0 | 1 => Outcome::Accepted {
                order_id: self.dice.order_id(),
            },
            2 => Outcome::Rejected {
                code: i64::MIN,
                message: why,
            },
            3 => Outcome::NotSent { why },
            4 => Outcome::Ambiguous { why },
            _ => Outcome::Pending,
        }
    }

    fn verb(&mut self) -> Verb {
        match self.dice.below(11) {
            0 => Verb::Halt {
                flatten: self.dice.one_in(2),
            },
            1 => Verb::Freeze,
            2..=4 => Verb::Resume,
            5 => Verb::Flatten {
                symbol: self.dice.maybe(Dice::symbol),
            },
            6 => Verb::Reset {
                what: self.dice.pick(&[
                    ResetTarget::CircuitBreaker,
                    ResetTarget::DailyLoss,
                    ResetTarget::Drawdown { rebase: true },
                    ResetTarget::Drawdown { rebase: false },
                    ResetTarget::Liquidation,
                ]),
            },
            7 => Verb::SessionNew,
            8 => Verb::ReconAcknowledge,
            9 => Verb::FlattenWithdraw {
                symbol: self.dice.maybe(Dice::symbol),
            },
            _ => Verb::FlowConfirm,
        }
    }

    fn limits(&mut self) -> Limits {
        let dice = &mut self.dice;
        Limits {
            max_daily_risk: dice.ratio(),
            drawdown_threshold: dice.ratio(),
            drawdown_hysteresis: dice.ratio(),
            consecutive_loss_limit: dice.maybe(|dice| u32::try_from(dice.below(5)).unwrap()),
            max_margin_ratio: dice.ratio(),
            session_max_trades: dice.maybe(|dice| u32::try_from(dice.below(50)).unwrap()),
            session_max_runtime_ms: dice.maybe(Dice::bits),
            max_position_notional: dice.maybe(|dice| Notional::new(dice.decimal().abs()).unwrap()),
            max_gross_exposure: dice.maybe(|dice| Notional::new(dice.decimal().abs()).unwrap()),
            price_collar: dice.maybe(Dice::ratio),
            max_leverage: dice.maybe(Dice::ratio),
            on_trip: dice.pick(&[OnTrip::Block, OnTrip::Cancel, OnTrip::Flatten]),
            reminder_ms: dice.pick(&[0, 1, 900_000, u64::MAX]),
            venue_lag_ms: dice.pick(&[0, 2_000, u64::MAX]),
            daily_loss_cooldown_ms: dice.pick(&[0, 3_600_000, u64::MAX]),
            max_data_staleness_ms: dice.pick(&[0, 60_000, u64::MAX]),
            ..wide()
        }
    }

    fn kind(&mut self) -> InputKind {
        match self.dice.below(40) {
            0..=13 => {
                let what = self.observation();
                InputKind::Observe(Observe {
                    begun: self.dice.time(self.now),
                    begun_boot: BootMs(if self.dice.one_in(20) {
                        self.dice.bits()
                    } else {
                        self.boot
                    }),
                    more: false,
                    what,
                })
            }
            14..=23 => InputKind::Authorize(self.intent()),
            24 => {
                let dice = &mut self.dice;
                InputKind::AuthorizeAmend(Amend {
                    intent_id: IntentId::new(&dice.name("i-")).unwrap(),
                    qty: dice.maybe(Dice::qty),
                    price: dice.maybe(Dice::price),
                    take_profit: None,
                    stop_loss: None,
                })
            }
            25..=31 => {
                let outcome = self.outcome();
                InputKind::Outcome(OutcomeReport {
                    approval_id: self.link().0,
                    outcome,
                    signed_at: self.dice.maybe(|dice| dice.time(NOON)),
                })
            }
            32 => {
                let (approval_id, link_id) = self.link();
                let order = self.order();
                InputKind::Lookup(Lookup {
                    approval_id,
                    link_id,
                    begun: self.dice.time(self.now),
                    found: self.dice.maybe(|_| order),
                })
            }
            33 => InputKind::CommandResult(CommandResult {
                command_id: CommandId(self.dice.below(50)),
                done: self.dice.one_in(2),
                message: "word".to_owned(),
                refused: self.dice.one_in(8),
            }),
            34 => InputKind::Operator(OperatorVerb {
                by: "foe".to_owned(),
                verb: self.verb(),
            }),
            35 => InputKind::AlertTaken {
                id: self.dice.name("guard-"),
            },
            36 => InputKind::StoreFault(self.dice.one_in(5).then(|| "disk full".to_owned())),
            37 => match self.dice.below(6) {
                0 => InputKind::GatewayLost,
                1 => InputKind::Limits(Box::new(NewLimits {
                    generation: Generation(self.dice.bits()),
                    limits: self.limits(),
                })),
                2 => InputKind::Limits(Box::new(NewLimits {
                    generation: Generation(3),
                    limits: wide(),
                })),
                3 => {
                    let conditions = [StoreCondition::Restored, StoreCondition::Reset];
                    let n = usize::from(self.dice.one_in(4));
                    InputKind::Start(Box::new(Start {
                        generation: Generation(1),
                        limits: wide(),
                        mode: Mode::Testnet,
                        new_session: self.dice.one_in(3),
                        first: self.dice.one_in(2),
                        store: conditions[n].clone(),
                    }))
                }
                _ => InputKind::GatewayJoined,
            },
            _ => InputKind::Tick,
        }
    }

    fn input(&mut self, tame: bool) -> Input {
        Input {
            stamp: self.stamp(tame),
            kind: self.kind(),
        }
    }
}

/// Everything that others may ask of an engine.
fn ask_everything(engine: &Engine, stamp: Stamp) {
    drop(engine.status(stamp));
    drop(engine.welcome());
    engine.deadline();
    engine.commands().for_each(drop);
    engine.outbox().for_each(drop);
}

fn through_text(engine: &Engine) -> Engine {
    let text = serde_json::to_string(engine.state()).unwrap();
    Engine::resume(serde_json::from_str(&text).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn no_input_panics_and_every_state_comes_back(seed in any::<u64>(), count in 1usize..400, cut in any::<prop::sample::Index>()) {
        let mut foe = Foe::new(seed);
        let mut engine = World::ready(wide()).engine;
        let mut again = engine.clone();
        let cut = cut.index(count);
        for n in 0..count {
            let input = foe.input(false);
            let effects = engine.step(&input);
            foe.hear(&effects);
            if n == cut {
                again = through_text(&again);
            }
            // What comes back goes on as what never left.
            prop_assert_eq!(&again.step(&input), &effects);
            if n % 16 == 0 {
                ask_everything(&engine, input.stamp);
            }
        }
        prop_assert_eq!(engine.state(), again.state());
        let back = through_text(&engine);
        prop_assert_eq!(back.state(), engine.state());
    }
}

/// A million inputs of every kind leave a state no larger than the first tenth did, and every
/// part of it within its bound.
#[test]
fn the_state_stays_bounded_over_a_million_inputs() {
    let count = if cfg!(debug_assertions) {
        40_000
    } else {
        1_000_000
    };
    let mut foe = Foe::new(20_261_125);
    let mut engine = World::ready(Limits {
        max_daily_risk: ratio("0.9"),
        ..wide()
    })
    .engine;
    let mut approvals = 0_u64;
    let (mut early, mut most) = (0, 0);
    for n in 1..=count {
        let input = foe.input(true);
        let effects = engine.step(&input);
        approvals += u64::from(matches!(
            effects.decision,
            Some(protocol::Decision::Approved(_))
        ));
        foe.hear(&effects);
        if n % (count / 20) == 0 {
            let size = serde_json::to_string(engine.state()).unwrap().len();
            if n <= count / 2 {
                early = early.max(size);
            }
            most = most.max(size);
        }
    }
    println!(
        "{count} inputs, {approvals} approvals; state {early} bytes at most in the first half, {most} at all"
    );
    assert!(approvals > 0, "it got through to the engine's heart");
    assert!(most < 4 * 1024 * 1024, "{most} bytes");
    // A tenth of it is too short for every memory to be full.
    assert!(
        cfg!(debug_assertions) || most < early + early / 10,
        "{early} bytes grew to {most}"
    );
}
