//! The exit codes of `perpsctl`. Which of them a picture of the harness deserves: `verdict`.

/// What the exit code tells a script. Documented in `docs/runbook.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything is up and entries are allowed.
    Healthy = 0,
    /// It runs, but something needs attention; or the command failed.
    Degraded = 1,
    /// The command line was wrong.
    Usage = 2,
    /// No supervisor answers in this directory.
    NotRunning = 3,
    /// It runs, but did not answer in time.
    NoAnswer = 4,
    /// Entries are blocked.
    Blocked = 5,
}

impl Exit {
    /// The word for it in the JSON of a failure.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "failed",
            Self::Usage => "usage",
            Self::NotRunning => "not_running",
            Self::NoAnswer => "no_answer",
            Self::Blocked => "blocked",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
