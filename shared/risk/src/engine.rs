//! The one entry point: an input in, its effects out.

use protocol::control::Standing;
use protocol::guard::{Command, CommandKind, GuardWelcome, Observation, Observe};
use protocol::status::{RiskStatus, TradingState};
use protocol::{BootMs, Context, Severity, Stamp, Tag, VenueMs};

use crate::effects::{Effects, Event};
use crate::input::{Genesis, Input, InputKind, Start, StoreCondition};
use crate::names;
use crate::state::{
    Book, Closings, Day, Days, Given, Ingested, Intents, Session, State, VenueView, WalletBook,
};
use crate::{Clock, trips};

/// Executions and rows are asked for from a little before the last one that was told.
const OVERLAP_MS: i64 = 60_000;

/// The engine: a state, and the step that moves it.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) state: State,
}

impl Engine {
    /// The beginning of a lineage.
    pub fn new(genesis: Genesis) -> Self {
        let stamp = genesis.stamp;
        let clock = Clock::beginning(stamp);
        let state = State {
            lineage: names::lineage(stamp.venue),
            began: stamp.venue,
            mode: genesis.mode,
            account: genesis.account,
            generation: genesis.generation,
            limits: genesis.limits,
            clock,
            given: Given::default(),
            halted: None,
            frozen: None,
            state_since: stamp.venue,
            session: Session {
                id: protocol::SessionId(1),
                started: stamp.venue,
                started_elapsed: 0,
                trades: 0,
                sent: 0,
                refused: 0,
            },
            day: Day::blank(stamp.venue.day()),
            days: Days::default(),
            loss_streak: 0,
            closings: Closings::default(),
            wallet: WalletBook::default(),
            book: Book::default(),
            reservations: std::collections::BTreeMap::new(),
            amends: std::collections::BTreeMap::new(),
            intents: Intents::default(),
            openings: std::collections::VecDeque::new(),
            trips: std::collections::BTreeMap::new(),
            refusals_told: std::collections::BTreeMap::new(),
            commands: std::collections::BTreeMap::new(),
            commands_done: std::collections::VecDeque::new(),
            outbox: std::collections::VecDeque::new(),
            ingested: Ingested::default(),
            venue: VenueView {
                gateway: false,
                synced: false,
                compared: false,
                condition: StoreCondition::Fresh,
                positions_begun: None,
                positions_elapsed: None,
                orders_elapsed: None,
                skew_ms: None,
                banned_until: None,
                access_denied: None,
                stale_candles: std::collections::BTreeMap::new(),
            },
            store_fault: None,
            corrupt: None,
        };
        Self { state }
    }

    /// An engine that goes on where a state was written down.
    pub const fn resume(state: State) -> Self {
        Self { state }
    }

    /// Takes an input in. The caller journals it before it acts on the effects.
    pub fn step(&mut self, input: &Input) -> Effects {
        let mut effects = Effects::default();
        let before = self.trading_state();
        self.state.clock = self.state.clock.at(input.stamp);
        self.roll_day();
        match &input.kind {
            InputKind::Start(start) => self.start(start, &mut effects),
            InputKind::Limits(new) => {
                self.state.generation = new.generation;
                self.state.limits = new.limits.clone();
                effects.must_be_durable = true;
            }
            InputKind::GatewayJoined => self.gateway_joined(),
            InputKind::GatewayLost => self.gateway_lost(&mut effects),
            InputKind::Authorize(intent) => self.authorize(intent, &mut effects),
            InputKind::AuthorizeAmend(amend) => self.authorize_amend(amend, &mut effects),
            InputKind::Outcome(report) => self.outcome(report, &mut effects),
            InputKind::Lookup(lookup) => self.lookup(lookup, &mut effects),
            InputKind::ExitAlone(report) => self.exit_alone(report, &mut effects),
            InputKind::Observe(observe) => self.observe(observe, &mut effects),
            InputKind::CommandResult(result) => self.command_result(result, &mut effects),
            InputKind::Operator(word) => self.operate(word, &mut effects),
            InputKind::AlertTaken { id } => self.state.outbox.retain(|event| event.id != *id),
            InputKind::StoreFault(fault) => self.state.store_fault.clone_from(fault),
            InputKind::Tick => {}
        }
        self.expire_approvals(&mut effects);
        trips::evaluate(self, &mut effects);
        self.explain_verb(&mut effects);
        if self.trading_state() != before {
            self.state.state_since = self.state.clock.venue;
        }
        effects
    }

    /// What may be sent now.
    pub fn trading_state(&self) -> TradingState {
        if self.state.frozen.is_some() {
            TradingState::Frozen
        } else if self.state.halted.is_some() {
            TradingState::Halted
        } else if self.state.trips.is_empty() {
            TradingState::Active
        } else {
            TradingState::ReduceOnly
        }
    }

    /// When the next [`InputKind::Tick`] is needed, by the boot clock.
    pub fn deadline(&self) -> Option<BootMs> {
        let clock = &self.state.clock;
        let approvals = self.approval_deadlines();
        let trips = trips::deadlines(self);
        approvals
            .chain(trips)
            .min()
            .map(|elapsed| clock.boot_at(elapsed))
    }

    /// How things stand at a moment; the state itself is not moved.
    pub fn status(&self, now: Stamp) -> RiskStatus {
        crate::status::status(self, self.state.clock.at(now))
    }

    /// How things stand in short, as of the last input; cheap enough for every heartbeat.
    pub fn standing(&self) -> Standing {
        crate::status::standing(self)
    }

