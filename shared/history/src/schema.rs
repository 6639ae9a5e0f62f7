//! What older versions wrote, read as today's.
//!
//! A change of shape is one step here: what becomes of the JSON of a state, and of a record, of the
//! version before. To make one:
//!
//! 1. raise [`risk::SCHEMA_VERSION`];
//! 2. add a [`Step`] to [`STEPS`] (the build fails until there is one);
//! 3. `cargo run --package history --example write_fixture` writes files of the new version below
//!    `fixtures/`; commit them. Those of older versions are never touched again.
//!
//! A version that was never released may be written anew instead.

use risk::{SCHEMA_VERSION, State};
use serde_json::Value;

use crate::record::{self, Recorded};
use crate::second;
use crate::unreadable::Unreadable;

/// Changes the JSON of one version into that of the next.
type Change = fn(&mut Value) -> Result<(), Unreadable>;

/// From one version to the next.
struct Step {
    /// The `state` of a snapshot.
    state: Change,
    /// A record of the journal: `{"stamp", "kind", "told"}`.
    record: Change,
}

/// The first leads from version 1 to 2, and so on.
const STEPS: [Step; 1] = [Step {
    state: second::state,
    record: second::record,
}];

const _: () = assert!(
    STEPS.len() + 1 == SCHEMA_VERSION as usize,
    "SCHEMA_VERSION was raised: add the step to it in history::schema, then run \
     `cargo run --package history --example write_fixture` and commit the new fixture"
);

/// Reads the state of a snapshot that this version, or an older one, has written.
pub fn state(json: &str, version: u32) -> Result<State, Unreadable> {
    if version == SCHEMA_VERSION {
        return Ok(serde_json::from_str(json)?);
    }
    let mut value: Value = serde_json::from_str(json)?;
    for step in steps_from(version)? {
        (step.state)(&mut value)?;
    }
    Ok(serde_json::from_value(value)?)
}

/// Reads a record of the journal that this version, or an older one, has written. What an older
/// version answered is not compared with what this one would.
pub fn record(payload: &[u8], version: u32) -> Result<Recorded, Unreadable> {
    if version == SCHEMA_VERSION {
        return Ok(record::decode(payload)?);
    }
    let mut value: Value = serde_json::from_slice(payload)?;
    for step in steps_from(version)? {
        (step.record)(&mut value)?;
    }
    let mut recorded = Recorded::of_value(value)?;
    recorded.told = None;
    Ok(recorded)
}

fn steps_from(version: u32) -> Result<&'static [Step], Unreadable> {
    version
        .checked_sub(1)
        .and_then(|done| STEPS.get(usize::try_from(done).ok()?..))
        .ok_or(Unreadable::NoSuchVersion(version))
}
