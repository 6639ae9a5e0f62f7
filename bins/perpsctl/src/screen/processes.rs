//! The processes, a row each.

use protocol::status::{ChildState, ChildStatus, SupervisorStatus};

use super::{DIM, GREEN, PLAIN, RED, YELLOW, span};

/// A table as wide as a narrow terminal, and a line below a process of which there is more to say.
pub(super) fn process_lines(supervisor: &SupervisorStatus, lines: &mut Vec<String>) {
    lines.push(format!(
        "{DIM}{:<15} {:<8} {:>7} {:>6}  {:<8} {:<17} {:<5} config{PLAIN}",
        "process", "state", "pid", "up", "restarts", "last exit", "heard"
    ));
    lines.push(format!(
        "{:<15} {GREEN}{:<8}{PLAIN} {:>7} {:>6}",
        "supervisor",
        "running",
        supervisor.pid,
        span(supervisor.up_ms)
    ));
    for child in &supervisor.children {
        child_lines(child, lines);
    }
}

fn child_lines(child: &ChildStatus, lines: &mut Vec<String>) {
    let (word, colour) = match child.state {
        ChildState::Waiting => ("waiting", YELLOW),
        ChildState::Starting => ("starting", YELLOW),
        ChildState::Ready => ("ready", GREEN),
        ChildState::Backoff => ("backoff", RED),
        ChildState::Stopping => ("stopping", YELLOW),
        ChildState::Stopped => ("stopped", YELLOW),
        ChildState::Latched => ("LATCHED", RED),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let exit = child
        .last_exit
        .as_ref()
        .map(|exit| match child.last_exit_ms_ago {
            Some(ago) => format!("{exit} {} ago", span(ago)),
            None => exit.clone(),
        });
    let line = format!(
        "{:<15} {colour}{word:<8}{PLAIN} {:>7} {:>6}  {:<8} {:<17} {:<5} {}",
        child.process,
        or_dash(child.pid.map(|pid| pid.to_string())),
        or_dash(child.up_ms.map(span)),
        format!("{} of {}", child.restarts, child.restart_budget),
        or_dash(exit),
        or_dash(child.heartbeat_ms_ago.map(span)),
        or_dash(child.generation.map(|g| g.to_string())),
    );
    lines.push(line.trim_end().to_owned());
    if !child.waiting_for.is_empty() {
        lines.push(format!("          waits for {}", child.waiting_for));
    }
    if child.dropped_lines > 0 {
        lines.push(format!(
            "          {} log lines dropped",
            child.dropped_lines
        ));
    }
}
