//! From birth to ready: the first config, the state, the start input.
//!
//! ```text
//!  inherited ──▶ prepare ──▶ locked up ──▶ commit ──▶ state opened, replayed ──▶ start input ──▶ ready ──▶ durable
//! ```
//! Between prepare and commit another guard may still own the state: nothing of it is touched. The
//! guard serves nobody before it is ready; clients queue at its socket. What this room does
//! not do: judge what the state says.

use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use daemon::child::{Control, Step, Steps};
use daemon::clock;
use daemon::deployment::Deployment;
use daemon::inherited::Inherited;
use daemon::precedence;
use daemon::sandbox::{self, Rules};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::EpollFlags;
use protocol::Stamp;
use protocol::control::{EXIT_CONFIG, EXIT_FAILURE, Report};
use risk::{Input, InputKind, Start, StoreCondition};

use crate::alerts_out::AlertsOut;
use crate::config::{self, Candidate, Identity};
use crate::connections::Connections;
use crate::gateway_seat::GatewaySeat;
use crate::guard::{Answer, Guard};
use crate::recovery::{self, Unusable};
use crate::run;
use crate::venue_time::VenueTime;
use crate::watch::{Watch, Who};
use crate::wire::READ_BYTES;

/// What the supervisor says on the command line; see [`Start`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    pub(crate) new_session: bool,
    pub(crate) first: bool,
}

/// Lives one life of the guard.
pub(crate) fn live(inherited: Inherited, words: Words) -> anyhow::Result<ExitCode> {
    let listener = inherited
        .listener
        .context("the supervisor passed no listening socket on")?;
    let watch = Watch::new().context("cannot wait for sockets")?;
    let peers = Connections::new(listener, &watch).context("cannot serve run/guard.sock")?;
    let mut control = Control::over(inherited.control).context("cannot use the control channel")?;
    let mut steps = Steps::default();
    let Some((in_force, room)) = first_config(&inherited.dir, &mut control, &mut steps) else {
        return Ok(ExitCode::SUCCESS);
    };
    let watched = watch.add(Who::Control, &control, EpollFlags::EPOLLIN);
    watched.context("cannot use the control channel")?;
    if room.was_replaced() {
        let why = "the state's directory was replaced while this guard waited; it starts anew";
        control.report(&Report::Failing(why.to_owned()));
        return Ok(ExitCode::from(EXIT_FAILURE));
    }
    let (wall, boot) = (clock::wall_now(), clock::boot_now());
    let begin = VenueTime::start(wall, boot, clock::boot_id(), None).stamp(boot);
    let (mut guard, store) = match open(
        &inherited.dir,
        watch,
        peers,
        control,
        steps,
        in_force,
        begin,
    ) {
        Ok(opened) => opened,
        Err(failed) => return Ok(failed),
    };
    // A lineage's genesis and its first start carry the same stamp, so that the journal alone
    // leads back to it.
    let stamp = match store {
        StoreCondition::Fresh => begin,
        StoreCondition::Restored | StoreCondition::Reset | StoreCondition::Corrupt(_) => {
            guard.time.stamp(boot)
        }
    };
    let start = Start {
        generation: guard.in_force.generation,
        limits: guard.in_force.config.limits.clone(),
        mode: guard.in_force.mode,
        new_session: words.new_session,
        first: words.first,
        store,
    };
    let kind = InputKind::Start(Box::new(start));
    guard.step_at(&Input { stamp, kind }, None, Answer::Nobody);
    guard.control.ready(guard.in_force.generation);
    // Nobody is served before it is durable; that others may start does not wait for the disk.
    guard.settle();
    Ok(run::run(guard))
}

/// What this process is locked up with: a config of another state needs another process.
struct Room {
    identity: Identity,
    state_dir: PathBuf,
    /// Device and number of the directory: what is granted is this one, not its name.
    granted: Option<(u64, u64)>,
}

impl Room {
    /// From here on it can write its state and nothing else. Only now is it known where that is,
    /// and nothing has been read but the config.
    fn enter(dir: &Path, candidate: &Candidate) -> Self {
        let state = candidate.state_file(dir);
        let state_dir = state.parent().unwrap_or(dir).to_owned();
        let granted = number_of(&state_dir);
        precedence::ask();
        sandbox::enter(&Rules::of_guard(&state_dir, &candidate.written_in)).tell();
        let real = |path: &Path| path.canonicalize().ok();
        if let (Some(state_dir), Some(configs)) = (real(&state_dir), real(&candidate.written_in))
            && configs.starts_with(&state_dir)
        {
            tracing::warn!(
                "not locked up as far as it could be: perps.stateFile stands in {}, among what \
                 others own; give it a directory of its own, such as data/",
                state_dir.display()
            );
        }
        Self {
            identity: candidate.identity(),
            state_dir,
            granted,
        }
    }

    fn was_replaced(&self) -> bool {
        self.granted != number_of(&self.state_dir)
    }
}

fn number_of(dir: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(dir).ok()?;
    Some((found.dev(), found.ino()))
}

/// Waits for the first generation; `None` if the supervisor says stop or is gone before.
fn first_config(
    dir: &Path,
    control: &mut Control,
    steps: &mut Steps<Candidate>,
) -> Option<(Candidate, Room)> {
    let mut room: Option<Room> = None;
    loop {
        let mut fds = [PollFd::new(control.as_fd(), PollFlags::POLLIN)];
        // Interrupted or not: the next read shows what there is.
        poll(&mut fds, PollTimeout::NONE).ok();
        for order in control.orders()? {
            let check = |prepare: &_| {
                let checked = config::check(prepare, room.as_ref().map(|room| &room.identity));
                let candidate = checked.map_err(|error| error.to_string())?;
                room.get_or_insert_with(|| Room::enter(dir, &candidate));
                Ok(candidate)
            };
            let (answer, step) = steps.on(order, check);
            if let Some(answer) = answer {
                control.report(&answer);
            }
            match step {
                // Nothing is applied that was not prepared, so there is a room.
                Some(Step::Apply(_, candidate)) => return Some(candidate).zip(room),
                Some(Step::Stop) => return None,
                None => {}
            }
        }
    }
}

fn open(
    dir: &Path,
    watch: Watch,
    peers: Connections,
    mut control: Control,
    steps: Steps<Candidate>,
    in_force: Candidate,
    begin: Stamp,
) -> Result<(Guard, StoreCondition), ExitCode> {
    let wall = clock::wall_now();
    let opened = match recovery::open(&in_force, dir, begin, wall) {
        Ok(opened) => opened,
        Err(error) => {
            let code = match error {
                // The one who holds it may be about to end.
                Unusable::Held(_) => EXIT_FAILURE,
                Unusable::Open(_) | Unusable::Write(_) => EXIT_CONFIG,
            };
            let why = format!("{:#}", anyhow::Error::new(error));
            tracing::error!("{why}");
            control.report(&Report::Failing(why));
            return Err(ExitCode::from(code));
        }
    };
    let guard = Guard {
        alerts: AlertsOut::new(Deployment::at(dir).alerts_socket()),
        engine: opened.engine,
        journal: opened.journal,
        time: VenueTime::start(wall, clock::boot_now(), begin.boot_id, opened.last_stamp),
        in_force,
        control,
        steps,
        watch,
        peers,
        seat: GatewaySeat::default(),
        held: Vec::new(),
        ended: Vec::new(),
        told_fault: None,
        scratch: vec![0; READ_BYTES],
    };
    Ok((guard, opened.condition))
}
