//! `logs [-f] [PROCESS]`: the log of one process, or `trading.log`.

use std::path::Path;
use std::time::Duration;

use daemon::deployment::Deployment;
use protocol::Process;

use crate::cli::Logs;
use crate::exit::Exit;
use crate::follow::{Follower, tail};
use crate::{out, pause};

/// Shows the end of a log, and goes on with `-f`.
pub(crate) fn run(dir: &Path, args: &Logs) -> Exit {
    let deployment = Deployment::at(dir);
    let path = match &args.process {
        None => deployment.trading_log(),
        Some(name) => {
            let Some(process) = Process::named(name) else {
                let names: Vec<&str> = Process::ALL.iter().map(|p| p.name()).collect();
                out::problem(&format!(
                    "no process {name:?}; there are: {}",
                    names.join(", ")
                ));
                return Exit::Usage;
            };
            deployment.log(process)
        }
    };
    if args.follow {
        return follow(&path, args.lines);
    }
    match tail(&path, args.lines) {
        Ok(lines) => {
            out::lines(&lines);
            Exit::Healthy
        }
        Err(e) => {
            out::problem(&format!("{}: {e}", path.display()));
            Exit::Degraded
        }
    }
}

/// Shows the end of what there is and everything that comes: read by one reader, so that no line
/// falls between the two.
fn follow(path: &Path, last: usize) -> Exit {
    let mut follower = Follower::new(path);
    let mut most = Some(last);
    loop {
        match follower.news() {
            Ok(lines) => {
                let skipped = most
                    .take()
                    .map_or(0, |most| lines.len().saturating_sub(most));
                out::lines(lines.get(skipped..).unwrap_or_default());
            }
            Err(e) => {
                out::problem(&format!("{}: {e}", path.display()));
                return Exit::Degraded;
            }
        }
        pause::for_a(Duration::from_millis(100));
    }
}
