//! From what lies on the disk to an engine that goes on where the last life ended.
//!
//! ```text
//!  nothing            ──▶ new engine, first snapshot                    fresh
//!  snapshot + tail    ──▶ engine, every record stepped again            restored
//!  snapshot deleted   ──▶ the same from the archive, new snapshot       reset: the engine lets go
//!  damaged            ──▶ the best that can be read, nothing written    corrupt: entries blocked
//! ```
//! What this room does not do: decide what a reset or a damage means; the engine does, when the
//! start input tells it.

use std::path::Path;

use protocol::{AccountId, Stamp, VenueMs};
use risk::{Engine, Genesis, SCHEMA_VERSION, StoreCondition};
use state::{Condition, Disk, Identity, OpenError, Options, Store, StorePaths, UnixMs};
use thiserror::Error;

use crate::config::Candidate;
use crate::journal::Journal;

/// Why no guard can run on this state. Nothing was overwritten.
#[derive(Debug, Error)]
pub(crate) enum Unusable {
    /// Another guard owns it.
    #[error("another risk-guard owns this state")]
    Held(#[source] OpenError),
    /// It cannot be opened.
    #[error("the state cannot be opened")]
    Open(#[source] OpenError),
    /// Its first snapshot cannot be written.
    #[error("the first state cannot be written")]
    Write(#[source] state::StoreError),
}

/// An engine with its journal.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) journal: Journal,
    /// What the start input says about it.
    pub(crate) condition: StoreCondition,
    /// The stamp of the last input of the life before.
    pub(crate) last_stamp: Option<Stamp>,
}

/// Opens the state of this config below `dir`. `begin` is when a new lineage would begin.
pub(crate) fn open(
    config: &Candidate,
    dir: &Path,
    begin: Stamp,
    wall: VenueMs,
) -> Result<Opened, Unusable> {
    let paths = StorePaths::new(config.state_file(dir));
    let identity = Identity {
        account: config.account().to_owned(),
        mode: config.mode.to_string(),
        schema: SCHEMA_VERSION,
    };
    let now = UnixMs(wall.0);
    let (mut store, recovered) =
        Store::open(Box::new(Disk), &paths, &identity, Options::default(), now).map_err(
            |error| match error {
                OpenError::Locked { .. } => Unusable::Held(error),
                OpenError::NotAFile { .. }
                | OpenError::NotADirectory { .. }
                | OpenError::NoDirectory { .. }
                | OpenError::Exposed { .. }
                | OpenError::NotPermitted { .. }
                | OpenError::ReadOnly { .. }
                | OpenError::TooBig { .. }
                | OpenError::NotOurs { .. }
                | OpenError::Foreign { .. }
                | OpenError::Newer { .. }
                | OpenError::Io { .. } => Unusable::Open(error),
            },
        )?;
    for note in &recovered.notes {
        tracing::warn!("{note}");
    }
    let rebuilt = history::rebuild(&recovered, genesis(config, begin));
    let condition = match (&recovered.condition, rebuilt.damage) {
        (Condition::Corrupt(damage), _) => StoreCondition::Corrupt(damage.to_string()),
        (_, Some(why)) => StoreCondition::Corrupt(why),
        (Condition::Fresh, None) => StoreCondition::Fresh,
        (Condition::Restored, None) => StoreCondition::Restored,
        (Condition::SnapshotDeleted { archived_to }, None) => {
            tracing::warn!(
                archive = %archived_to.display(),
                "the state file was deleted before this start; what was there is archived"
            );
            StoreCondition::Reset
        }
    };
    let journal = match &condition {
        StoreCondition::Corrupt(why) => Journal::sealed(store, why.clone(), begin.boot),
        StoreCondition::Restored => Journal::new(store, recovered.tail.len(), begin.boot),
        StoreCondition::Fresh | StoreCondition::Reset => {
            store
                .snapshot(now, rebuilt.engine.state())
                .map_err(Unusable::Write)?;
            Journal::new(store, 0, begin.boot)
        }
    };
    Ok(Opened {
        engine: rebuilt.engine,
        journal,
        condition,
        last_stamp: rebuilt.last_stamp,
    })
}

fn genesis(config: &Candidate, stamp: Stamp) -> Genesis {
    Genesis {
        stamp,
        mode: config.mode,
        account: AccountId::new(config.account()).ok(),
        generation: config.generation,
        limits: config.config.limits.clone(),
    }
}
