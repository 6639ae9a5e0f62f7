//! `config show|diff`: what is in force, and what a file would change.

use std::path::{Path, PathBuf};

use config::{Change, Config, Direction, diff};
use daemon::deployment::Deployment;
use protocol::Generation;
use serde_json::{Value, json};

use super::{SCHEMA_VERSION, supervisor};
use crate::exit::Exit;
use crate::out;
use crate::screen::{BOLD, GREEN, PLAIN, RED, YELLOW};

/// The config in force: the last generation that the supervisor wrote down as applied.
pub(super) fn show(dir: &Path, json: bool) -> Exit {
    let status = match supervisor(dir) {
        Ok(status) => status,
        Err(exit) => return exit,
    };
    let config = match generation(dir, status.config.applied) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if json {
        let settings: Vec<Value> = config
            .settings()
            .iter()
            .map(|setting| json!({ "key": setting.key.path, "value": setting.shown() }))
            .collect();
        out::json(&json!({
            "schema_version": SCHEMA_VERSION,
            "generation": status.config.applied,
            "file": status.config.file,
            "rejected": status.config.rejected,
            "settings": settings,
        }));
    } else {
        out::line(&format!(
            "{BOLD}{}{PLAIN} from {}",
            status.config.applied, status.config.file
        ));
        for setting in config.settings() {
            out::line(&format!("  {:<48} {}", setting.key.path, setting.shown()));
        }
        if let Some(reason) = &status.config.rejected {
            out::line(&format!(
                "{YELLOW}the file on disk is not in force:{PLAIN} {reason}"
            ));
        }
    }
    Exit::Healthy
}

/// What a file, or the one that is watched, changes against the config in force. Works without a
/// supervisor if the file is named.
pub(super) fn differences(dir: &Path, file: Option<&PathBuf>, json: bool) -> Exit {
    let (file, applied) = match (file, supervisor(dir)) {
        (None, Err(exit)) => return exit,
        (None, Ok(status)) => (PathBuf::from(status.config.file), status.config.applied),
        (Some(file), Ok(status)) => (file.clone(), status.config.applied),
        (Some(file), Err(exit)) => match last_applied(dir) {
            Some(generation) => (file.clone(), generation),
            None => return exit,
        },
    };
    let old = match generation(dir, applied) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let new = match config::load(&file) {
        Ok(config) => config,
        Err(problem) => {
            out::problem(&problem.to_string());
            return Exit::Degraded;
        }
    };
    let changes = diff(&old, &new);
    if json {
        out::json(&json!({
            "schema_version": SCHEMA_VERSION,
            "generation": applied,
            "file": file,
            "changes": changes,
        }));
    } else if changes.is_empty() {
        out::line(&format!("{} changes nothing in {applied}", file.display()));
    } else {
        out::line(&format!(
            "{BOLD}{}{PLAIN} against {applied}",
            file.display()
        ));
        let lines: Vec<String> = changes.iter().map(words).collect();
        out::lines(&lines);
    }
    Exit::Healthy
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

fn generation(dir: &Path, generation: Generation) -> Result<Config, Exit> {
    let file = Deployment::at(dir).generation_file(generation);
    config::load(&file).map_err(|problem| {
        out::problem(&problem.to_string());
        Exit::Degraded
    })
}
