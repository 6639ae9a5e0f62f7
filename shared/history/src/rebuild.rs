//! From what a start has found to an engine that goes on where the last life ended.

use protocol::{AccountId, Stamp};
use risk::{Engine, Genesis, Input, InputKind, Start, State};
use state::Recovered;

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

/// Steps every record after the snapshot again; what the steps bring about was told in the life
/// before, or never. `genesis` is where a new lineage would begin; its account is everybody's.
pub fn rebuild(recovered: &Recovered, genesis: Genesis) -> Rebuilt {
    let account = genesis.account;
    let mut records = recovered.tail.iter().peekable();
    let mut rebuilt = Rebuilt {
        engine: Engine::new(genesis),
        last_stamp: None,
        damage: None,
    };
    if let Some(snapshot) = &recovered.snapshot {
        match schema::state(snapshot.state.get(), snapshot.identity.schema) {
            Ok(state) => {
                rebuilt.last_stamp = Some(last_stamp_of(&state));
                rebuilt.engine = Engine::resume(state);
            }
            Err(why) => {
                let written = &snapshot.written_at;
                rebuilt.damage = Some(format!("the state of {written} cannot be read: {why}"));
                return rebuilt;
            }
        }
    } else if let Some(first) = records.peek() {
        // A lineage that is whole in the journal begins with its first start.
        match schema::record(first.payload, first.schema).map(|recorded| recorded.input) {
            Ok(Input {
                stamp,
                kind: InputKind::Start(start),
            }) if first.seq == 1 => {
                rebuilt.engine = Engine::new(genesis_of(&start, account, stamp));
            }
            Ok(_) | Err(_) => {
                let seq = first.seq;
                rebuilt.damage = Some(format!(
                    "no snapshot is left and the journal begins with record {seq}; restore a \
                     backup, or delete the journal as well to begin anew"
                ));
                return rebuilt;
            }
        }
    }
    for found in records {
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
    rebuilt
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
