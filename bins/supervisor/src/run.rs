//! The supervisor's loop: news from the children, words from the operator, edits, signals, time.

use std::time::Duration;

use daemon::clock;
use daemon::logging;
use daemon::logline::{Level, LogLine};
use daemon::server::{Guests, Incoming, serve};
use daemon::user;
use protocol::frame::{Empty, ErrorBody, ErrorCode};
use protocol::status::{SCHEMA_VERSION, SupervisorStatus};
use protocol::supervisor::{EditFate, SupervisorReply, SupervisorRequest};
use protocol::{Context, Process, Tag};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::child::News;
use crate::config_flow::{self, Hint, Watch};
use crate::house::House;
use crate::logs::{Plan, Writer, read_records};
use crate::notify::Notify;
use crate::reap::Reaper;
use crate::spawn::Spawner;
use crate::start::Beginning;

/// The loop turns at least this often, so that whoever watches it sees that it does.
const TURN_MOST: Duration = Duration::from_secs(1);

/// How long the last words of what has ended are waited for: somebody may hold a pipe open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs until everything has been stopped; an error may be a first start that was given up
/// ([`GivenUp`](crate::house::GivenUp)).
pub(crate) async fn run(beginning: Beginning, new_session: bool) -> anyhow::Result<()> {
    let writer = Writer::begin(
        beginning.deployment.clone(),
        Plan::of(&beginning.config.logging, &beginning.deployment),
    )?;
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    read_records(Process::Supervisor, read, writer.clone())?;
    logging::begin(Process::Supervisor, Some(write));
    if let Some(level) = Level::named(beginning.config.logging.level.name()) {
        logging::set_level(level);
    }
    let socket = beginning
        .occupied
        .bind(&beginning.deployment, Process::Supervisor)?;
    let socket = socket.ok_or_else(|| anyhow::anyhow!("no socket for the operator"))?;
    let mut operator = serve::<SupervisorRequest, SupervisorReply>(socket)?;
    let (news, mut heard) = mpsc::channel(1024);
    let reaper = Reaper::default();
    Reaper::adopt_orphans();
    let mut ended = signal(SignalKind::child())?;
    // Asking who writes the config can bring a SIGIO, which would end us (`config_flow::saved`).
    let _lease_breaks = signal(SignalKind::io())?;
    let told = news.clone();
    let spawner = Spawner::begin(reaper.clone(), move |process, number, spawned| {
        // A supervisor that is ending does not want to know; the process is reaped all the same,
        // and sees the end of its channel.
        drop(told.blocking_send(News::Spawned(process, number, Box::new(spawned))));
    })?;
    let mut house = House::new(beginning, writer.clone(), spawner, news, new_session)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // What is to be started is loading while the rest is made ready. An edit that comes before the
    // watch is seen by the first look at the file, below.
    house.turn();
    let mut watch = Watch::on(&house.beginning.file);
    announce(&mut house);
    let mut notify = Notify::from_environment();
    let mut poll = clock::boot_now();
    loop {
        let due = house.turn();
        if house.is_over() {
            break;
        }
        let now = clock::boot_now();
        notify.turn(now, || house.picture());
        let pause = due.map_or(poll, |at| at.min(poll)).since(now);
        let pause = Duration::from_millis(pause).min(TURN_MOST);
        tokio::select! {
            Some(news) = heard.recv() => house.on_news(news),
            _ = ended.recv() => reaper.look(),
            Some(incoming) = operator.recv() => answer(&mut house, incoming),
            hint = watch.hint() => {
                house.look(hint);
                watch.renew();
            }
            () = tokio::time::sleep(pause) => {}
            _ = terminate.recv() => stop(&mut house, "SIGTERM"),
            _ = interrupt.recv() => stop(&mut house, "SIGINT"),
            _ = hangup.recv() => writer.reopen(),
        }
        let now = clock::boot_now();
        if now >= poll {
            poll = now.after(house.config().supervisor.reload_poll_ms);
            house.look(Hint::Unsettled);
            watch.renew();
        }
    }
    reaper.end_orphans();
    tracing::info!("everything has ended");
    take_last_words(&writer).await;
    writer.end();
    match house.given_up.take() {
        Some(given_up) => Err(given_up.into()),
        None => Ok(()),
    }
}

