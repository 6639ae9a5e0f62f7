//! Who speaks, and in which mode.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The processes of the house. Their names are also the names of their log files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// Starts and watches the others.
    Supervisor,
    /// Delivers alerts.
    AlertForwarder,
    /// Decides.
    RiskGuard,
    /// Speaks to the exchange.
    Gateway,
    /// The bot, whatever it is.
    Bot,
}

impl Process {
    /// All of them, in the order in which they start.
    pub const ALL: [Self; 5] = [
        Self::Supervisor,
        Self::AlertForwarder,
        Self::RiskGuard,
        Self::Gateway,
        Self::Bot,
    ];

    /// The name in logs, status and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::AlertForwarder => "alert-forwarder",
            Self::RiskGuard => "risk-guard",
            Self::Gateway => "gateway",
            Self::Bot => "bot",
        }
    }

    /// The name of its program; a bot's is whatever the config says.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Supervisor => "perps-supervisor",
            Self::AlertForwarder => "perps-alerts",
            Self::RiskGuard => "perps-guard",
            Self::Gateway => "perps-gateway",
            Self::Bot => "perps-bot",
        }
    }

    /// The process of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which world the harness trades in; given on the command line, never by the config alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The venue's testnet, or a simulator on loopback.
    Testnet,
    /// Real money.
    Mainnet,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Testnet => "testnet",
            Self::Mainnet => "mainnet",
        })
    }
}
