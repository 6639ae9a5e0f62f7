//! Framing: one JSON object a line, at most [`MAX_LINE`] bytes.
//!
//! ```text
//! {"v":1,"id":7,"type":"authorize","deadline_ms":81234567,"body":{...}}\n
//! ```
//! - `v` is [`VERSION`].
//! - `id` is the asker's; an answer carries it back; a message that is no answer has none.
//! - `deadline_ms` is on requests: boot-clock milliseconds after which the work must not be done.
//!   A server looks at it before it reads the body, so that what queued across a restart never
//!   runs late.
//! - `body` may be absent where a message has nothing to say.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::BootMs;

/// The version of the protocol that these types speak.
pub const VERSION: u32 = 1;

/// The longest line, its newline included.
pub const MAX_LINE: usize = 64 * 1024;

/// Why a peer was answered with an error. The `type` of that answer is `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The line is no frame; the connection is closed after this answer.
    Malformed,
    /// The line is longer than [`MAX_LINE`]; the connection is closed after this answer.
    TooLong,
    /// The peer speaks another version; the connection is closed after this answer.
    Version,
    /// The deadline has passed; nothing was done.
    Expired,
    /// A request carries no deadline; nothing was done.
    NoDeadline,
    /// This socket has no such type.
    UnknownType,
    /// The body does not fit its type.
    BadBody,
    /// This peer may not ask that.
    Forbidden,
    /// Not ready yet, or what is needed is not there; the message says what is waited for.
    NotReady,
    /// The server failed; the outcome is unknown.
    Internal,
}

/// The body of an `error` answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{message}")]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

impl ErrorBody {
    /// An error of this code with this sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Whether the connection is closed after it.
    pub const fn closes(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::Malformed | ErrorCode::TooLong | ErrorCode::Version
        )
    }
}

/// The outside of a frame; its body is not read yet.
#[derive(Debug, Clone, Deserialize)]
pub struct Envelope<'a> {
    /// Protocol version.
    pub v: u32,
    /// Which request it is, or answers.
    #[serde(default)]
    pub id: Option<u64>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Until when the work may be done.
    #[serde(default)]
    pub deadline_ms: Option<BootMs>,
    /// What it says.
    #[serde(default, borrow)]
    pub body: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads the outside of a line (with or without its newline).
    pub fn read(line: &'a [u8]) -> Result<Self, ErrorBody> {
        if line.len() > MAX_LINE {
            let message = format!(
                "a line is at most {MAX_LINE} bytes, this one has {}",
                line.len()
            );
            return Err(ErrorBody::new(ErrorCode::TooLong, message));
        }
        let envelope: Self = serde_json::from_slice(line)
            .map_err(|e| ErrorBody::new(ErrorCode::Malformed, format!("not a frame: {e}")))?;
        if envelope.v == VERSION {
            Ok(envelope)
        } else {
            let message = format!("this side speaks version {VERSION}, not {}", envelope.v);
            Err(ErrorBody::new(ErrorCode::Version, message))
        }
    }

    /// The id of a request, once it is clear that it has one and may still be done at `now`.
    pub fn admit(&self, now: BootMs) -> Result<u64, ErrorBody> {
        let id = self
            .id
            .ok_or_else(|| ErrorBody::new(ErrorCode::Malformed, "a request needs an id"))?;
        let Some(deadline) = self.deadline_ms else {
            let message = "a request needs deadline_ms (boot clock, milliseconds)";
            return Err(ErrorBody::new(ErrorCode::NoDeadline, message));
        };
        if now > deadline {
            let late = now.since(deadline);
            let message = format!("came {late} ms after its deadline; nothing was done");
            return Err(ErrorBody::new(ErrorCode::Expired, message));
        }
        Ok(id)
    }

    /// The message inside.
    pub fn message<M: Message>(&self) -> Result<M, ErrorBody> {
        M::read(self.kind, self.body)
    }
}

/// A set of messages that travel one way on one socket. Made by [`messages!`](crate::messages).
pub trait Message: Sized {
    /// The `type` on the wire.
    fn kind(&self) -> &'static str;
    /// Reads the body of a message of this type.
    fn read(kind: &str, body: Option<&RawValue>) -> Result<Self, ErrorBody>;
    /// Writes the body.
    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()>;
}

/// The numbers on the outside of a frame that is to be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head {
    /// Which request it is, or answers; `None` for a message of its own accord.
    pub id: Option<u64>,
    /// Until when the work may be done; requests only.
    pub deadline: Option<BootMs>,
}

impl Head {
    /// The head of a request.
    pub const fn request(id: u64, deadline: BootMs) -> Self {
        Self {
            id: Some(id),
            deadline: Some(deadline),
        }
    }

    /// The head of an answer.
    pub const fn answer(id: u64) -> Self {
        Self {
            id: Some(id),
            deadline: None,
        }
    }

    /// The head of a message that answers nothing.
    pub const fn push() -> Self {
        Self {
            id: None,
            deadline: None,
        }
    }
}

