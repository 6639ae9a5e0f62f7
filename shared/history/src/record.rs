//! How an input stands in the journal: JSON, one object, as `risk::Input` reads it, and behind it
//! what the engine answered.
//!
//! ```text
//! {"stamp":{..},"kind":{"authorize":{..}},"told":{"verdict":{"denied":"SAFETY_.."},"digest":3405691582}}
//! ```
//! What came in as JSON and is one input as it stands is not written anew: its body goes into the
//! record as it came. That saves the decision path a serialisation, and the record is what the
//! gateway really said. A body is at most a line, and a line holds no newline.
//!
//! The digest covers everything that a step brought about. With it a replay can prove that it says
//! bit for bit what the guard said, and a journal stays half as long as with the answers in it.

use protocol::{Decision, Stamp, Tag};
use risk::{Effects, Input, InputKind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A record as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What the engine was told.
    pub input: Input,
    /// What it answered; `None` if the step brought nothing about.
    pub told: Option<Told>,
}

/// What a step brought about, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The decision, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// CRC-32C of the effects as JSON.
    pub digest: u32,
}

/// A decision without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may be sent.
    Approved,
    /// It may not.
    Denied(Tag),
    /// It had been asked before.
    Repeated,
}

#[derive(Deserialize)]
struct Reading {
    stamp: Stamp,
    kind: InputKind,
    #[serde(default)]
    told: Option<Told>,
}

/// Appends the record of an input and what it brought about. `body` is the request's body as it
/// came, if there is one.
pub fn encode(
    input: &Input,
    body: Option<&RawValue>,
    effects: &Effects,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    out.extend_from_slice(b"{\"stamp\":");
    serde_json::to_writer(&mut *out, &input.stamp)?;
    out.extend_from_slice(b",\"kind\":");
    match (word_of_body(&input.kind), body) {
        (Some(word), Some(body)) => {
            out.extend_from_slice(b"{\"");
            out.extend_from_slice(word.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(body.get().as_bytes());
            out.push(b'}');
        }
        (Some(_) | None, _) => serde_json::to_writer(&mut *out, &input.kind)?,
    }
    if let Some(told) = told_in(effects, out)? {
        out.extend_from_slice(b",\"told\":");
        serde_json::to_writer(&mut *out, &told)?;
    }
    out.push(b'}');
    Ok(())
}

/// Reads a record of today's schema; [`schema::record`](crate::schema::record) reads any.
pub(crate) fn decode(record: &[u8]) -> serde_json::Result<Recorded> {
    serde_json::from_slice(record).map(Recorded::of)
}

impl Recorded {
    fn of(reading: Reading) -> Self {
        let Reading { stamp, kind, told } = reading;
        Self {
            input: Input { stamp, kind },
            told,
        }
    }

    pub(crate) fn of_value(value: serde_json::Value) -> serde_json::Result<Self> {
        serde_json::from_value(value).map(Self::of)
    }
}

/// What these effects are in short; `None` if there are none.
pub fn told(effects: &Effects) -> serde_json::Result<Option<Told>> {
    told_in(effects, &mut Vec::new())
}

/// The same, written out for its digest behind what stands in `space`, which is left as it was: a
/// checksum of the whole text costs a fraction of one of each piece that a serialiser writes.
fn told_in(effects: &Effects, space: &mut Vec<u8>) -> serde_json::Result<Option<Told>> {
    let Effects {
        decision,
        verb,
        stands,
        exit,
        events,
        commands,
        must_be_durable: _,
    } = effects;
    let answered = decision.is_some() || verb.is_some() || stands.is_some() || exit.is_some();
    if !answered && events.is_empty() && commands.is_empty() {
        return Ok(None);
    }
    let begins = space.len();
    let told = (decision, verb, stands, exit, events, commands);
    serde_json::to_writer(&mut *space, &told)?;
    let digest = crc32c::crc32c(space.get(begins..).unwrap_or_default());
    space.truncate(begins);
    let verdict = decision.as_ref().map(|decision| match decision {
        Decision::Approved(_) => Verdict::Approved,
        Decision::Denied(denial) => Verdict::Denied(denial.tag),
        Decision::Recorded(_) => Verdict::Repeated,
    });
    Ok(Some(Told { verdict, digest }))
}

/// The input's name in the record, for those whose body is the one of a request.
const fn word_of_body(kind: &InputKind) -> Option<&'static str> {
    match kind {
        InputKind::Authorize(_) => Some("authorize"),
        InputKind::AuthorizeAmend(_) => Some("authorize_amend"),
        InputKind::Outcome(_) => Some("outcome"),
        InputKind::Lookup(_) => Some("lookup"),
        InputKind::ExitAlone(_) => Some("exit_alone"),
        InputKind::Observe(_) => Some("observe"),
        InputKind::CommandResult(_) => Some("command_result"),
        InputKind::Operator(_) => Some("operator"),
        InputKind::Start(_)
        | InputKind::Limits(_)
        | InputKind::GatewayJoined
        | InputKind::GatewayLost
        | InputKind::AlertTaken { .. }
        | InputKind::StoreFault(_)
        | InputKind::Tick => None,
    }
}

