//! The engine: one step from an input to its effects.

use std::collections::VecDeque;

use protocol::guard::{GuardWelcome, Lease, VerbDone};
use protocol::status::{Account, RiskStatus, SCHEMA_VERSION, Session};
use protocol::{Alert, BootMs, Context, Decision, Denial, SessionId, Stamp, Tag};

use crate::{Effects, Genesis, Input, InputKind, State};

/// The state and what is derived from it.
#[derive(Debug, Clone)]
pub struct Engine {
    state: State,
}

impl Engine {
    /// The engine of a first start. Step it with `Start` next.
    pub fn new(genesis: Genesis) -> Self {
        Self::from_state(State::genesis(genesis))
    }

    /// The engine of a state that was written down.
    pub fn from_state(state: State) -> Self {
        Self { state }
    }

    /// One step. Journal the input, then act on the effects.
    pub fn step(&mut self, input: &Input) -> Effects {
        self.state.clock = self.state.clock.at(input.stamp);
        let mut effects = Effects::default();
        match &input.kind {
            InputKind::Start(start) => {
                self.state.generation = start.generation;
                self.state.limits = start.limits.clone();
                effects.must_be_durable = true;
            }
            InputKind::Limits(new) => {
                self.state.generation = new.generation;
                self.state.limits = new.limits.clone();
                effects.must_be_durable = true;
            }
            InputKind::Authorize(_) | InputKind::AuthorizeAmend(_) => {
                effects.decision = Some(Decision::Denied(Denial {
                    tag: Tag::StaleData,
                    message: "waiting for the venue to be read".to_owned(),
                    context: Context::new(),
                }));
            }
            InputKind::Operator(verb) => {
                effects.must_be_durable = true;
                effects.verb = Some(VerbDone {
                    message: format!("{} said {:?}", verb.by, verb.verb),
                    state: self.state.trading,
                });
            }
            InputKind::AlertTaken { id } => self.state.outbox.retain(|alert| alert.id != *id),
            InputKind::Outcome(_) | InputKind::Lookup(_) | InputKind::CommandResult(_) => {
                effects.must_be_durable = true;
            }
            InputKind::GatewayJoined
            | InputKind::GatewayLost
            | InputKind::Observe(_)
            | InputKind::StoreFault(_)
            | InputKind::Tick => {}
        }
        effects
    }

    /// The boot clock at which the next `Tick` is needed; `None` if nothing waits for time.
    pub fn deadline(&self) -> Option<BootMs> {
        None
    }

    /// What a gateway may do until when, told by the guard every now and then.
    pub fn lease(&self, now: BootMs) -> Lease {
        Lease {
            until: now.after(self.state.limits.lease_ms),
            state: self.state.trading,
        }
    }

    /// What a new gateway must know. Ask after the step of its `GatewayJoined`.
    pub fn welcome(&self) -> GuardWelcome {
        GuardWelcome {
            unresolved: Vec::new(),
            executions_since: self.state.clock.venue,
            closed_since: self.state.clock.venue,
            banned_until: None,
            state: self.state.trading,
        }
    }

    /// How things stand at this moment.
    pub fn status(&self, now: Stamp) -> RiskStatus {
        RiskStatus {
            schema_version: SCHEMA_VERSION,
            mode: self.state.mode,
            state: self.state.trading,
            since: self.state.trading_since,
            now: now.venue,
            generation: self.state.generation,
            synced: false,
            waiting_for: vec!["the venue to be read".to_owned()],
            trips: Vec::new(),
            session: Session {
                id: SessionId(1),
                started: self.state.trading_since,
                age_ms: 0,
                trades: 0,
                live_openers: 0,
                sent: 0,
                refused: 0,
            },
            limits: Vec::new(),
            account: Account {
                equity: None,
                balance: None,
                age_ms: None,
                peak: None,
                drawdown: None,
                day_open: None,
                realised_today: money::Amount::ZERO,
                fees_today: money::Amount::ZERO,
                funding_today: money::Amount::ZERO,
                unrealised: None,
                margin_ratio: None,
                loss_streak: 0,
            },
            positions: Vec::new(),
            open_orders: 0,
            opening_orders: 0,
            unresolved: 0,
            commands: Vec::new(),
            state_fault: None,
            alerts_waiting: 0,
        }
    }

    /// The state, to be written down.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Alerts that the alert-forwarder has not taken yet, oldest first. Send them until it has.
    pub const fn outbox(&self) -> &VecDeque<Alert> {
        &self.state.outbox
    }
}
