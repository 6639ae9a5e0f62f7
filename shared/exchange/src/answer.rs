//! What comes back: a body read within bounds, its envelope, and errors in one line.

use protocol::VenueMs;
use serde::de::DeserializeOwned;

use crate::error::ExchangeError;
use crate::number::plain;
use crate::wire::envelope::Envelope;

/// The largest answer that is read.
pub(crate) const BODY_MOST: usize = 8 * 1024 * 1024;

/// An answer with `retCode` 0.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    pub(crate) call: &'static str,
}

impl Answer {
    /// The `result`, read as this type.
    pub(crate) fn result<T: DeserializeOwned>(&self) -> Result<T, ExchangeError> {
        let envelope = read_envelope(self.call, &self.body)?;
        let raw = envelope
            .result
            .map_or("{}", serde_json::value::RawValue::get);
        serde_json::from_str(raw).map_err(|e| ExchangeError::Unreadable {
            call: self.call,
            why: plain(&format!("result: {e}")),
        })
    }

    /// When the venue made the answer.
    pub(crate) fn made(&self) -> Result<VenueMs, ExchangeError> {
        let envelope = read_envelope(self.call, &self.body)?;
        let time = envelope.time.time("time");
        time.map_err(ExchangeError::field(self.call))
    }
}

pub(crate) async fn read_body(
    call: &'static str,
    mut response: reqwest::Response,
) -> Result<Vec<u8>, ExchangeError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) <= BODY_MOST => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(too_long(call)),
            Ok(None) => return Ok(body),
            Err(e) => {
                return Err(ExchangeError::Unknown {
                    call,
                    why: chain(&e),
                });
            }
        }
    }
}

/// An answer longer than any that is read.
pub(crate) fn too_long(call: &'static str) -> ExchangeError {
    let why = format!("longer than {BODY_MOST} bytes");
    ExchangeError::Unreadable { call, why }
}

pub(crate) fn read_envelope<'a>(
    call: &'static str,
    body: &'a [u8],
) -> Result<Envelope<'a>, ExchangeError> {
    serde_json::from_slice(body).map_err(|e| {
        let start: String = String::from_utf8_lossy(body).chars().take(80).collect();
        ExchangeError::Unreadable {
            call,
            why: format!("{}; it begins {start:?}", plain(&e.to_string())),
        }
    })
}

/// An error and all that lies behind it, on one line; the URL stays out, it may carry a query.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        String::new()
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    if text.is_empty() {
        "the request failed".to_owned()
    } else {
        text
    }
}
