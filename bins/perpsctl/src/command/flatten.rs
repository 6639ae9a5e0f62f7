//! `flatten [--symbol S] [--timeout S] [--json]`: goes flat and shows how far it is.
//!
//! The guard carries the command through crashes of every process; this program only watches. It
//! says flat when the guard does, and the guard when a fresh read of the venue does.

use std::path::Path;
use std::time::Duration;

use daemon::clock::boot_now;
use daemon::deployment::Deployment;
use protocol::CommandId;
use protocol::frame::Empty;
use protocol::guard::{GuardReply, GuardRequest, Verb};
use protocol::status::CommandStatus;
use serde_json::json;

use super::verb;
use crate::cli::Flatten;
use crate::exit::Exit;
use crate::picture::ask;
use crate::{out, pause};

/// The version of the `--json` shape.
const SCHEMA_VERSION: u32 = 1;

/// Pause between looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Says the word and watches until it is done.
pub(crate) fn run(dir: &Path, args: &Flatten) -> Exit {
    let verb = Verb::Flatten {
        symbol: args.symbol,
    };
    let done = match verb::tell(dir, verb) {
        Ok(done) => done,
        Err(exit) => return exit,
    };
    let Some(command) = done.command else {
        out::problem("the guard named no command to watch; see perpsctl status");
        return Exit::Degraded;
    };
    if !args.json {
        out::line(&format!("{}: {}", done.state, done.message));
    }
    watch(dir, args, command)
}

fn watch(dir: &Path, args: &Flatten, command: CommandId) -> Exit {
    let end = boot_now().after(args.timeout.saturating_mul(1000));
    let mut shown = String::new();
    loop {
        match look(dir, command) {
            Ok(Some(seen)) => {
                let text = seen.progress.clone().unwrap_or_else(|| "begun".to_owned());
                if seen.done || text != shown {
                    show(args, &seen, &text);
                    shown = text;
                }
                if seen.done {
                    return Exit::Healthy;
                }
            }
            Ok(None) => {
                out::problem("the guard knows nothing of it any more: its state was replaced");
                return Exit::Degraded;
            }
            Err(why) if why != shown => {
                out::progress(&format!("waiting for the guard: {why}"));
                shown = why;
            }
            Err(_) => {}
        }
        if boot_now() >= end {
            out::problem(&format!(
                "not flat after {} s; the harness goes on with it: perpsctl status",
                args.timeout
            ));
            return Exit::NoAnswer;
        }
        pause::for_a(LOOK_AGAIN);
    }
}

/// Where the command stands; `None` if the guard does not know it.
fn look(dir: &Path, command: CommandId) -> Result<Option<CommandStatus>, String> {
    let socket = Deployment::at(dir).guard_socket();
    match ask(&socket, &GuardRequest::Status(Empty {})) {
        Ok(GuardReply::Status(risk)) => {
            let mut all = risk.commands.into_iter();
            Ok(all.find(|one| one.command_id == command))
        }
        Ok(other) => Err(format!("it answered {other:?}")),
        Err(problem) => Err(problem.text),
    }
}

fn show(args: &Flatten, seen: &CommandStatus, text: &str) {
    if args.json {
        out::json_line(&json!({
            "schema_version": SCHEMA_VERSION,
            "command_id": seen.command_id,
            "what": seen.what,
            "progress": text,
            "done": seen.done,
        }));
    } else {
        out::line(&format!("{}: {text}", seen.what));
    }
}
