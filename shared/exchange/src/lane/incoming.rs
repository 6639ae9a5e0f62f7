//! An answer as far as it has come: its head, how long its body is, whether it is whole (RFC 9112).
//! Pure.
//!
//! Of an answer that is no success only the head is read: what its body says changes nothing.

use std::io;

use httparse::{EMPTY_HEADER, Response, Status, parse_chunk_size};
use protocol::VenueMs;
use thiserror::Error;

use crate::answer::{BODY_MOST, too_long};
use crate::error::ExchangeError;

/// The longest head.
const HEAD_MOST: usize = 64 * 1024;
/// Most header lines.
const HEADERS_MOST: usize = 100;
/// The longest line of a chunk's size, and all lines after the last chunk.
const CHUNK_LINE_MOST: usize = 4 * 1024;
/// What is read at once: more than an answer to an order, and still a small piece of memory.
const ROOM: usize = 1024;

/// What the venue's headers say of its limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `X-Bapi-Limit-Status`: requests left.
    pub(crate) left: Option<i64>,
    /// `X-Bapi-Limit-Reset-Timestamp`: until when.
    pub(crate) reset: Option<VenueMs>,
}

/// An answer's head, and its body if it is a success that came whole.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) limits: Limits,
    pub(crate) body: Result<Vec<u8>, ExchangeError>,
}

/// Why there is no answer, or not all of it.
#[derive(Debug, Error)]
pub(super) enum Flaw {
    /// More than is read.
    #[error("longer than {BODY_MOST} bytes")]
    TooLong,
    /// The connection broke, or the other side does not speak HTTP.
    #[error("{0}")]
    Lost(String),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

fn odd(why: &str) -> Flaw {
    Flaw::Lost(format!("the answer is no HTTP: {why}"))
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// It is not read.
    Unread,
    Exactly(usize),
    Chunked(Chunk),
    /// Until the connection ends.
    ToTheEnd,
}

/// What comes next of a body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Size,
    Data(usize),
    /// The line end after a chunk.
    End,
    /// Lines after the last chunk, up to an empty one.
    Trailer,
    Over,
}

#[derive(Debug)]
struct Head {
    status: u16,
    limits: Limits,
    length: Length,
    /// Both sides keep the connection.
    kept: bool,
}

/// One answer on its way.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// Read and not yet understood; the body, where it does not come in chunks.
    bytes: Vec<u8>,
    head: Option<Head>,
    /// The body so far, where it comes in chunks.
    joined: Vec<u8>,
    whole: bool,
}

impl Incoming {
    /// Where the next bytes go.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.bytes.reserve(ROOM);
        &mut self.bytes
    }

    /// Looks at what has come; whether that is all.
    pub(super) fn look(&mut self) -> Result<bool, Flaw> {
        while self.head.is_none() {
            if !self.read_head()? {
                return Ok(false);
            }
        }
        let Some(head) = &mut self.head else {
            return Ok(false);
        };
        self.whole = match &mut head.length {
            Length::Unread => true,
            Length::Exactly(length) => self.bytes.len() >= *length,
            Length::ToTheEnd if self.bytes.len() > BODY_MOST => return Err(Flaw::TooLong),
            Length::ToTheEnd => false,
            Length::Chunked(chunk) => join(chunk, &mut self.bytes, &mut self.joined)?,
        };
        Ok(self.whole)
    }

    /// The connection has ended.
    pub(super) fn ended(&mut self) -> Result<(), Flaw> {
        match &self.head {
            Some(head) if head.length == Length::ToTheEnd => {
                self.whole = true;
                Ok(())
            }
            Some(_) => Err(Flaw::Lost("the answer was cut off".to_owned())),
            None => Err(Flaw::Lost(
                "the connection ended without an answer".to_owned(),
            )),
        }
    }

    /// Whether the connection may carry another request.
    pub(super) fn is_kept(&self) -> bool {
        let of = |head: &Head| {
            let all = match head.length {
                Length::Unread | Length::ToTheEnd => false,
                Length::Exactly(length) => self.bytes.len() == length,
                Length::Chunked(_) => self.bytes.is_empty(),
            };
            head.kept && all
        };
        self.whole && self.head.as_ref().is_some_and(of)
    }

    /// What there is, in the end.
    pub(super) fn heard(
        self,
        call: &'static str,
        flaw: Option<Flaw>,
    ) -> Result<Heard, ExchangeError> {
        let unknown = |why: String| ExchangeError::Unknown { call, why };
        let fault = flaw.map(|flaw| match flaw {
            Flaw::TooLong => too_long(call),
            Flaw::Lost(why) => unknown(why),
        });
        let Some(head) = self.head else {
            return Err(fault.unwrap_or_else(|| unknown("no answer".to_owned())));
        };
        let body = match (fault, head.length) {
            (Some(fault), _) => Err(fault),
            (None, Length::Unread) => Ok(Vec::new()),
            (None, Length::Chunked(_)) => Ok(self.joined),
            (None, Length::ToTheEnd) => Ok(self.bytes),
            (None, Length::Exactly(length)) => {
                let mut bytes = self.bytes;
                bytes.truncate(length);
                Ok(bytes)
            }
        };
        Ok(Heard {
            status: head.status,
            limits: head.limits,
            body,
        })
    }

    /// Reads a head off the front; whether one was whole. One that only announces another is
    /// passed over.
    fn read_head(&mut self) -> Result<bool, Flaw> {
        let mut headers = [EMPTY_HEADER; HEADERS_MOST];
        let mut response = Response::new(&mut headers);
        let parsed = response.parse(&self.bytes);
        let Status::Complete(end) = parsed.map_err(|e| odd(&e.to_string()))? else {
            let long = self.bytes.len() > HEAD_MOST;
            return if long {
                Err(odd("its head has no end"))
            } else {
                Ok(false)
            };
        };
        let status = response.code.unwrap_or_default();
        let head = match status {
            101 => return Err(odd("it changes the protocol")),
            100..=199 => None,
            _ => Some(Head::of(status, &response)?),
        };
        self.bytes.drain(..end);
        self.head = head;
        Ok(true)
    }
}

