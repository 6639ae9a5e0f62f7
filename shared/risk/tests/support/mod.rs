//! A guard's day in a few words: an engine, a clock that is moved by hand, and everything that can
//! be said to it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

use money::{Amount, Decimal, Notional, Price, Qty, Ratio};
use protocol::guard::{Observation, Observe, OperatorVerb, OutcomeReport, Verb};
use protocol::order::Lookup;
use protocol::status::RiskStatus;
use protocol::venue::{
    ClosedTrade, ExecKind, Execution, Instrument, Order, OrderStatus, Position, Ticker, Wallet,
};
use protocol::{
    Approval, BootId, BootMs, Decision, ExecId, Generation, Intent, IntentId, Mode, OpeningSides,
    OrderId, OrderType, Outcome, Side, Stamp, Symbol, Tag, VenueMs,
};
use risk::{
    DailyLossBasis, Effects, Engine, Genesis, Input, InputKind, Limits, NewLimits, OnTrip, Start,
    StoreCondition,
};

/// Noon of a day.
pub const NOON: i64 = 20_000 * 86_400_000 + 43_200_000;

pub fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

pub fn sol() -> Symbol {
    symbol("SOLUSDT")
}

pub fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

pub fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

pub fn ratio(text: &str) -> Ratio {
    Ratio::parse(text).unwrap()
}

/// Limits that nothing runs into.
pub fn wide() -> Limits {
    Limits {
        max_daily_risk: ratio("0.5"),
        daily_loss_basis: DailyLossBasis::OpeningBalance,
        daily_loss_cooldown_ms: 0,
        drawdown_threshold: ratio("0.5"),
        drawdown_hysteresis: ratio("0.1"),
        drawdown_latch: false,
        consecutive_loss_limit: None,
        max_margin_ratio: ratio("0.8"),
        session_max_trades: None,
        session_max_runtime_ms: None,
        max_order_qty: None,
        max_order_notional: None,
        max_position_notional: None,
        max_gross_exposure: None,
        price_collar: None,
        max_orders_per_minute: None,
        max_open_orders: None,
        allowed_symbols: None,
        symbol: None,
        max_leverage: None,
        require_stop_loss: false,
        supported_sides: OpeningSides::Long,
        on_trip: OnTrip::Block,
        flatten_max_slippage: ratio("0.01"),
        lease_ms: 3_000,
        venue_lag_ms: 2_000,
        recv_window_ms: 5_000,
        max_data_staleness_ms: 60_000,
        time_sync_max_skew_ms: 1_000,
        reminder_ms: 900_000,
    }
}

/// One guard, one venue, one clock.
pub struct World {
    pub engine: Engine,
    pub inputs: Vec<Input>,
    pub limits: Limits,
    now: i64,
    boot: u64,
    balance: Amount,
    unrealised: Amount,
    count: u64,
}

impl World {
    /// A guard that has not read the venue.
    pub fn unread(limits: Limits) -> Self {
        Self::with_store(limits, StoreCondition::Fresh)
    }

    pub fn with_store(limits: Limits, store: StoreCondition) -> Self {
        let stamp = Stamp {
            venue: VenueMs(NOON),
            boot: BootMs(1_000),
            boot_id: BootId::default(),
        };
        let engine = Engine::new(Genesis {
            stamp,
            mode: Mode::Testnet,
            account: None,
            generation: Generation(1),
            limits: limits.clone(),
        });
        let mut world = Self {
            engine,
            inputs: Vec::new(),
            limits,
            now: NOON,
            boot: 1_000,
            balance: amount("10000"),
            unrealised: Amount::ZERO,
            count: 0,
        };
        world.start(store);
        world
    }

    /// A guard that has read a flat account of 10,000 at a price of 100, leverage two.
    pub fn ready(limits: Limits) -> Self {
        let mut world = Self::unread(limits);
        world.join(&[], &[]);
        world
    }