    /// What a new gateway must know.
    pub fn welcome(&self) -> GuardWelcome {
        let state = &self.state;
        let day_start = VenueMs(state.began.day().saturating_mul(VenueMs::DAY_MS));
        let since = |until: Option<VenueMs>| {
            until.map_or(day_start, |until| {
                VenueMs(until.0.saturating_sub(OVERLAP_MS))
            })
        };
        GuardWelcome {
            unresolved: self.unresolved(),
            executions_since: since(state.ingested.executions_until),
            closed_since: since(state.ingested.rows_until.or(state.ingested.closed_until)),
            banned_until: state.venue.banned_until,
            state: self.trading_state(),
            lineage: state.lineage.clone(),
        }
    }

    /// Commands that the gateway has not confirmed, oldest first; under a freeze only what an
    /// operator said in so many words.
    pub fn commands(&self) -> impl Iterator<Item = Command> + '_ {
        let frozen = self.state.frozen.is_some();
        let pending = self.state.commands.iter();
        pending
            .filter(move |(_, command)| command.explicit || !frozen)
            .map(|(id, command)| Command {
                command_id: *id,
                what: command.what.clone(),
                explicit: command.explicit,
            })
    }

    /// Alerts that the alert-forwarder has not taken, oldest first.
    pub fn outbox(&self) -> impl Iterator<Item = &Event> {
        self.state.outbox.iter()
    }

    /// The whole memory.
    pub const fn state(&self) -> &State {
        &self.state
    }

    fn start(&mut self, start: &Start, effects: &mut Effects) {
        let state = &mut self.state;
        state.generation = start.generation;
        state.limits = start.limits.clone();
        state.mode = start.mode;
        state.venue.gateway = false;
        state.venue.synced = false;
        state.venue.compared = false;
        state.venue.condition = start.store.clone();
        state.store_fault = None;
        effects.must_be_durable = true;
        match &start.store {
            StoreCondition::Fresh => self.state.corrupt = None,
            StoreCondition::Restored => self.say_restored(effects),
            StoreCondition::Reset => {
                self.state.corrupt = None;
                self.let_go("the state file was deleted", effects);
            }
            StoreCondition::Corrupt(why) => self.state.corrupt = Some(why.clone()),
        }
        self.gateway_lost(effects);
        if start.first {
            self.clear_after(effects);
        }
        if start.new_session {
            self.new_session(effects);
        }
        if let Some(record) = self.state.trips.get(&Tag::ReconBlock).cloned() {
            let message = format!("still blocked since an earlier start: {}", record.message);
            self.tell(
                Tag::ReconBlock,
                Tag::ReconBlock.severity(),
                message,
                record.context,
                true,
                effects,
            );
        }
    }

    /// What an orderly end does, after one that was not.
    fn clear_after(&mut self, effects: &mut Effects) {
        let openers = self.live_openers();
        if openers == 0 {
            return;
        }
        let message = format!(
            "the run before this one ended without cancelling opening orders ({openers}); they go now"
        );
        let context = Context::new().with("openers", openers);
        self.say_of_the_state(message, context, effects);
        self.command(CommandKind::CancelOpeners { symbol: None }, false, effects);
    }

    fn say_restored(&mut self, effects: &mut Effects) {
        let session = self.state.session;
        let message = format!(
            "state restored: session {}, {} trades, streak {}, {} unresolved approvals",
            session.id,
            session.trades,
            self.state.loss_streak,
            self.state.reservations.len()
        );
        let context = Context::new()
            .with("session", session.id)
            .with("trades", session.trades)
            .with("streak", self.state.loss_streak);
        self.say_of_the_state(message, context, effects);
    }

    fn say_of_the_state(&mut self, message: String, context: Context, effects: &mut Effects) {
        let severity = Severity::Info;
        self.tell(Tag::StateLoad, severity, message, context, false, effects);
    }

    fn gateway_joined(&mut self) {
        self.state.venue.gateway = true;
        self.state.venue.synced = false;
    }

    fn gateway_lost(&mut self, effects: &mut Effects) {
        self.state.venue.gateway = false;
        self.state.venue.synced = false;
        self.doubt_unreported(effects);
    }

    fn observe(&mut self, observe: &Observe, effects: &mut Effects) {
        let elapsed = self.state.clock.elapsed_at(observe.begun_boot);
        let begun = observe.begun;
        match &observe.what {
            Observation::Instruments(all) => self.note_instruments(all),
            Observation::Tickers(all) => self.note_tickers(all, elapsed),
            Observation::Wallet(wallet) => self.note_wallet(wallet, begun, elapsed),
            Observation::Positions(all) => self.note_positions(all, begun, elapsed, effects),
            Observation::OpenOrders(all) => self.note_open_orders(all, begun, elapsed, effects),
            Observation::Orders(all) => {
                for order in all {
                    self.order_news(order, effects);
                }
            }
            Observation::Executions(all) => {
                for execution in all {
                    self.book_execution(execution, effects);
                }
                self.check_closings(effects);
            }
            Observation::ExecutionsComplete(until) => self.executions_complete(*until, effects),
            Observation::ClosedTrades(all) => {
                for trade in all {
                    self.count_close(trade, effects);
                }
                self.check_closings(effects);
            }
            Observation::ClosedTradesComplete(until) => self.rows_complete(*until, effects),
            Observation::Synced => self.synced(effects),
            Observation::ClockSkew(skew) => self.state.venue.skew_ms = Some(*skew),
            Observation::Banned(until) => {
                self.state.venue.banned_until = self.state.venue.banned_until.max(Some(*until));
                effects.must_be_durable = true;
            }
            Observation::AccessDenied(why) => self.state.venue.access_denied.clone_from(why),
            Observation::CandlesStale { symbol, why } => {
                self.note_candles(*symbol, why.as_deref(), effects);
            }
        }
    }
}