#[cfg(test)]
mod tests {
    use protocol::frame::{self, Envelope, Head, Message as _};
    use protocol::guard::{
        CommandResult, ExitReport, GuardNote, GuardRequest, Observation, Observe, OperatorVerb,
        OutcomeReport, Verb,
    };
    use protocol::order::{Amend, Lookup};
    use protocol::{
        ApprovalId, BootId, BootMs, CommandId, Context, Denial, Intent, IntentId, OrderLinkId,
        Outcome, Stamp, VenueMs,
    };

    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            venue: VenueMs(1_700_000_000_000),
            boot: BootMs(12),
            boot_id: BootId::new("0f3c0cc1-65b4-4dd4-9e53-2b6d2a5f4f00").unwrap(),
        }
    }

    /// Each input that carries a request's body, and the line that it comes in.
    fn all() -> Vec<(InputKind, Vec<u8>)> {
        let text = r#"{"intent_id":"i-1","at":1,"symbol":"SOLUSDT","side":"buy","order_type":"market","qty":"1.5","stop_loss":"170"}"#;
        let intent: Intent = serde_json::from_str(text).unwrap();
        let amend = Amend {
            intent_id: IntentId::new("i-1").unwrap(),
            qty: None,
            price: None,
            take_profit: None,
            stop_loss: None,
        };
        let outcome = OutcomeReport {
            approval_id: ApprovalId(7),
            outcome: Outcome::NotSent {
                why: "a \"quoted\" reason\n".into(),
            },
            signed_at: None,
        };
        let lookup = Lookup {
            approval_id: ApprovalId(7),
            link_id: OrderLinkId::new("pg-1-7").unwrap(),
            begun: VenueMs(3),
            found: None,
        };
        let exit = ExitReport {
            intent: intent.clone(),
            link_id: OrderLinkId::new("pg-1-8").unwrap(),
            outcome: Outcome::Ambiguous { why: "cut".into() },
            signed_at: Some(VenueMs(4)),
        };
        let result = CommandResult {
            command_id: CommandId(1),
            done: true,
            message: "done".into(),
            refused: false,
        };
        let verb = OperatorVerb {
            by: "me".into(),
            verb: Verb::Halt { flatten: true },
        };
        let observe = Observe {
            begun: VenueMs(1),
            begun_boot: BootMs(1),
            more: false,
            what: Observation::Synced,
        };
        let mut all = Vec::new();
        let mut add = |kind: InputKind, request: GuardRequest| {
            let mut line = Vec::new();
            frame::write(Head::request(1, BootMs(9)), &request, &mut line).unwrap();
            all.push((kind, line));
        };
        macro_rules! add_each {
            ($($name:ident($body:expr)),*) => {
                $(add(InputKind::$name($body.clone()), GuardRequest::$name($body));)*
            };
        }
        add_each!(
            Authorize(intent),
            AuthorizeAmend(amend),
            Outcome(outcome),
            Lookup(lookup),
            ExitAlone(exit),
            CommandResult(result),
            Operator(verb)
        );
        let mut line = Vec::new();
        let note = GuardNote::Observe(observe.clone());
        assert_eq!(note.kind(), "observe");
        frame::write(Head::push(), &note, &mut line).unwrap();
        all.push((InputKind::Observe(observe), line));
        all
    }

    #[test]
    fn a_body_that_is_copied_reads_as_one_that_is_written_anew() {
        for (kind, line) in all() {
            let input = Input {
                stamp: stamp(),
                kind,
            };
            let body = Envelope::read(&line).unwrap().body;
            assert!(body.is_some());
            let (mut copied, mut anew) = (Vec::new(), Vec::new());
            encode(&input, body, &Effects::default(), &mut copied).unwrap();
            encode(&input, None, &Effects::default(), &mut anew).unwrap();
            assert_eq!(decode(&copied).unwrap().input, input);
            assert_eq!(decode(&anew).unwrap().input, input);
            assert_eq!(copied, anew);
        }
    }

    #[test]
    fn what_has_no_body_is_written_whole_and_what_was_answered_stands_behind_it() {
        let input = Input {
            stamp: stamp(),
            kind: InputKind::Tick,
        };
        let mut effects = Effects::default();
        assert_eq!(told(&effects).unwrap(), None);
        let denial = Denial {
            tag: Tag::DailyLoss,
            message: "no".into(),
            context: Context::new(),
        };
        effects.decision = Some(Decision::Denied(denial));
        let mut record = Vec::new();
        encode(&input, None, &effects, &mut record).unwrap();
        let read = decode(&record).unwrap();
        assert_eq!(read.input, input);
        assert_eq!(read.told, told(&effects).unwrap());
        let verdict = read.told.and_then(|told| told.verdict);
        assert_eq!(verdict, Some(Verdict::Denied(Tag::DailyLoss)));
        effects.must_be_durable = true;
        assert_eq!(
            told(&effects).unwrap(),
            read.told,
            "not a word of the answer"
        );
        assert!(decode(b"{\"stamp\":1}").is_err());
    }
}