/// Appends one frame, newline included. What would be longer than [`MAX_LINE`] is not written.
pub fn write<M: Message>(head: Head, message: &M, out: &mut Vec<u8>) -> Result<(), ErrorBody> {
    let start = out.len();
    // A piece at a time: the formatting of texts costs as much as the whole of a small body.
    let written = (|| -> serde_json::Result<()> {
        out.extend_from_slice(b"{\"v\":");
        serde_json::to_writer(&mut *out, &VERSION)?;
        if let Some(id) = head.id {
            out.extend_from_slice(b",\"id\":");
            serde_json::to_writer(&mut *out, &id)?;
        }
        out.extend_from_slice(b",\"type\":\"");
        out.extend_from_slice(message.kind().as_bytes());
        out.push(b'"');
        if let Some(deadline) = head.deadline {
            out.extend_from_slice(b",\"deadline_ms\":");
            serde_json::to_writer(&mut *out, &deadline)?;
        }
        out.extend_from_slice(b",\"body\":");
        message.write(out)?;
        out.extend_from_slice(b"}\n");
        Ok(())
    })();
    let length = out.len().saturating_sub(start);
    let problem = match written {
        Ok(()) if length <= MAX_LINE => return Ok(()),
        Ok(()) => ErrorBody::new(
            ErrorCode::TooLong,
            format!(
                "{} of {length} bytes does not fit a line of {MAX_LINE}",
                message.kind()
            ),
        ),
        Err(e) => ErrorBody::new(ErrorCode::Internal, format!("{}: {e}", message.kind())),
    };
    out.truncate(start);
    Err(problem)
}

/// Reads a body that may be absent only if the type allows `null` or `{}`.
pub fn read_body<'a, T: Deserialize<'a>>(
    kind: &str,
    body: Option<&'a RawValue>,
) -> Result<T, ErrorBody> {
    serde_json::from_str(body.map_or("{}", RawValue::get))
        .map_err(|e| ErrorBody::new(ErrorCode::BadBody, format!("{kind}: {e}")))
}

/// Declares the messages of one direction of one socket.
#[macro_export]
macro_rules! messages {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $variant:ident($body:ty) = $kind:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(unreachable_pub, reason = "a set may be declared in a private room")]
        #[allow(clippy::large_enum_variant, reason = "messages are written and read at once, not kept")]
        pub enum $name { $($(#[$vdoc])* $variant($body),)* }

        impl $crate::frame::Message for $name {
            fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            fn read(
                kind: &str,
                body: Option<&serde_json::value::RawValue>,
            ) -> Result<Self, $crate::frame::ErrorBody> {
                match kind {
                    $($kind => $crate::frame::read_body(kind, body).map(Self::$variant),)*
                    other => Err($crate::frame::ErrorBody::new(
                        $crate::frame::ErrorCode::UnknownType,
                        format!("no message type {other:?} here; there are: {}", [$($kind),*].join(", ")),
                    )),
                }
            }

            fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
                match self { $(Self::$variant(body) => serde_json::to_writer(out, body),)* }
            }
        }
    };
}

/// A body with nothing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

#[cfg(test)]
mod tests {
    use super::*;

    messages! {
        /// A pair of messages for these tests.
        pub enum Talk {
            /// Nothing to say.
            Ping(Empty) = "ping",
            /// Something to say.
            Say(Vec<u32>) = "say",
        }
    }

    fn line(head: Head, talk: &Talk) -> Vec<u8> {
        let mut out = Vec::new();
        write(head, talk, &mut out).unwrap();
        out
    }

    #[test]
    fn there_and_back() {
        let bytes = line(Head::request(7, BootMs(100)), &Talk::Say(vec![1, 2]));
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            "{\"v\":1,\"id\":7,\"type\":\"say\",\"deadline_ms\":100,\"body\":[1,2]}\n"
        );
        let envelope = Envelope::read(&bytes).unwrap();
        assert_eq!(envelope.admit(BootMs(100)).unwrap(), 7);
        assert_eq!(envelope.message::<Talk>().unwrap(), Talk::Say(vec![1, 2]));
    }

    #[test]
    fn what_is_late_or_has_no_deadline_is_not_admitted() {
        let late = line(Head::request(7, BootMs(100)), &Talk::Ping(Empty {}));
        let refused = Envelope::read(&late)
            .unwrap()
            .admit(BootMs(101))
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::Expired);
        let open_ended = line(Head::answer(7), &Talk::Ping(Empty {}));
        let refused = Envelope::read(&open_ended)
            .unwrap()
            .admit(BootMs(0))
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::NoDeadline);
    }

    #[test]
    fn an_absent_body_is_an_empty_one() {
        let envelope = Envelope::read(br#"{"v":1,"id":1,"type":"ping"}"#).unwrap();
        assert_eq!(envelope.message::<Talk>().unwrap(), Talk::Ping(Empty {}));
    }

    #[test]
    fn bad_lines_get_typed_errors() {
        let long = vec![b' '; MAX_LINE + 1];
        let table: [(&[u8], ErrorCode); 4] = [
            (b"hello", ErrorCode::Malformed),
            (b"{\"v\":1,\"type\":7}", ErrorCode::Malformed),
            (b"{\"v\":2,\"type\":\"ping\"}", ErrorCode::Version),
            (&long, ErrorCode::TooLong),
        ];
        for (bytes, code) in table {
            let error = Envelope::read(bytes).unwrap_err();
            assert_eq!(error.code, code);
            assert!(error.closes());
        }
        let unknown = Envelope::read(br#"{"v":1,"id":1,"type":"sing"}"#).unwrap();
        assert_eq!(
            unknown.message::<Talk>().unwrap_err().code,
            ErrorCode::UnknownType
        );
        let bad = Envelope::read(br#"{"v":1,"id":1,"type":"say","body":{}}"#).unwrap();
        assert_eq!(bad.message::<Talk>().unwrap_err().code, ErrorCode::BadBody);
    }

    #[test]
    fn what_does_not_fit_a_line_is_not_written_in_part() {
        let mut out = b"kept".to_vec();
        let error = write(Head::push(), &Talk::Say(vec![u32::MAX; 9000]), &mut out).unwrap_err();
        assert_eq!(error.code, ErrorCode::TooLong);
        assert_eq!(out, b"kept");
    }
}
