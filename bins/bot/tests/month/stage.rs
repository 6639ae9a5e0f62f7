//! One venue, one bot, one guard and one clock. What the gateway does in a live house (tell what was
//! seen, send what was allowed) is done here by hand, in the same words.

use std::collections::{BTreeSet, VecDeque};

use exchange_sim::matching::{
    AccountKind, Brackets, Event, MarketId, Moment, NewOrder, OrderNo, Quote, Setup,
    Side as VenueSide, Venue, catalogue,
};
use exchange_sim::prices::Bar;
use money::{Amount, Decimal, Price, Qty, Ratio};
use perps_bot::sizing::{Sizing, bracket};
use perps_bot::strategy::{LOOKBACK, view};
use protocol::guard::{Observation, Observe, OperatorVerb, OutcomeReport, ResetTarget, Verb};
use protocol::venue::{Candle, ClosedTrade, Execution};
use protocol::{
    BootId, BootMs, Decision, Generation, Intent, IntentId, Mode, OpeningSides, OrderType, Outcome,
    Side, Stamp, Symbol, Tag, VenueMs,
};
use risk::{
    DailyLossBasis, Effects, Engine, Genesis, Input, InputKind, Limits, OnTrip, Start,
    StoreCondition,
};

use crate::rows::{candle, instrument, order_id};

pub(crate) const SYMBOL: &str = "BTCUSDT";
pub(crate) const BALANCE: u32 = 500_000;
pub(crate) const SESSION_TRADES: u32 = 8;
pub(crate) const LOSSES: u32 = 3;
/// How late the venue may show what happened.
const LAG_MS: i64 = 20_000;
/// How late it does in a run that plays that: past the next midnight for what happens just before.
pub(crate) const LATE_MS: i64 = 15_000;
/// The guard is killed and comes back this often.
const RESTART_MINUTES: i64 = 2_000;
/// Funding, more often than a real venue's eight hours, so that short positions meet it.
const FUNDING_MS: i64 = 600_000;
/// Seconds of a minute at which the market moves; both extremes are among them.
const SECONDS: [u32; 7] = [0, 10, 20, 30, 40, 50, 59];

/// A trip with its tag, when it began and when it ended.
pub(crate) type Trip = (Tag, i64, Option<i64>);

pub(crate) fn daily_limit() -> Decimal {
    Decimal::new(15, 3)
}

pub(crate) fn drawdown_limit() -> Decimal {
    Decimal::new(4, 2)
}

pub(crate) fn hysteresis() -> Decimal {
    Decimal::new(1, 1)
}

/// Everything.
pub(crate) struct Stage {
    pub(crate) venue: Venue,
    pub(crate) engine: Engine,
    /// Trips of the guard, in the order in which they began.
    pub(crate) trips: Vec<Trip>,
    /// Sessions that are over and the one that runs: when each began, and its trades.
    pub(crate) sessions: Vec<(i64, u32)>,
    /// When the wallet was read, and the equity that it showed.
    pub(crate) reads: Vec<(i64, Decimal)>,
    pub(crate) refused: u32,
    pub(crate) restarts: u32,
    /// Executions of which the guard heard on the day after.
    pub(crate) past_midnight: u32,
    limits: Limits,
    /// How late the guard hears of executions and closed trades.
    late_ms: i64,
    /// What it has not heard of yet: when it happened, and what.
    unheard: VecDeque<(i64, Event)>,
    pub(crate) market: MarketId,
    pub(crate) now: i64,
    began: i64,
    standing: BTreeSet<Tag>,
    candles: VecDeque<Candle>,
    was_rising: Option<bool>,
    intents: u64,
}

impl Stage {
    /// With these limits, and a guard that hears so late of executions and closed trades.
    pub(crate) fn new(price: Decimal, now: i64, limits: Limits, late_ms: i64) -> Self {
        let mut venue = Venue::new(Setup {
            instruments: catalogue(1),
            account: AccountKind::Unified,
            balance: BALANCE.into(),
            salt: 7,
            now: Moment::from_ms(now),
        });
        let market = venue.market_id(SYMBOL).unwrap();
        venue.on_quote(market, Quote::flat(price), Moment::from_ms(now));
        let engine = Engine::new(Genesis {
            stamp: stamp(now, now),
            mode: Mode::Testnet,
            account: None,
            generation: Generation(1),
            limits: limits.clone(),
        });
        let mut stage = Self {
            venue,
            engine,
            trips: Vec::new(),
            sessions: vec![(now, 0)],
            reads: Vec::new(),
            refused: 0,
            restarts: 0,
            past_midnight: 0,
            limits,
            late_ms,
            unheard: VecDeque::new(),
            market,
            now,
            began: now,
            standing: BTreeSet::new(),
            candles: VecDeque::new(),
            was_rising: None,
            intents: 0,
        };
        stage.start(StoreCondition::Fresh);
        stage.read_everything(true);
        stage
    }

