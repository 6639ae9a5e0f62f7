//! What other limits would have done, against a guard that really ran under them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

#[path = "../../risk/tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;

use money::{Amount, Decimal, Price, Qty};
use proptest::prelude::*;
use protocol::guard::{Observation, Verb};
use protocol::venue::{ClosedTrade, ExecKind, Execution, Position, Wallet};
use protocol::{Decision, ExecId, Intent, OrderId, Side, Tag};
use replay::{Options, Report, Source};
use risk::{Limits, OnTrip};
use support::{World, amount, flat, held, price, qty, ratio, sol, wide};

/// What a bot does and the market does; the same in every history.
#[derive(Debug, Clone)]
enum Move {
    /// Buy so many tenths at the price of now.
    Buy(u32),
    /// Sell everything that is held.
    Exit,
    /// The price is this.
    Price(u32),
    /// So many seconds pass, and everything is read again.
    Pass(u32),
    /// The operator halts, or resumes.
    Halt(bool),
}

/// A bot, a venue and a guard. The venue fills at once and is exact.
struct Market {
    world: World,
    price: Decimal,
    size: Decimal,
    cost: Decimal,
    fees: Decimal,
    balance: Decimal,
    moves: u32,
}

/// Histories that are played; `make test` needs no more, a hunt may take thousands.
const CASES: u32 = 64;

/// The fee rate.
fn rate() -> Decimal {
    Decimal::new(6, 4)
}

impl Market {
    fn new(limits: Limits) -> Self {
        let mut market = Self {
            world: World::ready(limits),
            price: Decimal::ONE_HUNDRED,
            size: Decimal::ZERO,
            cost: Decimal::ZERO,
            fees: Decimal::ZERO,
            balance: Decimal::from(10_000),
            moves: 0,
        };
        // The first read of the wallet is the anchor: no execution is near it.
        market.pass(10_000);
        market.read();
        market
    }

    /// The gateway reads everything.
    fn read(&mut self) {
        let now = self.world.venue_now();
        self.world.price(&self.price.to_string());
        let row = if self.size.is_zero() {
            flat()
        } else {
            Position {
                entry: Price::new((self.cost / self.size).round_dp(12)).ok(),
                ..held(Side::Buy, &self.size.to_string())
            }
        };
        self.world.positions(&[row]);
        self.world.see(Observation::OpenOrders(vec![]));
        let unrealised = self.price * self.size - self.cost;
        self.world.see(Observation::Wallet(Wallet {
            coin: support::symbol("USDT"),
            equity: Amount::new(self.balance + unrealised).unwrap(),
            balance: Amount::new(self.balance).unwrap(),
            position_margin: Amount::new((self.cost / Decimal::TWO).round_dp(12)).ok(),
            order_margin: Some(Amount::ZERO),
            account_margin_rate: None,
            unrealised: Amount::new(unrealised).ok(),
        }));
        self.world.see(Observation::ExecutionsComplete(now));
    }

    fn play(&mut self, step: &Move) {
        self.moves += 1;
        match *step {
            // Read as often in every history: which reads are proven depends on it.
            Move::Buy(tenths) => {
                self.buy(Decimal::new(tenths.into(), 1));
                self.read();
            }
            Move::Exit => {
                self.exit();
                self.read();
            }
            Move::Price(at) => {
                self.price = Decimal::from(at);
                self.read();
            }
            Move::Pass(seconds) => {
                self.pass(u64::from(seconds) * 1_000);
                self.read();
            }
            Move::Halt(true) => drop(self.world.operate(Verb::Halt { flatten: false })),
            Move::Halt(false) => drop(self.world.operate(Verb::Resume)),
        }
    }

    /// Time passes; like the guard's loop it wakes the engine whenever that wants to be.
    fn pass(&mut self, ms: u64) {
        let end = self.world.venue_now().after(ms);
        loop {
            let now = self.world.venue_now();
            let boot = protocol::BootMs(1_000 + now.since(protocol::VenueMs(support::NOON)));
            let due = self
                .world
                .engine
                .deadline()
                .map_or(u64::MAX, |due| due.since(boot));
            let left = end.since(now);
            self.world.wait(due.clamp(1, left));
            if due >= left {
                return;
            }
        }
    }

