//! What can go wrong with a call, sorted by what must be done about it.

use protocol::BootMs;
use thiserror::Error;

use crate::number::FieldError;

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExchangeError {
    /// The request never left: nothing can have happened at the venue.
    #[error("{call} was not sent: {why}")]
    NotSent {
        /// Which call.
        call: &'static str,
        /// Why.
        why: String,
    },
    /// The address is banned; nothing is sent until then (boot clock).
    #[error("{call} was not sent: the venue has banned this address for another {} s", left_ms / 1_000)]
    Banned {
        /// Which call.
        call: &'static str,
        /// Boot clock.
        until: BootMs,
        /// From now.
        left_ms: u64,
    },
    /// The request left, and nobody knows what became of it.
    #[error("{call}: outcome unknown: {why}")]
    Unknown {
        /// Which call.
        call: &'static str,
        /// Why.
        why: String,
    },
    /// The venue says no; nothing happened.
    #[error("{call}: the venue answered {code} {message}")]
    Refused {
        /// Which call.
        call: &'static str,
        /// Return code.
        code: i64,
        /// The venue's words.
        message: String,
    },
    /// Key, signature, permission or address binding: no retry will mend it.
    #[error("{call}: the venue answered {code} {message}: {advice}", advice = advice(*code))]
    Fatal {
        /// Which call.
        call: &'static str,
        /// Return code.
        code: i64,
        /// The venue's words.
        message: String,
    },
    /// The answer could not be read.
    #[error("{call}: the answer could not be read: {why}")]
    Unreadable {
        /// Which call.
        call: &'static str,
        /// What was wrong with it.
        why: String,
    },
}

/// Return codes (venue documentation, error codes) that need their own treatment.
pub(crate) mod code {
    pub(crate) const TIMESTAMP: i64 = 10_002;
    pub(crate) const FATAL: [i64; 5] = [10_003, 10_004, 10_005, 10_007, 10_010];
    pub(crate) const TOO_MANY: i64 = 10_006;
    pub(crate) const TOO_MANY_ADDRESS: i64 = 10_018;
    pub(crate) const SERVER: [i64; 2] = [10_000, 10_016];
    pub(crate) const NO_SUCH_ORDER: i64 = 110_001;
    pub(crate) const DUPLICATE: [i64; 2] = [110_030, 110_072];
    pub(crate) const NOT_MODIFIED: [i64; 3] = [110_043, 110_025, 110_026];
}

fn advice(code: i64) -> &'static str {
    match code {
        10_003 => {
            "the API key is unknown; check the key and that it belongs to this venue's testnet or mainnet"
        }
        10_004 => "the signature is wrong; check the API secret",
        10_005 => "the key lacks a permission; give it contract orders and positions",
        10_010 => "the key is bound to another address; bind it to this one or to none",
        _ => "check the key's settings at the venue",
    }
}

impl ExchangeError {
    /// An unreadable field of an answer.
    pub(crate) fn field(call: &'static str) -> impl Fn(FieldError) -> Self {
        move |error| Self::Unreadable {
            call,
            why: error.to_string(),
        }
    }

    /// Whether the venue refused with this code.
    pub(crate) fn is_code(&self, wanted: i64) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    /// Whether the order or change may exist at the venue all the same.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            // A POST whose answer is unreadable may have been executed.
            Self::Unknown { .. } | Self::Unreadable { .. } => true,
            Self::Refused { code, .. } => {
                code::DUPLICATE.contains(code) || code::SERVER.contains(code)
            }
            Self::NotSent { .. } | Self::Banned { .. } | Self::Fatal { .. } => false,
        }
    }

    /// Whether the venue knows the link id already: an earlier send of it arrived.
    pub fn already_there(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code::DUPLICATE.contains(code))
    }

    /// Whether the order in question does not exist any more (for a cancel: already gone).
    pub fn gone(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == code::NO_SUCH_ORDER)
    }
}
