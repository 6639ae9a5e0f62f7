//! `state verify`: every checksum, every number in the journal, and whether the journal leads to
//! what the snapshots say.

use history::Story;
use serde_json::json;
use state::Disk;

use super::look::look;
use super::place::Place;
use super::show::{exit, title};
use crate::failure::{Done, Failed};
use crate::out::Form;

pub(super) fn run(place: &Place, form: Form) -> Done {
    let seen = look(place)?;
    if seen.word() == "none" {
        return Err(Failed::new(format!("{} is not there", place.name())));
    }
    let (stepped, astray) = if seen.damage().is_none() {
        replayed(place)
    } else {
        (0, Vec::new())
    };
    let mut result = seen.as_json(place);
    result["records_replayed"] = json!(stepped);
    result["differs_at"] = json!(astray);
    form.tell(&result, || {
        let mut lines = vec![title(&seen, place)];
        lines.extend(seen.files(place));
        if seen.damage().is_none() {
            lines.push(format!("replayed   {stepped} records"));
        }
        lines.extend(astray.iter().map(|seq| {
            format!(
                "note       stepped again, record {seq} leads to another state than its \
                 snapshot holds; expected once after an update of the engine"
            )
        }));
        lines
    });
    Ok(exit(&seen))
}

/// Steps everything that is kept once more; the snapshots that it does not lead to. Files that
/// change under it are another story, and no damage.
fn replayed(place: &Place) -> (usize, Vec<u64>) {
    let Ok(story) = Story::read(&Disk, place.paths.snapshot()) else {
        return (0, Vec::new());
    };
    let mut engine = story.engine();
    let (mut stepped, mut astray) = (0, Vec::new());
    for (seq, recorded) in story.inputs() {
        let Ok(recorded) = recorded else { break };
        drop(engine.step(&recorded.input));
        stepped += 1;
        let told = story.checkpoints().iter().find(|c| c.seq == seq);
        if told.is_some_and(|checkpoint| *checkpoint.state != *engine.state()) {
            astray.push(seq);
        }
    }
    (stepped, astray)
}
