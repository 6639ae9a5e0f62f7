//! What can be wrong with a config, said so that the operator can put it right at once.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

/// A place in the file, counted from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// Where a file begins; the place of what concerns the file as a whole.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong: where, what, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The full path of the key it is about, where it is about one.
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What was probably meant, or what to do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a key, such as a mistake of syntax.
    pub(crate) fn at(place: Place, what: impl Into<String>) -> Self {
        Self {
            place,
            key: None,
            what: what.into(),
            hint: None,
        }
    }

    /// The same problem with what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem, about this key.
    pub(crate) fn about(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }
}

impl fmt::Display for Problem {
    /// `line:column: key: what; hint`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with one file, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The file's name as it was given, for messages.
    pub file: String,
    /// The problems.
    pub problems: Vec<Problem>,
}

/// The most problems one message lists.
const MOST_SHOWN: usize = 20;

impl ConfigError {
    pub(crate) fn new(file: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|p| p.place);
        Self {
            file: file.to_owned(),
            problems,
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    /// One line for each problem: `file:line:column: key: what; hint`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().take(MOST_SHOWN).enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{problem}", self.file)?;
        }
        let more = self.problems.len().saturating_sub(MOST_SHOWN);
        if more > 0 {
            write!(f, "\nand {more} more")
        } else {
            Ok(())
        }
    }
}

/// Why a config could not be loaded from a file.
#[derive(Debug, Error)]
pub enum LoadError {
    /// There is no such file.
    #[error(
        "there is no config at {}: start from configs/zoomex_example.yaml, or try `make demo`, which needs none",
        path.display()
    )]
    Missing {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("the config {} cannot be read: check its owner and mode", path.display())]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file was read and is not a valid config.
    #[error(transparent)]
    Refused(#[from] ConfigError),
}
