//! The one connection to the risk-guard, kept up for the gateway's whole life.
//!
//! Everything goes out in the order in which it was said, so that what was observed before an
//! order is in the guard's book before that order is judged. A guard that stops reading loses the
//! connection once too many lines wait for it.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use daemon::clock::boot_now;
use protocol::frame::{Empty, Envelope, ErrorBody, ErrorCode, Message};
use protocol::guard::{
    Command, CommandResult, ExitReport, GatewayHello, GuardNote, GuardPush, GuardReply,
    GuardRequest, GuardWelcome, Observe, OutcomeReport, Stands,
};
use protocol::order::{Amend, Lookup, Recorded};
use protocol::status::RiskStatus;
use protocol::{Alert, Approval, CommandId, Decision, Denial, Intent, IntentId, OrderLinkId};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::dialogue::{Dialogue, Learnt, Report};
use super::lease::Leave;
use super::permit::Approved;
use super::wire::{In, Out, ways};

/// How long a decision may take: it waits for the guard's disk.
const DECISION_PATIENCE: Duration = Duration::from_secs(2);
/// How long a status may take.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);
/// How long a welcome may take.
const WELCOME_PATIENCE: Duration = Duration::from_secs(5);
/// How long a repeated report may lie at the guard before it is void.
const REPORT_MS: u64 = 5000;
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
    words: mpsc::UnboundedSender<Word>,
    leave: Rc<Cell<Leave>>,
    connected: Rc<Cell<bool>>,
    lineage: Rc<RefCell<Option<String>>>,
}

#[derive(Debug)]
enum Word {
    Note(Box<Observe>),
    Question(Box<GuardRequest>, Duration, oneshot::Sender<GuardReply>),
    Report(Box<Report>, Option<oneshot::Sender<()>>),
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
        let (words, heard) = mpsc::unbounded_channel();
        let guard = Self {
            words,
            leave: Rc::new(Cell::new(Leave::default())),
            connected: Rc::new(Cell::new(false)),
            lineage: Rc::default(),
        };
        let link = Link {
            address,
            events,
            heard,
            leave: Rc::clone(&guard.leave),
            connected: Rc::clone(&guard.connected),
            lineage: Rc::clone(&guard.lineage),
            dialogue: Dialogue::default(),
            half_told: false,
        };
        tokio::task::spawn_local(link.keep());
        guard
    }

    /// Tells what was observed. Without a connection it is dropped: a new one begins with the
    /// whole start-up order.
    pub fn tell(&self, observe: Observe) {
        if self.connected.get() {
            self.say(Word::Note(Box::new(observe)));
        }
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

    /// What became of an approved send; said until the guard has it. The receiver hears when it is
    /// on the guard's disk.
    pub fn outcome(&self, report: OutcomeReport) -> oneshot::Receiver<()> {
        let (taken, heard) = oneshot::channel();
        let report = Box::new(Report::Outcome(report));
        self.say(Word::Report(report, Some(taken)));
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
        self.connected.get()
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
        if !self.connected.get() {
            return Err("there is no connection to the risk-guard".to_owned());
        }
        let (tell, hear) = oneshot::channel();
        self.say(Word::Question(Box::new(request), patience, tell));
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
        self.say(Word::Report(Box::new(report), None));
    }

    fn say(&self, word: Word) {
        // The link's task lives as long as the process; without it there is nobody to tell.
        drop(self.words.send(word));
    }
}

fn odd(reply: &GuardReply) -> ErrorBody {
    let message = format!("the risk-guard answered with {}", reply.kind());
    ErrorBody::new(ErrorCode::Internal, message)
}

struct Link {
    address: Address,
    events: mpsc::UnboundedSender<GuardEvent>,
    heard: mpsc::UnboundedReceiver<Word>,
    leave: Rc<Cell<Leave>>,
    connected: Rc<Cell<bool>>,
    lineage: Rc<RefCell<Option<String>>>,
    dialogue: Dialogue,
    /// The last note was a part of a snapshot, and more parts follow.
    half_told: bool,
}

impl Link {
    async fn keep(mut self) {
        let mut pause = BACKOFF.0;
        loop {
            let why = match UnixStream::connect(&self.address.socket).await {
                Ok(stream) => self.converse(stream).await,
                Err(error) => format!("{}: {error}", self.address.socket.display()),
            };
            self.dialogue.lost();
            self.half_told = false;
            if self.connected.replace(false) {
                self.event(GuardEvent::Lost(why));
                pause = BACKOFF.0;
            }
            if !self.wait_apart(pause).await {
                return;
            }
            pause = pause.saturating_mul(2).min(BACKOFF.1);
        }
    }

