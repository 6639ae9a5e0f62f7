//! `state backup FILE`: the whole state in one file, which `state restore` takes.

use std::path::Path;

use risk::SCHEMA_VERSION as SHAPE;
use serde_json::json;
use state::{Disk, Identity, Snapshot, read_snapshot, write_snapshot};

use super::look::look;
use super::place::{Place, now};
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::Form;

pub(super) fn run(place: &Place, form: Form, to: &Path) -> Done {
    if to.symlink_metadata().is_ok() {
        let to = to.display();
        return Err(Failed::new(format!(
            "{to} is there already; choose another name"
        )));
    }
    let written = if place.guard.is_some() {
        while_it_runs(place, to)
    } else {
        while_it_does_not(place, to)
    };
    written.map_err(|failed| Failed {
        why: format!("no backup was made: {}", failed.why),
        ..failed
    })?;
    let written = sound(to)?;
    let result = json!({
        "file": to,
        "last_seq": written.last_seq,
        "written_at": written.written_at,
    });
    form.tell(&result, || {
        vec![format!(
            "{} holds the state up to record {}; perpsctl state restore takes it",
            to.display(),
            written.last_seq
        )]
    });
    Ok(Exit::Healthy)
}

/// The guard writes a snapshot of this moment, and that is copied.
fn while_it_runs(place: &Place, to: &Path) -> Result<(), Failed> {
    let report = place.save()?;
    if let Some(fault) = report.fault {
        return Err(Failed::new(format!(
            "the guard cannot write its state: {fault}"
        )));
    }
    let snapshot = sound(place.paths.snapshot())?;
    let Snapshot {
        identity,
        written_at: _,
        last_seq,
        state,
    } = snapshot;
    write_snapshot(&Disk, to, &identity, now(), last_seq, &state)?;
    Ok(())
}

/// The snapshot and the journal after it, put together.
fn while_it_does_not(place: &Place, to: &Path) -> Result<(), Failed> {
    let seen = look(place)?;
    if let Some(damage) = seen.damage() {
        return Err(Failed::new(damage));
    }
    let (Some(identity), Ok(rebuilt)) = (&seen.inspection.identity, &seen.rebuilt) else {
        return Err(Failed::new(format!("{} is not there", place.name())));
    };
    let identity = Identity {
        schema: SHAPE,
        ..identity.clone()
    };
    let last_seq = seen.inspection.last_seq;
    write_snapshot(
        &Disk,
        to,
        &identity,
        now(),
        last_seq,
        rebuilt.engine.state(),
    )?;
    Ok(())
}

/// Reads a snapshot file that must be sound, its state included.
pub(super) fn sound(file: &Path) -> Result<Snapshot, Failed> {
    let name = file.display();
    let snapshot = match read_snapshot(&Disk, file)? {
        None => return Err(Failed::new(format!("{name} is not there"))),
        Some(Err(why)) => return Err(Failed::new(format!("{name} is no sound state: {why}"))),
        Some(Ok(snapshot)) => snapshot,
    };
    if snapshot.identity.schema > SHAPE {
        return Err(Failed::new(format!(
            "{name} has schema {}, this program knows up to {SHAPE}; use the newer version",
            snapshot.identity.schema
        )));
    }
    match history::schema::state(snapshot.state.get(), snapshot.identity.schema) {
        Ok(_) => Ok(snapshot),
        Err(why) => Err(Failed::new(format!("{name} cannot be read: {why}"))),
    }
}
