//! One look at the files: what a start would find, and the engine that follows from it.

use std::time::Duration;

use history::Rebuilt;
use protocol::AccountId;
use serde_json::{Value, json};
use state::{Disk, Inspection, OpenError, Outlook, SnapshotFacts, inspect};

use super::place::Place;
use crate::failure::Failed;
use crate::pause;

/// Looks at files that somebody writes meanwhile: an apparent damage counts if it is seen twice.
const LOOKS: usize = 6;
const BETWEEN: Duration = Duration::from_millis(50);

/// What was seen.
pub(super) struct Look {
    pub(super) inspection: Inspection,
    /// The engine after the last record, or why there is none.
    pub(super) rebuilt: Result<Rebuilt, String>,
}

/// Looks at the files, whoever holds them.
pub(super) fn look(place: &Place) -> Result<Look, Failed> {
    let once = || inspect(&Disk, &place.paths, risk::SCHEMA_VERSION);
    let mut seen = once();
    if place.guard.is_some() {
        for _ in 1..LOOKS {
            let Some(before) = apparent(&seen) else { break };
            pause::for_a(BETWEEN);
            seen = once();
            if apparent(&seen).is_none_or(|again| again == before) {
                break;
            }
        }
    }
    let inspection = seen?;
    let account = inspection
        .identity
        .as_ref()
        .and_then(|identity| AccountId::new(&identity.account).ok());
    let rebuilt = history::engine_of(inspection.base.as_ref(), &inspection.tail, account);
    Ok(Look {
        inspection,
        rebuilt,
    })
}

/// What seems to be wrong at first sight.
fn apparent(seen: &Result<Inspection, OpenError>) -> Option<String> {
    match seen {
        Err(problem) => Some(problem.to_string()),
        Ok(inspection) => match &inspection.outlook {
            Outlook::Corrupt(damage) => Some(damage.to_string()),
            Outlook::Fresh | Outlook::Sound | Outlook::Deleted => None,
        },
    }
}

impl Look {
    /// What is wrong with it, if anything is.
    pub(super) fn damage(&self) -> Option<String> {
        match (&self.inspection.outlook, &self.rebuilt) {
            (Outlook::Corrupt(damage), _) => Some(damage.to_string()),
            (Outlook::Fresh, _) => None,
            (Outlook::Sound | Outlook::Deleted, Ok(rebuilt)) => rebuilt.damage.clone(),
            (Outlook::Sound | Outlook::Deleted, Err(why)) => Some(why.clone()),
        }
    }

    /// The verdict in one word.
    pub(super) fn word(&self) -> &'static str {
        if self.damage().is_some() {
            return "corrupt";
        }
        match &self.inspection.outlook {
            Outlook::Fresh => "none",
            Outlook::Sound => "sound",
            Outlook::Deleted => "deleted",
            Outlook::Corrupt(_) => "corrupt",
        }
    }

    /// Everything but the state itself.
    pub(super) fn as_json(&self, place: &Place) -> Value {
        let seen = &self.inspection;
        let snapshot = |found: &Option<Result<SnapshotFacts, String>>| match found {
            None => Value::Null,
            Some(Err(why)) => json!({ "problem": why }),
            Some(Ok(facts)) => json!({
                "file": facts.path,
                "written_at": facts.written_at,
                "last_seq": facts.last_seq,
                "schema": facts.schema,
            }),
        };
        let segments: Vec<Value> = seen
            .segments
            .iter()
            .map(|s| {
                json!({
                    "file": s.path,
                    "bytes": s.bytes,
                    "first_seq": s.first_seq,
                    "records": s.records,
                    "ending": s.ending,
                })
            })
            .collect();
        let notes: Vec<String> = seen.notes.iter().map(ToString::to_string).collect();
        json!({
            "file": place.paths.snapshot(),
            "outlook": self.word(),
            "damage": self.damage(),
            "notes": notes,
            "account": seen.identity.as_ref().map(|identity| &identity.account),
            "mode": seen.identity.as_ref().map(|identity| &identity.mode),
            "guard": place.guard,
            "lock": seen.holder,
            "snapshot": snapshot(&seen.current),
            "previous": snapshot(&seen.previous),
            "journal": { "segments": segments, "last_seq": seen.last_seq },
        })
    }

    /// The files, for people.
    pub(super) fn files(&self, place: &Place) -> Vec<String> {
        let seen = &self.inspection;
        let snapshot = |found: &Option<Result<SnapshotFacts, String>>| match found {
            None => "missing".to_owned(),
            Some(Err(why)) => format!("BAD: {why}"),
            Some(Ok(facts)) => format!(
                "written {}, up to record {}, schema {}",
                facts.written_at, facts.last_seq, facts.schema
            ),
        };
        let bytes: usize = seen.segments.iter().map(|s| s.bytes).sum();
        let first = seen.segments.iter().find_map(|s| s.first_seq);
        let records = first.map_or_else(
            || "no record".to_owned(),
            |first| format!("records {first} to {}", seen.last_seq),
        );
        let held = match (&place.guard, &seen.holder) {
            (Some(report), holder) => {
                let who = holder.clone();
                let who = who.unwrap_or_else(|| format!("pid {}", report.pid));
                format!(
                    "{who}; last record {}, on disk up to {}",
                    report.last_seq, report.durable_seq
                )
            }
            (None, Some(holder)) => format!("no guard answers; last held by {holder}"),
            (None, None) => "no guard answers".to_owned(),
        };
        let mut lines = vec![
            format!("guard      {held}"),
            format!("snapshot   {}", snapshot(&seen.current)),
            format!("previous   {}", snapshot(&seen.previous)),
            format!(
                "journal    {} segments, {} KiB, {records}",
                seen.segments.len(),
                bytes / 1024
            ),
        ];
        if let Some(identity) = &seen.identity {
            lines.push(format!(
                "belongs to {}, {}",
                identity.account, identity.mode
            ));
        }
        if let Some(fault) = place.guard.as_ref().and_then(|g| g.fault.as_ref()) {
            lines.push(format!("FAULT      {fault}"));
        }
        lines.extend(seen.notes.iter().map(|note| format!("note       {note}")));
        lines
    }
}