    pub fn start(&mut self, store: StoreCondition) -> Effects {
        let start = Start {
            generation: Generation(1),
            limits: self.limits.clone(),
            mode: Mode::Testnet,
            new_session: false,
            first: false,
            store,
        };
        self.say(InputKind::Start(Box::new(start)))
    }

    /// The guard is killed and comes back with what was written down.
    pub fn restart(&mut self) -> Effects {
        let text = serde_json::to_string(self.engine.state()).unwrap();
        self.engine = Engine::resume(serde_json::from_str(&text).unwrap());
        self.start(StoreCondition::Restored)
    }

    /// A gateway joins and walks through the start-up order.
    pub fn join(&mut self, positions: &[Position], orders: &[Order]) -> Effects {
        self.say(InputKind::GatewayJoined);
        self.see(Observation::ClockSkew(0));
        self.see(Observation::Instruments(vec![
            instrument("SOLUSDT"),
            instrument("BTCUSDT"),
        ]));
        self.price("100");
        self.complete();
        let mut all = positions.to_vec();
        if !all.iter().any(|p| p.symbol == sol()) {
            all.push(flat());
        }
        self.see(Observation::Positions(all));
        self.see(Observation::OpenOrders(orders.to_vec()));
        self.wallet();
        self.see(Observation::Synced)
    }

    /// The same, where the executions have been told only up to a while ago.
    pub fn join_lagging(&mut self, ms: i64, positions: &[Position]) -> Effects {
        self.say(InputKind::GatewayJoined);
        self.see(Observation::ClockSkew(0));
        self.price("100");
        self.see(Observation::ExecutionsComplete(VenueMs(self.now - ms)));
        self.positions(positions);
        self.see(Observation::OpenOrders(Vec::new()));
        self.wallet();
        self.see(Observation::Synced)
    }

