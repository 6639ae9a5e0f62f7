//! `state reset`: peak, daily loss, streak and session start fresh. Asks first, or takes `--yes`.
//!
//! A running guard does it at once. Without one it is the same as deleting the snapshot by hand, but
//! also for a damaged state: the next start archives what is there and resets.

use std::io::BufRead as _;

use protocol::VenueMs;
use protocol::guard::{GuardReply, GuardRequest, OperatorVerb, Verb};
use risk::SCHEMA_VERSION as SHAPE;
use serde_json::json;
use state::{Identity, Outlook};

use super::look::{Look, look};
use super::place::{Place, now};
use super::restore::{open, put};
use super::{Done, Failed, SCHEMA_VERSION, failed};
use crate::command::verb::whoami;
use crate::exit::Exit;
use crate::out;
use crate::picture::ask;

pub(super) fn run(place: &Place, yes: bool, as_json: bool) -> Done {
    if !yes && !agreed(place) {
        return Err(Failed {
            why: "nothing was reset; answer yes, or say --yes".to_owned(),
            exit: Exit::Usage,
        });
    }
    let (message, exit) = if place.guard.is_some() {
        while_it_runs(place)?
    } else {
        while_it_does_not(place)?
    };
    if as_json {
        out::json(&json!({
            "schema_version": SCHEMA_VERSION,
            "file": place.paths.snapshot(),
            "message": message,
        }));
    } else {
        out::line(&message);
    }
    Ok(exit)
}

fn agreed(place: &Place) -> bool {
    out::progress(&format!(
        "{}: peak, daily loss, streak and session start fresh; halt, freeze, unresolved approvals, \
         watermarks and bans stay. Type yes to go on:",
        place.name()
    ));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && answer.trim() == "yes"
}

fn while_it_runs(place: &Place) -> Result<(String, Exit), Failed> {
    let word = OperatorVerb {
        by: whoami(),
        verb: Verb::StateReset,
    };
    match ask(place.socket(), &GuardRequest::Operator(word)) {
        Ok(GuardReply::VerbDone(done)) => {
            Ok((format!("{}: {}", done.state, done.message), Exit::Healthy))
        }
        Ok(GuardReply::Error(error)) => Err(failed(error.message)),
        Ok(other) => Err(failed(format!("the guard answered {other:?}"))),
        Err(problem) => Err(Failed {
            exit: if problem.silent {
                Exit::NoAnswer
            } else {
                Exit::NotRunning
            },
            why: problem.text,
        }),
    }
}

fn while_it_does_not(place: &Place) -> Result<(String, Exit), Failed> {
    let seen = look(place)?;
    match seen.inspection.outlook {
        Outlook::Fresh => {
            let message = format!("{} is not there: nothing to reset", place.name());
            return Ok((message, Exit::Healthy));
        }
        Outlook::Deleted => {
            let message = "the snapshot is deleted already: the next start resets".to_owned();
            return Ok((message, Exit::Healthy));
        }
        Outlook::Sound | Outlook::Corrupt(_) => {}
    }
    let identity = identity(&seen, place)?;
    let mut archived = None;
    if seen.damage().is_some() {
        let mut engine = seen.rebuilt.map_err(failed)?.engine;
        engine.bridge_gap(VenueMs(now().0));
        archived = put(place, &identity, &engine)?;
    }
    let (store, _) = open(place, &identity)?;
    store.wish_reset()?;
    let mut message = "the next start resets peak, daily loss, streak and session, and archives \
                       what was there"
        .to_owned();
    if let Some(archive) = archived {
        let archive = archive.display();
        message = format!("what was damaged is archived in {archive}; {message}");
    }
    Ok((message, Exit::Healthy))
}

fn identity(seen: &Look, place: &Place) -> Result<Identity, Failed> {
    match &seen.inspection.identity {
        Some(identity) => Ok(Identity {
            schema: SHAPE,
            ..identity.clone()
        }),
        None => Err(failed(format!(
            "nothing of {} can be read, not even whose it is; move it and its journal away to \
             begin anew",
            place.name()
        ))),
    }
}
