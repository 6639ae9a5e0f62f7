//! The loop: what producers ask, what sinks say, what the supervisor orders, and time.
//!
//! One task owns the forwarder. Requests that came together go to the disk together, with one
//! sync; the sync itself is waited for here, since nothing may be acknowledged before it anyway.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use daemon::child::{Beat, Child, Step};
use daemon::clock;
use daemon::deployment::Deployment;
use daemon::inherited::Inherited;
use daemon::server::{self, Guests, Incoming, Responder};
use protocol::alerts::{AlertsReply, AlertsRequest};
use protocol::control::{EXIT_CONFIG, EXIT_FAILURE, Prepare, Report};
use protocol::frame::{Empty, ErrorBody, ErrorCode};
use protocol::{Alert, BootMs};
use tokio::sync::mpsc;

use crate::forwarder::Forwarder;
use crate::sinks::log::LogSink;
use crate::sinks::{Said, Sink, Worker};

const HEARTBEAT_MS: u64 = 1_000;

/// Requests that go to the disk together.
const BATCH_MOST: usize = 256;

/// How long an ordered end waits for sinks to take what is left; the rest is on disk.
const LAST_WORDS_MS: u64 = 1_000;

type Ask = Incoming<AlertsRequest, AlertsReply>;

struct Loop {
    child: Child<()>,
    asks: mpsc::Receiver<Ask>,
    said: mpsc::Receiver<Said>,
    workers: Vec<Worker>,
    forwarder: Forwarder,
    progress: u64,
    heartbeat_due: BootMs,
    ends_by: Option<BootMs>,
}

/// Runs until the supervisor says stop or is gone.
pub(crate) async fn run(inherited: Inherited) -> anyhow::Result<ExitCode> {
    let mut child = Child::over(inherited.control).context("cannot use the control channel")?;
    // Until then the spool and the socket may be another's.
    let Step::Apply(generation, ()) = Box::pin(child.next(check)).await else {
        return Ok(ExitCode::SUCCESS);
    };
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(LogSink)];
    let names: Vec<&'static str> = sinks.iter().map(|sink| sink.name()).collect();
    let dir = Deployment::at(&inherited.dir).alerts_dir();
    let (forwarder, findings) = match Forwarder::open(&dir, &names) {
        Ok(opened) => opened,
        Err(error) => {
            let code = if error.needs_operator() {
                EXIT_CONFIG
            } else {
                EXIT_FAILURE
            };
            let why = format!("{:#}", anyhow::Error::new(error).context("the alert spool"));
            tracing::error!("{why}");
            child.report(&Report::Failing(why));
            return Ok(ExitCode::from(code));
        }
    };
    for finding in findings {
        tracing::warn!("{finding}");
    }
    let listener = inherited
        .listener
        .context("the supervisor passed no listening socket on")?;
    let asks = server::serve(listener).context("cannot serve run/alerts.sock")?;
    let (says, said) = mpsc::channel(names.len().max(1));
    let started = |(place, sink)| Worker::start(place, sink, says.clone());
    let workers = sinks.into_iter().enumerate().map(started).collect();
    child.ready(generation);
    let mut turning = Loop {
        child,
        asks,
        said,
        workers,
        forwarder,
        progress: 0,
        heartbeat_due: BootMs(0),
        ends_by: None,
    };
    Box::pin(turning.turn_until_stopped()).await;
    turning.forwarder.tidy(true);
    Ok(ExitCode::SUCCESS)
}

/// Nothing in the config concerns this process yet; the supervisor has checked it in full.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the control channel asks for a verdict"
)]
const fn check(_: &Prepare) -> Result<(), String> {
    Ok(())
}

impl Loop {
    async fn turn_until_stopped(&mut self) {
        loop {
            self.hand_over();
            self.forwarder.tidy(false);
            let now = clock::boot_now();
            if let Some(by) = self.ends_by
                && (self.forwarder.is_done() || now >= by)
            {
                return;
            }
            self.progress = self.progress.saturating_add(1);
            if now >= self.heartbeat_due {
                self.heartbeat_due = now.after(HEARTBEAT_MS);
                let beat = Beat {
                    progress: self.progress,
                    waiting_for: self.forwarder.waiting_for(),
                    settled: true,
                    standing: None,
                };
                self.child.heartbeat(beat);
            }
            let due = [self.forwarder.deadline(), self.ends_by]
                .into_iter()
                .flatten();
            let until = due.fold(self.heartbeat_due, Ord::min);
            let pause = Duration::from_millis(until.since(clock::boot_now()).max(1));
            tokio::select! {
                biased;
                step = self.child.next(check), if self.ends_by.is_none() => self.on(&step),
                Some(said) = self.said.recv() => {
                    let (now, at) = (clock::boot_now(), clock::wall_now());
                    self.forwarder.said(said.sink, said.taken, now, at);
                }
                Some(ask) = self.asks.recv() => self.take(ask),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn on(&mut self, step: &Step<()>) {
        match step {
            Step::Apply(generation, ()) => self.child.report(&Report::Applied(*generation)),
            Step::Stop => self.ends_by = Some(clock::boot_now().after(LAST_WORDS_MS)),
        }
    }

    /// Takes a request and all that wait behind it.
    fn take(&mut self, first: Ask) {
        let mut batch = Vec::new();
        let mut answers = Vec::new();
        self.sort(first, &mut batch, &mut answers);
        while batch.len() < BATCH_MOST
            && let Ok(next) = self.asks.try_recv()
        {
            self.sort(next, &mut batch, &mut answers);
        }
        if batch.is_empty() {
            return;
        }
        let taken = self.forwarder.take(&batch);
        for answer in answers {
            match &taken {
                Ok(()) => answer.answer(&AlertsReply::Done(Empty {})),
                Err(error) => answer.fail(error.clone()),
            }
        }
    }

    fn sort(&self, ask: Ask, batch: &mut Vec<Alert>, answers: &mut Vec<Responder<AlertsReply>>) {
        match ask {
            Incoming::Asked(peer, _, answer) if !peer.may_come(Guests::default()) => {
                let no = "only the processes of the harness and root may speak here";
                answer.fail(ErrorBody::new(ErrorCode::Forbidden, no));
            }
            Incoming::Asked(_, AlertsRequest::Deliver(alert), answer) => {
                batch.push(alert);
                answers.push(answer);
            }
            Incoming::Asked(_, AlertsRequest::Status(_), answer) => {
                answer.answer(&AlertsReply::Status(self.forwarder.status()));
            }
            Incoming::Joined(_) | Incoming::Left(_) => {}
        }
    }

    fn hand_over(&mut self) {
        let (now, at) = (clock::boot_now(), clock::wall_now());
        for handover in self.forwarder.handovers(now, at) {
            let worker = self.workers.get(handover.sink);
            if !worker.is_some_and(|worker| worker.hand(handover.alert)) {
                let gone = Err("the sink is not at work".to_owned());
                self.forwarder.said(handover.sink, gone, now, at);
            }
        }
    }
}
