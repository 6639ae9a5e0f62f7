//! The worked example of `docs/protocol.md` is what the types really read and write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::path::Path;

use protocol::BootMs;
use protocol::frame::{Envelope, Head, Message, write};
use protocol::gateway::{GatewayPush, GatewayReply, GatewayRequest};
use serde_json::Value;

#[test]
fn every_line_of_the_example_is_read_and_written_back_the_same() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut kinds = Vec::new();
    for line in page.lines() {
        if let Some(asked) = line.strip_prefix("> {") {
            kinds.push(same::<GatewayRequest>(&format!("{{{asked}")));
        } else if let Some(said) = line.strip_prefix("< {") {
            let said = format!("{{{said}");
            let pushed = Envelope::read(said.as_bytes()).unwrap().id.is_none();
            kinds.push(if pushed {
                same::<GatewayPush>(&said)
            } else {
                same::<GatewayReply>(&said)
            });
        }
    }
    for kind in [
        "hello",
        "welcome",
        "subscribe",
        "candle",
        "place",
        "placed",
        "execution",
    ] {
        assert!(
            kinds.iter().any(|k| k == kind),
            "{kind} is not shown: {kinds:?}"
        );
    }
}

/// Reads a line as this kind of message and writes it again; its type.
fn same<M: Message>(line: &str) -> String {
    let envelope = Envelope::read(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e}"));
    let message: M = envelope.message().unwrap_or_else(|e| panic!("{line}: {e}"));
    let head = Head {
        id: envelope.id,
        deadline: envelope.deadline_ms.or(None::<BootMs>),
    };
    let mut bytes = Vec::new();
    write(head, &message, &mut bytes).unwrap();
    let (read, written): (Value, Value) = (
        serde_json::from_str(line).unwrap(),
        serde_json::from_slice(&bytes).unwrap(),
    );
    for (key, value) in read["body"].as_object().into_iter().flatten() {
        assert_eq!(&written["body"][key], value, "{line}: {key}");
    }
    envelope.kind.to_owned()
}