    /// One minute of the market.
    pub(crate) fn minute(&mut self, bar: &Bar, start: i64) {
        let day_before = self.now.div_euclid(86_400_000);
        self.now = start;
        self.say(InputKind::Tick);
        if start.div_euclid(86_400_000) > day_before {
            self.new_day();
        }
        if start % FUNDING_MS == 0 {
            let turn = start / FUNDING_MS % 3;
            let rate = Decimal::new(turn * 15 - 10, 5);
            let at = Moment::from_ms(self.now);
            self.venue.charge_funding(self.market, rate, at).unwrap();
            self.tell_news();
        }
        for second in SECONDS {
            self.now = start + i64::from(second) * 1_000;
            let price = bar.price_at(second).round_dp(1);
            let at = Moment::from_ms(self.now);
            self.venue.on_quote(self.market, Quote::flat(price), at);
            self.tell_news();
        }
        self.now = start + 59_500;
        let minute = (start - self.began) / 60_000;
        let killed = minute % RESTART_MINUTES == RESTART_MINUTES - 1;
        if killed {
            self.restart();
        }
        self.read_everything(killed);
        self.candles.push_back(candle(bar, start));
        if self.candles.len() > 40 {
            self.candles.pop_front();
        }
        self.decide();
    }

    /// After the last minute: what has not been heard of is.
    pub(crate) fn hear_the_rest(&mut self) {
        self.now += LATE_MS;
        self.tell_news();
        self.read_everything(false);
    }

    /// What the operator does at midnight: a new session, and a look at what stands.
    fn new_day(&mut self) {
        self.sessions.last_mut().unwrap().1 = self.engine.state().session.trades;
        self.sessions.push((self.now, 0));
        self.operate(Verb::SessionNew);
        if self.standing.contains(&Tag::CircuitBreaker) {
            let what = ResetTarget::CircuitBreaker;
            self.operate(Verb::Reset { what });
        }
        if self.standing.contains(&Tag::Drawdown) {
            let what = ResetTarget::Drawdown { rebase: true };
            self.operate(Verb::Reset { what });
        }
    }

    /// A closed candle: enter on a cross, leave when the trend turns, as the reference bot does; and
    /// one or the other at the end of each day, so that there is something at its edge.
    fn decide(&mut self) {
        let closed: Vec<Candle> = self.candles.iter().cloned().collect();
        let Some(seen) = view(&closed, LOOKBACK) else {
            return;
        };
        let crossed = self.was_rising.replace(seen.rising) == Some(false) && seen.rising;
        let day_ends = (self.now + 500) % VenueMs::DAY_MS == 0;
        let size = self.venue.market(self.market).position.size;
        if !size.is_zero() {
            if !seen.rising || day_ends {
                let qty = Qty::new(size).unwrap();
                let exit = Intent {
                    reduce_only: true,
                    ..self.intent(Side::Sell, qty)
                };
                self.place(&exit);
            }
        } else if crossed || day_ends {
            let equity = Amount::new(self.venue.equity()).unwrap();
            let listed = instrument(&self.venue.market(self.market).instrument);
            let sized = bracket(&sizing(), &listed, equity, seen.close, seen.atr).unwrap();
            if let Some(sized) = sized {
                let entry = Intent {
                    stop_loss: Some(sized.stop_loss),
                    take_profit: Some(sized.take_profit),
                    ..self.intent(Side::Buy, sized.qty)
                };
                self.place(&entry);
            }
        }
    }

