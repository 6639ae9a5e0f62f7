//! `wait --for ready|stopped [--timeout S]`.

use std::path::Path;

use daemon::clock::boot_now;
use protocol::status::ChildState;
use serde_json::json;

use crate::cli::{Condition, Wait};
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::Form;
use crate::picture::Picture;

/// Waits until the condition holds; says what is missing if it does not in time.
pub(crate) fn run(dir: &Path, form: Form, args: &Wait) -> Done {
    let begun = boot_now();
    let look = || missing(args.condition, &Picture::take(dir)).map_or(Ok(()), Err);
    testkit::until(args.timeout, args.condition.awaited(), look)
        .map_err(|late| Failed::with(Exit::NoAnswer, late.to_string()))?;
    let result = json!({
        "condition": args.condition.word(),
        "waited_ms": boot_now().since(begun),
    });
    form.tell(&result, Vec::new);
    Ok(Exit::Healthy)
}

/// What still stands between this picture and the condition.
fn missing(condition: Condition, picture: &Picture) -> Option<String> {
    match (condition, &picture.supervisor) {
        (Condition::Stopped, None) if picture.supervisor_exit == Some(Exit::NotRunning) => None,
        (Condition::Stopped, Some(_)) => Some("the supervisor still runs".to_owned()),
        (Condition::Ready | Condition::Stopped, None) => {
            picture.supervisor_problem.clone().or(Some(String::new()))
        }
        (Condition::Ready, Some(supervisor)) => {
            let unready = supervisor
                .children
                .iter()
                .find(|c| c.state != ChildState::Ready);
            if let Some(child) = unready {
                let (process, state) = (child.process, child.state);
                return Some(match (state, child.waiting_for.as_str()) {
                    (ChildState::Latched, _) => {
                        format!("{process} is {state}: perpsctl restart {process}")
                    }
                    (_, "") => format!("{process} is {state}"),
                    (_, what) => format!("{process} is {state}, waits for {what}"),
                });
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