/// Reads every pipe to its end, our own included, before the files are closed.
async fn take_last_words(writer: &Writer) {
    let all = async {
        while !logging::end() {
            tokio::task::yield_now().await;
        }
        writer.drained().await;
    };
    if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
        writer.write(LogLine {
            at: clock::wall_now(),
            level: Level::Warn,
            process: Process::Supervisor,
            message: format!(
                "somebody held a log pipe open for {LAST_WORDS:?} after the end: last lines may be \
                 missing"
            ),
            context: Context::new(),
            story: false,
        });
    }
}

fn announce(house: &mut House) {
    let saved_by = config_flow::by_whom(&house.beginning.file);
    let rejected = house.beginning.rejected.clone();
    house.remember(EditFate::Started, &saved_by, Vec::new(), rejected);
    let beginning = &house.beginning;
    tracing::info!(
        generation = %beginning.generation,
        mode = %beginning.mode,
        "supervisor started in {}",
        beginning.deployment.dir().display()
    );
    if let Some(why) = &beginning.rejected {
        let message = format!("{why}; started on the last good {}", beginning.generation);
        house
            .alerting
            .raise(Tag::ConfigRejected, &message, Context::new());
    }
}

fn stop(house: &mut House, why: &str) {
    tracing::info!("{why}: stopping in order");
    house.stop();
}

fn answer(house: &mut House, incoming: Incoming<SupervisorRequest, SupervisorReply>) {
    let message = "only root, the harness's own user and the operators' group may ask here";
    let (peer, request, to) = match incoming {
        Incoming::Asked(peer, request, to) => (peer, request, to),
        Incoming::Joined(peer) if !peer.may_come(operators(house)) => return peer.refuse(message),
        Incoming::Joined(_) | Incoming::Left(_) => return,
    };
    if !peer.may_come(operators(house)) {
        return to.fail(ErrorBody::new(ErrorCode::Forbidden, message));
    }
    match request {
        SupervisorRequest::Status(_) => {
            to.answer(&SupervisorReply::Status(status(house)));
        }
        SupervisorRequest::ConfigApply(how) => house.apply_now(how.wait, to),
        SupervisorRequest::ConfigConfirm(edit) => {
            let by = peer.uid().map_or_else(|| "?".to_owned(), user::in_words);
            house.confirm(edit.number, &by, to);
        }
        SupervisorRequest::Restart(which) => {
            let by = peer.uid().map_or_else(|| "?".to_owned(), user::in_words);
            match house.restart(which.process, &by) {
                Ok(restarting) => to.answer(&SupervisorReply::Restarting(restarting)),
                Err(error) => to.fail(error),
            }
        }
        SupervisorRequest::ReopenLogs(_) => {
            house.writer.reopen();
            to.answer(&SupervisorReply::Done(Empty {}));
        }
        SupervisorRequest::Stop(_) => {
            to.answer(&SupervisorReply::Done(Empty {}));
            stop(house, "an operator");
        }
    }
}

fn operators(house: &House) -> Guests {
    Guests::named(house.config().supervisor.operator_group.as_deref(), None)
}

fn status(house: &House) -> SupervisorStatus {
    let now = clock::boot_now();
    let policy = &house.config().supervisor;
    SupervisorStatus {
        schema_version: SCHEMA_VERSION,
        mode: house.beginning.mode,
        dir: house.beginning.deployment.dir().display().to_string(),
        pid: std::process::id(),
        up_ms: now.since(house.begun),
        now,
        config: house.edits.status(&house.beginning, now),
        children: house
            .children
            .iter()
            .map(|child| child.status(policy, now))
            .collect(),
        log_lines_lost: house.writer.lost(),
        log_fault: house.writer.fault(),
    }
}
