//! The one connection to the risk-guard, kept up for the gateway's whole life.
//!
//! Everything goes out in the order in which it was said, so that what was observed before an
//! order is in the guard's book before that order is judged. A question goes into the socket at
//! once; what nobody waits for goes with it, or a moment later. A guard that stops reading loses
//! the connection once too many lines wait for it.

use std::cell::{Cell, RefCell, RefMut};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use daemon::clock::boot_now;
use protocol::frame::{Empty, Envelope, ErrorBody, ErrorCode, Message as _};
use protocol::guard::{
    Command, CommandResult, ExitReport, GatewayHello, GuardPush, GuardReply, GuardRequest,
    GuardWelcome, Observe, OutcomeReport, Stands,
};
use protocol::order::{Amend, Lookup, Recorded};
use protocol::status::RiskStatus;
use protocol::{Alert, Approval, CommandId, Decision, Denial, Intent, IntentId, OrderLinkId};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::dialogue::{Learnt, Report};
use super::lease::Leave;
use super::line::Line;
use super::permit::Approved;
use super::wire::{In, Out, ways};
use crate::alarm::Alarm;

/// How long a decision may take: it waits for the guard's disk.
const DECISION_PATIENCE: Duration = Duration::from_secs(2);
/// How long a status may take.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);
/// How long a welcome may take.
const WELCOME_PATIENCE: Duration = Duration::from_secs(5);
/// First and longest pause between attempts to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What the guard has to say to the gateway.
#[derive(Debug)]
pub enum GuardEvent {
    /// A connection stands: begin the start-up order. `welcome.unresolved` holds what is to be
    /// looked up.
    Joined(Box<GuardWelcome>),
    /// The connection has ended.
    Lost(String),
    /// The lease, or the trading state, has changed.
    Leave {
        /// Commands that stand.
        commands: Vec<CommandId>,
        /// Whether the guard wants the reads that explain a balance.
        balance_in_doubt: bool,
    },
    /// Where an approval stands after a look-up.
    Stands(Stands),
    /// An exit that went alone is followed under this approval.
    ExitTaken(Box<Approval>),
    /// Something is to be done.
    Command(Command),
    /// A safety event, for bots.
    Safety(Alert),
}

/// What the guard says to an order or a change.
#[derive(Debug)]
pub enum Verdict {
    /// Send it, once.
    Approved(Approved),
    /// Do not.
    Denied(Denial),
    /// It was judged before.
    Recorded(Recorded),
    /// No answer came, and why: nothing that opens may be sent.
    Silent(String),
    /// The guard could not read the question.
    Refused(ErrorBody),
}

/// A hand on the connection; copies share it.
#[derive(Debug, Clone)]
pub struct Guard {
    line: Rc<RefCell<Line>>,
    leave: Rc<Cell<Leave>>,
    lineage: Rc<RefCell<Option<String>>>,
}

/// What the connection is made with.
pub struct Address {
    /// `run/guard.sock`.
    pub socket: PathBuf,
    /// What to say first, each time anew.
    pub hello: Box<dyn Fn() -> GatewayHello>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// Begins to keep a connection, in a task of its own on this thread.
    pub fn connect(address: Address, events: mpsc::UnboundedSender<GuardEvent>) -> Self {
        let guard = Self {
            line: Rc::default(),
            leave: Rc::new(Cell::new(Leave::default())),
            lineage: Rc::default(),
        };
        let link = Link {
            address,
            events,
            guard: guard.clone(),
        };
        tokio::task::spawn_local(link.keep());
        guard
    }

    /// Tells what was observed. Without a connection it is dropped: a new one begins with the
    /// whole start-up order.
    pub fn tell(&self, observe: Observe) {
        self.line.borrow_mut().tell(observe);
    }

    /// May this order be sent?
    pub async fn authorize(&self, intent: Intent) -> Verdict {
        let request = GuardRequest::Authorize(intent);
        self.decide(request, Approved::order).await
    }

    /// May this resting order be changed?
    pub async fn authorize_amend(&self, change: Amend) -> Verdict {
        let request = GuardRequest::AuthorizeAmend(change.clone());
        self.decide(request, |approval| Approved::change(approval, change))
            .await
    }

