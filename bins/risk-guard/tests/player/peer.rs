//! One connection to `guard.sock`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use protocol::frame::{self, Empty, Envelope, ErrorBody, Head, Message};
use protocol::guard::{
    GatewayHello, GuardNote, GuardPush, GuardReply, GuardRequest, GuardWelcome, Observe,
    OperatorVerb, Verb,
};
use protocol::status::RiskStatus;
use protocol::{Decision, Denial, Generation, Intent};

use super::{PATIENCE, boot_ms};

/// One connection.
pub(crate) struct Peer {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    next_id: u64,
    /// What came of its own accord while an answer was awaited.
    pub(crate) pushes: Vec<GuardPush>,
}

impl Peer {
    /// Connects.
    pub(crate) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Self {
            stream,
            lines,
            next_id: 1,
            pushes: Vec::new(),
        }
    }

    /// Connects and says hello as a gateway.
    pub(crate) fn gateway(path: &Path) -> (Self, GuardWelcome) {
        let mut peer = Self::connect(path);
        let hello = GatewayHello {
            pid: std::process::id(),
            generation: Generation(1),
            venue_now: None,
        };
        match peer.ask(&GuardRequest::Hello(hello)) {
            GuardReply::Welcome(welcome) => (peer, welcome),
            other => panic!("{other:?}"),
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a request and gives back its id.
    pub(crate) fn send(&mut self, request: &GuardRequest) -> u64 {
        self.send_until(request, boot_ms().after(5_000))
    }

    /// Sends a request with this deadline.
    pub(crate) fn send_until(&mut self, request: &GuardRequest, deadline: protocol::BootMs) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let mut bytes = Vec::new();
        frame::write(Head::request(id, deadline), request, &mut bytes).unwrap();
        self.send_bytes(&bytes);
        id
    }

    /// Sends a request and gives back its id; `None` if the guard is gone.
    pub(crate) fn try_send(&mut self, request: &GuardRequest) -> Option<u64> {
        let id = self.next_id;
        self.next_id += 1;
        let mut bytes = Vec::new();
        let deadline = boot_ms().after(60_000);
        frame::write(Head::request(id, deadline), request, &mut bytes).unwrap();
        self.stream.write_all(&bytes).ok().map(|()| id)
    }

    /// Tells an observation.
    pub(crate) fn tell(&mut self, observe: Observe) {
        let mut bytes = Vec::new();
        frame::write(Head::push(), &GuardNote::Observe(observe), &mut bytes).unwrap();
        self.send_bytes(&bytes);
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, request: &GuardRequest) -> GuardReply {
        let id = self.send(request);
        self.answer_to(id)
    }

    /// Waits for the answer to a request.
    pub(crate) fn answer_to(&mut self, id: u64) -> GuardReply {
        loop {
            let (answers, reply) = self.reply().expect("the guard closed the connection");
            if answers == Some(id) {
                return reply;
            }
        }
    }

    /// The next answer, whatever it answers; `None` at the end of the connection.
    pub(crate) fn reply(&mut self) -> Option<(Option<u64>, GuardReply)> {
        loop {
            let line = self.line()?;
            let envelope = Envelope::read(&line).unwrap();
            if matches!(envelope.kind, "lease" | "command" | "event") {
                self.pushes.push(envelope.message().unwrap());
            } else {
                return Some((envelope.id, envelope.message().unwrap()));
            }
        }
    }

    /// The next thing that comes of the guard's own accord.
    pub(crate) fn push(&mut self) -> GuardPush {
        if !self.pushes.is_empty() {
            return self.pushes.remove(0);
        }
        let line = self.line().expect("the guard closed the connection");
        Envelope::read(&line).unwrap().message().unwrap()
    }

    /// The next line; `None` at the end of the connection.
    pub(crate) fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        match self.lines.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(line),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(e) => panic!("{e}"),
        }
    }

    /// Reads until nothing comes any more within `quiet`.
    pub(crate) fn drain(&mut self, quiet: Duration) {
        self.stream.set_read_timeout(Some(quiet)).unwrap();
        let mut rest = [0; 4096];
        while let Ok(1..) = self.lines.read(&mut rest) {}
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    /// Asks for leave to send an order.
    pub(crate) fn authorize(&mut self, intent: &Intent) -> Decision {
        match self.ask(&GuardRequest::Authorize(intent.clone())) {
            GuardReply::Decision(decision) => decision,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for leave and expects a no.
    pub(crate) fn refused(&mut self, intent: &Intent) -> Denial {
        match self.authorize(intent) {
            Decision::Denied(denial) => denial,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for leave and expects a yes.
    pub(crate) fn approved(&mut self, intent: &Intent) -> protocol::Approval {
        match self.authorize(intent) {
            Decision::Approved(approval) => approval,
            other => panic!("{other:?}"),
        }
    }

    /// How things stand.
    pub(crate) fn status(&mut self) -> RiskStatus {
        match self.ask(&GuardRequest::Status(Empty {})) {
            GuardReply::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    /// Says an operator's word.
    pub(crate) fn operate(&mut self, verb: Verb) -> GuardReply {
        self.ask(&GuardRequest::Operator(OperatorVerb {
            by: "tester".into(),
            verb,
        }))
    }

    /// Waits for an error answer and says whether the connection ended after it.
    pub(crate) fn error(&mut self) -> (ErrorBody, bool) {
        match self.reply() {
            Some((_, GuardReply::Error(error))) => {
                let closes = error.closes();
                let ended = closes && self.line().is_none();
                (error, ended)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Asks for nothing more.
    pub(crate) fn hang_up(self) {
        drop(self);
    }
}

/// The `type` of a message, to compare pushes by.
pub(crate) fn kind(push: &GuardPush) -> &'static str {
    push.kind()
}
