//! The one parser of exchange values: numbers, times, words.
//!
//! The venue writes numbers as strings, absent ones as `""`, leaves keys out, and in places writes
//! bare JSON numbers. All of that is read here, exactly (never through a float), and nowhere else.

use std::borrow::Cow;
use std::str::FromStr;

use protocol::VenueMs;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A value as the venue wrote it: the text of a JSON string, number or flag; empty where there is none.
///
/// Kept as text until someone asks for it, so that an unreadable number that nobody needs does not
/// spoil the row it stands in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw: &RawValue = Deserialize::deserialize(d)?;
        let raw = raw.get();
        match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<Cow<'_, str>>(raw)
                .map(|text| Self(text.into_owned()))
                .map_err(D::Error::custom),
            Some(b'0'..=b'9' | b'-' | b't' | b'f') => Ok(Self(raw.to_owned())),
            Some(b'n') => Ok(Self::default()),
            _ => Err(D::Error::custom(
                "a string, a number, a flag or nothing was expected",
            )),
        }
    }
}

/// Why a field could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {why}")]
pub struct FieldError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl Text {
    /// The text itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The value, if there is one; absent is `None`, unreadable an error.
    pub(crate) fn optional<T>(&self, field: &'static str) -> Result<Option<T>, FieldError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        if self.0.is_empty() {
            return Ok(None);
        }
        let problem = |e: T::Err| FieldError {
            field,
            why: plain(&e.to_string()),
        };
        self.0.parse().map(Some).map_err(problem)
    }

    /// The value, which must be there.
    pub(crate) fn required<T>(&self, field: &'static str) -> Result<T, FieldError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        self.optional(field)?.ok_or_else(|| FieldError {
            field,
            why: "is missing".to_owned(),
        })
    }

    /// The value, where zero also means absent (prices of market orders, unset stops).
    pub(crate) fn nonzero<T>(&self, field: &'static str) -> Result<Option<T>, FieldError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let count = |byte| self.0.bytes().filter(|b| *b == byte).count();
        let (zeros, points) = (count(b'0'), count(b'.'));
        let zero = zeros > 0 && points <= 1 && zeros + points == self.0.len();
        if zero { Ok(None) } else { self.optional(field) }
    }

    /// A time, in milliseconds whatever its unit: 10 digits are seconds, 13 milliseconds, 16
    /// microseconds, 19 nanoseconds.
    pub(crate) fn time(&self, field: &'static str) -> Result<VenueMs, FieldError> {
        let number: i64 = self.required(field)?;
        let digits = self.0.bytes().all(|b| b.is_ascii_digit());
        let ms = match self.0.len() {
            _ if !digits => None,
            10 => number.checked_mul(1_000),
            13 => Some(number),
            16 => Some(number / 1_000),
            19 => Some(number / 1_000_000),
            _ => None,
        };
        let why = || format!("{number} is no time in s, ms, us or ns");
        ms.map(VenueMs)
            .ok_or_else(|| FieldError { field, why: why() })
    }
}

/// Text from outside, fit for an error and a log line: cut, and on one line.
pub(crate) fn plain(text: &str) -> String {
    let printed = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(200).map(printed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use money::{Amount, Price};

    fn text(json: &str) -> Text {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn strings_and_numbers_alike_and_exactly() {
        let precise = "\"0.0000000198\"";
        assert_eq!(
            text(precise).required::<Amount>("f").unwrap().to_string(),
            "0.0000000198"
        );
        assert_eq!(
            text("0.1").required::<Amount>("f").unwrap().to_string(),
            "0.1"
        );
        assert_eq!(text("0").required::<Amount>("f").unwrap(), Amount::ZERO);
        let long = "12345678901234567890.12345678";
        assert_eq!(
            text(long).required::<Amount>("f").unwrap().to_string(),
            long
        );
    }

    #[test]
    fn absent_is_none_and_never_zero() {
        for json in ["\"\"", "null"] {
            assert_eq!(text(json).optional::<Amount>("f").unwrap(), None);
            let missing = text(json).required::<Amount>("equity").unwrap_err();
            assert_eq!(missing.to_string(), "field equity: is missing");
        }
        assert_eq!(text("\"0.00\"").nonzero::<Price>("f").unwrap(), None);
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        let long = format!("\"{}\"", "9".repeat(40));
        for json in [
            "\"1e400\"",
            "1e5",
            "\"NaN\"",
            "\"-\"",
            "\"abc\"",
            long.as_str(),
        ] {
            assert!(text(json).optional::<Amount>("f").is_err(), "{json}");
        }
        assert!(serde_json::from_str::<Text>("[1]").is_err());
        assert!(serde_json::from_str::<Text>("{}").is_err());
    }

    #[test]
    fn times_by_magnitude() {
        for json in [
            "\"1672214887\"",
            "\"1672214887000\"",
            "1672214887000000",
            "\"1672214887000000123\"",
        ] {
            assert_eq!(
                text(json).time("f").unwrap(),
                VenueMs(1_672_214_887_000),
                "{json}"
            );
        }
        assert!(text("\"12\"").time("f").is_err());
        for json in [
            "\"-672214887000\"",
            "\"+67221488700\"",
            "\"\"",
            "\"0\"",
            "\"1e12\"",
        ] {
            assert!(text(json).time("f").is_err(), "{json}");
        }
    }

    #[test]
    fn only_a_zero_is_a_zero() {
        for json in ["\"0\"", "\"0.00\"", "\".0\"", "0", "\"\""] {
            assert_eq!(text(json).nonzero::<Price>("f").unwrap(), None, "{json}");
        }
        for json in ["\".\"", "\"0.0.0\"", "\"..\"", "\"-\""] {
            assert!(text(json).nonzero::<Price>("f").is_err(), "{json}");
        }
    }

    #[test]
    fn what_is_quoted_in_an_error_is_short_and_on_one_line() {
        let long = format!("\"x\\nSAFETY {}\"", "y".repeat(10_000));
        let error = text(&long).required::<bool>("f").unwrap_err().to_string();
        assert!(error.len() < 300 && !error.contains('\n'), "{error}");
        assert_eq!(plain("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(plain(&"z".repeat(900)).len(), 200);
    }
}