impl Head {
    fn of(status: u16, response: &Response<'_, '_>) -> Result<Self, Flaw> {
        let mut head = Self {
            status,
            limits: Limits::default(),
            length: Length::ToTheEnd,
            kept: response.version == Some(1),
        };
        let mut chunked = false;
        let mut exactly = None;
        for header in response.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            if is("content-length") {
                let length = digits(value).ok_or_else(|| odd("its length is no number"))?;
                if exactly.replace(length).is_some_and(|other| other != length) {
                    return Err(odd("it has two lengths"));
                }
            } else if is("transfer-encoding") {
                if chunked || !value.eq_ignore_ascii_case("chunked") {
                    return Err(odd("its encoding is not known"));
                }
                chunked = true;
            } else if is("connection") {
                let mut words = value.split(',').map(str::trim);
                head.kept &= !words.any(|word| word.eq_ignore_ascii_case("close"));
            } else if is("x-bapi-limit-status") {
                head.limits.left = value.parse().ok();
            } else if is("x-bapi-limit-reset-timestamp") {
                head.limits.reset = value.parse().ok().map(VenueMs);
            }
        }
        head.length = match (chunked, exactly) {
            _ if !(200..300).contains(&status) => Length::Unread,
            _ if status == 204 => Length::Exactly(0),
            // Two words for one length: the chunks count, and nothing is trusted after them.
            (true, length) => {
                head.kept &= length.is_none();
                Length::Chunked(Chunk::Size)
            }
            (false, Some(length)) if length > BODY_MOST => return Err(Flaw::TooLong),
            (false, Some(length)) => Length::Exactly(length),
            (false, None) => Length::ToTheEnd,
        };
        Ok(head)
    }
}

/// A number of plain digits.
fn digits(text: &str) -> Option<usize> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(usize::MAX))
}

/// Takes chunks off the front; whether the last one has come.
fn join(chunk: &mut Chunk, bytes: &mut Vec<u8>, joined: &mut Vec<u8>) -> Result<bool, Flaw> {
    let mut rest = bytes.as_slice();
    let over = loop {
        match *chunk {
            Chunk::Size => match parse_chunk_size(rest) {
                Ok(Status::Complete((line, size))) => {
                    rest = rest.get(line..).unwrap_or_default();
                    let size = usize::try_from(size).unwrap_or(usize::MAX);
                    *chunk = if size == 0 {
                        Chunk::Trailer
                    } else {
                        Chunk::Data(size)
                    };
                }
                Ok(Status::Partial) if rest.len() <= CHUNK_LINE_MOST => break false,
                Ok(Status::Partial) | Err(_) => return Err(odd("a chunk has no size")),
            },
            Chunk::Data(left) => {
                if joined.len().saturating_add(left) > BODY_MOST {
                    return Err(Flaw::TooLong);
                }
                let (now, later) = rest.split_at(left.min(rest.len()));
                joined.extend_from_slice(now);
                rest = later;
                let left = left.saturating_sub(now.len());
                if left > 0 {
                    *chunk = Chunk::Data(left);
                    break false;
                }
                *chunk = Chunk::End;
            }
            Chunk::End => match rest {
                [b'\r', b'\n', later @ ..] => {
                    rest = later;
                    *chunk = Chunk::Size;
                }
                [] | [b'\r'] => break false,
                _ => return Err(odd("a chunk does not end where it says")),
            },
            Chunk::Trailer => {
                let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
                    if rest.len() > CHUNK_LINE_MOST {
                        return Err(odd("too much after the last chunk"));
                    }
                    break false;
                };
                rest = rest.get(end.saturating_add(2)..).unwrap_or_default();
                if end == 0 {
                    *chunk = Chunk::Over;
                }
            }
            Chunk::Over => break true,
        }
    };
    let taken = bytes.len().saturating_sub(rest.len());
    bytes.drain(..taken);
    Ok(over)
}
