//! Which files, and whether a guard holds them.

use std::fs;
use std::path::{Path, PathBuf};

use daemon::clock;
use daemon::deployment::Deployment;
use protocol::Generation;
use protocol::guard::{GuardReply, GuardRequest, StoreReport, StoreWord};
use state::{StorePaths, UnixMs};

use crate::failure::Failed;
use crate::talk;

/// What a config names if it names nothing.
const DEFAULT_FILE: &str = "data/perps_state.json";

/// The files of one state.
pub(super) struct Place {
    /// Their paths.
    pub(super) paths: StorePaths,
    /// The guard that holds them, by its own word.
    pub(super) guard: Option<StoreReport>,
    socket: PathBuf,
}

impl Place {
    /// The state of the deployment in `dir`: the file that is named, or the one that its guard
    /// holds, or the one that its config in force names.
    pub(super) fn find(dir: &Path, named: Option<&Path>) -> Self {
        let deployment = Deployment::at(dir);
        let socket = deployment.guard_socket();
        let guard = told(&socket, StoreWord::Look).ok();
        let file = match (named, &guard) {
            (Some(named), _) => named.to_owned(),
            (None, Some(report)) => PathBuf::from(&report.file),
            (None, None) => dir.join(configured(&deployment)),
        };
        let guard = guard.filter(|report| same(Path::new(&report.file), &file));
        Self {
            paths: StorePaths::new(file),
            guard,
            socket,
        }
    }

    /// Asks the guard that holds them to write a snapshot now.
    pub(super) fn save(&self) -> Result<StoreReport, Failed> {
        told(&self.socket, StoreWord::Save)
    }

    /// The deployment's guard.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The snapshot, for people.
    pub(super) fn name(&self) -> String {
        self.paths.snapshot().display().to_string()
    }
}

/// This machine's time.
pub(super) fn now() -> UnixMs {
    UnixMs(clock::wall_now().0)
}

fn told(socket: &Path, word: StoreWord) -> Result<StoreReport, Failed> {
    let reply = talk::guard(socket, &GuardRequest::Store(word))?;
    if let GuardReply::Store(report) = reply {
        Ok(report)
    } else {
        Err(Failed::astray("the guard", &reply))
    }
}

/// What `perps.stateFile` says in the generation that was in force last.
fn configured(deployment: &Deployment) -> PathBuf {
    let applied = fs::read_to_string(deployment.applied_file())
        .ok()
        .and_then(|text| text.trim().parse().ok());
    applied
        .and_then(|number| config::load(&deployment.generation_file(Generation(number))).ok())
        .map_or_else(
            || PathBuf::from(DEFAULT_FILE),
            |config| PathBuf::from(config.perps.state_file),
        )
}

/// Two names of one place, whether or not anything stands there.
fn same(a: &Path, b: &Path) -> bool {
    let whole = |path: &Path| {
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty());
        let dir = fs::canonicalize(dir.unwrap_or(Path::new("."))).ok()?;
        Some((dir, path.file_name()?.to_owned()))
    };
    a == b || whole(a).is_some_and(|a| Some(a) == whole(b))
}
