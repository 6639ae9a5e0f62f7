//! `config history`: what became of each edit.

use std::path::Path;

use daemon::deployment::Deployment;
use protocol::supervisor::{ConfigHistory, EditFate};

use crate::cli;
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::Form;
use crate::screen::{DIM, GREEN, PLAIN, RED, YELLOW};

/// Shows the newest edits, the newest last. Needs no supervisor.
pub(super) fn run(dir: &Path, form: Form, args: &cli::History) -> Done {
    let file = Deployment::at(dir).config_history();
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let why = format!(
                "{}: no such file; has the supervisor run here? (--dir DIR)",
                file.display()
            );
            return Err(Failed::with(Exit::NotRunning, why));
        }
        Err(e) => return Err(Failed::new(format!("{}: {e}", file.display()))),
    };
    let edits: Vec<ConfigHistory> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let from = edits.len().saturating_sub(args.lines);
    for edit in edits.get(from..).unwrap_or_default() {
        form.tell_one(edit, || in_words(edit));
    }
    Ok(Exit::Healthy)
}

fn in_words(edit: &ConfigHistory) -> Vec<String> {
    let at = jiff::Timestamp::from_millisecond(edit.at.0).map_or_else(
        |_| "?".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    );
    let (colour, fate) = match edit.fate {
        EditFate::Started => (DIM, "started"),
        EditFate::Applied => (GREEN, "applied"),
        EditFate::Refused => (RED, "refused"),
        EditFate::Held => (YELLOW, "held"),
    };
    let (generation, saved_by) = (edit.generation, &edit.saved_by);
    let mut lines = vec![format!(
        "{at}  {colour}{fate:<8}{PLAIN} {generation}  saved by {saved_by}"
    )];
    lines.extend(edit.changes.iter().map(|change| format!("    {change}")));
    if let Some(note) = &edit.note {
        let what = match edit.fate {
            EditFate::Applied => "confirmed by ",
            EditFate::Started | EditFate::Refused | EditFate::Held => "",
        };
        lines.push(format!("    {what}{note}"));
    }
    lines
}
