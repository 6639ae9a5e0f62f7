//! The guard's part of a config generation: check first, put in force later.
//!
//! What must not change under a running guard is the identity of its state: another state file or
//! venue would silently begin with fresh counters after the next crash. Such a generation is
//! refused; it takes a stop and a start of the whole harness. What this room does not do: apply
//! limits (the engine does).

use std::path::{Path, PathBuf};

use config::Config;
use protocol::control::Prepare;
use protocol::{Generation, Mode};
use thiserror::Error;

/// Why a generation cannot be put in force.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// The file cannot be read.
    #[error("the generation {generation} of {file} cannot be read at {}", path.display())]
    Unreadable {
        /// Which generation.
        generation: Generation,
        /// The operator's file.
        file: String,
        /// Where it was written down.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// It is no sound config.
    #[error(transparent)]
    Unsound(#[from] config::ConfigError),
    /// It belongs to the other mode.
    #[error(transparent)]
    OtherMode(#[from] config::ModeGuardError),
    /// It would change what the state belongs to.
    #[error(
        "{key} cannot change from {from} to {to} while the harness runs: the counters of the day and the session would start anew; stop the harness, change it, start again"
    )]
    Identity {
        /// The key.
        key: &'static str,
        /// What is in force.
        from: String,
        /// What the file says.
        to: String,
    },
}

/// A checked generation.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Its number.
    pub(crate) generation: Generation,
    /// The mode of the command line.
    pub(crate) mode: Mode,
    /// What it says.
    pub(crate) config: Config,
    /// The directory in which generations are written down.
    pub(crate) written_in: PathBuf,
}

/// What a guard's state belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    mode: Mode,
    state_file: String,
    account: String,
}

/// Reads and checks a generation; `before` is what this process has begun with.
pub(crate) fn check(prepare: &Prepare, before: Option<&Identity>) -> Result<Candidate, Refusal> {
    let path = Path::new(&prepare.path);
    let bytes = std::fs::read(path).map_err(|source| Refusal::Unreadable {
        generation: prepare.generation,
        file: prepare.file.clone(),
        path: path.to_owned(),
        source,
    })?;
    let config = config::parse_bytes(&bytes, &prepare.file)?;
    config.mode_guard(prepare.mode)?;
    let candidate = Candidate {
        generation: prepare.generation,
        mode: prepare.mode,
        config,
        written_in: path.parent().unwrap_or(path).to_owned(),
    };
    if let Some(before) = before {
        same_identity(before, &candidate.identity())?;
    }
    Ok(candidate)
}

impl Candidate {
    /// The state's snapshot file; a relative path is below the deployment's directory.
    pub(crate) fn state_file(&self, dir: &Path) -> PathBuf {
        dir.join(&self.config.perps.state_file)
    }

    /// What its state belongs to.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            mode: self.mode,
            state_file: self.config.perps.state_file.clone(),
            account: self.account().to_owned(),
        }
    }

    /// Whose state it is. The guard never sees a key, so this is the venue's name.
    pub(crate) fn account(&self) -> &str {
        self.config.exchange.name.word()
    }
}

fn same_identity(before: &Identity, after: &Identity) -> Result<(), Refusal> {
    let words = |of: &Identity| {
        [
            of.mode.to_string(),
            of.state_file.clone(),
            of.account.clone(),
        ]
    };
    let keys = ["--mode", "perps.stateFile", "exchange.name"];
    for ((key, from), to) in keys.into_iter().zip(words(before)).zip(words(after)) {
        if from != to {
            return Err(Refusal::Identity { key, from, to });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn prepare(dir: &TempDir, number: u64, text: &str) -> Prepare {
        let path = dir.path().join(format!("g{number}.yaml"));
        std::fs::write(&path, text).unwrap();
        Prepare {
            generation: Generation(number),
            file: "perps.yaml".into(),
            path: path.display().to_string(),
            mode: Mode::Testnet,
        }
    }

    #[test]
    fn a_generation_is_checked_in_full() {
        let dir = TempDir::new().unwrap();
        let table = [
            ("perps:\n  sessionMaxTrade: 1\n", "perps.yaml:2:3"),
            ("perps:\n  useTestnet: false\n", "--mode testnet"),
        ];
        for (text, word) in table {
            let refused = check(&prepare(&dir, 1, text), None)
                .unwrap_err()
                .to_string();
            assert!(refused.contains(word), "{refused}");
        }
        let sound = check(&prepare(&dir, 1, "perps:\n  useTestnet: true\n"), None).unwrap();
        assert_eq!(
            sound.state_file(Path::new("/d")),
            Path::new("/d/data/perps_state.json")
        );
    }

    #[test]
    fn a_running_guard_keeps_its_state_file() {
        let dir = TempDir::new().unwrap();
        let before = check(&prepare(&dir, 1, "perps:\n  useTestnet: true\n"), None).unwrap();
        let other = "perps:\n  useTestnet: true\n  stateFile: data/other.json\n";
        let refused = check(&prepare(&dir, 2, other), Some(&before.identity()))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("perps.stateFile") && refused.contains("stop"),
            "{refused}"
        );
        let tighter = "perps:\n  useTestnet: true\n  sessionMaxTrades: 1\n";
        assert!(check(&prepare(&dir, 2, tighter), Some(&before.identity())).is_ok());
    }

    #[test]
    fn a_generation_that_is_gone_names_its_file() {
        let dir = TempDir::new().unwrap();
        let mut gone = prepare(&dir, 1, "");
        gone.path.push('x');
        let refused = check(&gone, None).unwrap_err().to_string();
        assert!(refused.contains("g1 of perps.yaml"), "{refused}");
    }
}
