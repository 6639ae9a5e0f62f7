//! How an input stands in the journal: JSON, one object, as `risk::Input` reads it.
//!
//! What came in as JSON and is one input as it stands is not written anew: its body goes into the
//! record as it came. That saves the decision path a serialisation, and the record is what the
//! gateway really said. A body is at most a line, and a line holds no newline.

use risk::{Input, InputKind};
use serde_json::value::RawValue;

/// Appends the record of an input. `body` is the request's body as it came, if there is one.
pub(crate) fn encode(
    input: &Input,
    body: Option<&RawValue>,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let (Some(word), Some(body)) = (word_of_body(&input.kind), body) else {
        return serde_json::to_writer(out, input);
    };
    out.extend_from_slice(b"{\"stamp\":");
    serde_json::to_writer(&mut *out, &input.stamp)?;
    out.extend_from_slice(b",\"kind\":{\"");
    out.extend_from_slice(word.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(body.get().as_bytes());
    out.extend_from_slice(b"}}");
    Ok(())
}

/// Reads a record.
pub(crate) fn decode(record: &[u8]) -> serde_json::Result<Input> {
    serde_json::from_slice(record)
}

/// The input's name in the record, for those whose body is the one of a request.
const fn word_of_body(kind: &InputKind) -> Option<&'static str> {
    match kind {
        InputKind::Authorize(_) => Some("authorize"),
        InputKind::AuthorizeAmend(_) => Some("authorize_amend"),
        InputKind::Outcome(_) => Some("outcome"),
        InputKind::Lookup(_) => Some("lookup"),
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
        CommandResult, GuardNote, GuardRequest, Observation, Observe, OperatorVerb, OutcomeReport,
        Verb,
    };
    use protocol::order::{Amend, Lookup};
    use protocol::{
        ApprovalId, BootId, BootMs, CommandId, Intent, IntentId, OrderLinkId, Outcome, Stamp,
        VenueMs,
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
        let result = CommandResult {
            command_id: CommandId(1),
            done: true,
            message: "done".into(),
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
        add(
            InputKind::Authorize(intent.clone()),
            GuardRequest::Authorize(intent),
        );
        add(
            InputKind::AuthorizeAmend(amend.clone()),
            GuardRequest::AuthorizeAmend(amend),
        );
        add(
            InputKind::Outcome(outcome.clone()),
            GuardRequest::Outcome(outcome),
        );
        add(
            InputKind::Lookup(lookup.clone()),
            GuardRequest::Lookup(lookup),
        );
        add(
            InputKind::CommandResult(result.clone()),
            GuardRequest::CommandResult(result),
        );
        add(
            InputKind::Operator(verb.clone()),
            GuardRequest::Operator(verb),
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
            encode(&input, body, &mut copied).unwrap();
            encode(&input, None, &mut anew).unwrap();
            assert_eq!(decode(&copied).unwrap(), input);
            assert_eq!(decode(&anew).unwrap(), input);
            assert_eq!(copied, anew);
        }
    }

    #[test]
    fn what_has_no_body_is_written_whole() {
        let input = Input {
            stamp: stamp(),
            kind: InputKind::Tick,
        };
        let mut record = Vec::new();
        encode(&input, None, &mut record).unwrap();
        assert_eq!(decode(&record).unwrap(), input);
        assert!(decode(b"{\"stamp\":1}").is_err());
    }
}