    /// How things stand.
    pub async fn status(&self) -> Result<RiskStatus, ErrorBody> {
        match self
            .ask(GuardRequest::Status(Empty {}), STATUS_PATIENCE)
            .await
        {
            Ok(GuardReply::Status(status)) => Ok(status),
            Ok(GuardReply::Error(error)) => Err(error),
            Ok(other) => Err(odd(&other)),
            Err(why) => Err(ErrorBody::new(ErrorCode::NotReady, why)),
        }
    }

    /// What became of an approved send; said until the guard has it.
    pub fn outcome(&self, report: OutcomeReport) {
        self.report(Report::Outcome(report));
    }

    /// The same; the receiver hears when it is on the guard's disk.
    pub fn outcome_kept(&self, report: OutcomeReport) -> oneshot::Receiver<()> {
        let (taken, heard) = oneshot::channel();
        let mut line = self.line.borrow_mut();
        line.keep(Report::Outcome(report), Some(taken));
        heard
    }

    /// What a look-up found; said until the guard has it.
    pub fn lookup(&self, lookup: Lookup) {
        self.report(Report::Lookup(Box::new(lookup)));
    }

    /// An exit that went without the guard; said until the guard has it.
    pub fn exit_alone(&self, exit: ExitReport) {
        self.report(Report::Exit(Box::new(exit)));
    }

    /// The link id under which the guard would have an intent sent; before it was ever met, one of
    /// the gateway's own.
    pub fn link_of(&self, intent: IntentId) -> Result<OrderLinkId, String> {
        let link = match self.lineage.borrow().as_deref() {
            Some(lineage) => OrderLinkId::of_intent(lineage, intent),
            None => OrderLinkId::of_gateway(intent.as_str()),
        };
        link.map_err(|e| e.to_string())
    }

    /// How a command went; said until the guard has it.
    pub fn command_result(&self, result: CommandResult) {
        self.report(Report::Command(result));
    }

    /// The guard's word as it stands: lease and state.
    pub fn leave(&self) -> Leave {
        self.leave.get()
    }

    /// Whether a connection stands and has been welcomed.
    pub fn connected(&self) -> bool {
        self.line.borrow().stands()
    }

    async fn decide(
        &self,
        request: GuardRequest,
        approved: impl FnOnce(Approval) -> Approved,
    ) -> Verdict {
        match self.ask(request, DECISION_PATIENCE).await {
            Ok(GuardReply::Decision(Decision::Approved(approval))) => {
                Verdict::Approved(approved(approval))
            }
            Ok(GuardReply::Decision(Decision::Denied(denial))) => Verdict::Denied(denial),
            Ok(GuardReply::Decision(Decision::Recorded(recorded))) => Verdict::Recorded(recorded),
            Ok(GuardReply::Error(error)) => Verdict::Refused(error),
            Ok(other) => Verdict::Refused(odd(&other)),
            Err(why) => Verdict::Silent(why),
        }
    }

    async fn ask(&self, request: GuardRequest, patience: Duration) -> Result<GuardReply, String> {
        let asked = self.line.borrow_mut().ask(&request, patience);
        let Some(hear) = asked else {
            return Err("there is no connection to the risk-guard".to_owned());
        };
        match timeout(patience, hear).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err("the connection to the risk-guard ended".to_owned()),
            Err(_) => Err(format!(
                "the risk-guard did not answer in {} ms",
                patience.as_millis()
            )),
        }
    }

    fn report(&self, report: Report) {
        self.line.borrow_mut().keep(report, None);
    }
}

fn odd(reply: &GuardReply) -> ErrorBody {
    let message = format!("the risk-guard answered with {}", reply.kind());
    ErrorBody::new(ErrorCode::Internal, message)
}

/// The task that keeps the connection.
struct Link {
    address: Address,
    events: mpsc::UnboundedSender<GuardEvent>,
    guard: Guard,
}

