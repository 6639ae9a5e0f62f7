//! The operator's words to the guard: `halt freeze resume reset recon flow session`.

use std::path::Path;

use daemon::deployment::Deployment;
use protocol::Process;
use protocol::frame::Empty;
use protocol::guard::{GuardReply, GuardRequest, OperatorVerb, ResetTarget, Verb, VerbDone};
use protocol::status::{ChildState, RiskStatus};
use serde::Serialize;

use crate::cli::{Reset, ResetLimit};
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::{self, Form};
use crate::picture::ask;
use crate::talk;

/// A word, and what it brought about.
#[derive(Serialize)]
struct Said {
    verb: Verb,
    #[serde(flatten)]
    done: VerbDone,
}

/// Says a word to the guard and shows what it brought about.
pub(crate) fn say(dir: &Path, form: Form, verb: Verb) -> Done {
    let done = tell(dir, verb.clone())?;
    let reaches = matches!(verb, Verb::Halt { .. });
    let said = Said { verb, done };
    form.tell(&said, || vec![in_words(&said.done)]);
    if let Some(why) = gateway_away(dir).filter(|_| reaches) {
        out::problem(&why);
    }
    Ok(Exit::Healthy)
}

/// Why nothing reaches the venue now, if it is that the gateway is not there.
pub(crate) fn gateway_away(dir: &Path) -> Option<String> {
    let children = talk::status(dir).ok()?.children;
    let mut away = children
        .iter()
        .filter(|child| child.process == Process::Gateway && child.state != ChildState::Ready);
    let state = away.next()?.state;
    let how = if state == ChildState::Latched {
        "perpsctl restart gateway"
    } else {
        "the supervisor brings it back"
    };
    Some(format!(
        "the gateway is {state}: nothing reaches the venue until it is ready ({how})"
    ))
}

/// What a word brought about, on one line.
pub(crate) fn in_words(done: &VerbDone) -> String {
    format!("{}: {}", done.state, done.message)
}

/// Says a word to the guard: what it brought about, or why it was refused.
pub(crate) fn tell(dir: &Path, verb: Verb) -> Result<VerbDone, Failed> {
    tell_at(&Deployment::at(dir).guard_socket(), verb)
}

/// The same to the guard of this socket.
pub(crate) fn tell_at(socket: &Path, verb: Verb) -> Result<VerbDone, Failed> {
    let word = OperatorVerb { by: whoami(), verb };
    let asked = ask(socket, &GuardRequest::Operator(word)).map_err(|mut problem| {
        if problem.is_silence() {
            problem.text.push_str(
                "; whether it was done is not known: look at perpsctl status, then say it again",
            );
        }
        Failed::from(problem)
    });
    let reply = talk::taken(asked?)?;
    if let GuardReply::VerbDone(done) = reply {
        Ok(done)
    } else {
        Err(Failed::astray("the guard", &reply))
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

/// The guard's picture.
pub(crate) fn risk(dir: &Path) -> Result<RiskStatus, Failed> {
    let socket = Deployment::at(dir).guard_socket();
    let reply = talk::guard(&socket, &GuardRequest::Status(Empty {}))?;
    if let GuardReply::Status(status) = reply {
        Ok(status)
    } else {
        Err(Failed::astray("the guard", &reply))
    }
}

/// For whom this is said, beside the user that the guard sees: who called `sudo`, for one.
fn whoami() -> String {
    let here = || daemon::user::name(nix::unistd::getuid().as_raw());
    let sudo = daemon::environment::text("SUDO_USER");
    sudo.or_else(here).unwrap_or_default()
}
