//! What other limits would have done: the recorded history, without what they would have refused.
//!
//! Two engines walk side by side. One goes under the recorded limits and is held against the
//! record. The other goes under the limits in question and is told the same inputs, less the
//! consequences of every order that it refused: those fills never happened, what they earned or
//! lost is taken out of every balance, and a later exit shrinks only what is left. Nobody knows how
//! the market or the bot would have answered; what is assumed instead is listed in
//! [`ASSUMPTIONS`], and printed with every answer.

mod fates;
mod ledger;
mod observed;
mod orders;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use money::{Amount, MoneyError, Price};
use protocol::guard::{CommandKind, CommandResult, Observation, Observe, Verb};
use protocol::venue::{ClosedTrade, ExecKind, Execution, Order, OrderStatus};
use protocol::{ExecId, OrderId, Stamp, Symbol};
use risk::{Effects, Engine, Input, InputKind, Limits, NewLimits, Start, State};

use crate::lane::Lane;
use crate::report::{Money, WhatIfReport};
use fates::Fates;
use ledger::{Closed, Fill, Ledger, Position};

/// What is assumed where nobody can know.
pub const ASSUMPTIONS: [&str; 7] = [
    "the bot asks for the same orders at the same times, and the market moves the same",
    "an order that these limits refuse never fills; an exit of the recording (a reduce-only order, \
     a take profit, a stop) then shrinks what is left of the position in proportion",
    "an order that the recording refused and these limits allow is counted, and taken as not sent: \
     nobody knows how it would have filled",
    "what refused orders earned, lost and paid is taken out of balance, equity, closed trades and \
     margin; until its fills are told, a read of the wallet may still hold them",
    "the venue's positions in a symbol with a refused order are what the remaining fills make them",
    "a flatten that only these limits ask for fills at once at the last mark, free of fees, and a \
     cancel at once",
    "operators say the same words; config edits of the recording are left out",
];

/// Ticks that are put in between two inputs at most.
const TICKS_MOST: u32 = 1_000;

/// How long a closed trade waits for the execution behind it, by venue time.
const ROW_PATIENCE_MS: u64 = 60_000;

/// The history under other limits, beside the recorded one.
pub(crate) struct WhatIf {
    pub(crate) lane: Lane,
    limits: Limits,
    was: Ledger,
    would: Ledger,
    fates: Fates,
    /// Symbols in which the two histories differ.
    touched: BTreeSet<Symbol>,
    seen: HashSet<ExecId>,
    rows_seen: HashSet<OrderId>,
    /// What each closing order did in both histories.
    results: HashMap<OrderId, (Closed, Closed)>,
    /// Closed trades whose execution has not been told.
    held_rows: Vec<ClosedTrade>,
    report: WhatIfReport,
    stamp: Option<Stamp>,
    /// Makes up ids for fills that only happen here.
    made_up: u64,
}

impl WhatIf {
    /// Begins beside an engine that has not stepped.
    pub(crate) fn beside(recorded: &State, limits: Limits) -> Self {
        let mut state = recorded.clone();
        state.limits = limits.clone();
        let positions: BTreeMap<Symbol, Position> = recorded
            .book
            .positions
            .iter()
            .map(|(symbol, held)| (*symbol, Position::of(held)))
            .collect();
        Self {
            lane: Lane::new(Engine::resume(state)),
            limits,
            was: Ledger::new(positions.clone()),
            would: Ledger::new(positions),
            fates: Fates::default(),
            touched: BTreeSet::new(),
            seen: recorded.ingested.executions.iter().copied().collect(),
            rows_seen: recorded.ingested.closed.iter().copied().collect(),
            results: HashMap::new(),
            held_rows: Vec::new(),
            report: WhatIfReport::new(ASSUMPTIONS),
            stamp: None,
            made_up: 0,
        }
    }

