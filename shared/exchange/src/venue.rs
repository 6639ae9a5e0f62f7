//! What tells one venue of this family from another, and one host of it from another.

use reqwest::Url;

/// A venue's hosts and the path before every call (V3 documentation, integration guidance).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Venue {
    /// REST on the testnet.
    pub testnet: &'static str,
    /// REST with real money.
    pub mainnet: &'static str,
    /// Path before every call.
    pub prefix: &'static str,
}

/// Whose money an address is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// The venue's testnet, encrypted.
    Testnet,
    /// Real money, encrypted or not.
    Mainnet,
    /// This machine: a simulator.
    Loopback,
    /// Anything else, and what is no address.
    Other,
}

impl Venue {
    /// Zoomex V3.
    pub const ZOOMEX: Self = Self {
        testnet: "https://openapi-testnet.zoomex.com",
        mainnet: "https://openapi.zoomex.com",
        prefix: "/cloud/trade/v3",
    };

    /// Whose host a base URL names, as read by the parser that the connection itself uses. The
    /// config's mode guard decides which of them may be used; this tells what would be dialled.
    pub fn host(&self, base_url: &str) -> Host {
        let Ok(url) = Url::parse(base_url) else {
            return Host::Other;
        };
        let Some(host) = url.host_str() else {
            return Host::Other;
        };
        let named = |ours: &str| Url::parse(ours).is_ok_and(|ours| ours.host_str() == Some(host));
        let default_port = url.port().is_none();
        if named(self.mainnet) {
            Host::Mainnet
        } else if named(self.testnet) {
            // Without encryption, or at another port, somebody else may answer.
            if url.scheme() == "https" && default_port {
                Host::Testnet
            } else {
                Host::Other
            }
        } else if is_loopback(host) {
            Host::Loopback
        } else {
            Host::Other
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart_by_what_would_be_dialled() {
        for (url, host) in [
            ("https://openapi-testnet.zoomex.com", Host::Testnet),
            ("https://OPENAPI-testnet.zoomex.com:443/", Host::Testnet),
            ("http://openapi-testnet.zoomex.com", Host::Other),
            ("https://openapi-testnet.zoomex.com:8443", Host::Other),
            (
                "https://openapi-testnet.zoomex.com.example.com",
                Host::Other,
            ),
            (
                "https://openapi-testnet.zoomex.com@openapi.zoomex.com",
                Host::Mainnet,
            ),
            (
                "https://openapi-testnet.zoomex.com\\@openapi.zoomex.com",
                Host::Testnet,
            ),
            ("https://openapi.zoomex.com", Host::Mainnet),
            ("http://openapi.zoomex.com:80", Host::Mainnet),
            ("http://127.0.0.1:4711", Host::Loopback),
            ("http://2130706433:1", Host::Loopback),
            ("http://[::1]:4711", Host::Loopback),
            ("http://localhost", Host::Loopback),
            ("http://localhost.example.com", Host::Other),
            ("http://10.0.0.1", Host::Other),
            ("not an address", Host::Other),
            ("", Host::Other),
        ] {
            assert_eq!(Venue::ZOOMEX.host(url), host, "{url}");
        }
    }
}
