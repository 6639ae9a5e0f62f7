//! The operator's words to the guard: `halt freeze resume reset recon flow session`.

use std::path::Path;

use daemon::deployment::Deployment;
use protocol::frame::Empty;
use protocol::guard::{GuardReply, GuardRequest, OperatorVerb, ResetTarget, Verb, VerbDone};
use protocol::status::RiskStatus;

use crate::cli::{Reset, ResetLimit};
use crate::exit::Exit;
use crate::out;
use crate::picture::{Problem, ask};

/// Says a word to the guard and shows what it brought about.
pub(crate) fn say(dir: &Path, verb: Verb) -> Exit {
    match tell(dir, verb) {
        Ok(done) => {
            out::line(&format!("{}: {}", done.state, done.message));
            Exit::Healthy
        }
        Err(exit) => exit,
    }
}

/// Says a word to the guard: what it brought about, or the exit code of a refusal.
pub(crate) fn tell(dir: &Path, verb: Verb) -> Result<VerbDone, Exit> {
    let word = OperatorVerb { by: whoami(), verb };
    match ask(
        &Deployment::at(dir).guard_socket(),
        &GuardRequest::Operator(word),
    ) {
        Ok(GuardReply::VerbDone(done)) => Ok(done),
        Ok(GuardReply::Error(error)) => {
            out::problem(&error.message);
            Err(Exit::Degraded)
        }
        Ok(other) => {
            out::problem(&format!("the guard answered {other:?}"));
            Err(Exit::Degraded)
        }
        Err(problem) => Err(refused(&problem)),
    }
}

/// The verb of a `reset` command line.
pub(crate) fn reset(args: &Reset) -> Verb {
    let what = match args.limit {
        ResetLimit::CircuitBreaker => ResetTarget::CircuitBreaker,
        ResetLimit::DailyLoss => ResetTarget::DailyLoss,
        ResetLimit::Drawdown => ResetTarget::Drawdown {
            rebase: args.rebase,
        },
        ResetLimit::Liquidation => ResetTarget::Liquidation,
    };
    Verb::Reset { what }
}

/// The guard's picture, or the exit code of not having it.
pub(crate) fn risk(dir: &Path) -> Result<RiskStatus, Exit> {
    match ask(
        &Deployment::at(dir).guard_socket(),
        &GuardRequest::Status(Empty {}),
    ) {
        Ok(GuardReply::Status(status)) => Ok(status),
        Ok(other) => {
            out::problem(&format!("the guard answered {other:?}"));
            Err(Exit::Degraded)
        }
        Err(problem) => Err(refused(&problem)),
    }
}

/// Says why a process could not be asked, and which exit code that is.
pub(crate) fn refused(problem: &Problem) -> Exit {
    out::problem(&problem.text);
    if problem.silent {
        Exit::NoAnswer
    } else {
        Exit::NotRunning
    }
}

/// Who is speaking, for the guard's log.
pub(crate) fn whoami() -> String {
    let uid = nix::unistd::getuid();
    nix::unistd::User::from_uid(uid)
        .ok()
        .flatten()
        .map_or_else(|| format!("uid {uid}"), |user| user.name)
}
