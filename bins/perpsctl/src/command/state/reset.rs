//! `state reset`: peak, daily loss, streak and session start fresh. Asks first, or takes `--yes`.
//!
//! A running guard does it at once. Without one it is the same as deleting the snapshot by hand, but
//! also for a damaged state: the next start archives what is there and resets.

use std::io::BufRead as _;

use protocol::VenueMs;
use protocol::guard::Verb;
use risk::SCHEMA_VERSION as SHAPE;
use serde_json::json;
use state::{Identity, Outlook};

use super::look::{Look, look};
use super::place::{Place, now};
use super::restore::{open, put};
use crate::command::verb::{in_words, tell_at};
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::{self, Form};

pub(super) fn run(place: &Place, form: Form, yes: bool) -> Done {
    if !yes && !agreed(place) {
        return Err(Failed::usage("nothing was reset; answer yes, or say --yes"));
    }
    let message = if place.guard.is_some() {
        in_words(&tell_at(place.socket(), Verb::StateReset)?)
    } else {
        while_it_does_not(place)?
    };
    let result = json!({
        "file": place.paths.snapshot(),
        "message": message,
    });
    form.tell(&result, || vec![message.clone()]);
    Ok(Exit::Healthy)
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

/// Without a guard the next start does it.
fn while_it_does_not(place: &Place) -> Result<String, Failed> {
    let seen = look(place)?;
    match seen.inspection.outlook {
        Outlook::Fresh => {
            let message = format!("{} is not there: nothing to reset", place.name());
            return Ok(message);
        }
        Outlook::Deleted => {
            let message = "the snapshot is deleted already: the next start resets".to_owned();
            return Ok(message);
        }
        Outlook::Sound | Outlook::Corrupt(_) => {}
    }
    let identity = identity(&seen, place)?;
    let mut archived = None;
    if seen.damage().is_some() {
        let mut engine = seen.rebuilt.map_err(Failed::new)?.engine;
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
    Ok(message)
}

fn identity(seen: &Look, place: &Place) -> Result<Identity, Failed> {
    match &seen.inspection.identity {
        Some(identity) => Ok(Identity {
            schema: SHAPE,
            ..identity.clone()
        }),
        None => Err(Failed::new(format!(
            "nothing of {} can be read, not even whose it is; move it and its journal away to \
             begin anew",
            place.name()
        ))),
    }
}