    /// The gateway's part: ask, send what was allowed, tell what became of it.
    fn place(&mut self, intent: &Intent) {
        let effects = self.say(InputKind::Authorize(intent.clone()));
        let approval = match effects.decision.unwrap() {
            Decision::Approved(approval) => approval,
            Decision::Denied(_) => {
                assert!(!intent.reduce_only, "an exit never waits");
                self.refused += 1;
                return;
            }
            Decision::Recorded(other) => panic!("{other:?}"),
        };
        let at = Moment::from_ms(self.now);
        let side = match intent.side {
            Side::Buy => VenueSide::Buy,
            Side::Sell => VenueSide::Sell,
        };
        let order = NewOrder {
            link_id: approval.link_id.to_string(),
            reduce_only: intent.reduce_only,
            brackets: Brackets {
                take_profit: intent.take_profit.map(Price::get),
                stop_loss: intent.stop_loss.map(Price::get),
                ..Brackets::default()
            },
            ..NewOrder::market(SYMBOL, side, intent.qty, at)
        };
        let no = self.venue.place(&order, at).unwrap();
        let order_id = order_id(&self.venue.order(no).id);
        self.say(InputKind::Outcome(OutcomeReport {
            approval_id: approval.approval_id,
            outcome: Outcome::Accepted { order_id },
            signed_at: Some(VenueMs(self.now)),
        }));
        self.tell_news();
        let row = self.order(no);
        self.see(Observation::Orders(vec![row]));
    }

    /// Tells the guard what the venue's streams would, once it is shown.
    fn tell_news(&mut self) {
        let news = self.venue.take_events();
        self.unheard
            .extend(news.into_iter().map(|event| (self.now, event)));
        while self.unheard.front().is_some_and(|(at, _)| self.shown(*at)) {
            let (_, event) = self.unheard.pop_front().unwrap();
            match event {
                Event::Execution(n) => {
                    let row = self.execution(n);
                    self.past_midnight += u32::from(row.at.day() < VenueMs(self.now).day());
                    self.see(Observation::Executions(vec![row]));
                }
                Event::Closed(n) => {
                    let row = self.closed(n);
                    self.see(Observation::ClosedTrades(vec![row]));
                }
                Event::Order(_) | Event::Position(_) | Event::Wallet => {}
            }
        }
    }

    /// Whether the venue shows executions and closed trades of that time.
    const fn shown(&self, at: i64) -> bool {
        at + self.late_ms <= self.now
    }

    /// The polls of a minute; with `walk` the start-up order, which tells again what was told.
    fn read_everything(&mut self, walk: bool) {
        let told = VenueMs(self.now - LAG_MS);
        if walk {
            self.say(InputKind::GatewayJoined);
            self.see(Observation::ClockSkew(0));
            let listed = instrument(&self.venue.market(self.market).instrument);
            self.see(Observation::Instruments(vec![listed]));
            let welcome = self.engine.welcome();
            let all = 0..self.venue.executions().len();
            let all: Vec<Execution> = all.map(|n| self.execution(n)).collect();
            let since = all
                .into_iter()
                .filter(|row| row.at >= welcome.executions_since && self.shown(row.at.0));
            self.see(Observation::Executions(since.collect()));
            let all = 0..self.venue.closed().len();
            let all: Vec<ClosedTrade> = all.map(|n| self.closed(n)).collect();
            let since = all
                .into_iter()
                .filter(|row| row.created >= welcome.closed_since && self.shown(row.created.0));
            self.see(Observation::ClosedTrades(since.collect()));
        }
        self.see(Observation::ExecutionsComplete(told));
        self.see(Observation::ClosedTradesComplete(told));
        let prices = self.ticker();
        self.see(Observation::Tickers(vec![prices]));
        let position = self.position();
        self.see(Observation::Positions(vec![position]));
        let open: Vec<OrderNo> = self.venue.open_orders(self.market).collect();
        let open = open.into_iter().map(|no| self.order(no)).collect();
        self.see(Observation::OpenOrders(open));
        let wallet = self.wallet();
        self.reads.push((self.now, wallet.equity.get()));
        self.see(Observation::Wallet(wallet));
        if walk {
            self.see(Observation::Synced);
        }
    }

    fn restart(&mut self) {
        self.restarts += 1;
        let text = serde_json::to_string(self.engine.state()).unwrap();
        self.engine = Engine::resume(serde_json::from_str(&text).unwrap());
        self.start(StoreCondition::Restored);
    }

