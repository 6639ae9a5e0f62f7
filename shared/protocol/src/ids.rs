//! Short names of things, kept inline: copying one never allocates.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Why a text is no identifier of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a {what}: it takes {rule}")]
pub struct IdError {
    what: &'static str,
    rule: &'static str,
    text: String,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $most:literal, $what:literal, $rule:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ArrayString<$most>);

        impl $name {
            #[doc = concat!("Takes a ", $what, ": ", $rule, ".")]
            pub fn new(text: &str) -> Result<Self, IdError> {
                let ok: fn(u8) -> bool = $ok;
                let fits = !text.is_empty() && text.bytes().all(ok);
                let inline = if fits { ArrayString::from(text).ok() } else { None };
                inline.map(Self).ok_or_else(|| IdError {
                    what: $what,
                    rule: $rule,
                    text: text.chars().take(64).collect(),
                })
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", $what, " (", $rule, ")"))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }
                d.deserialize_str(Text)
            }
        }
    };
}

fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

fn venue_word(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'"' | b'\\')
}

text_id!(
    /// An instrument's name at the venue, such as `SOLUSDT`.
    Symbol, 24, "symbol", "1 to 24 capital letters, digits or '-'",
    |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-'
);
text_id!(
    /// A bot's own name for one intent; repeating it never makes a second order.
    IntentId, 36, "intent id", "1 to 36 of A-Z a-z 0-9 - _", word
);
text_id!(
    /// The `orderLinkId` of an order: ours, derived from its intent, unique across restarts.
    OrderLinkId, 36, "order link id", "1 to 36 of A-Z a-z 0-9 - _", word
);
text_id!(
    /// The venue's own order id.
    OrderId, 64, "order id", "1 to 64 printable characters", venue_word
);
text_id!(
    /// The venue's own execution id.
    ExecId, 64, "execution id", "1 to 64 printable characters", venue_word
);
text_id!(
    /// Which account a state belongs to: a digest of the key, never the key.
    AccountId, 64, "account id", "1 to 64 of A-Z a-z 0-9 - _", word
);

/// Link ids of orders that the guard has approved begin so.
const OF_INTENT: &str = "pg-";
/// Link ids of orders that the gateway makes by itself (a flatten's, an exit's before it ever met
/// the guard) begin so.
const OF_GATEWAY: &str = "px-";

impl OrderLinkId {
    /// The link id of an intent's order. The same intent of the same history (`lineage`) always has
    /// the same one: a second send would be refused by the venue, whatever was forgotten here.
    pub fn of_intent(lineage: &str, intent: IntentId) -> Result<Self, IdError> {
        Self::digest(OF_INTENT, &[lineage, "/", intent.as_str()])
    }

    /// The link id of an order that the gateway makes by itself, from a name that is its alone.
    pub fn of_gateway(name: &str) -> Result<Self, IdError> {
        Self::digest(OF_GATEWAY, &[name])
    }

    /// Whether this harness gave it.
    pub fn is_ours(&self) -> bool {
        self.as_str().starts_with(OF_INTENT) || self.as_str().starts_with(OF_GATEWAY)
    }

    /// Prefix and FNV-1a of 128 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>), 35 characters.
    fn digest(prefix: &str, parts: &[&str]) -> Result<Self, IdError> {
        let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        for byte in parts.iter().flat_map(|part| part.bytes()) {
            hash ^= u128::from(byte);
            hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        let mut text = String::with_capacity(36);
        text.push_str(prefix);
        for byte in hash.to_be_bytes() {
            let digits = [byte >> 4, byte & 0xf].into_iter();
            text.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
        }
        Self::new(&text)
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

number_id!(
    /// One approval of one send, counted by the guard; never used twice for one account.
    ApprovalId, "a"
);
number_id!(
    /// One command of the guard to the gateway; repeated until done.
    CommandId, "c"
);
number_id!(
    /// One accepted config, counted by the supervisor.
    Generation, "g"
);

/// One trading session of an account, counted by the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s-{:04}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published values of the hash.
    #[test]
    fn a_link_id_is_its_digest() {
        for (name, digest) in [
            ("a", "d228cb696f1a8caf78912b704e4a8964"),
            ("ab", "08809544bbab1be95aa0733055b69a62"),
        ] {
            let link = OrderLinkId::of_gateway(name).unwrap();
            assert_eq!(link.as_str(), format!("px-{digest}"));
        }
    }

    #[test]
    fn an_intent_has_one_link_id_in_each_history() {
        let intent = |name: &str| IntentId::new(name).unwrap();
        let link =
            |lineage: &str, name: &str| OrderLinkId::of_intent(lineage, intent(name)).unwrap();
        assert_eq!(link("mabc", "i-1"), link("mabc", "i-1"));
        assert_ne!(link("mabc", "i-1"), link("mabc", "i-2"));
        assert_ne!(link("mabc", "i-1"), link("mabd", "i-1"));
        let longest = "i".repeat(36);
        assert_eq!(link("zzzzzzzzzzzzz", &longest).as_str().len(), 35);
        assert!(link("m", "i").is_ours() && OrderLinkId::of_gateway("flat-1").unwrap().is_ours());
        assert!(!OrderLinkId::new("somebody-s").unwrap().is_ours());
    }
}