    fn intent(&mut self, side: Side, size: Decimal) -> Intent {
        let intent_id = protocol::IntentId::new(&format!("m-{}", self.moves)).unwrap();
        Intent {
            intent_id,
            ..self.world.intent(side, &size.to_string())
        }
    }

    fn buy(&mut self, size: Decimal) {
        let intent = self.intent(Side::Buy, size);
        let Decision::Approved(approval) = self.world.authorize(&intent) else {
            return;
        };
        let order = self.named(&approval);
        let fee = self.price * size * rate();
        self.size += size;
        self.cost += self.price * size;
        self.fees += fee;
        self.balance -= fee;
        self.fill(order, Side::Buy, size, fee);
    }

    fn exit(&mut self) {
        if self.size.is_zero() {
            return;
        }
        let (size, cost) = (self.size, self.cost);
        let intent = Intent {
            reduce_only: true,
            ..self.intent(Side::Sell, size)
        };
        let Decision::Approved(approval) = self.world.authorize(&intent) else {
            return;
        };
        let order = self.named(&approval);
        let fee = self.price * size * rate();
        let gross = self.price * size - cost;
        let net = gross - fee - self.fees;
        self.balance += gross - fee;
        (self.size, self.cost, self.fees) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
        self.fill(order, Side::Sell, size, fee);
        let at = self.world.venue_now();
        self.world.see(Observation::ClosedTrades(vec![ClosedTrade {
            order_id: order,
            symbol: sol(),
            side: Side::Sell,
            qty: Qty::new(size).unwrap(),
            entry: price("100"),
            exit: Price::new(self.price).unwrap(),
            entry_value: None,
            exit_value: None,
            pnl: Amount::new(net).unwrap(),
            created: at,
            updated: at,
        }]));
    }

    /// The order is accepted under a name that is the same in every history.
    fn named(&mut self, approval: &protocol::Approval) -> OrderId {
        let order_id = OrderId::new(&format!("o-{}", self.moves)).unwrap();
        let outcome = protocol::Outcome::Accepted { order_id };
        self.world.report(approval, outcome);
        order_id
    }

    fn fill(&mut self, order: OrderId, side: Side, size: Decimal, fee: Decimal) {
        let execution = Execution {
            exec_id: ExecId::new(&format!("x-{}", self.moves)).unwrap(),
            order_id: order,
            link_id: None,
            symbol: sol(),
            side,
            price: Price::new(self.price).unwrap(),
            qty: Qty::new(size).unwrap(),
            fee: Amount::new(fee).unwrap(),
            kind: ExecKind::Trade,
            closed: None,
            at: self.world.venue_now(),
        };
        self.world.see(Observation::Executions(vec![execution]));
    }
}