    /// Another world that has come to the same point.
    pub fn clone_state(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            inputs: self.inputs.clone(),
            limits: self.limits.clone(),
            ..*self
        }
    }

    pub fn say(&mut self, kind: InputKind) -> Effects {
        let venue = VenueMs(self.now);
        let stamp = Stamp {
            venue,
            boot: BootMs(self.boot),
            boot_id: BootId::default(),
        };
        let input = Input { stamp, kind };
        let effects = self.engine.step(&input);
        self.inputs.push(input);
        effects
    }

    pub fn see(&mut self, what: Observation) -> Effects {
        let begun = VenueMs(self.now);
        let begun_boot = BootMs(self.boot);
        self.say(InputKind::Observe(Observe {
            begun,
            begun_boot,
            more: false,
            what,
        }))
    }

    /// Time passes, and everything vital is read again.
    pub fn pass(&mut self, ms: u64) -> Effects {
        self.wait(ms);
        self.price("100");
        self.wallet()
    }

    /// Time passes and nothing is read.
    pub fn wait(&mut self, ms: u64) -> Effects {
        self.now += i64::try_from(ms).unwrap();
        self.boot += ms;
        self.say(InputKind::Tick)
    }

    pub fn venue_now(&self) -> VenueMs {
        VenueMs(self.now)
    }

    pub fn price(&mut self, text: &str) -> Effects {
        let at = self.venue_now();
        let all = ["SOLUSDT", "BTCUSDT"].map(|name| Ticker {
            symbol: symbol(name),
            last: price(text),
            mark: price(text),
            bid: None,
            ask: None,
            at,
        });
        self.see(Observation::Tickers(all.to_vec()))
    }

    pub fn wallet(&mut self) -> Effects {
        let equity = self.balance.plus(self.unrealised).unwrap();
        self.see(Observation::Wallet(Wallet {
            coin: symbol("USDT"),
            equity,
            balance: self.balance,
            position_margin: Some(Amount::ZERO),
            order_margin: Some(Amount::ZERO),
            account_margin_rate: None,
            unrealised: Some(self.unrealised),
        }))
    }

    /// Open profit or loss, as the next read of the wallet shows it.
    pub fn float(&mut self, text: &str) -> Effects {
        self.unrealised = amount(text);
        self.wallet()
    }

    /// Money comes or goes without an execution.
    pub fn transfer(&mut self, text: &str) {
        self.balance = self.balance.plus(amount(text)).unwrap();
    }

    pub fn positions(&mut self, all: &[Position]) -> Effects {
        self.see(Observation::Positions(all.to_vec()))
    }

    pub fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub fn intent(&mut self, side: Side, size: &str) -> Intent {
        let n = self.next();
        Intent {
            intent_id: IntentId::new(&format!("i-{n}")).unwrap(),
            at: self.venue_now(),
            symbol: sol(),
            side,
            order_type: OrderType::Market,
            qty: qty(size),
            price: None,
            time_in_force: None,
            reduce_only: false,
            take_profit: None,
            stop_loss: None,
        }
    }

    pub fn authorize(&mut self, intent: &Intent) -> Decision {
        self.say(InputKind::Authorize(intent.clone()))
            .decision
            .unwrap()
    }

    pub fn approved(&mut self, intent: &Intent) -> Approval {
        match self.authorize(intent) {
            Decision::Approved(approval) => approval,
            other => panic!("not approved: {other:?}"),
        }
    }

    pub fn denied(&mut self, intent: &Intent) -> Tag {
        match self.authorize(intent) {
            Decision::Denied(denial) => denial.tag,
            other => panic!("not denied: {other:?}"),
        }
    }

    /// Whether a plain opening order would be refused now, and by what.
    pub fn refused_by(&mut self) -> Option<Tag> {
        let intent = self.intent(Side::Buy, "1");
        match self.authorize(&intent) {
            Decision::Denied(denial) => Some(denial.tag),
            Decision::Approved(approval) => {
                self.report(
                    &approval,
                    Outcome::NotSent {
                        why: "a trial".into(),
                    },
                );
                None
            }
            Decision::Recorded(recorded) => panic!("{recorded:?}"),
        }
    }

    pub fn report(&mut self, approval: &Approval, outcome: Outcome) -> Effects {
        let signed_at = Some(self.venue_now());
        let approval_id = approval.approval_id;
        self.say(InputKind::Outcome(OutcomeReport {
            approval_id,
            outcome,
            signed_at,
        }))
    }

    pub fn accept(&mut self, approval: &Approval) -> OrderId {
        let order_id = OrderId::new(&format!("o-{}", approval.approval_id.0)).unwrap();
        self.report(approval, Outcome::Accepted { order_id });
        order_id
    }

    /// An execution at the venue; the wallet moves with it.
    pub fn execute(
        &mut self,
        order: OrderId,
        side: Side,
        size: &str,
        at: &str,
        fee: &str,
    ) -> Effects {
        let n = self.next();
        let execution = Execution {
            exec_id: ExecId::new(&format!("x-{n}")).unwrap(),
            order_id: order,
            link_id: None,
            symbol: sol(),
            side,
            price: price(at),
            qty: qty(size),
            fee: amount(fee),
            kind: ExecKind::Trade,
            closed: None,
            at: self.venue_now(),
        };
        self.see(Observation::Executions(vec![execution]))
    }

    /// A row of closed PnL from nowhere.
    pub fn closed(&mut self, pnl: &str) -> Effects {
        let n = self.next();
        let order = OrderId::new(&format!("c-{n}")).unwrap();
        self.closed_by(order, "1", pnl)
    }

    /// The venue's row of what an order has closed.
    pub fn closed_by(&mut self, order: OrderId, size: &str, pnl: &str) -> Effects {
        let row = self.row(order, size, pnl);
        self.see(Observation::ClosedTrades(vec![row]))
    }

    pub fn row(&self, order: OrderId, size: &str, pnl: &str) -> ClosedTrade {
        let at = self.venue_now();
        ClosedTrade {
            order_id: order,
            symbol: sol(),
            side: Side::Sell,
            qty: qty(size),
            entry: price("100"),
            exit: price("100"),
            entry_value: None,
            exit_value: None,
            pnl: amount(pnl),
            created: at,
            updated: at,
        }
    }

    /// The venue has told all that happened up to now.
    pub fn complete(&mut self) -> Effects {
        let now = self.venue_now();
        self.see(Observation::ClosedTradesComplete(now));
        self.see(Observation::ExecutionsComplete(now))
    }

    /// Buys at 100 and sells at another price, fees of one each; everything is told.
    pub fn round_trip(&mut self, size: &str, exit: &str) -> Amount {
        let buy = self.intent(Side::Buy, size);
        let approval = self.approved(&buy);
        let order = self.accept(&approval);
        self.execute(order, Side::Buy, size, "100", "1");
        let sell = Intent {
            reduce_only: true,
            ..self.intent(Side::Sell, size)
        };
        let approval = self.approved(&sell);
        let order = self.accept(&approval);
        self.execute(order, Side::Sell, size, exit, "1");
        let moved = price(exit).get().checked_sub(Decimal::ONE_HUNDRED).unwrap();
        let gross = moved.checked_mul(qty(size).get()).unwrap();
        let pnl = Amount::new(gross - Decimal::TWO).unwrap();
        self.balance = self.balance.plus(pnl).unwrap();
        self.closed_by(order, size, &pnl.to_string());
        self.wallet();
        pnl
    }

    pub fn operate(&mut self, verb: Verb) -> String {
        let word = OperatorVerb {
            by: "me".into(),
            verb,
        };
        self.say(InputKind::Operator(word)).verb.unwrap().message
    }

    pub fn lookup(&mut self, approval: &Approval, found: Option<Order>) -> Effects {
        let begun = self.venue_now();
        let (approval_id, link_id) = (approval.approval_id, approval.link_id);
        self.say(InputKind::Lookup(Lookup {
            approval_id,
            link_id,
            begun,
            found,
        }))
    }

    pub fn new_limits(&mut self, limits: Limits) -> Effects {
        self.limits = limits.clone();
        self.say(InputKind::Limits(Box::new(NewLimits {
            generation: Generation(2),
            limits,
        })))
    }

    pub fn status(&self) -> RiskStatus {
        let boot = BootMs(self.boot);
        self.engine.status(Stamp {
            venue: self.venue_now(),
            boot,
            boot_id: BootId::default(),
        })
    }

    pub fn stands(&self, tag: Tag) -> bool {
        self.status().trips.iter().any(|trip| trip.tag == tag)
    }
}

