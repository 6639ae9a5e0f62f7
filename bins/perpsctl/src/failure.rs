//! Why a command did not do what it was asked: one shape for people and for programs.

use protocol::frame::{ErrorBody, ErrorCode};
use serde::Serialize;

use crate::exit::Exit;
use crate::picture::Problem;

/// What every command gives: the exit code of its result, or why it has no result.
pub(crate) type Done = Result<Exit, Failed>;

/// Why there is no result.
#[derive(Debug)]
pub(crate) struct Failed {
    /// A sentence that says what to do.
    pub(crate) why: String,
    /// The exit code of it.
    pub(crate) exit: Exit,
    /// What the process that refused calls it.
    pub(crate) code: Option<ErrorCode>,
}

/// The same under `--json`: `{"schema_version": 1, "error": {...}}`.
#[derive(Debug, Serialize)]
pub(crate) struct Trouble {
    error: TroubleBody,
}

#[derive(Debug, Serialize)]
struct TroubleBody {
    kind: &'static str,
    exit_code: u8,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
}

impl Failed {
    /// It could not be done, or a check failed.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self::with(Exit::Degraded, why)
    }

    /// The command line asks for something that there is not.
    pub(crate) fn usage(why: impl Into<String>) -> Self {
        Self::with(Exit::Usage, why)
    }

    /// With an exit code of its own.
    pub(crate) fn with(exit: Exit, why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            exit,
            code: None,
        }
    }

    /// A process refused.
    pub(crate) fn refused(error: ErrorBody) -> Self {
        Self {
            why: error.message,
            exit: Exit::Degraded,
            code: Some(error.code),
        }
    }

    /// A process answered with words that belong to another question.
    pub(crate) fn astray(who: &str, answer: &impl std::fmt::Debug) -> Self {
        Self::new(format!("{who} answered {answer:?}"))
    }

    /// As programs read it.
    pub(crate) fn trouble(&self) -> Trouble {
        Trouble {
            error: TroubleBody {
                kind: self.exit.kind(),
                exit_code: self.exit as u8,
                message: self.why.clone(),
                code: self.code,
            },
        }
    }
}

/// An error of a library, with every cause behind it.
impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            why.push_str(": ");
            why.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(why)
    }
}

/// A process could not be asked: it is not there, or silent.
impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self {
            why: problem.text,
            exit: problem.exit,
            code: problem.code,
        }
    }
}
