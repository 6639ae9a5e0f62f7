//! Candle intervals by the venue's names.

use crate::number::shown;
use crate::value::{Refusal, refuse_hint};

/// A candle interval: its name on the wire and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandleInterval {
    wire: &'static str,
    ms: u64,
}

const MINUTE_MS: u64 = 60_000;

/// The venue's intervals of fixed length (its page "Get Kline"), with the names people give them.
const KNOWN: [(&str, u64, &[&str]); 12] = [
    ("1", 1, &["1m"]),
    ("3", 3, &["3m"]),
    ("5", 5, &["5m"]),
    ("15", 15, &["15m"]),
    ("30", 30, &["30m"]),
    ("60", 60, &["60m", "1h"]),
    ("120", 120, &["120m", "2h"]),
    ("240", 240, &["240m", "4h"]),
    ("360", 360, &["360m", "6h"]),
    ("720", 720, &["720m", "12h"]),
    ("D", 1440, &["1D", "1d"]),
    ("W", 10_080, &["1W", "1w"]),
];

impl CandleInterval {
    /// The interval of that name: the venue's, or one like `5m`, `1h`, `1d`.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let named = KNOWN
            .iter()
            .find(|(wire, _, others)| *wire == text || others.contains(&text));
        if let Some((wire, minutes, _)) = named {
            return Ok(Self {
                wire,
                ms: minutes * MINUTE_MS,
            });
        }
        let all: Vec<_> = Self::names().collect();
        refuse_hint(
            format!("{} is not a candle interval", shown(text)),
            format!("write one of {}", all.join(", ")),
        )
    }

    /// All names the venue uses.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(wire, ..)| *wire)
    }

    /// The name the venue uses, such as `5` or `D`.
    pub const fn wire(self) -> &'static str {
        self.wire
    }

    /// How long one candle lasts, in milliseconds.
    pub const fn ms(self) -> u64 {
        self.ms
    }
}
