//! The operator's YAML: text in, checked values out.
//!
//! What this room is for: one catalogue of keys ([`catalogue`]) from which come the strict check,
//! the defaults, the reference (`docs/config.md`), the schema (`docs/config.schema.json`) and the
//! [`diff`] of two configs. An unknown or misspelt key, a wrong type, a number out of range or not
//! written out plainly is an error with file, line, column and what was probably meant; several
//! at once where possible. What it does not do: watch files, hold generations (the supervisor
//! does), read the environment, or know any secret.
//!
//! ```
//! let text = "perps:\n  sessionMaxTrades: 10\n";
//! let config = config::parse(text, "zoomex.yaml")?;
//! assert_eq!(config.limits.session_max_trades, Some(10));
//! let refused = config::parse("perps:\n  sessionMaxTrade: 10\n", "zoomex.yaml");
//! let message = refused.unwrap_err().to_string();
//! assert!(message.starts_with("zoomex.yaml:2:3: perps.sessionMaxTrade: there is no such key"));
//! # Ok::<(), config::ConfigError>(())
//! ```

mod address;
mod assemble;
mod budget;
pub mod catalogue;
mod check;
mod diff;
mod effective;
mod interval;
mod kinds;
mod lists;
mod mode_guard;
mod notes;
mod number;
mod problem;
mod read;
pub mod reference;
mod scalar;
mod settings;
mod suggest;
mod value;
mod venues;

use std::path::Path;

pub use address::BaseUrl;
pub use budget::{Budget, Poll, Read, Streams};
pub use diff::{Change, Direction, diff};
pub use effective::Setting;
pub use interval::CandleInterval;
pub use mode_guard::ModeGuardError;
pub use notes::{Held, Notes, Unused};
pub use problem::{ConfigError, LoadError, Place, Problem};
pub use settings::{
    AccountType, AlertSettings, BotSettings, ExchangeSettings, LogLevel, LoggingSettings,
    PerpsSettings, StrategySettings, SupervisorSettings, TriggerBy,
};
pub use value::Value;
pub use venues::{Hosts, KeyVariables, VenueName};

/// The placeholder address in the profiles under `configs/drill`; whoever starts a simulator puts
/// its own in its place.
pub const PLACEHOLDER_BASE_URL: &str = "http://127.0.0.1:0";

/// One accepted config.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the guard enforces.
    pub limits: risk::Limits,
    /// The venue.
    pub exchange: ExchangeSettings,
    /// What is traded, and the gateway's caps.
    pub perps: PerpsSettings,
    /// What the reference bot decides by.
    pub strategy: StrategySettings,
    /// How logs are written.
    pub logging: LoggingSettings,
    /// How the supervisor keeps its children.
    pub supervisor: SupervisorSettings,
    /// The bot to start.
    pub bot: BotSettings,
    /// How alerts are told.
    pub alerts: AlertSettings,
    /// What the file says and leaves out.
    pub notes: Notes,
    settings: Vec<Setting>,
}

impl Config {
    /// Every used key with the value that holds, in the order of the reference.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

/// Checks a config given as text. The name is for messages only.
pub fn parse(text: &str, file_name: &str) -> Result<Config, ConfigError> {
    let refuse = |problems| ConfigError::new(file_name, problems);
    let (root, twice) = read::read_tree(text).map_err(refuse)?;
    let mut checked = check::check(&root);
    checked.problems.extend(twice);
    if !checked.problems.is_empty() {
        return Err(refuse(checked.problems));
    }
    let mut config = assemble::assemble(&checked).map_err(refuse)?;
    if !text.ends_with('\n') {
        let warning = "the last line has no line end: if the file was cut short, its last value is wrong and limits may be missing";
        config.notes.warnings.push(warning.to_owned());
    }
    Ok(config)
}

/// Checks a config given as bytes, which must be UTF-8. The name is for messages only.
pub fn parse_bytes(bytes: &[u8], file_name: &str) -> Result<Config, ConfigError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text, file_name),
        Err(error) => {
            let (good, _) = bytes.split_at(error.valid_up_to());
            let good = String::from_utf8_lossy(good);
            let line = good.matches('\n').count() + 1;
            let column = good
                .rsplit('\n')
                .next()
                .map_or(0, |rest| rest.chars().count())
                + 1;
            let problem = Problem::at(Place { line, column }, "this byte is not UTF-8 text")
                .hint("save the file as UTF-8");
            Err(ConfigError::new(file_name, vec![problem]))
        }
    }
}

/// Reads and checks a config file.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    let bytes = std::fs::read(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == std::io::ErrorKind::NotFound {
            LoadError::Missing { path }
        } else {
            LoadError::Unreadable { path, source }
        }
    })?;
    Ok(parse_bytes(&bytes, &path.display().to_string())?)
}
