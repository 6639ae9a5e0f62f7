//! What a replay found, as programs read it (`perpsctl replay --json`).

use std::collections::BTreeMap;

use history::Told;
use money::{Amount, Qty};
use protocol::status::RiskStatus;
use protocol::{Generation, IntentId, Side, Symbol, Tag, VenueMs};
use serde::Serialize;

/// Everything that a replay found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The inputs that were stepped.
    pub span: Span,
    /// Whether the recorded decisions came out again.
    pub check: Check,
    /// The decisions, counted.
    pub decisions: Counts,
    /// Every trip, halt and freeze, in the order of their beginnings.
    pub trips: Vec<Trip>,
    /// Config generations as they came into force, each with its time.
    pub generations: Vec<(VenueMs, Generation)>,
    /// How things stood after the last input; `None` if there was none.
    pub status: Option<RiskStatus>,
    /// What other limits would have done, if that was asked.
    pub what_if: Option<WhatIfReport>,
}

/// What other limits would have done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WhatIfReport {
    /// Orders that could open a position, that the recording approved and these limits refuse.
    pub refused: Vec<Averted>,
    /// Orders that could open a position, that the recording refused and these limits allow. They
    /// are taken as not sent.
    pub also_allowed: u64,
    /// The decisions under these limits.
    pub decisions: Counts,
    /// Every trip under these limits, in the order of their beginnings.
    pub trips: Vec<Trip>,
    /// The money that was made, over the inputs told.
    pub recorded: Option<Money>,
    /// The money that would have been made.
    pub would_be: Option<Money>,
    /// The second less the first: above zero, so much loss would have been avoided.
    pub avoided: Option<Amount>,
    /// Fills that would not have happened.
    pub fills_removed: u64,
    /// Closed trades that would not have happened.
    pub rows_removed: u64,
    /// Closed trades whose execution is not in the recording, so that nobody can say whether they
    /// would have happened: they were left as they are.
    pub rows_unexplained: u64,
    /// Positions that only these limits would have closed.
    pub flattened: u64,
    /// Why an amount could not be computed, if one could not: then the money is not known.
    pub fault: Option<String>,
    /// What is assumed where nobody can know.
    pub assumptions: Vec<&'static str>,
    /// How things would have stood after the last input.
    pub status: Option<RiskStatus>,
}

impl WhatIfReport {
    pub(crate) fn new(assumptions: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            assumptions: assumptions.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// Money made, in the settle coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Money {
    /// Of what was closed, with every fee and funding.
    pub realised: Amount,
    /// Of what is still open at the end, by the last marks.
    pub unrealised: Amount,
    /// Both.
    pub total: Amount,
}

/// An order that would have been refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Averted {
    /// Number of the record or line.
    pub record: u64,
    /// When, venue time.
    pub at: VenueMs,
    /// The bot's name for it.
    pub intent_id: IntentId,
    /// Whether it was a change of a resting order.
    pub amend: bool,
    /// Its instrument.
    pub symbol: Symbol,
    /// Its side.
    pub side: Side,
    /// Its quantity.
    pub qty: Qty,
    /// The limit that refuses it.
    pub tag: Tag,
    /// Why.
    pub message: String,
}

/// The inputs that were stepped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// How many.
    pub inputs: u64,
    /// Venue time of the first.
    pub first: Option<VenueMs>,
    /// Venue time of the last.
    pub last: Option<VenueMs>,
}

/// The replayed steps against the recorded ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Steps whose effects were recorded, and were compared.
    pub compared: u64,
    /// Steps that came out otherwise.
    pub differences: u64,
    /// The first of them.
    pub first_difference: Option<Difference>,
    /// Snapshots that the replay came by, and whose state it had to have.
    pub snapshots: u64,
    /// The first of them, by its record, whose state it did not have.
    pub first_wrong_snapshot: Option<u64>,
}

impl Check {
    /// Whether anything came out otherwise than it was recorded.
    pub const fn differs(&self) -> bool {
        self.differences > 0 || self.first_wrong_snapshot.is_some()
    }

    /// Whether there was anything to hold the replay against.
    pub const fn is_empty(&self) -> bool {
        self.compared == 0 && self.snapshots == 0
    }
}

/// A step that came out otherwise than it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Number of the record or line.
    pub record: u64,
    /// Venue time of the input.
    pub at: VenueMs,
    /// What the input was, in a word.
    pub input: String,
    /// What it brought about when it was recorded, in short; `None`: nothing.
    pub recorded: Option<Told>,
    /// What it brings about now.
    pub replayed: Option<Told>,
    /// What it brings about now, in full, as JSON.
    pub effects: String,
}

/// Decisions, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Orders and changes that could open a position and were allowed.
    pub openings_approved: u64,
    /// Orders and changes that only shrink one and were allowed.
    pub reducers_approved: u64,
    /// Refusals, by tag.
    pub refused: BTreeMap<Tag, u64>,
    /// Repeats of an intent that had been judged.
    pub repeated: u64,
}

impl Counts {
    /// All refusals.
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Number of the record or line.
    pub record: u64,
    /// When, venue time.
    pub at: VenueMs,
    /// The bot's name for the order.
    pub intent_id: IntentId,
    /// Whether it asked to change a resting order.
    pub amend: bool,
    /// Its instrument, where it is known: a change of an unknown order has none.
    pub symbol: Option<Symbol>,
    /// Its side.
    pub side: Option<Side>,
    /// Its quantity.
    pub qty: Option<Qty>,
    /// The answer.
    pub judgement: Judgement,
}

/// The answer to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It may be sent.
    Approved {
        /// Whether it can open a position.
        opens: bool,
    },
    /// It may not.
    Refused {
        /// The limit or state that refused it.
        tag: Tag,
        /// Why.
        message: String,
    },
    /// It was judged before.
    Repeated,
}

/// One time that entries were blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trip {
    /// Its tag; a halt or a freeze has the one of the kill switch.
    pub tag: Tag,
    /// When it began, venue time.
    pub began: VenueMs,
    /// Why.
    pub message: String,
    /// When it ended; `None` if it still stood at the end.
    pub ended: Option<VenueMs>,
}

/// A trip has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TripEnd {
    /// Its tag.
    pub tag: Tag,
    /// When, venue time.
    pub at: VenueMs,
    /// How long it lasted, milliseconds of venue time.
    pub lasted_ms: u64,
}

/// Something that is told while the replay goes on.
#[derive(Debug, Clone, Copy)]
pub enum Happened<'a> {
    /// An order was judged.
    Judged(&'a Judged),
    /// A trip, a halt or a freeze has begun.
    Tripped(&'a Trip),
    /// It has ended.
    Ended(TripEnd),
    /// So many inputs have been stepped.
    Progress(u64),
}
