//! Before anything runs: the config, the mode, the directory. Whatever is wrong here is one
//! sentence to the operator, and nothing has been started.

use std::path::{Path, PathBuf};

use config::{Config, LoadError};
use daemon::deployment::{Assigned, Deployment};
use protocol::{Generation, Mode};
use thiserror::Error;

use crate::bot_user::{self, BotUserError};
use crate::config_flow::{Generations, GenerationsError};
use crate::sockets::{Occupied, OccupyError, occupy};

/// Why nothing was started.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error(
        "{file} is not there. To see the harness at work: make demo. To begin a config of your own: cp configs/zoomex_example.yaml {file}"
    )]
    NoConfig { file: String },
    #[error("{0}")]
    BadConfig(LoadError),
    #[error("{tag}", tag = protocol::Tag::ModeGuard)]
    Mode(#[from] config::ModeGuardError),
    #[error(transparent)]
    BotUser(#[from] BotUserError),
    #[error("cannot let run/ and logs/ in {dir} lead to the service's own directories")]
    Adopt {
        dir: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Occupy(#[from] OccupyError),
    #[error(transparent)]
    Generations(#[from] GenerationsError),
}

impl StartError {
    /// Whether no restart will mend it.
    pub(crate) const fn is_config(&self) -> bool {
        matches!(
            self,
            Self::NoConfig { .. } | Self::BadConfig(_) | Self::Mode(_) | Self::BotUser(_)
        )
    }
}

/// Everything that a supervisor begins with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) mode: Mode,
    pub(crate) file: PathBuf,
    pub(crate) deployment: Deployment,
    pub(crate) occupied: Occupied,
    pub(crate) generations: Generations,
    pub(crate) generation: Generation,
    pub(crate) config: Config,
    /// The bytes of the file that were looked at, sound or not.
    pub(crate) seen: Vec<u8>,
    /// Why the file on disk is not what is in force.
    pub(crate) rejected: Option<String>,
    /// There was no last good generation: what fails now has never worked.
    pub(crate) first: bool,
}

/// Looks at everything and takes the directory.
pub(crate) fn begin(mode: Mode, file: &Path, dir: &Path) -> Result<Beginning, StartError> {
    let on_disk = check(mode, file);
    let deployment = Deployment::at(&absolute(dir));
    deployment
        .adopt(&Assigned::from_environment())
        .map_err(|source| StartError::Adopt {
            dir: deployment.dir().display().to_string(),
            source,
        })?;
    let on_disk = match on_disk {
        // A first start with a bad config leaves no trace, not even directories.
        Err(problem) if !deployment.applied_file().exists() => return Err(problem),
        looked_at => looked_at,
    };
    let occupied = occupy(&deployment)?;
    let mut generations = Generations::of(&deployment)?;
    let last_good = generations.last_good()?;
    let mut seen = std::fs::read(file).unwrap_or_default();
    let first = last_good.is_none();
    let (generation, config, rejected) = match (on_disk, last_good) {
        (Ok(config), Some((generation, text))) if text == seen => (generation, config, None),
        // What was loosened while nothing ran waits for a word as well: begin with what was in
        // force; the first look at the file holds the rest.
        (Ok(config), Some((generation, text))) if must_be_confirmed(&text, &config) => {
            let config = config::parse_bytes(&text, "the config in force")
                .map_err(|e| StartError::BadConfig(e.into()))?;
            config.mode_guard(mode)?;
            seen = text;
            (generation, config, None)
        }
        (Ok(config), _) => (generations.write(&seen)?, config, None),
        (Err(problem), None) => return Err(problem),
        (Err(problem), Some((generation, text))) => {
            let name = deployment.generation_file(generation).display().to_string();
            let config =
                config::parse_bytes(&text, &name).map_err(|e| StartError::BadConfig(e.into()))?;
            config.mode_guard(mode)?;
            (generation, config, Some(problem.to_string()))
        }
    };
    let file = absolute(file);
    Ok(Beginning {
        mode,
        file,
        deployment,
        occupied,
        generations,
        generation,
        config,
        seen,
        rejected,
        first,
    })
}

/// Whether an edit that was made while nothing ran loosens limits that may only be loosened by word.
fn must_be_confirmed(in_force: &[u8], edited: &Config) -> bool {
    config::parse_bytes(in_force, "the config in force").is_ok_and(|before| {
        before.supervisor.confirm_loosening
            && config::diff(&before, edited)
                .iter()
                .any(|change| change.direction == config::Direction::Loosening)
    })
}

/// Reads and checks a config file for this mode.
fn check(mode: Mode, file: &Path) -> Result<Config, StartError> {
    let config = config::load(file).map_err(|problem| match problem {
        LoadError::Missing { path } => StartError::NoConfig {
            file: path.display().to_string(),
        },
        other @ (LoadError::Unreadable { .. } | LoadError::Refused(_)) => {
            StartError::BadConfig(other)
        }
    })?;
    admit(mode, &config)?;
    Ok(config)
}

/// What a sound config must also be to be run here.
pub(crate) fn admit(mode: Mode, config: &Config) -> Result<(), StartError> {
    config.mode_guard(mode)?;
    if let (true, Some(user)) = (config.bot.enabled, &config.bot.user) {
        bot_user::admit(user)?;
    }
    Ok(())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
