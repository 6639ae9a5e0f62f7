//! `config check|show|apply`.

use std::path::Path;

use config::{Config, LoadError, Streams};
use daemon::deployment::Deployment;
use protocol::frame::Empty;
use protocol::supervisor::{SupervisorReply, SupervisorRequest};
use serde_json::{Value, json};

use crate::cli;
use crate::command::verb::refused;
use crate::exit::Exit;
use crate::out;
use crate::picture::ask;
use crate::screen::{BOLD, DIM, PLAIN, YELLOW, span};

/// The version of the `--json` shapes.
const SCHEMA_VERSION: u32 = 1;

/// Checks a file, shows what is in force, or asks for the file to be read now.
pub(crate) fn run(dir: &Path, what: &cli::Config) -> Exit {
    match what {
        cli::Config::Check { file, json } => check(file, *json),
        cli::Config::Show(args) => show(dir, args.json),
        cli::Config::Apply => apply(dir),
    }
}

fn check(file: &Path, json: bool) -> Exit {
    match config::load(file) {
        Ok(config) => {
            if json {
                out::json(&as_json(file, &config));
            } else {
                out::lines(&as_text(file, &config));
            }
            Exit::Healthy
        }
        Err(problem) => {
            if json {
                out::json(&json!({
                    "schema_version": SCHEMA_VERSION,
                    "file": file,
                    "sound": false,
                    "problems": problems(&problem),
                }));
            } else {
                out::problem(&problem.to_string());
            }
            Exit::Degraded
        }
    }
}

fn problems(error: &LoadError) -> Vec<Value> {
    match error {
        LoadError::Refused(config) => config
            .problems
            .iter()
            .map(|p| {
                json!({
                    "line": p.place.line,
                    "column": p.place.column,
                    "key": p.key,
                    "what": p.what,
                    "hint": p.hint,
                })
            })
            .collect(),
        LoadError::Missing { .. } | LoadError::Unreadable { .. } => {
            vec![json!({ "what": error.to_string() })]
        }
    }
}

fn as_json(file: &Path, config: &Config) -> Value {
    let held = |list: &[config::Held]| -> Vec<Value> {
        list.iter()
            .map(|h| json!({ "key": h.path, "value": h.value }))
            .collect()
    };
    let unused: Vec<&str> = config
        .notes
        .unused
        .iter()
        .map(|u| u.path.as_str())
        .collect();
    json!({
        "schema_version": SCHEMA_VERSION,
        "file": file,
        "sound": true,
        "used": held(&config.notes.used),
        "defaulted": held(&config.notes.defaulted),
        "unused": unused,
        "warnings": config.notes.warnings,
        "budget": config.request_budget(),
        "budget_with_streams": config.request_budget_for(1, Streams::ALL),
    })
}

fn as_text(file: &Path, config: &Config) -> Vec<String> {
    let mut lines = vec![format!("{BOLD}{}{PLAIN} is sound", file.display())];
    let mut held = |title: &str, list: &[config::Held]| {
        lines.push(format!("{title}:"));
        lines.extend(list.iter().map(|h| format!("  {:<44} {}", h.path, h.value)));
    };
    held("used", &config.notes.used);
    held("defaulted", &config.notes.defaulted);
    if !config.notes.unused.is_empty() {
        lines.push("known, but not used by the harness:".to_owned());
        lines.extend(
            config
                .notes
                .unused
                .iter()
                .map(|u| format!("{DIM}  {}{PLAIN}", u.path)),
        );
    }
    lines.extend(
        config
            .notes
            .warnings
            .iter()
            .map(|w| format!("{YELLOW}note{PLAIN}  {w}")),
    );
    lines.extend(budget(config));
    lines
}

/// What is read how often: while streams carry the load, and while they are away.
fn budget(config: &Config) -> Vec<String> {
    let alone = config.request_budget();
    let streaming = config.request_budget_for(1, Streams::ALL);
    let head = format!(
        "request budget: {} a minute, {} a second, {} a minute kept for orders; what is read how often:",
        alone.per_minute, alone.per_second, alone.reserved_per_minute
    );
    let line = |poll: &config::Poll| {
        let (read, every) = (poll.read, span(poll.every_ms));
        let away = span(alone.every_ms(read));
        format!(
            "  {:<14} every {every:<8} without its stream every {away}",
            read.name()
        )
    };
    let mut lines = vec![head];
    lines.extend(streaming.plan.iter().map(line));
    lines
}

/// The config in force: the last generation that the supervisor wrote down as applied.
fn show(dir: &Path, json: bool) -> Exit {
    let status = match ask(
        &Deployment::at(dir).supervisor_socket(),
        &SupervisorRequest::Status(Empty {}),
    ) {
        Ok(SupervisorReply::Status(status)) => status,
        Ok(other) => {
            out::problem(&format!("the supervisor answered {other:?}"));
            return Exit::Degraded;
        }
        Err(problem) => return refused(&problem),
    };
    let applied = Deployment::at(dir).generation_file(status.config.applied);
    let config = match config::load(&applied) {
        Ok(config) => config,
        Err(problem) => {
            out::problem(&format!("{}: {problem}", applied.display()));
            return Exit::Degraded;
        }
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

fn apply(dir: &Path) -> Exit {
    match ask(
        &Deployment::at(dir).supervisor_socket(),
        &SupervisorRequest::ConfigApply(Empty {}),
    ) {
        Ok(SupervisorReply::ConfigResult(result)) => match result.refused {
            None => {
                let how = if result.changed { "now" } else { "unchanged" };
                out::line(&format!("{} in force everywhere ({how})", result.applied));
                Exit::Healthy
            }
            Some(reason) => {
                out::problem(&format!(
                    "refused, {} stays in force: {reason}",
                    result.applied
                ));
                Exit::Degraded
            }
        },
        Ok(other) => {
            out::problem(&format!("the supervisor answered {other:?}"));
            Exit::Degraded
        }
        Err(problem) => refused(&problem),
    }
}
