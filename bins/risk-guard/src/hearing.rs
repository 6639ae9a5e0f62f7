//! From a line to what it asks. The deadline is looked at before the body.

use protocol::BootMs;
use protocol::frame::{Envelope, ErrorBody};
use protocol::guard::{GuardNote, GuardRequest, Observe};
use serde_json::value::RawValue;

/// What a line says.
#[derive(Debug)]
pub(crate) enum Heard<'a> {
    /// Something that is answered.
    Asked {
        /// The asker's number for it.
        id: u64,
        /// What is asked.
        request: GuardRequest,
        /// Its body as it came.
        body: Option<&'a RawValue>,
    },
    /// Something seen at the venue.
    Told {
        /// What.
        observe: Observe,
        /// Its body as it came.
        body: Option<&'a RawValue>,
    },
}

/// Why a line is not acted upon.
#[derive(Debug)]
pub(crate) struct NotHeard {
    /// The request it was, if that can be told.
    pub(crate) request: Option<u64>,
    /// What the peer is told.
    pub(crate) error: ErrorBody,
}

/// Reads a line that came now.
pub(crate) fn hear(line: &[u8], now: BootMs) -> Result<Heard<'_>, NotHeard> {
    let envelope = Envelope::read(line).map_err(|error| NotHeard {
        request: None,
        error,
    })?;
    let body = envelope.body;
    let refuse = |error| NotHeard {
        request: envelope.id,
        error,
    };
    if envelope.kind == "observe" {
        let GuardNote::Observe(observe) = envelope.message().map_err(refuse)?;
        return Ok(Heard::Told { observe, body });
    }
    let id = envelope.admit(now).map_err(refuse)?;
    let request = envelope.message().map_err(refuse)?;
    Ok(Heard::Asked { id, request, body })
}