pub fn instrument(name: &str) -> Instrument {
    Instrument {
        symbol: symbol(name),
        settle_coin: symbol("USDT"),
        trading: true,
        tick: price("0.01"),
        lot: qty("0.1"),
        min_qty: qty("0.1"),
        max_qty: qty("10000"),
        max_market_qty: qty("10000"),
        min_notional: Notional::parse("5").ok(),
        max_leverage: ratio("50"),
    }
}

pub fn flat() -> Position {
    Position {
        side: None,
        size: Qty::ZERO,
        entry: None,
        ..held(Side::Buy, "1")
    }
}

pub fn held(side: Side, size: &str) -> Position {
    Position {
        symbol: sol(),
        side: Some(side),
        size: qty(size),
        entry: Some(price("100")),
        mark: None,
        leverage: Some(ratio("2")),
        unrealised: None,
        stop_loss: None,
        take_profit: None,
        index: 0,
    }
}

pub fn order(id: &str, at: VenueMs) -> Order {
    Order {
        order_id: OrderId::new(id).unwrap(),
        link_id: None,
        symbol: sol(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        price: Some(price("90")),
        qty: qty("1"),
        filled: Qty::ZERO,
        status: OrderStatus::New,
        reduce_only: false,
        close_on_trigger: false,
        venue_made: false,
        trigger_price: None,
        stop_loss: None,
        take_profit: None,
        time_in_force: None,
        created: at,
        updated: at,
    }
}