impl Link {
    async fn keep(self) {
        let mut pause = BACKOFF.0;
        loop {
            let why = match UnixStream::connect(&self.address.socket).await {
                Ok(stream) => self.converse(stream).await,
                Err(error) => format!("{}: {error}", self.address.socket.display()),
            };
            if self.line().end() {
                self.event(GuardEvent::Lost(why));
                pause = BACKOFF.0;
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(BACKOFF.1);
        }
    }

    /// One connection from hello to its end; why it ended.
    async fn converse(&self, stream: UnixStream) -> String {
        let (out, mut heard) = match ways(stream) {
            Ok(ways) => ways,
            Err(error) => return format!("the socket cannot be used: {error}"),
        };
        match self.welcome(out, &mut heard).await {
            Ok(()) => self.talk(&mut heard).await,
            Err(why) => why,
        }
    }

    async fn welcome(&self, mut out: Out, heard: &mut In) -> Result<(), String> {
        let (tell, mut hear) = oneshot::channel();
        let id = self.line().dialogue.ask(tell);
        let hello = GuardRequest::Hello((self.address.hello)());
        out.request(id, WELCOME_PATIENCE, &hello)?;
        let joined = async {
            loop {
                out.flush()?;
                tokio::select! {
                    read = heard.read() => read?,
                    () = out.room() => {}
                }
                while let Some(frame) = heard.next()? {
                    self.take(frame)?;
                    match hear.try_recv() {
                        Ok(GuardReply::Welcome(welcome)) => return Ok::<_, String>(welcome),
                        Ok(GuardReply::Error(error)) => return Err(error.message),
                        Ok(other) => return Err(odd(&other).message),
                        Err(oneshot::error::TryRecvError::Empty) => {}
                        Err(oneshot::error::TryRecvError::Closed) => return Err("lost".to_owned()),
                    }
                }
            }
        };
        let mut welcome = timeout(WELCOME_PATIENCE, joined)
            .await
            .map_err(|_| "the risk-guard did not say welcome in time".to_owned())??;
        let unresolved = std::mem::take(&mut welcome.unresolved);
        welcome.unresolved = self.line().begin(out, unresolved);
        let mut leave = self.guard.leave.get();
        leave.welcome(welcome.state);
        self.guard.lineage.replace(Some(welcome.lineage.clone()));
        self.guard.leave.set(leave);
        self.event(GuardEvent::Joined(Box::new(welcome)));
        Ok(())
    }

    async fn talk(&self, heard: &mut In) -> String {
        let stirred = self.line().stirred();
        let mut alarm = Alarm::new();
        loop {
            if let Err(why) = self.catch_up(heard) {
                return why;
            }
            let room = {
                let mut line = self.line();
                let due = line.due();
                due.map(|due| alarm.set(due));
                line.sleeps(alarm.rings());
                line.room()
            };
            let read = tokio::select! {
                read = heard.read() => read,
                () = stirred.notified() => Ok(()),
                () = room => Ok(()),
                () = alarm.ring() => Ok(()),
            };
            if let Err(why) = read {
                return why;
            }
        }
    }

    /// Takes every line that is there, says every report that is due and writes all that waits.
    fn catch_up(&self, heard: &mut In) -> Result<(), String> {
        while let Some(frame) = heard.next()? {
            self.take(frame)?;
        }
        self.line().catch_up()
    }

    /// Takes one line of the guard's.
    fn take(&self, frame: &[u8]) -> Result<(), String> {
        let problem = |error: ErrorBody| format!("the risk-guard said something odd: {error}");
        let envelope = Envelope::read(frame).map_err(problem)?;
        if let Some(id) = envelope.id {
            let reply = envelope.message::<GuardReply>().map_err(problem)?;
            let learnt = self.line().dialogue.answered(id, reply, boot_now());
            match learnt {
                Some(Learnt::Stands(stands)) => self.event(GuardEvent::Stands(stands)),
                Some(Learnt::ExitTaken(approval)) => self.event(GuardEvent::ExitTaken(approval)),
                None => {}
            }
            return Ok(());
        }
        match envelope.message::<GuardPush>().map_err(problem)? {
            GuardPush::Lease(lease) => {
                let mut held = self.guard.leave.get();
                held.take(lease.until, lease.state);
                self.guard.leave.set(held);
                self.event(GuardEvent::Leave {
                    commands: lease.commands,
                    balance_in_doubt: lease.balance_in_doubt,
                });
            }
            GuardPush::Command(command) => self.event(GuardEvent::Command(command)),
            GuardPush::Event(alert) => self.event(GuardEvent::Safety(alert)),
        }
        Ok(())
    }

    fn line(&self) -> RefMut<'_, Line> {
        self.guard.line.borrow_mut()
    }

    fn event(&self, event: GuardEvent) {
        // The main loop owns the other end; when it is gone the process ends.
        drop(self.events.send(event));
    }
}