    fn start(&mut self, store: StoreCondition) {
        self.say(InputKind::Start(Box::new(Start {
            generation: Generation(1),
            limits: self.limits.clone(),
            mode: Mode::Testnet,
            new_session: false,
            first: false,
            store,
        })));
    }

    fn operate(&mut self, verb: Verb) {
        let by = "operator".to_owned();
        self.say(InputKind::Operator(OperatorVerb { by, verb }));
    }

    fn see(&mut self, what: Observation) {
        let (begun, begun_boot) = (VenueMs(self.now), self.boot());
        self.say(InputKind::Observe(Observe {
            begun,
            begun_boot,
            more: false,
            what,
        }));
    }

    /// One step of the engine; trips that began or ended are written down.
    fn say(&mut self, kind: InputKind) -> Effects {
        let stamp = stamp(self.now, self.began);
        let effects = self.engine.step(&Input { stamp, kind });
        let standing: BTreeSet<Tag> = self.engine.state().trips.keys().copied().collect();
        for tag in standing.difference(&self.standing) {
            self.trips.push((*tag, self.now, None));
        }
        for tag in self.standing.difference(&standing) {
            let open = self.trips.iter_mut().rev().find(|trip| trip.0 == *tag);
            open.unwrap().2 = Some(self.now);
        }
        self.standing = standing;
        effects
    }

    fn boot(&self) -> BootMs {
        stamp(self.now, self.began).boot
    }

    fn intent(&mut self, side: Side, qty: Qty) -> Intent {
        self.intents += 1;
        Intent {
            intent_id: IntentId::new(&format!("month-{}", self.intents)).unwrap(),
            at: VenueMs(self.now),
            symbol: symbol(),
            side,
            order_type: OrderType::Market,
            qty,
            price: None,
            time_in_force: None,
            reduce_only: false,
            take_profit: None,
            stop_loss: None,
        }
    }
}

pub(crate) fn symbol() -> Symbol {
    Symbol::new(SYMBOL).unwrap()
}

fn stamp(now: i64, began: i64) -> Stamp {
    Stamp {
        venue: VenueMs(now),
        boot: BootMs(u64::try_from(now - began).unwrap() + 1_000),
        boot_id: BootId::default(),
    }
}

fn ratio(value: Decimal) -> Ratio {
    Ratio::new(value).unwrap()
}

fn sizing() -> Sizing {
    Sizing {
        risk: ratio(Decimal::new(1, 2)),
        stop_loss: ratio(Decimal::new(4, 3)),
        take_profit: ratio(Decimal::new(8, 3)),
        deploy_cap: ratio(Decimal::new(9, 1)),
        atr_multiple: ratio(Decimal::new(15, 1)),
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        max_daily_risk: ratio(daily_limit()),
        daily_loss_basis: DailyLossBasis::OpeningBalance,
        daily_loss_cooldown_ms: 0,
        drawdown_threshold: ratio(drawdown_limit()),
        drawdown_hysteresis: ratio(hysteresis()),
        drawdown_latch: false,
        consecutive_loss_limit: Some(LOSSES),
        max_margin_ratio: ratio(Decimal::new(8, 1)),
        session_max_trades: Some(SESSION_TRADES),
        session_max_runtime_ms: None,
        max_order_qty: None,
        max_order_notional: None,
        max_position_notional: None,
        max_gross_exposure: None,
        price_collar: None,
        max_orders_per_minute: None,
        max_open_orders: None,
        allowed_symbols: None,
        symbol: Some(symbol()),
        max_leverage: None,
        require_stop_loss: true,
        supported_sides: OpeningSides::Long,
        on_trip: OnTrip::Block,
        flatten_max_slippage: ratio(Decimal::new(1, 2)),
        lease_ms: 3_000,
        venue_lag_ms: LAG_MS.unsigned_abs(),
        recv_window_ms: 5_000,
        max_data_staleness_ms: 120_000,
        time_sync_max_skew_ms: 1_000,
        reminder_ms: 3_600_000,
    }
}

/// Limits that do not keep the bot from trading around midnight.
pub(crate) fn wide_limits() -> Limits {
    Limits {
        max_daily_risk: Ratio::ONE,
        drawdown_threshold: Ratio::ONE,
        consecutive_loss_limit: None,
        session_max_trades: None,
        ..limits()
    }
}
