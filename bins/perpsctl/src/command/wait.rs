//! `wait --for ready|stopped [--timeout S]`.

use std::path::Path;

use protocol::status::ChildState;

use crate::cli::{Condition, Wait};
use crate::exit::Exit;
use crate::out;
use crate::picture::Picture;

/// Waits until the condition holds; says what is missing if it does not in time.
pub(crate) fn run(dir: &Path, args: &Wait) -> Exit {
    let look = || missing(args.condition, &Picture::take(dir)).map_or(Ok(()), Err);
    match testkit::until(args.timeout, "it", look) {
        Ok(()) => Exit::Healthy,
        Err(late) => {
            out::problem(&late.to_string());
            Exit::NoAnswer
        }
    }
}

/// What still stands between this picture and the condition.
fn missing(condition: Condition, picture: &Picture) -> Option<String> {
    match (condition, &picture.supervisor) {
        (Condition::Stopped, None) if !picture.supervisor_silent => None,
        (Condition::Stopped, _) => Some("the supervisor still runs".to_owned()),
        (Condition::Ready, None) => picture.supervisor_problem.clone().or(Some(String::new())),
        (Condition::Ready, Some(supervisor)) => {
            let unready = supervisor
                .children
                .iter()
                .find(|c| c.state != ChildState::Ready);
            if let Some(child) = unready {
                return Some(format!(
                    "{} is {:?} {}",
                    child.process, child.state, child.waiting_for
                ));
            }
            match &picture.risk {
                None => Some(picture.risk_problem().to_owned()),
                Some(risk) if !risk.synced => {
                    Some(format!("the venue: {}", risk.waiting_for.join("; ")))
                }
                Some(_) => None,
            }
        }
    }
}
