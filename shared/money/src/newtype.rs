//! The one shape that all types of money share: parse, show, serialise as a string.

use rust_decimal::Decimal;

use crate::MoneyError;

/// Parses a plain decimal: an optional sign, digits, an optional point. Nothing else.
pub(crate) fn parse_decimal(text: &str) -> Result<Decimal, MoneyError> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    let digit = text.bytes().any(|b| b.is_ascii_digit());
    let parsed = if plain && digit {
        Decimal::from_str_exact(text).ok()
    } else {
        None
    };
    parsed.ok_or_else(|| MoneyError::NotANumber {
        text: text.chars().take(64).collect(),
    })
}

/// Gives a newtype its constructor, parser, text and JSON forms. `$ok` decides the range.
macro_rules! money_type {
    ($name:ident, $what:literal, $rule:literal, $ok:expr) => {
        impl $name {
            #[doc = concat!("Makes a ", $what, " (", $rule, ").")]
            pub fn new(value: rust_decimal::Decimal) -> Result<Self, crate::MoneyError> {
                let ok: fn(&rust_decimal::Decimal) -> bool = $ok;
                if ok(&value) {
                    Ok(Self(value))
                } else {
                    Err(crate::MoneyError::OutOfRange {
                        what: $what,
                        value,
                        rule: $rule,
                    })
                }
            }

            #[doc = concat!("Parses a ", $what, " from plain decimal text, exactly.")]
            pub fn parse(text: &str) -> Result<Self, crate::MoneyError> {
                Self::new(crate::newtype::parse_decimal(text)?)
            }

            /// The bare number, for display and for arithmetic that has no method yet.
            pub const fn get(self) -> rust_decimal::Decimal {
                self.0
            }

            /// Whether the number is zero.
            pub fn is_zero(self) -> bool {
                self.0.is_zero()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::MoneyError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("a ", $what, " as a string"))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                d.deserialize_str(Text)
            }
        }
    };
}
pub(crate) use money_type;

/// Gives a newtype checked addition and subtraction with its own kind.
macro_rules! checked_sums {
    ($name:ident, $what:literal) => {
        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(rust_decimal::Decimal::ZERO);

            #[doc = concat!("The sum of two of ", $what, ".")]
            pub fn plus(self, other: Self) -> Result<Self, crate::MoneyError> {
                let sum = self.0.checked_add(other.0);
                Self::new(sum.ok_or(crate::MoneyError::Overflow { what: concat!($what, " sum") })?)
            }

            #[doc = concat!("The difference of two of ", $what, "; an error where the type cannot be negative and the result would be.")]
            pub fn minus(self, other: Self) -> Result<Self, crate::MoneyError> {
                let difference = self.0.checked_sub(other.0);
                Self::new(
                    difference
                        .ok_or(crate::MoneyError::Overflow { what: concat!($what, " difference") })?,
                )
            }
        }
    };
}
pub(crate) use checked_sums;
