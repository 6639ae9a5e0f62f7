//! One engine on its way through the inputs, and what is noted about it.

use std::collections::BTreeMap;

use protocol::order::Amend;
use protocol::{Decision, Intent, Tag, VenueMs};
use risk::{Effects, Engine, Input, InputKind, State};

use crate::report::{Counts, Happened, Judged, Judgement, Trip, TripEnd};

/// What is told while a replay goes on.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Happened<'_>);

/// An engine, its decisions counted, its trips with beginning and end.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) engine: Engine,
    pub(crate) counts: Counts,
    pub(crate) trips: Vec<Trip>,
    /// What stands now: where it is in `trips`.
    standing: BTreeMap<Tag, usize>,
}

impl Lane {
    pub(crate) fn new(engine: Engine) -> Self {
        let mut lane = Self {
            engine,
            counts: Counts::default(),
            trips: Vec::new(),
            standing: BTreeMap::new(),
        };
        // What stood before the first input began earlier and is not told as news.
        lane.note_trips(&mut |_| {});
        lane
    }

    /// Steps, counts and notes.
    pub(crate) fn step(&mut self, record: u64, input: &Input, tell: Tell<'_>) -> Effects {
        let effects = self.engine.step(input);
        if let Some(decision) = &effects.decision
            && let Some(judged) = judged(record, input, decision)
        {
            self.count(&judged.judgement);
            tell(Happened::Judged(&judged));
        }
        if self.trips_changed() {
            self.note_trips(tell);
        }
        effects
    }

    fn count(&mut self, judgement: &Judgement) {
        let counts = &mut self.counts;
        match judgement {
            Judgement::Approved { opens: true } => counts.openings_approved += 1,
            Judgement::Approved { opens: false } => counts.reducers_approved += 1,
            Judgement::Refused { tag, .. } => *counts.refused.entry(*tag).or_default() += 1,
            Judgement::Repeated => counts.repeated += 1,
        }
    }

    fn trips_changed(&self) -> bool {
        let mut count = 0;
        for (tag, since, _) in standing(self.engine.state()) {
            let known = self.standing.get(&tag);
            let known = known.and_then(|index| self.trips.get(*index));
            if known.is_none_or(|trip| trip.began != since) {
                return true;
            }
            count += 1;
        }
        count != self.standing.len()
    }

    fn note_trips(&mut self, tell: Tell<'_>) {
        let state = self.engine.state();
        let now: BTreeMap<Tag, (VenueMs, String)> = standing(state)
            .map(|(tag, since, message)| (tag, (since, message.to_owned())))
            .collect();
        let at = state.clock.venue;
        let gone: Vec<Tag> = self
            .standing
            .iter()
            .filter(|(tag, index)| {
                let began = self.trips.get(**index).map(|trip| trip.began);
                now.get(*tag).map(|(since, _)| *since) != began
            })
            .map(|(tag, _)| *tag)
            .collect();
        for tag in gone {
            let index = self.standing.remove(&tag);
            if let Some(trip) = index.and_then(|index| self.trips.get_mut(index)) {
                trip.ended = Some(at);
                let lasted_ms = at.since(trip.began);
                tell(Happened::Ended(TripEnd { tag, at, lasted_ms }));
            }
        }
        for (tag, (began, message)) in now {
            if self.standing.contains_key(&tag) {
                continue;
            }
            let trip = Trip {
                tag,
                began,
                message,
                ended: None,
            };
            tell(Happened::Tripped(&trip));
            self.standing.insert(tag, self.trips.len());
            self.trips.push(trip);
        }
    }
}

/// What blocks entries now: trips, and the operator's freeze or halt.
fn standing(state: &State) -> impl Iterator<Item = (Tag, VenueMs, &str)> {
    let trips = state.trips.iter();
    let trips = trips.map(|(tag, record)| (*tag, record.since, record.message.as_str()));
    let frozen = state.frozen.map(|since| (since, "frozen by the operator"));
    let halted = state.halted.map(|since| (since, "halted by the operator"));
    let word = frozen.or(halted);
    trips.chain(word.map(|(since, message)| (Tag::Halt, since, message)))
}

/// The decision on an order, with the order.
pub(crate) fn judged(record: u64, input: &Input, decision: &Decision) -> Option<Judged> {
    let at = input.stamp.venue;
    let judgement = match decision {
        Decision::Approved(approval) => Judgement::Approved {
            opens: approval.opens,
        },
        Decision::Denied(denial) => Judgement::Refused {
            tag: denial.tag,
            message: denial.message.clone(),
        },
        Decision::Recorded(_) => Judgement::Repeated,
    };
    let order = |intent: &Intent, amend| Judged {
        record,
        at,
        intent_id: intent.intent_id,
        amend,
        symbol: Some(intent.symbol),
        side: Some(intent.side),
        qty: Some(intent.qty),
        judgement: judgement.clone(),
    };
    match (&input.kind, decision) {
        (InputKind::Authorize(intent), _) => Some(order(intent, false)),
        (InputKind::AuthorizeAmend(_), Decision::Approved(approval)) => {
            Some(order(&approval.intent, true))
        }
        (InputKind::AuthorizeAmend(Amend { intent_id, qty, .. }), _) => Some(Judged {
            record,
            at,
            intent_id: *intent_id,
            amend: true,
            symbol: None,
            side: None,
            qty: *qty,
            judgement: judgement.clone(),
        }),
        (
            InputKind::Start(_)
            | InputKind::Limits(_)
            | InputKind::GatewayJoined
            | InputKind::GatewayLost
            | InputKind::Outcome(_)
            | InputKind::Lookup(_)
            | InputKind::ExitAlone(_)
            | InputKind::Observe(_)
            | InputKind::CommandResult(_)
            | InputKind::Operator(_)
            | InputKind::AlertTaken { .. }
            | InputKind::StoreFault(_)
            | InputKind::Tick,
            _,
        ) => None,
    }
}
