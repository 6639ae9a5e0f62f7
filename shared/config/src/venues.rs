//! The venues of this family: their names, their hosts, where their keys stand. The one table of
//! what may be dialled; what differs on the wire stands in the exchange's room.

use protocol::Mode;

/// A venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VenueName {
    /// Zoomex V3.
    Zoomex,
    /// Bybit V5.
    Bybit,
}

/// The hosts of one venue in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hosts {
    /// REST.
    pub rest: &'static str,
    /// Streams.
    pub stream: &'static str,
}

/// The environment variables that hold one venue's keys in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyVariables {
    /// The API key.
    pub key: &'static str,
    /// The API secret.
    pub secret: &'static str,
}

impl VenueName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Zoomex, Self::Bybit];

    /// Every variable that may hold a key begins with one of these.
    pub const KEY_PREFIXES: [&str; 2] = ["ZOOMEX_", "BYBIT_"];

    /// Its name in the config.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Zoomex => "zoomex",
            Self::Bybit => "bybit",
        }
    }

    /// The venue of that name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|venue| venue.word() == word)
    }

    /// Its own hosts in a mode (V3 and V5 documentation, integration guidance).
    pub const fn hosts(self, mode: Mode) -> Hosts {
        match (self, mode) {
            (Self::Zoomex, Mode::Testnet) => Hosts {
                rest: "openapi-testnet.zoomex.com",
                stream: "stream-testnet.zoomex.com",
            },
            (Self::Zoomex, Mode::Mainnet) => Hosts {
                rest: "openapi.zoomex.com",
                stream: "stream.zoomex.com",
            },
            (Self::Bybit, Mode::Testnet) => Hosts {
                rest: "api-testnet.bybit.com",
                stream: "stream-testnet.bybit.com",
            },
            (Self::Bybit, Mode::Mainnet) => Hosts {
                rest: "api.bybit.com",
                stream: "stream.bybit.com",
            },
        }
    }

    /// Where its keys stand in the environment.
    pub const fn key_variables(self, mode: Mode) -> KeyVariables {
        match (self, mode) {
            (Self::Zoomex, Mode::Testnet) => KeyVariables {
                key: "ZOOMEX_TESTNET_API_KEY",
                secret: "ZOOMEX_TESTNET_API_SECRET",
            },
            (Self::Zoomex, Mode::Mainnet) => KeyVariables {
                key: "ZOOMEX_API_KEY",
                secret: "ZOOMEX_API_SECRET",
            },
            (Self::Bybit, Mode::Testnet) => KeyVariables {
                key: "BYBIT_TESTNET_API_KEY",
                secret: "BYBIT_TESTNET_API_SECRET",
            },
            (Self::Bybit, Mode::Mainnet) => KeyVariables {
                key: "BYBIT_API_KEY",
                secret: "BYBIT_API_SECRET",
            },
        }
    }

    /// Whether a variable of this name could hold an exchange key.
    pub fn holds_a_key(variable: &str) -> bool {
        let upper = variable.to_ascii_uppercase();
        Self::KEY_PREFIXES
            .iter()
            .any(|prefix| upper.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_kept_from_bots_and_no_host_serves_two_worlds() {
        let mut hosts = Vec::new();
        for venue in VenueName::ALL {
            assert_eq!(VenueName::named(venue.word()), Some(venue));
            for mode in [Mode::Testnet, Mode::Mainnet] {
                let names = venue.key_variables(mode);
                assert!(VenueName::holds_a_key(names.key));
                assert!(VenueName::holds_a_key(&names.secret.to_lowercase()));
                let Hosts { rest, stream } = venue.hosts(mode);
                assert_eq!(rest.contains("testnet"), mode == Mode::Testnet);
                assert_eq!(stream.contains("testnet"), mode == Mode::Testnet);
                hosts.extend([rest, stream]);
            }
        }
        hosts.sort_unstable();
        hosts.dedup();
        assert_eq!(hosts.len(), 8);
    }
}