/// What the recording of one history says about other limits.
fn asked(recording: &Market, limits: Limits) -> Report {
    let mut text = String::new();
    for input in &recording.world.inputs {
        writeln!(text, "{}", serde_json::to_string(input).unwrap()).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("inputs");
    std::fs::write(&file, text).unwrap();
    let options = Options {
        limits: Some(limits),
        until: None,
    };
    replay::replay(Source::open(&file).unwrap(), &options, &mut |_| {}).unwrap()
}

fn tight() -> Limits {
    Limits {
        consecutive_loss_limit: Some(2),
        session_max_trades: Some(6),
        session_max_runtime_ms: Some(3_600_000),
        max_daily_risk: ratio("0.01"),
        drawdown_threshold: ratio("0.02"),
        max_position_notional: money::Notional::parse("1500").ok(),
        ..wide()
    }
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => (1u32..120).prop_map(Move::Buy),
        3 => Just(Move::Exit),
        3 => (90u32..112).prop_map(Move::Price),
        3 => (1u32..900).prop_map(Move::Pass),
        1 => any::<bool>().prop_map(Move::Halt),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    /// The answer is what really happens under those limits, where the bot and the market do the
    /// same.
    #[test]
    fn what_would_have_been_is_what_is(steps in prop::collection::vec(moves(), 1..60)) {
        let mut recording = Market::new(wide());
        let mut truth = Market::new(tight());
        for step in &steps {
            recording.play(step);
            truth.play(step);
        }
        let report = asked(&recording, tight());
        let would = report.what_if.unwrap();
        let real = truth.world.status();
        let said = would.status.unwrap();
        prop_assert_eq!(would.fault, None);
        let near = |a: Amount, b: Amount| (a.get() - b.get()).abs() < Decimal::new(1, 6);
        let account = (&said.account, &real.account);
        prop_assert!(near(account.0.realised_today, account.1.realised_today), "{:?}", account);
        prop_assert!(near(account.0.equity.unwrap(), account.1.equity.unwrap()), "{:?}", account);
        prop_assert_eq!(account.0.loss_streak, account.1.loss_streak);
        prop_assert_eq!(said.session.trades, real.session.trades);
        prop_assert_eq!(said.state, real.state);
        let tags = |status: &protocol::status::RiskStatus| {
            status.trips.iter().map(|trip| (trip.tag, trip.since)).collect::<Vec<_>>()
        };
        prop_assert_eq!(tags(&said), tags(&real));
        let sizes = |status: &protocol::status::RiskStatus| {
            status.positions.iter().map(|p| (p.side, p.size)).collect::<Vec<_>>()
        };
        prop_assert_eq!(sizes(&said), sizes(&real));
        // Money: the ledger beside the engines says the same.
        let money = would.would_be.unwrap();
        let made = truth.balance - Decimal::from(10_000);
        prop_assert!(near(money.realised, Amount::new(made).unwrap()), "{} {}", money.realised, made);
    }

    /// Under its own limits a recording has nothing to say.
    #[test]
    fn the_recorded_limits_change_nothing(steps in prop::collection::vec(moves(), 1..60)) {
        let mut recording = Market::new(tight());
        for step in &steps {
            recording.play(step);
        }
        let report = asked(&recording, tight());
        let would = report.what_if.unwrap();
        prop_assert!(would.refused.is_empty());
        prop_assert_eq!(would.also_allowed, 0);
        prop_assert_eq!(would.avoided, Some(Amount::ZERO));
        let began = |trips: &[replay::Trip]| trips.iter().map(|t| (t.tag, t.began)).collect::<Vec<_>>();
        prop_assert_eq!(began(&would.trips), began(&report.trips));
        prop_assert_eq!(would.decisions, report.decisions);
    }
}

#[test]
fn the_loss_of_a_refused_trade_is_avoided_and_its_trip_does_not_begin() {
    let mut recording = Market::new(wide());
    recording.play(&Move::Buy(100));
    recording.play(&Move::Pass(60));
    recording.play(&Move::Price(90));
    recording.play(&Move::Exit);
    let limits = Limits {
        max_order_qty: Some(qty("5")),
        ..tight()
    };
    let would = asked(&recording, limits).what_if.unwrap();
    assert_eq!(would.refused.len(), 1);
    assert_eq!(would.refused[0].tag, Tag::OrderLimit);
    assert_eq!(would.trips, []);
    // 10 bought at 100, sold at 90, 0.06 % on both.
    assert_eq!(would.avoided, Some(amount("101.14")));
    assert_eq!((would.fills_removed, would.rows_removed), (2, 1));
}

#[test]
fn a_flatten_that_only_these_limits_ask_for_ends_the_position_at_the_mark() {
    let mut recording = Market::new(wide());
    recording.play(&Move::Buy(100));
    recording.play(&Move::Price(97));
    recording.play(&Move::Price(90));
    recording.play(&Move::Exit);
    let limits = Limits {
        on_trip: OnTrip::Flatten,
        drawdown_threshold: ratio("0.002"),
        ..tight()
    };
    let would = asked(&recording, limits).what_if.unwrap();
    assert_eq!(would.flattened, 1);
    assert_eq!(would.trips[0].tag, Tag::Drawdown);
    // Out at 97 rather than at 90, and without the fee of the exit.
    assert_eq!(would.avoided, Some(amount("70.54")));
    assert!(would.status.unwrap().positions.is_empty());
}

#[test]
fn what_only_the_other_limits_allow_is_counted_and_taken_as_not_sent() {
    let mut recording = Market::new(Limits {
        max_order_qty: Some(qty("1")),
        ..wide()
    });
    recording.play(&Move::Buy(20));
    let would = asked(&recording, wide()).what_if.unwrap();
    assert_eq!(would.also_allowed, 1);
    let status = would.status.unwrap();
    assert_eq!((status.session.trades, status.session.live_openers), (0, 0));
}
