//! `config apply|confirm`: the operator's word that a file is to be in force.

use std::path::Path;
use std::time::Duration;

use daemon::deployment::Deployment;
use protocol::status::HeldEdit;
use protocol::supervisor::{
    ConfigApply, ConfigConfirm, ConfigResult, SupervisorReply, SupervisorRequest,
};

use crate::cli;
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::{self, Form};
use crate::talk;

/// Has the file read now. Fails, with the reason, if it is refused or held.
pub(super) fn apply(dir: &Path, form: Form, args: &cli::Apply) -> Done {
    let request = SupervisorRequest::ConfigApply(ConfigApply { wait: args.wait });
    settle(dir, form, &request, args.timeout)
}

/// Puts the held edit in force.
pub(super) fn confirm(dir: &Path, form: Form, args: &cli::Confirm) -> Done {
    let Some(held) = talk::status(dir)?.config.held else {
        return Err(Failed::new("no edit is held: there is nothing to confirm"));
    };
    let number = args.number.unwrap_or(held.number);
    if number == held.number && !form.is_json() {
        out::lines(&in_words(&held));
    }
    let request = SupervisorRequest::ConfigConfirm(ConfigConfirm { number });
    settle(dir, form, &request, args.timeout)
}

fn settle(dir: &Path, form: Form, request: &SupervisorRequest, seconds: u64) -> Done {
    let socket = Deployment::at(dir).supervisor_socket();
    let reply = talk::supervisor_within(&socket, request, Duration::from_secs(seconds))?;
    let SupervisorReply::ConfigResult(result) = reply else {
        return Err(Failed::astray("the supervisor", &reply));
    };
    Ok(match verdict(&result) {
        Ok(said) => {
            form.tell(&result, || vec![said]);
            Exit::Healthy
        }
        Err(why) => form.tell_refusal(&result, &why),
    })
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
