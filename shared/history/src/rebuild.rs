//! From what a start has found to an engine that goes on where the last life ended.

use protocol::{AccountId, Stamp};
use risk::{Engine, Genesis, Input, InputKind, Start, State};
use state::{Recovered, Snapshot, Tail};

use crate::schema;

/// The engine that follows from what was found.
#[derive(Debug)]
pub struct Rebuilt {
    /// It. After damage: as far as could be read.
    pub engine: Engine,
    /// The stamp of the last input in it.
    pub last_stamp: Option<Stamp>,
    /// What could not be read, in words.
    pub damage: Option<String>,
}

/// The engine that follows from what a start has found. `genesis` is where a new lineage would
/// begin; its account is everybody's.
pub fn rebuild(recovered: &Recovered, genesis: Genesis) -> Rebuilt {
    let (snapshot, tail) = (recovered.snapshot.as_ref(), &recovered.tail);
    match engine_of(snapshot, tail, genesis.account) {
        Ok(rebuilt) => rebuilt,
        Err(why) => Rebuilt {
            engine: Engine::new(genesis),
            last_stamp: None,
            damage: (snapshot.is_some() || !tail.is_empty()).then_some(why),
        },
    }
}

/// The engine of a snapshot with the records after it stepped again; what the steps bring about was
/// told in the life before, or never. The error says why there is nothing to begin from.
pub fn engine_of(
    snapshot: Option<&Snapshot>,
    tail: &Tail,
    account: Option<AccountId>,
) -> Result<Rebuilt, String> {
    let mut rebuilt = match snapshot {
        Some(snapshot) => of_snapshot(snapshot)?,
        None => of_first_start(tail, account)?,
    };
    for found in tail.iter() {
        match schema::record(found.payload, found.schema) {
            Ok(recorded) => {
                rebuilt.last_stamp = Some(recorded.input.stamp);
                drop(rebuilt.engine.step(&recorded.input));
            }
            Err(why) => {
                let seq = found.seq;
                rebuilt.damage = Some(format!("record {seq} of the journal cannot be read: {why}"));
                break;
            }
        }
    }
    Ok(rebuilt)
}

fn of_snapshot(snapshot: &Snapshot) -> Result<Rebuilt, String> {
    match schema::state(snapshot.state.get(), snapshot.identity.schema) {
        Ok(state) => Ok(Rebuilt {
            last_stamp: Some(last_stamp_of(&state)),
            engine: Engine::resume(state),
            damage: None,
        }),
        Err(why) => {
            let written = &snapshot.written_at;
            Err(format!("the state of {written} cannot be read: {why}"))
        }
    }
}

/// A lineage that is whole in the journal begins with its first start.
fn of_first_start(tail: &Tail, account: Option<AccountId>) -> Result<Rebuilt, String> {
    let Some(first) = tail.iter().next() else {
        return Err("there is neither a snapshot nor a record".to_owned());
    };
    match schema::record(first.payload, first.schema).map(|recorded| recorded.input) {
        Ok(Input {
            stamp,
            kind: InputKind::Start(start),
        }) if first.seq == 1 => Ok(Rebuilt {
            engine: Engine::new(genesis_of(&start, account, stamp)),
            last_stamp: None,
            damage: None,
        }),
        Ok(_) | Err(_) => {
            let seq = first.seq;
            Err(format!(
                "no snapshot is left and the journal begins with record {seq}; restore a backup, \
                 or delete the journal as well to begin anew"
            ))
        }
    }
}

/// The genesis of a lineage from its first start: the two carry the same stamp.
pub fn genesis_of(start: &Start, account: Option<AccountId>, stamp: Stamp) -> Genesis {
    Genesis {
        stamp,
        mode: start.mode,
        account,
        generation: start.generation,
        limits: start.limits.clone(),
    }
}

fn last_stamp_of(state: &State) -> Stamp {
    let clock = state.clock;
    Stamp {
        venue: clock.venue,
        boot: clock.boot,
        boot_id: clock.boot_id,
    }
}
