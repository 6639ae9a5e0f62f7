//! The replay itself: step after step, each held against what was recorded.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;

use history::{Told, genesis_of, record};
use protocol::{AccountId, Stamp, VenueMs};
use risk::{Effects, Engine, Input, InputKind, Limits, Start, State, StoreCondition};

use crate::lane::{Lane, Tell};
use crate::reader::{self, BATCHES_WAITING, Batch};
use crate::report::{Check, Difference, Happened, Report, Span};
use crate::source::{Records, Source, SourceError};
use crate::taken::{Answer, Taken};
use crate::what_if::WhatIf;

/// Inputs between two words of progress.
const PROGRESS_EVERY: u64 = 100_000;

/// What is asked of a replay.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Inputs after this venue time are not stepped.
    pub until: Option<VenueMs>,
    /// Other limits: what would they have done? Of lines that do not begin with a start of their
    /// own: the limits in force.
    pub limits: Option<Limits>,
}

/// Steps every input through an engine of its own. `tell` hears of decisions, trips and progress
/// while they come.
pub fn replay(source: Source, options: &Options, tell: Tell<'_>) -> Result<Report, SourceError> {
    let Source {
        records,
        told,
        what: _,
        notes: _,
    } = source;
    let mut run = Run::new(&records, told, options);
    std::thread::scope(|scope| {
        let (to, from) = sync_channel::<Batch>(BATCHES_WAITING);
        scope.spawn(move || reader::read(records, &to));
        for batch in from {
            for (number, taken) in batch? {
                let late = |until| taken.input.stamp.venue > until;
                if number > *run.told.end() || options.until.is_some_and(late) {
                    return Ok(());
                }
                run.take(number, &taken, tell)?;
            }
        }
        Ok::<(), SourceError>(())
    })?;
    Ok(run.report())
}

struct Run<'o> {
    options: &'o Options,
    told: std::ops::RangeInclusive<u64>,
    lane: Option<Lane>,
    what_if: Option<WhatIf>,
    /// States that must stand after these records.
    snapshots: BTreeMap<u64, Box<State>>,
    span: Span,
    check: Check,
    generations: Vec<(VenueMs, protocol::Generation)>,
    last: Option<Stamp>,
}

impl<'o> Run<'o> {
    fn new(records: &Records, told: std::ops::RangeInclusive<u64>, options: &'o Options) -> Self {
        let (lane, snapshots) = match records {
            Records::Journal(story) => (
                Some(story.engine()),
                story
                    .checkpoints()
                    .iter()
                    .map(|found| (found.seq, found.state.clone()))
                    .collect(),
            ),
            Records::Lines { .. } => (None, BTreeMap::new()),
        };
        let other = |engine: &Engine| {
            let limits = options.limits.clone()?;
            Some(WhatIf::beside(engine.state(), limits))
        };
        Self {
            options,
            told,
            what_if: lane.as_ref().and_then(other),
            lane: lane.map(Lane::new),
            snapshots,
            span: Span::default(),
            check: Check::default(),
            generations: Vec::new(),
            last: None,
        }
    }

    fn take(&mut self, number: u64, taken: &Taken, tell: Tell<'_>) -> Result<(), SourceError> {
        let input = &taken.input;
        self.begin(number, input, tell)?;
        let Some(lane) = &mut self.lane else {
            return Err(SourceError::NoLimits);
        };
        if !self.told.contains(&number) {
            let effects = lane.step(number, input, &mut |_| {});
            if let Some(other) = &mut self.what_if {
                other.follow(number, input, lane.engine.state(), &effects);
            }
            return Ok(());
        }
        let effects = lane.step(number, input, tell);
        if let Some(other) = &mut self.what_if {
            other.follow(number, input, lane.engine.state(), &effects);
        }
        if let Some(state) = self.snapshots.remove(&number) {
            self.check.snapshots += 1;
            if *state != *lane.engine.state() {
                self.check.first_wrong_snapshot.get_or_insert(number);
            }
        }
        if let Answer::Known(recorded) = taken.answer {
            self.check.compared += 1;
            let replayed = record::told(&effects).ok().flatten();
            if recorded != replayed {
                self.differs(number, input, (recorded, replayed), &effects);
            }
        }
        self.note(input, tell);
        Ok(())
    }

