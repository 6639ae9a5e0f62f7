//! `config check FILE`: is this file sound, and what would it mean?

use std::path::Path;

use config::{Config, LoadError, Streams};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::out::Form;
use crate::screen::{BOLD, DIM, PLAIN, YELLOW, span};

/// Checks a file.
pub(super) fn check(file: &Path, form: Form) -> Exit {
    match config::load(file) {
        Ok(config) => {
            form.tell(&as_json(file, &config), || as_text(file, &config));
            Exit::Healthy
        }
        Err(problem) => {
            let result = json!({
                "file": file,
                "sound": false,
                "problems": problems(&problem),
            });
            form.tell_refusal(&result, &problem.to_string())
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