    /// Follows one recorded step. `recorded` is the other lane's state after it, `effects` what it
    /// brought about.
    pub(crate) fn follow(
        &mut self,
        number: u64,
        input: &Input,
        recorded: &State,
        effects: &Effects,
    ) {
        self.let_time_pass(number, input);
        self.stamp = Some(input.stamp);
        let say = |kind| Input {
            stamp: input.stamp,
            kind,
        };
        match &input.kind {
            InputKind::Start(start) => {
                let start = Start {
                    limits: self.limits.clone(),
                    ..(**start).clone()
                };
                self.step(number, &say(InputKind::Start(Box::new(start))), effects);
            }
            InputKind::Limits(new) => {
                let same = NewLimits {
                    generation: new.generation,
                    limits: self.limits.clone(),
                };
                self.step(number, &say(InputKind::Limits(Box::new(same))), effects);
            }
            InputKind::Authorize(intent) => self.authorize(number, input, intent, effects),
            InputKind::AuthorizeAmend(_) => self.amend(number, input, effects),
            InputKind::Outcome(report) => {
                if let Some(report) = self.outcome(report) {
                    self.step(number, &say(InputKind::Outcome(report)), effects);
                }
            }
            InputKind::Lookup(lookup) => {
                if let Some(lookup) = self.lookup(lookup) {
                    self.step(number, &say(InputKind::Lookup(lookup)), effects);
                }
            }
            InputKind::ExitAlone(exit) => {
                if let Some(report) = self.exit_alone(exit, effects) {
                    self.step(number, &say(InputKind::Outcome(report)), effects);
                }
            }
            InputKind::Observe(observe) => self.observe(number, input, observe, recorded, effects),
            InputKind::Operator(word) => {
                self.step(number, input, effects);
                if word.verb == Verb::ReconAcknowledge {
                    self.meet(recorded);
                }
            }
            // Its commands are carried out here, at once; nobody is alerted.
            InputKind::CommandResult(_) | InputKind::AlertTaken { .. } => {}
            InputKind::GatewayJoined
            | InputKind::GatewayLost
            | InputKind::StoreFault(_)
            | InputKind::Tick => self.step(number, input, effects),
        }
    }

    /// What came of it.
    pub(crate) fn report(mut self, recorded: &State) -> WhatIfReport {
        self.report.status = self.stamp.map(|stamp| self.lane.engine.status(stamp));
        self.report.rows_unexplained += u64::try_from(self.held_rows.len()).unwrap_or(u64::MAX);
        let mark = |symbol: Symbol| recorded.book.marks.get(&symbol).map(|mark| mark.price);
        let money = |ledger: &Ledger| -> Result<Money, MoneyError> {
            let unrealised = ledger.unrealised(mark)?;
            Ok(Money {
                realised: ledger.cash,
                unrealised,
                total: ledger.cash.plus(unrealised)?,
            })
        };
        match (money(&self.was), money(&self.would)) {
            (Ok(was), Ok(would)) => {
                self.report.avoided = would.total.minus(was.total).ok();
                self.report.recorded = Some(was);
                self.report.would_be = Some(would);
            }
            (Err(e), _) | (_, Err(e)) => self.lost(&e),
        }
        WhatIfReport {
            decisions: self.lane.counts,
            trips: self.lane.trips,
            ..self.report
        }
    }

    /// Steps the other engine, and carries out what it asks for and the recorded one did not.
    fn step(&mut self, number: u64, input: &Input, recorded: &Effects) {
        let effects = self.lane.step(number, input, &mut |_| {});
        let mut commands = effects.commands;
        while let Some(command) = commands.pop() {
            let both = recorded
                .commands
                .iter()
                .any(|c| aim(&c.what) == aim(&command.what));
            if !both {
                self.carry_out(number, input.stamp, &command.what);
            }
            let done = CommandResult {
                command_id: command.command_id,
                done: true,
                message: "done in the replay".to_owned(),
                refused: false,
            };
            let result = Input {
                stamp: input.stamp,
                kind: InputKind::CommandResult(done),
            };
            commands.extend(self.lane.step(number, &result, &mut |_| {}).commands);
        }
    }

    /// Ticks at the deadlines of the other engine: its trips may begin where nothing was recorded.
    fn let_time_pass(&mut self, number: u64, input: &Input) {
        let Some(mut last) = self.stamp else { return };
        if matches!(input.kind, InputKind::Start(_)) || last.boot_id != input.stamp.boot_id {
            return;
        }
        for _ in 0..TICKS_MOST {
            let due = self.lane.engine.deadline();
            let Some(due) = due.filter(|due| *due > last.boot && *due < input.stamp.boot) else {
                return;
            };
            let venue = last.venue.after(due.since(last.boot));
            last = Stamp {
                venue: venue.min(input.stamp.venue),
                boot: due,
                boot_id: last.boot_id,
            };
            let tick = Input {
                stamp: last,
                kind: InputKind::Tick,
            };
            self.step(number, &tick, &Effects::default());
        }
    }

    /// Where the histories do not differ, both ledgers hold what the recorded book holds.
    fn meet(&mut self, recorded: &State) {
        let untouched = |symbol: &Symbol| !self.touched.contains(symbol);
        for ledger in [&mut self.was, &mut self.would] {
            ledger.positions.retain(|symbol, _| {
                !untouched(symbol) || recorded.book.positions.contains_key(symbol)
            });
            for (symbol, held) in &recorded.book.positions {
                let known = ledger.positions.get(symbol);
                let same = known.is_some_and(|p| (p.side, p.size) == (held.side, held.size));
                if untouched(symbol) && !same {
                    ledger.positions.insert(*symbol, Position::of(held));
                }
            }
        }
    }

