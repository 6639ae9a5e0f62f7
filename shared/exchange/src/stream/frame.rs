//! The outside of a stream's messages: words about the connection, and data of a topic.

use protocol::VenueMs;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::event::StreamError;
use super::topic::{Feed, Topic};
use crate::number::{FieldError, Text, plain};

/// One message, read as far as telling what it is.
#[derive(Debug)]
pub(super) enum Frame<'a> {
    /// The other side is alive.
    Pong,
    /// The answer to our signing in.
    Auth { yes: bool, words: String },
    /// The answer to a subscription.
    Subscribed {
        req_id: String,
        yes: bool,
        words: String,
    },
    /// The answer to the end of a subscription, and whatever else needs no answer.
    Other,
    /// Rows of a topic.
    Data(Data<'a>),
}

/// Rows of a topic, not yet read.
#[derive(Debug)]
pub(super) struct Data<'a> {
    pub(super) topic: Topic,
    /// When the venue made it.
    pub(super) made: VenueMs,
    /// Whether it adds to what was told before.
    pub(super) delta: bool,
    pub(super) rows: &'a RawValue,
}

#[derive(Debug, Deserialize)]
struct Outside<'a> {
    #[serde(default)]
    op: Text,
    #[serde(default)]
    success: Text,
    #[serde(default)]
    ret_msg: Text,
    #[serde(default)]
    req_id: Text,
    #[serde(default)]
    topic: Text,
    #[serde(default, rename = "type")]
    kind: Text,
    #[serde(default, rename = "creationTime")]
    creation_time: Text,
    #[serde(default)]
    ts: Text,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

/// Reads the outside of a message.
pub(super) fn read(feed: Feed, text: &str) -> Result<Frame<'_>, StreamError> {
    let outside: Outside<'_> = serde_json::from_str(text).map_err(|e| {
        let start: String = text.chars().take(80).collect();
        StreamError {
            stream: feed.word().to_owned(),
            topic: None,
            why: format!("{}; it begins {start:?}", plain(&e.to_string())),
        }
    })?;
    let yes = outside.success.as_str() == "true";
    let words = plain(outside.ret_msg.as_str());
    match outside.op.as_str() {
        "pong" => return Ok(Frame::Pong),
        "ping" if outside.ret_msg.as_str() == "pong" => return Ok(Frame::Pong),
        "auth" => return Ok(Frame::Auth { yes, words }),
        "subscribe" => {
            let req_id = plain(outside.req_id.as_str());
            return Ok(Frame::Subscribed { req_id, yes, words });
        }
        "" => {}
        _ => return Ok(Frame::Other),
    }
    let name = outside.topic.as_str();
    let topic = Topic::named(name).filter(|topic| topic.feed() == feed);
    let error = |why: String| StreamError {
        stream: if name.is_empty() {
            feed.word().to_owned()
        } else {
            plain(name)
        },
        topic,
        why,
    };
    let Some(topic) = topic else {
        return Err(error("nobody asked for it".to_owned()));
    };
    let field = |e: FieldError| error(e.to_string());
    // Private messages carry `creationTime`, public ones `ts`.
    let made = if outside.creation_time.as_str().is_empty() {
        outside.ts.time("ts")
    } else {
        outside.creation_time.time("creationTime")
    };
    Ok(Frame::Data(Data {
        topic,
        made: made.map_err(field)?,
        delta: outside.kind.as_str() == "delta",
        rows: outside
            .data
            .ok_or_else(|| error("field data: is missing".to_owned()))?,
    }))
}
