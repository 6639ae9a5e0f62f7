//! The first gate: a config for one world never runs in the other.

use protocol::Mode;
use thiserror::Error;

use crate::Config;
use crate::address::{BaseUrl, MAINNET_HOST, TESTNET_HOST};

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
            .unwrap_or_else(|| match mode {
                Mode::Testnet => BaseUrl::testnet(),
                Mode::Mainnet => BaseUrl::mainnet(),
            })
    }

    /// Refuses a config that belongs to the other mode. Testnet takes the testnet's host and
    /// loopback; mainnet takes the mainnet's host only, and wants `perps.useTestnet: false` in
    /// writing.
    pub fn mode_guard(&self, mode: Mode) -> Result<(), ModeGuardError> {
        let mut contradictions = self.flags(mode);
        contradictions.extend(host(&self.base_url(mode), mode));
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

fn host(url: &BaseUrl, mode: Mode) -> Option<String> {
    let (host, own) = match mode {
        Mode::Testnet if url.is_loopback() => return None,
        Mode::Testnet => (url.host(), TESTNET_HOST),
        Mode::Mainnet => (url.host(), MAINNET_HOST),
    };
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
