//! The venue's address, taken apart just far enough to know which machine it names.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::number::shown;
use crate::value::{Refusal, refuse, refuse_hint};

/// `http(s)://host[:port]`, lower case, without a path: anything that could hide another host
/// (a user part, escapes, a path, a query) is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    host: String,
}

impl BaseUrl {
    /// The encrypted address of a venue's own host.
    pub(crate) fn of(host: &str) -> Self {
        Self {
            text: format!("https://{host}"),
            host: host.to_owned(),
        }
    }

    /// The whole address without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host alone; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the address names this machine.
    pub fn is_loopback(&self) -> bool {
        let v6 = self
            .host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'));
        self.host == "localhost"
            || self
                .host
                .parse::<Ipv4Addr>()
                .is_ok_and(|ip| ip.is_loopback())
            || v6.is_some_and(|h| h.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()))
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let lower = text.to_ascii_lowercase();
        let Some((scheme, rest)) = lower.split_once("://") else {
            return refuse_hint(
                format!("{} is not an address", shown(text)),
                "write it like https://host",
            );
        };
        if scheme != "https" && scheme != "http" {
            return refuse(format!(
                "{} begins neither with https:// nor with http://",
                shown(text)
            ));
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let odd = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | ':' | '[' | ']');
        if let Some(c) = authority.chars().find(|c| odd(*c)) {
            return refuse_hint(
                format!("{} holds {:?}", shown(text), c.to_string()),
                "write scheme, host and port alone: https://host:port",
            );
        }
        let host = host_of(authority).ok_or_else(|| Refusal {
            what: format!("{} has no valid host and port", shown(text)),
            hint: Some("write it like https://host:port".to_owned()),
        })?;
        Ok(Self {
            text: format!("{scheme}://{authority}"),
            host: host.to_owned(),
        })
    }
}

/// The host of `host`, `host:port` or `[v6]:port`; `None` if any part is malformed.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']')? + 1;
        let (host, rest) = authority.split_at(end);
        let inside = host.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse::<Ipv6Addr>().ok()?;
        (host, rest)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        authority.split_at(end)
    };
    if let Some(digits) = port.strip_prefix(':') {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| plain)?;
    } else if !port.is_empty() {
        return None;
    }
    let named = !host.is_empty() && !host.starts_with(['.', '-']) && !host.ends_with('.');
    let bare = host.starts_with('[') || !host.contains(['[', ']']);
    // A host of digits and points that is no IPv4 address means different machines to different
    // resolvers (`127.1`, `0177.0.0.1`).
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let clear = !numeric || host.parse::<Ipv4Addr>().is_ok();
    (named && bare && clear).then_some(host)
}