    fn carry_out(&mut self, number: u64, stamp: Stamp, what: &CommandKind) {
        let (symbol, flatten) = aim(what);
        let wanted = |candidate: Symbol| symbol.is_none_or(|one| one == candidate);
        let news = self.cancel_openers(stamp, wanted);
        if !news.is_empty() {
            self.tell(number, stamp, Observation::Orders(news));
        }
        if !flatten {
            return;
        }
        let held: Vec<(Symbol, Position)> = self
            .would
            .positions
            .iter()
            .filter(|(symbol, _)| wanted(**symbol))
            .map(|(symbol, position)| (*symbol, *position))
            .collect();
        for (symbol, position) in held {
            let marks = &self.lane.engine.state().book.marks;
            let Some(price) = marks.get(&symbol).map(|mark| mark.price) else {
                continue;
            };
            self.touched.insert(symbol);
            self.report.flattened += 1;
            self.flatten(number, stamp, symbol, position, price);
        }
    }

    /// Cancels the resting opening orders of the other engine; the news of it.
    fn cancel_openers(&mut self, stamp: Stamp, wanted: impl Fn(Symbol) -> bool) -> Vec<Order> {
        let reservations = &self.lane.engine.state().reservations;
        let resting = reservations
            .values()
            .filter(|r| r.approval.opens && wanted(r.approval.intent.symbol));
        let mut news = Vec::new();
        for reservation in resting {
            let approval = &reservation.approval;
            let intent = &approval.intent;
            let Ok(made_up) = OrderId::new(&format!("replay-{}", approval.approval_id.0)) else {
                continue;
            };
            news.push(Order {
                order_id: reservation.order_id.unwrap_or(made_up),
                link_id: Some(approval.link_id),
                symbol: intent.symbol,
                side: intent.side,
                order_type: intent.order_type,
                price: intent.price,
                qty: intent.qty,
                filled: reservation.booked,
                status: OrderStatus::Cancelled,
                reduce_only: false,
                close_on_trigger: false,
                venue_made: false,
                trigger_price: None,
                stop_loss: None,
                take_profit: None,
                time_in_force: intent.time_in_force,
                created: reservation.granted,
                updated: stamp.venue,
            });
            self.fates.cut(approval.approval_id);
            self.touched.insert(intent.symbol);
        }
        news
    }

    fn flatten(
        &mut self,
        number: u64,
        stamp: Stamp,
        symbol: Symbol,
        position: Position,
        price: Price,
    ) {
        self.made_up += 1;
        let name = format!("replay-{}", self.made_up);
        let (Ok(exec_id), Ok(order_id)) = (ExecId::new(&name), OrderId::new(&name)) else {
            return;
        };
        let side = position.side.opposite();
        let fill = Fill {
            symbol,
            side,
            price,
            qty: position.size,
            fee: Amount::ZERO,
        };
        let closed = match self.would.fill(&fill) {
            Ok(closed) => closed,
            Err(e) => return self.lost(&e),
        };
        let execution = Execution {
            exec_id,
            order_id,
            link_id: None,
            symbol,
            side,
            price,
            qty: position.size,
            fee: Amount::ZERO,
            kind: ExecKind::Trade,
            closed: Some(position.size),
            at: stamp.venue,
        };
        self.tell(number, stamp, Observation::Executions(vec![execution]));
        let row = ClosedTrade {
            order_id,
            symbol,
            side,
            qty: closed.qty,
            entry: position.entry().unwrap_or(price),
            exit: price,
            entry_value: None,
            exit_value: None,
            pnl: closed.net,
            created: stamp.venue,
            updated: stamp.venue,
        };
        self.tell(number, stamp, Observation::ClosedTrades(vec![row]));
    }

    /// Tells the other engine what was seen now, in its history alone.
    fn tell(&mut self, number: u64, stamp: Stamp, what: Observation) {
        let observe = Observe {
            begun: stamp.venue,
            begun_boot: stamp.boot,
            more: false,
            what,
        };
        let input = Input {
            stamp,
            kind: InputKind::Observe(observe),
        };
        // What follows from it is the recorded engine's concern no more than this is.
        self.step(number, &input, &Effects::default());
    }

    fn lost(&mut self, error: &MoneyError) {
        self.report.fault.get_or_insert_with(|| error.to_string());
    }
}

/// Which symbols a command is about, and whether it closes positions.
const fn aim(what: &CommandKind) -> (Option<Symbol>, bool) {
    match what {
        CommandKind::CancelOpeners { symbol } => (*symbol, false),
        CommandKind::Flatten { symbol, .. } => (*symbol, true),
    }
}
