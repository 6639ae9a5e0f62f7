//! What a file does and does not say, for `perpsctl config check`.

use serde::Serialize;

use crate::Config;
use crate::check::Checked;
use crate::problem::Place;

/// A key with the value that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The key's path.
    pub path: String,
    /// The value as an operator reads it.
    pub value: String,
    /// Where it is written; `None` if it is not.
    pub place: Option<Place>,
}

/// A known key without effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unused {
    /// The key's path.
    pub path: String,
    /// Where it stands.
    pub place: Place,
}

/// What there is to say about a file that was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Notes {
    /// Keys of the file that are used, in the order of the reference.
    pub used: Vec<Held>,
    /// Keys of the file that have no effect, in the order of the file.
    pub unused: Vec<Unused>,
    /// Used keys that the file leaves to their default, or off.
    pub defaulted: Vec<Held>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<String>,
}

impl Notes {
    pub(crate) fn new(config: &Config, checked: &Checked) -> Self {
        let held = config.settings().iter().map(|setting| Held {
            path: setting.key.path.to_owned(),
            value: setting.shown(),
            place: setting.place,
        });
        let (used, defaulted) = held.partition(|held| held.place.is_some());
        let unused = checked.unused.iter();
        let unused = unused.map(|(path, place)| Unused {
            path: path.clone(),
            place: *place,
        });
        Self {
            used,
            unused: unused.collect(),
            defaulted,
            warnings: warnings(config),
        }
    }
}

fn warnings(config: &Config) -> Vec<String> {
    let mut said = Vec::new();
    let budget = config.request_budget();
    let slowest = budget.slowest_vital_ms();
    let stale = config.limits.max_data_staleness_ms;
    if slowest.saturating_mul(2) > stale {
        said.push(format!(
            "the request caps allow a read of equity, positions and mark price every {} s only, and perps.maxDataStalenessSeconds is {} s: entries will be blocked at times; raise one of them",
            seconds(slowest),
            seconds(stale),
        ));
    }
    if config.bot.command.is_empty() {
        said.push("bot.command is absent: the supervisor starts no bot".to_owned());
    } else if !config.bot.enabled {
        said.push("bot.enabled or perps.enabled is false: the supervisor starts no bot".to_owned());
    }
    said
}

/// Milliseconds as seconds with one place.
fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1000, ms % 1000 / 100)
}
