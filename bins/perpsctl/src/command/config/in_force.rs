//! `config show|diff`: what is in force, and what a file would change.

use std::path::{Path, PathBuf};

use config::{Change, Config, Direction, diff};
use daemon::deployment::Deployment;
use protocol::Generation;
use protocol::status::ConfigStatus;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::Form;
use crate::screen::{BOLD, GREEN, PLAIN, RED, YELLOW};
use crate::talk;

/// The config in force: the last generation that the supervisor wrote down as applied.
pub(super) fn show(dir: &Path, form: Form) -> Done {
    let status = talk::status(dir)?;
    let config = generation(dir, status.config.applied)?;
    let settings: Vec<Value> = config
        .settings()
        .iter()
        .map(|setting| json!({ "key": setting.key.path, "value": setting.shown() }))
        .collect();
    let result = json!({
        "generation": status.config.applied,
        "file": status.config.file,
        "rejected": status.config.rejected,
        "settings": settings,
    });
    form.tell(&result, || shown(&config, &status.config));
    Ok(Exit::Healthy)
}

fn shown(config: &Config, status: &ConfigStatus) -> Vec<String> {
    let head = format!("{BOLD}{}{PLAIN} from {}", status.applied, status.file);
    let mut lines = vec![head];
    for setting in config.settings() {
        lines.push(format!("  {:<48} {}", setting.key.path, setting.shown()));
    }
    if let Some(reason) = &status.rejected {
        lines.push(format!(
            "{YELLOW}the file on disk is not in force:{PLAIN} {reason}"
        ));
    }
    lines
}

/// What a file, or the one that is watched, changes against the config in force. Works without a
/// supervisor if the file is named.
pub(super) fn differences(dir: &Path, form: Form, file: Option<&PathBuf>) -> Done {
    let (file, applied) = match (file, talk::status(dir)) {
        (None, Err(failed)) => return Err(failed),
        (None, Ok(status)) => (PathBuf::from(status.config.file), status.config.applied),
        (Some(file), Ok(status)) => (file.clone(), status.config.applied),
        (Some(file), Err(failed)) => match last_applied(dir) {
            Some(generation) => (file.clone(), generation),
            None => return Err(failed),
        },
    };
    let old = generation(dir, applied)?;
    let new = config::load(&file)?;
    let changes = diff(&old, &new);
    let result = json!({
        "generation": applied,
        "file": file,
        "changes": changes,
    });
    let name = file.display();
    form.tell(&result, || {
        if changes.is_empty() {
            return vec![format!("{name} changes nothing in {applied}")];
        }
        let head = format!("{BOLD}{name}{PLAIN} against {applied}");
        let changes = changes.iter().map(words);
        std::iter::once(head).chain(changes).collect()
    });
    Ok(Exit::Healthy)
}

fn words(change: &Change) -> String {
    let colour = match change.direction {
        Direction::Loosening => RED,
        Direction::Tightening => GREEN,
        Direction::Neutral => "",
    };
    let restart = if change.needs_restart {
        "  after a restart"
    } else {
        ""
    };
    let Change {
        path,
        old,
        new,
        direction,
        ..
    } = change;
    format!("  {path:<48} {old} -> {new}  {colour}{direction}{PLAIN}{restart}")
}

/// The generation that was in force when a supervisor last ran here.
fn last_applied(dir: &Path) -> Option<Generation> {
    let text = std::fs::read_to_string(Deployment::at(dir).applied_file()).ok()?;
    text.trim().parse().ok().map(Generation)
}

fn generation(dir: &Path, generation: Generation) -> Result<Config, Failed> {
    let file = Deployment::at(dir).generation_file(generation);
    Ok(config::load(&file)?)
}
