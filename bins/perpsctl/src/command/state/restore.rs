//! `state restore FILE`: a backup takes the place of what is there, which is archived.

use std::path::{Path, PathBuf};

use protocol::VenueMs;
use risk::{Engine, SCHEMA_VERSION as SHAPE};
use serde_json::json;
use state::{Condition, Disk, Identity, OpenError, Options, Outlook, Store};

use super::backup::sound;
use super::look::look;
use super::place::{Place, now};
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::Form;

pub(super) fn run(place: &Place, form: Form, from: &Path) -> Done {
    if let Some(report) = &place.guard {
        return Err(Failed::new(format!(
            "a guard runs on {} (pid {}); stop the harness first, then restore",
            place.name(),
            report.pid
        )));
    }
    let backup = sound(from)?;
    let state = history::schema::state(backup.state.get(), backup.identity.schema);
    let mut engine = Engine::resume(state?);
    // What can be read of the present is not forgotten: halt, bans, approvals that are not over.
    let present = match look(place) {
        Ok(seen) if seen.inspection.outlook != Outlook::Fresh => seen.rebuilt.ok(),
        Ok(_) | Err(_) => None,
    };
    if let Some(present) = &present {
        engine.succeed(&present.engine);
    }
    engine.bridge_gap(VenueMs(now().0));
    let identity = Identity {
        schema: SHAPE,
        ..backup.identity
    };
    let archive = put(place, &identity, &engine)?;
    let result = json!({
        "file": place.paths.snapshot(),
        "restored": from,
        "last_seq": backup.last_seq,
        "archive": archive,
    });
    form.tell(&result, || {
        let mut lines = vec![format!(
            "{} is restored from {} (of {})",
            place.name(),
            from.display(),
            backup.written_at
        )];
        if let Some(archive) = &archive {
            let archive = archive.display();
            lines.push(format!("what was there is archived in {archive}"));
        }
        lines.push(
            "the next start reads the venue and compares the books before it allows anything"
                .to_owned(),
        );
        lines
    });
    Ok(Exit::Healthy)
}

/// Archives what is there, if anything is, and writes this engine's state in its place.
pub(super) fn put(
    place: &Place,
    identity: &Identity,
    engine: &Engine,
) -> Result<Option<PathBuf>, Failed> {
    let (mut store, recovered) = open(place, identity)?;
    let archive = match &recovered.condition {
        Condition::Fresh => None,
        Condition::SnapshotDeleted { archived_to } => Some(archived_to.clone()),
        Condition::Restored | Condition::Corrupt(_) => Some(store.set_aside(now())?),
    };
    store.break_off();
    store.snapshot(now(), engine.state())?;
    store.close()?;
    Ok(archive)
}

/// Takes the store, so that no guard can start meanwhile.
pub(super) fn open(
    place: &Place,
    identity: &Identity,
) -> Result<(Store, state::Recovered), OpenError> {
    let disk = Box::new(Disk);
    Store::open(disk, &place.paths, identity, Options::default(), now())
}