    /// Waits, and keeps what is said meanwhile; false when nobody is left to speak.
    async fn wait_apart(&mut self, pause: Duration) -> bool {
        let wake = sleep(pause);
        tokio::pin!(wake);
        loop {
            tokio::select! {
                () = &mut wake => return true,
                word = self.heard.recv() => match word {
                    Some(Word::Report(report, taken)) => {
                        self.dialogue.keep_and_tell(*report, taken, boot_now());
                    }
                    // The asker hears that its question was dropped.
                    Some(Word::Note(_) | Word::Question(..)) => {}
                    None => return false,
                },
            }
        }
    }

    /// One connection from hello to its end; why it ended.
    async fn converse(&mut self, stream: UnixStream) -> String {
        let (mut line, mut heard) = match ways(stream) {
            Ok(ways) => ways,
            Err(error) => return format!("the socket cannot be used: {error}"),
        };
        match self.welcome(&mut line, &mut heard).await {
            Ok(()) => self.talk(&mut line, &mut heard).await,
            Err(why) => why,
        }
    }

    async fn welcome(&mut self, line: &mut Out, heard: &mut In) -> Result<(), String> {
        let (tell, mut hear) = oneshot::channel();
        let id = self.dialogue.ask(tell);
        line.request(
            id,
            WELCOME_PATIENCE,
            &GuardRequest::Hello((self.address.hello)()),
        )?;
        let joined = async {
            loop {
                line.flush()?;
                tokio::select! {
                    read = heard.read() => read?,
                    () = line.room() => {}
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
        welcome.unresolved = self
            .dialogue
            .welcomed(std::mem::take(&mut welcome.unresolved), boot_now());
        let mut leave = self.leave.get();
        leave.welcome(welcome.state);
        self.lineage.replace(Some(welcome.lineage.clone()));
        self.leave.set(leave);
        self.connected.set(true);
        self.event(GuardEvent::Joined(Box::new(welcome)));
        Ok(())
    }

    async fn talk(&mut self, line: &mut Out, heard: &mut In) -> String {
        loop {
            if let Err(why) = self.catch_up(line, heard) {
                return why;
            }
            let repeat = self.dialogue.deadline().filter(|_| !self.half_told);
            let repeat = repeat.map(|at| at.since(boot_now()));
            let again = async {
                match repeat {
                    Some(ms) => sleep(Duration::from_millis(ms)).await,
                    None => std::future::pending().await,
                }
            };
            let done = tokio::select! {
                read = heard.read() => read,
                word = self.heard.recv() => match word {
                    Some(word) => self.pass_on(word, line),
                    None => Err("the gateway ends".to_owned()),
                },
                () = line.room() => Ok(()),
                () = again => Ok(()),
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    /// Takes every line that is there, says every word that waits and every report that is due.
    fn catch_up(&mut self, line: &mut Out, heard: &mut In) -> Result<(), String> {
        while let Some(frame) = heard.next()? {
            self.take(frame)?;
        }
        while let Ok(word) = self.heard.try_recv() {
            self.pass_on(word, line)?;
        }
        self.report(line, false)?;
        line.flush()
    }

    /// Says the reports that are due, or all that are new because something else follows.
    fn report(&mut self, line: &mut Out, rides: bool) -> Result<(), String> {
        // A snapshot is told to its end before anything else is said.
        if self.half_told {
            return Ok(());
        }
        for (id, request) in self.dialogue.due(boot_now(), rides) {
            line.request(id, Duration::from_millis(REPORT_MS), &request)?;
        }
        Ok(())
    }

    fn pass_on(&mut self, word: Word, line: &mut Out) -> Result<(), String> {
        match word {
            Word::Note(observe) => {
                self.report(line, true)?;
                self.half_told = observe.more;
                line.push(&GuardNote::Observe(*observe))
            }
            Word::Question(request, patience, answer) => {
                self.report(line, true)?;
                let id = self.dialogue.ask(answer);
                line.request(id, patience, &*request)
            }
            Word::Report(report, taken) => {
                self.dialogue.keep_and_tell(*report, taken, boot_now());
                Ok(())
            }
        }
    }

    /// Takes one line of the guard's.
    fn take(&mut self, frame: &[u8]) -> Result<(), String> {
        let problem = |error: ErrorBody| format!("the risk-guard said something odd: {error}");
        let envelope = Envelope::read(frame).map_err(problem)?;
        if let Some(id) = envelope.id {
            let reply = envelope.message::<GuardReply>().map_err(problem)?;
            match self.dialogue.answered(id, reply, boot_now()) {
                Some(Learnt::Stands(stands)) => self.event(GuardEvent::Stands(stands)),
                Some(Learnt::ExitTaken(approval)) => self.event(GuardEvent::ExitTaken(approval)),
                None => {}
            }
            return Ok(());
        }
        match envelope.message::<GuardPush>().map_err(problem)? {
            GuardPush::Lease(lease) => {
                let mut held = self.leave.get();
                held.take(lease.until, lease.state);
                self.leave.set(held);
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

    fn event(&self, event: GuardEvent) {
        // The main loop owns the other end; when it is gone the process ends.
        drop(self.events.send(event));
    }
}
