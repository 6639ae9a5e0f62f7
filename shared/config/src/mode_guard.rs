//! The first gate: a config for one world never runs in the other.

use protocol::Mode;
use thiserror::Error;

use crate::Config;
use crate::address::BaseUrl;
use crate::venues::VenueName;

/// What in the config contradicts `--mode`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the config contradicts --mode {mode}: {}", contradictions.join("; "))]
pub struct ModeGuardError {
    /// The mode of the command line.
    pub mode: Mode,
    /// Each contradiction, with what to do.
    pub contradictions: Vec<String>,
}

impl Config {
    /// The venue's address: what the config says, else the mode's own.
    pub fn base_url(&self, mode: Mode) -> BaseUrl {
        self.exchange
            .base_url
            .clone()
            .unwrap_or_else(|| BaseUrl::of(self.exchange.name.hosts(mode).rest))
    }

    /// Scheme, host and port of the venue's streams. They follow the REST address: a venue's own
    /// host has a stream host beside it, this machine serves both at one address, and there is no
    /// key that could point elsewhere.
    pub fn stream_url(&self, mode: Mode) -> String {
        let base = self.base_url(mode);
        if base.is_loopback() {
            // `http` becomes `ws`, `https` becomes `wss`.
            base.as_str().replacen("http", "ws", 1)
        } else {
            format!("wss://{}", self.exchange.name.hosts(mode).stream)
        }
    }

    /// Refuses a config that belongs to the other mode. Testnet takes the testnet's host and
    /// loopback; mainnet takes the mainnet's host only, and wants `perps.useTestnet: false` in
    /// writing.
    pub fn mode_guard(&self, mode: Mode) -> Result<(), ModeGuardError> {
        let mut contradictions = self.flags(mode);
        contradictions.extend(host(&self.base_url(mode), self.exchange.name, mode));
        if contradictions.is_empty() {
            return Ok(());
        }
        Err(ModeGuardError {
            mode,
            contradictions,
        })
    }

    fn flags(&self, mode: Mode) -> Vec<String> {
        let said = [
            ("perps.useTestnet", self.perps.use_testnet),
            ("exchange.testnet", self.exchange.testnet),
        ];
        let wanted = mode == Mode::Testnet;
        let mut wrong: Vec<_> = said
            .into_iter()
            .filter(|(_, flag)| flag.is_some_and(|flag| flag != wanted))
            .map(|(key, _)| {
                format!(
                    "{key} is {}: set it to {wanted} or use the other mode",
                    !wanted
                )
            })
            .collect();
        if mode == Mode::Mainnet && self.perps.use_testnet.is_none() {
            wrong.push("real money wants `useTestnet: false` written below `perps:`".to_owned());
        }
        wrong
    }
}

fn host(url: &BaseUrl, venue: VenueName, mode: Mode) -> Option<String> {
    if mode == Mode::Testnet && url.is_loopback() {
        return None;
    }
    let (host, own) = (url.host(), venue.hosts(mode).rest);
    if host != own {
        let or = if mode == Mode::Testnet {
            " and this machine"
        } else {
            ""
        };
        return Some(format!(
            "exchange.base_url names {host}: this mode takes {own}{or} only"
        ));
    }
    (!url.is_https()).then(|| format!("exchange.base_url is not encrypted: write https://{own}"))
}
