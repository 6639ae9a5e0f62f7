//! `config apply|confirm`: the operator's word that a file is to be in force.

use std::path::Path;
use std::time::Duration;

use daemon::deployment::Deployment;
use protocol::status::HeldEdit;
use protocol::supervisor::{
    ConfigApply, ConfigConfirm, ConfigResult, SupervisorReply, SupervisorRequest,
};
use serde_json::json;

use super::{SCHEMA_VERSION, supervisor};
use crate::cli;
use crate::command::verb::refused;
use crate::exit::Exit;
use crate::out;
use crate::picture::ask_within;

/// Has the file read now. Fails, with the reason, if it is refused or held.
pub(super) fn apply(dir: &Path, args: &cli::Apply) -> Exit {
    let request = SupervisorRequest::ConfigApply(ConfigApply { wait: args.wait });
    settle(dir, &request, args.timeout, args.json)
}

/// Puts the held edit in force.
pub(super) fn confirm(dir: &Path, args: &cli::Confirm) -> Exit {
    let status = match supervisor(dir) {
        Ok(status) => status,
        Err(exit) => return exit,
    };
    let Some(held) = status.config.held else {
        out::problem("no edit is held: there is nothing to confirm");
        return Exit::Degraded;
    };
    let number = args.number.unwrap_or(held.number);
    if number == held.number && !args.json {
        out::lines(&in_words(&held));
    }
    let request = SupervisorRequest::ConfigConfirm(ConfigConfirm { number });
    settle(dir, &request, args.timeout, args.json)
}

fn settle(dir: &Path, request: &SupervisorRequest, seconds: u64, json: bool) -> Exit {
    let socket = Deployment::at(dir).supervisor_socket();
    match ask_within(&socket, request, Duration::from_secs(seconds)) {
        Ok(SupervisorReply::ConfigResult(result)) => {
            let verdict = verdict(&result);
            if json {
                let mut shown = json!(result);
                if let Some(map) = shown.as_object_mut() {
                    map.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
                }
                out::json(&shown);
            } else {
                match &verdict {
                    Ok(said) => out::line(said),
                    Err(why) => out::problem(why),
                }
            }
            verdict.map_or(Exit::Degraded, |_| Exit::Healthy)
        }
        Ok(SupervisorReply::Error(error)) => {
            out::problem(&error.message);
            Exit::Degraded
        }
        Ok(other) => {
            out::problem(&format!("the supervisor answered {other:?}"));
            Exit::Degraded
        }
        Err(problem) => refused(&problem),
    }
}

fn verdict(result: &ConfigResult) -> Result<String, String> {
    let applied = result.applied;
    if let Some(held) = &result.held {
        let lines = in_words(held).join("\n");
        return Err(format!(
            "held, {applied} stays in force until: perpsctl config confirm\n{lines}"
        ));
    }
    if let Some(reason) = &result.refused {
        return Err(format!("refused, {applied} stays in force: {reason}"));
    }
    Ok(match (result.under_way, result.changed) {
        (true, _) => format!("under way; {applied} is in force until it is everywhere"),
        (false, true) => format!("{applied} in force everywhere (now)"),
        (false, false) => format!("{applied} in force everywhere (unchanged)"),
    })
}

fn in_words(held: &HeldEdit) -> Vec<String> {
    let head = format!("held edit {}, saved by {}:", held.number, held.saved_by);
    let changes = held.changes.iter().map(|change| format!("  {change}"));
    std::iter::once(head).chain(changes).collect()
}
