//! `flatten [--symbol S] [--timeout S]`: goes flat and shows how far it is;
//! `flatten --withdraw [--symbol S]` takes that back.
//!
//! The guard carries the command through crashes of every process; this program only watches. It
//! says flat when the guard does, and the guard when a fresh read of the venue does.

use std::path::Path;
use std::time::Duration;

use daemon::clock::boot_now;
use protocol::CommandId;
use protocol::guard::Verb;
use protocol::status::{CommandStatus, GivenUp};
use serde_json::json;

use super::verb;
use crate::cli::Flatten;
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::Form;
use crate::{out, pause};

/// Pause between looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Says the word and watches until it is done: a line for each change.
pub(crate) fn run(dir: &Path, form: Form, args: &Flatten) -> Done {
    if args.withdraw {
        let symbol = args.symbol;
        return verb::say(dir, form, Verb::FlattenWithdraw { symbol });
    }
    let verb = Verb::Flatten {
        symbol: args.symbol,
    };
    let done = verb::tell(dir, verb)?;
    let Some(command) = done.command else {
        return Err(Failed::new(
            "the guard named no command to watch; see perpsctl status",
        ));
    };
    if !form.is_json() {
        out::line(&verb::in_words(&done));
    }
    watch(dir, form, args, command)
}

fn watch(dir: &Path, form: Form, args: &Flatten, command: CommandId) -> Done {
    let end = boot_now().after(args.timeout.saturating_mul(1000));
    let mut shown = String::new();
    loop {
        match look(dir, command) {
            Ok(Some(seen)) => {
                let text = seen.progress.clone().unwrap_or_else(|| "begun".to_owned());
                if let Some(how) = seen.given_up {
                    let exit = match how {
                        GivenUp::Refused => Exit::Usage,
                        GivenUp::Withdrawn => Exit::Degraded,
                    };
                    return Err(Failed::with(exit, format!("{}: {text}", seen.what)));
                }
                if seen.done || text != shown {
                    show(form, &seen, &text);
                    shown = text;
                }
                if seen.done {
                    return Ok(Exit::Healthy);
                }
            }
            Ok(None) => {
                return Err(Failed::new(
                    "the guard knows nothing of it any more: its state was replaced",
                ));
            }
            Err(why) if why != shown => {
                out::progress(&format!("waiting for the guard: {why}"));
                shown = why;
            }
            Err(_) => {}
        }
        if boot_now() >= end {
            let away = verb::gateway_away(dir).map_or_else(String::new, |why| format!("; {why}"));
            return Err(Failed::with(
                Exit::NoAnswer,
                format!(
                    "not flat after {} s ({shown}){away}; the harness goes on with it: perpsctl \
                     status",
                    args.timeout
                ),
            ));
        }
        pause::for_a(LOOK_AGAIN);
    }
}

/// Where the command stands; `None` if the guard does not know it.
fn look(dir: &Path, command: CommandId) -> Result<Option<CommandStatus>, String> {
    let risk = verb::risk(dir).map_err(|failed| failed.why)?;
    let mut all = risk.commands.into_iter();
    Ok(all.find(|one| one.command_id == command))
}

fn show(form: Form, seen: &CommandStatus, text: &str) {
    let result = json!({
        "command_id": seen.command_id,
        "what": seen.what,
        "progress": text,
        "done": seen.done,
    });
    form.tell_one(&result, || vec![format!("{}: {text}", seen.what)]);
}