    /// The first start of lines makes the engine; lines without one begin under the limits that the
    /// caller names, at the moment of the first of them. A journal's engine stands already.
    fn begin(&mut self, number: u64, input: &Input, tell: Tell<'_>) -> Result<(), SourceError> {
        if self.lane.is_some() {
            return Ok(());
        }
        let account: Option<AccountId> = None;
        if let InputKind::Start(start) = &input.kind {
            let engine = Engine::new(genesis_of(start, account, input.stamp));
            let limits = self.options.limits.clone();
            self.what_if = limits.map(|limits| WhatIf::beside(engine.state(), limits));
            self.lane = Some(Lane::new(engine));
            return Ok(());
        }
        let limits = self.options.limits.clone().ok_or(SourceError::NoLimits)?;
        let start = Start {
            generation: protocol::Generation(0),
            limits,
            mode: protocol::Mode::Testnet,
            new_session: false,
            first: false,
            store: StoreCondition::Fresh,
        };
        let mut lane = Lane::new(Engine::new(genesis_of(&start, account, input.stamp)));
        let start = Input {
            stamp: input.stamp,
            kind: InputKind::Start(Box::new(start)),
        };
        lane.step(number, &start, tell);
        self.lane = Some(lane);
        Ok(())
    }

    fn differs(
        &mut self,
        number: u64,
        input: &Input,
        (recorded, replayed): (Option<Told>, Option<Told>),
        effects: &Effects,
    ) {
        self.check.differences += 1;
        if self.check.first_difference.is_none() {
            let in_full = serde_json::to_string(effects);
            self.check.first_difference = Some(Difference {
                record: number,
                at: input.stamp.venue,
                input: in_a_word(&input.kind).to_owned(),
                recorded,
                replayed,
                effects: in_full.unwrap_or_else(|e| e.to_string()),
            });
        }
    }

    fn note(&mut self, input: &Input, tell: Tell<'_>) {
        let at = input.stamp.venue;
        self.span.inputs += 1;
        self.span.first.get_or_insert(at);
        self.span.last = Some(at);
        self.last = Some(input.stamp);
        let generation = match &input.kind {
            InputKind::Start(start) => Some(start.generation),
            InputKind::Limits(new) => Some(new.generation),
            InputKind::GatewayJoined
            | InputKind::GatewayLost
            | InputKind::Authorize(_)
            | InputKind::AuthorizeAmend(_)
            | InputKind::Outcome(_)
            | InputKind::Lookup(_)
            | InputKind::ExitAlone(_)
            | InputKind::Observe(_)
            | InputKind::CommandResult(_)
            | InputKind::Operator(_)
            | InputKind::AlertTaken { .. }
            | InputKind::StoreFault(_)
            | InputKind::Tick => None,
        };
        self.generations.extend(generation.map(|g| (at, g)));
        if self.span.inputs.is_multiple_of(PROGRESS_EVERY) {
            tell(Happened::Progress(self.span.inputs));
        }
    }

    fn report(self) -> Report {
        let status = self
            .lane
            .as_ref()
            .zip(self.last)
            .map(|(lane, stamp)| lane.engine.status(stamp));
        let what_if = self
            .what_if
            .zip(self.lane.as_ref())
            .map(|(other, lane)| other.report(lane.engine.state()));
        let (counts, trips) = self
            .lane
            .map(|lane| (lane.counts, lane.trips))
            .unwrap_or_default();
        Report {
            span: self.span,
            check: self.check,
            decisions: counts,
            trips,
            generations: self.generations,
            status,
            what_if,
        }
    }
}

/// What an input is, in a word.
const fn in_a_word(kind: &InputKind) -> &'static str {
    match kind {
        InputKind::Start(_) => "start",
        InputKind::Limits(_) => "limits",
        InputKind::GatewayJoined => "gateway joined",
        InputKind::GatewayLost => "gateway lost",
        InputKind::Authorize(_) => "authorize",
        InputKind::AuthorizeAmend(_) => "authorize amend",
        InputKind::Outcome(_) => "outcome",
        InputKind::Lookup(_) => "lookup",
        InputKind::ExitAlone(_) => "exit alone",
        InputKind::Observe(_) => "observation",
        InputKind::CommandResult(_) => "command result",
        InputKind::Operator(_) => "operator's word",
        InputKind::AlertTaken { .. } => "alert taken",
        InputKind::StoreFault(_) => "store fault",
        InputKind::Tick => "tick",
    }
}
