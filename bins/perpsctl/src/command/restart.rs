//! `restart PROCESS [--timeout S]`: one process anew, and whether it stays up this time.

use std::path::Path;
use std::time::Duration;

use daemon::clock::boot_now;
use daemon::deployment::Deployment;
use protocol::Process;
use protocol::status::{ChildState, ChildStatus};
use protocol::supervisor::{RestartProcess, Restarting, SupervisorReply, SupervisorRequest};
use serde_json::json;

use crate::cli::Restart;
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::{self, Form};
use crate::{pause, talk};

/// Pause between looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A bot says nothing: it is up if it still runs after so long. Ours say that they are ready.
const BOT_PROVES_MS: u64 = 1_000;

/// Says the word and waits until the new process is ready.
pub(crate) fn run(dir: &Path, form: Form, args: &Restart) -> Done {
    let which = RestartProcess {
        process: args.process,
    };
    let socket = Deployment::at(dir).supervisor_socket();
    let reply = talk::supervisor(&socket, &SupervisorRequest::Restart(which))?;
    let SupervisorReply::Restarting(restarting) = reply else {
        return Err(Failed::astray("the supervisor", &reply));
    };
    let Restarting { process, was, pid } = restarting;
    if !form.is_json() {
        out::line(&format!("{process} was {was}; it is started anew"));
    }
    let begun = boot_now();
    let end = begun.after(args.timeout.saturating_mul(1_000));
    let proves = if process == Process::Bot {
        BOT_PROVES_MS
    } else {
        0
    };
    loop {
        let child = look(dir, process)?;
        let is_new = child.pid.is_some() && child.pid != pid;
        match child.state {
            ChildState::Ready if is_new && child.up_ms >= Some(proves) => {
                let result = json!({
                    "process": process,
                    "was": was,
                    "state": child.state,
                    "pid": child.pid,
                    "took_ms": boot_now().since(begun),
                });
                let pid = child.pid.unwrap_or(0);
                form.tell(&result, || vec![format!("{process} is ready, pid {pid}")]);
                return Ok(Exit::Healthy);
            }
            ChildState::Latched | ChildState::Stopped => {
                let exit = child.last_exit.unwrap_or_default();
                return Err(Failed::new(format!(
                    "{process} ended again ({exit}) and is not started any more; its last words: \
                     perpsctl logs {process}"
                )));
            }
            ChildState::Waiting
            | ChildState::Starting
            | ChildState::Ready
            | ChildState::Backoff
            | ChildState::Stopping => {}
        }
        if boot_now() >= end {
            return Err(Failed::with(
                Exit::NoAnswer,
                format!(
                    "{process} is {} after {} s; the supervisor goes on with it: perpsctl status",
                    child.state, args.timeout
                ),
            ));
        }
        pause::for_a(LOOK_AGAIN);
    }
}

fn look(dir: &Path, process: Process) -> Result<ChildStatus, Failed> {
    let children = talk::status(dir)?.children;
    let mut found = children.into_iter().filter(|c| c.process == process);
    found
        .next()
        .ok_or_else(|| Failed::new(format!("{process} is not there any more")))
}
