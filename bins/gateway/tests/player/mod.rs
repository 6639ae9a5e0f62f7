//! Plays everyone around a real gateway: supervisor, guard, exchange, bot.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test may fail loudly, spawns processes, and not every test uses every hand"
)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use daemon::client::Client;
use daemon::clock::{boot_now, wall_now};
use daemon::lines::Lines;
use protocol::control::{Heartbeat, Order as ControlOrder, Prepare, Report};
use protocol::frame::{Empty, Envelope, Head, Message, write};
use protocol::gateway::{BotHello, GatewayReply, GatewayRequest, Placed};
use protocol::guard::{
    GuardNote, GuardPush, GuardReply, GuardRequest, GuardWelcome, Lease, Observation, Observe,
    Stands,
};
use protocol::status::TradingState;
use protocol::{
    Approval, ApprovalId, CommandId, Decision, Generation, Intent, IntentId, Mode, OrderLinkId,
    VenueMs,
};
use serde_json::Value;
use tempfile::TempDir;

/// The history that the played guard names.
pub const LINEAGE: &str = "test";
/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("waited in vain for {what}");
}

/// A simulated exchange; `None` where the program has not been built beside this test.
pub struct Sim {
    child: Child,
    pub url: String,
}

impl Sim {
    pub fn start() -> Option<Self> {
        Self::at_speed("0")
    }

    /// One whose market moves that many times faster than time.
    pub fn at_speed(speed: &str) -> Option<Self> {
        let gateway = PathBuf::from(env!("CARGO_BIN_EXE_perps-gateway"));
        let program = gateway.with_file_name("zoomex-sim");
        if !program.is_file() {
            println!("SKIPPED: {} is not built", program.display());
            return None;
        }
        let mut child = Command::new(program)
            .args(["--listen", "127.0.0.1:0", "--speed", speed, "--seed", "7"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .expect("the simulator's first line");
        let url = format!("http://{address}");
        Some(Self { child, url })
    }

    pub fn ledger(&self) -> Value {
        let text = ureq::get(format!("{}/sim/ledger", self.url))
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The ledger's orders with this link id.
    pub fn orders(&self, link: &str) -> Vec<Value> {
        let ledger = self.ledger();
        let orders = ledger["orders"].as_array().unwrap();
        orders
            .iter()
            .filter(|order| order["orderLinkId"] == link)
            .cloned()
            .collect()
    }

    pub fn post(&self, path: &str, body: &Value) {
        let sent = ureq::post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .send(body.to_string());
        sent.unwrap_or_else(|e| panic!("{path} {body}: {e}"));
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a gateway is started with.
#[derive(Clone)]
pub struct Spec {
    pub url: String,
    pub keys: Option<(&'static str, &'static str)>,
    pub per_second: u32,
    pub per_minute: u32,
    /// `exchange.name`.
    pub venue: &'static str,
}

impl Spec {
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            keys: Some(("sim-key", "sim-secret")),
            per_second: 9,
            per_minute: 600,
            venue: "zoomex",
        }
    }

    fn config(&self) -> String {
        let lines = [
            "exchange:".to_owned(),
            format!("  name: {}", self.venue),
            "  testnet: true".to_owned(),
            format!("  base_url: {}", self.url),
            "logging:".to_owned(),
            "  level: DEBUG".to_owned(),
            "perps:".to_owned(),
            "  useTestnet: true".to_owned(),
            "  symbol: SOLUSDT".to_owned(),
            "  interval: \"1\"".to_owned(),
            "  leverage: 2".to_owned(),
            format!("  maxRequestsPerSecond: {}", self.per_second),
            format!("  maxRequestsPerMinute: {}", self.per_minute),
            "  leaseMs: 1000".to_owned(),
            "  venueLagMs: 200".to_owned(),
            "  recvWindowMs: 1000".to_owned(),
            "  timeSyncMaxSkewMs: 500".to_owned(),
        ];
        lines.join("\n") + "\n"
    }
}

/// A gateway with a supervisor around it.
pub struct House {
    pub dir: TempDir,
    pub gateway: Child,
    control: UnixStream,
    reports: Lines,
    waiting: VecDeque<Report>,
    log: Arc<Mutex<Vec<String>>>,
    guard_socket: UnixListener,
}

impl House {
    /// Binds the sockets, starts the gateway and hands it its config.
    pub fn start(spec: &Spec) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        std::fs::create_dir(&run).unwrap();
        let guard_socket = UnixListener::bind(run.join("guard.sock")).unwrap();
        let listener = UnixListener::bind(run.join("gateway.sock")).unwrap();
        let (control, theirs) = UnixStream::pair().unwrap();
        let (log, log_end) = UnixStream::pair().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_perps-gateway"));
        command
            .env_clear()
            .env("PERPS_CONTROL_FD", "3")
            .env("PERPS_LISTEN_FD", "4")
            .env("PERPS_LOG_FD", "5")
            .env("PERPS_DIR", dir.path())
            .stdin(Stdio::null());
        if let Some((key, secret)) = spec.keys {
            command
                .env("ZOOMEX_TESTNET_API_KEY", key)
                .env("ZOOMEX_TESTNET_API_SECRET", secret)
                .env("BYBIT_TESTNET_API_KEY", key)
                .env("BYBIT_TESTNET_API_SECRET", secret);
        }
        let fd = |parent_fd: OwnedFd, child_fd| FdMapping {
            parent_fd,
            child_fd,
        };
        command
            .fd_mappings(vec![
                fd(theirs.into(), 3),
                fd(listener.into(), 4),
                fd(log_end.into(), 5),
            ])
            .unwrap();
        let gateway = command.spawn().unwrap();
        drop(command);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines() {
                let Ok(line) = line else { return };
                kept.lock().unwrap().push(line);
            }
        });
        let mut house = Self {
            dir,
            gateway,
            control,
            reports: Lines::new(),
            waiting: VecDeque::new(),
            log: lines,
            guard_socket,
        };
        house.hand_over(1, &spec.config());
        house
    }

    /// Starts a gateway that is expected to become ready.
    pub fn ready(spec: &Spec) -> Self {
        let mut house = Self::start(spec);
        house.report(|r| matches!(r, Report::Applied(Generation(1))).then_some(()));
        house.report(|r| matches!(r, Report::Ready(_)).then_some(()));
        house
    }

    /// Hands a config over and waits until it could be put in force.
    pub fn edit(&mut self, number: u64, spec: &Spec) {
        self.hand_over(number, &spec.config());
    }

    fn hand_over(&mut self, number: u64, config: &str) {
        let path = self.dir.path().join(format!("g{number}.yaml"));
        std::fs::write(&path, config).unwrap();
        let generation = Generation(number);
        self.order(&ControlOrder::Prepare(Prepare {
            generation,
            file: "perps.yaml".to_owned(),
            path: path.display().to_string(),
            mode: Mode::Testnet,
        }));
        self.report(|r| match r {
            Report::Prepared(_) => Some(()),
            Report::Refused(refused) => panic!("{}", refused.reason),
            Report::Applied(_) | Report::Ready(_) | Report::Heartbeat(_) | Report::Failing(_) => {
                None
            }
        });
        self.order(&ControlOrder::Commit(generation));
    }

    pub fn order(&mut self, order: &ControlOrder) {
        let mut bytes = Vec::new();
        write(Head::push(), order, &mut bytes).unwrap();
        self.control.write_all(&bytes).unwrap();
    }

    /// The first report that fits; earlier ones are passed over.
    pub fn report<T>(&mut self, mut fits: impl FnMut(&Report) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            while let Some(report) = self.waiting.pop_front() {
                if let Some(found) = fits(&report) {
                    return found;
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no such report; log:\n{}", self.log_text());
            self.control.set_read_timeout(Some(left)).unwrap();
            let mut bytes = [0; 4096];
            let read = self.control.read(&mut bytes).unwrap_or(0);
            assert!(read > 0, "the gateway is gone; log:\n{}", self.log_text());
            self.reports.push(&bytes[..read]);
            while let Some(line) = self.reports.next() {
                let envelope = Envelope::read(line.unwrap()).unwrap();
                self.waiting.push_back(envelope.message().unwrap());
            }
        }
    }

    pub fn heartbeat_that(&mut self, fits: impl Fn(&Heartbeat) -> bool) -> Heartbeat {
        self.report(|report| match report {
            Report::Heartbeat(beat) if fits(beat) => Some(beat.clone()),
            Report::Heartbeat(_)
            | Report::Prepared(_)
            | Report::Refused(_)
            | Report::Applied(_)
            | Report::Ready(_)
            | Report::Failing(_) => None,
        })
    }

    pub fn failing(&mut self) -> String {
        self.report(|report| match report {
            Report::Failing(why) => Some(why.clone()),
            Report::Heartbeat(_)
            | Report::Prepared(_)
            | Report::Refused(_)
            | Report::Applied(_)
            | Report::Ready(_) => None,
        })
    }

    pub fn ended(&mut self) -> ExitStatus {
        let gateway = &mut self.gateway;
        until("the gateway to end", || gateway.try_wait().unwrap())
    }

    /// Ends the control channel, as a supervisor that dies does.
    pub fn let_go(&mut self) {
        self.control.shutdown(std::net::Shutdown::Both).unwrap();
    }

    pub fn stop(&mut self) -> ExitStatus {
        self.order(&ControlOrder::Stop(Empty {}));
        self.ended()
    }

    pub fn log_text(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub fn logged(&self, what: &str) {
        until(&format!("{what:?} in the log"), || {
            self.log_text().contains(what).then_some(())
        });
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("run/gateway.sock")
    }

    /// Waits for the gateway's connection and welcomes it.
    pub fn guard(&self, unresolved: Vec<Approval>) -> Guard {
        self.guard_of(unresolved, None)
    }

    /// As [`guard`](Self::guard), for a guard that remembers a ban.
    pub fn guard_of(&self, unresolved: Vec<Approval>, banned_until: Option<VenueMs>) -> Guard {
        self.guard_socket.set_nonblocking(true).unwrap();
        let stream = until("the gateway to connect", || self.guard_socket.accept().ok()).0;
        stream.set_nonblocking(false).unwrap();
        let mut guard = Guard {
            stream,
            lines: Lines::new(),
            heard: VecDeque::new(),
            notes: Vec::new(),
            commands: Vec::new(),
            settles: false,
        };
        let id = guard.hear(|heard| match heard {
            Heard::Asked(id, GuardRequest::Hello(_)) => Some(*id),
            Heard::Asked(..) | Heard::Told(_) => None,
        });
        let since = VenueMs(wall_now().0 - 60_000);
        guard.answer(
            id,
            &GuardReply::Welcome(GuardWelcome {
                unresolved,
                executions_since: since,
                closed_since: since,
                banned_until,
                state: TradingState::Active,
                lineage: LINEAGE.to_owned(),
            }),
        );
        guard
    }

    /// A guard that has heard the whole start-up order and holds its lease out for a minute.
    pub fn synced_guard(&self) -> Guard {
        let mut guard = self.guard(Vec::new());
        guard.lease(60_000);
        guard.observed(|what| matches!(what, Observation::Synced).then_some(()));
        guard
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.gateway.kill());
        drop(self.gateway.wait());
        if std::thread::panicking() {
            eprintln!("log of the gateway:\n{}", self.log_text());
        }
    }
}

/// What the gateway says to the guard.
#[derive(Debug)]
pub enum Heard {
    Asked(u64, GuardRequest),
    Told(Observe),
}

/// A guard that does what the test says.
pub struct Guard {
    stream: UnixStream,
    lines: Lines,
    heard: VecDeque<Heard>,
    pub notes: Vec<Observe>,
    /// Every command it has given; those that stand go with each lease.
    pub commands: Vec<CommandId>,
    /// Whether a look-up that found nothing settles it, by this guard's word.
    pub settles: bool,
}

impl Guard {
    fn send<M: Message>(&mut self, head: Head, message: &M) {
        let mut bytes = Vec::new();
        write(head, message, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    pub fn answer(&mut self, id: u64, reply: &GuardReply) {
        self.send(Head::answer(id), reply);
    }

    pub fn push(&mut self, push: &GuardPush) {
        if let GuardPush::Command(command) = push {
            self.commands.push(command.command_id);
        }
        self.send(Head::push(), push);
    }

    pub fn lease(&mut self, ms: u64) {
        self.state(ms, TradingState::Active);
    }

    /// A lease that comes with this trading state.
    pub fn state(&mut self, ms: u64, state: TradingState) {
        let until = boot_now().after(ms);
        let commands = self.commands.clone();
        self.push(&GuardPush::Lease(Lease {
            until,
            state,
            commands,
            balance_in_doubt: false,
        }));
    }

    /// The first thing that fits. Reports passed over are acknowledged, observations are kept.
    pub fn hear<T>(&mut self, mut fits: impl FnMut(&Heard) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            while let Some(heard) = self.heard.pop_front() {
                let found = fits(&heard);
                match heard {
                    Heard::Told(note) => self.notes.push(note),
                    Heard::Asked(id, GuardRequest::Lookup(lookup)) => {
                        let stands = Stands {
                            approval_id: lookup.approval_id,
                            unresolved: lookup.found.is_none() && !self.settles,
                        };
                        self.answer(id, &GuardReply::Stands(stands));
                    }
                    Heard::Asked(
                        id,
                        GuardRequest::Outcome(_)
                        | GuardRequest::ExitAlone(_)
                        | GuardRequest::CommandResult(_),
                    ) => {
                        self.answer(id, &GuardReply::Done(Empty {}));
                    }
                    Heard::Asked(..) => {}
                }
                if let Some(found) = found {
                    return found;
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "the gateway did not say it; notes: {:?}",
                self.notes.len()
            );
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut bytes = [0; 16 * 1024];
            let read = self.stream.read(&mut bytes).unwrap_or(0);
            assert!(read > 0, "the gateway's connection ended or was silent");
            self.lines.push(&bytes[..read]);
            while let Some(line) = self.lines.next() {
                let envelope = Envelope::read(line.unwrap()).unwrap();
                let heard = if let Some(id) = envelope.id {
                    Heard::Asked(id, envelope.message().unwrap())
                } else {
                    let GuardNote::Observe(note) = envelope.message().unwrap();
                    Heard::Told(note)
                };
                self.heard.push_back(heard);
            }
        }
    }

    /// The first request that fits.
    pub fn asked<T>(&mut self, mut fits: impl FnMut(u64, &GuardRequest) -> Option<T>) -> T {
        self.hear(|heard| match heard {
            Heard::Asked(id, request) => fits(*id, request),
            Heard::Told(_) => None,
        })
    }

    /// The first observation that fits, from here on.
    pub fn observed<T>(&mut self, mut fits: impl FnMut(&Observation) -> Option<T>) -> T {
        self.hear(|heard| match heard {
            Heard::Told(note) => fits(&note.what),
            Heard::Asked(..) => None,
        })
    }

    /// The first observation that fits, of all there have been.
    pub fn seen<T>(&mut self, mut fits: impl FnMut(&Observation) -> Option<T>) -> T {
        let before = self.notes.iter().find_map(|note| fits(&note.what));
        before.unwrap_or_else(|| self.observed(fits))
    }

    /// Waits for an order to be judged.
    pub fn authorize(&mut self) -> (u64, Intent) {
        self.asked(|id, request| match request {
            GuardRequest::Authorize(intent) => Some((id, intent.clone())),
            GuardRequest::Hello(_)
            | GuardRequest::AuthorizeAmend(_)
            | GuardRequest::Outcome(_)
            | GuardRequest::Lookup(_)
            | GuardRequest::ExitAlone(_)
            | GuardRequest::CommandResult(_)
            | GuardRequest::Status(_)
            | GuardRequest::Store(_)
            | GuardRequest::Operator(_) => None,
        })
    }

    /// Judges the next order: yes, under this number.
    pub fn approve(&mut self, number: u64) -> Intent {
        let (id, intent) = self.authorize();
        self.answer(
            id,
            &GuardReply::Decision(Decision::Approved(approval(number, &intent))),
        );
        intent
    }

    /// What became of an approval.
    pub fn outcome(&mut self, number: u64) -> protocol::Outcome {
        self.asked(|_, request| match request {
            GuardRequest::Outcome(report) if report.approval_id == ApprovalId(number) => {
                Some(report.outcome.clone())
            }
            GuardRequest::Outcome(_)
            | GuardRequest::Hello(_)
            | GuardRequest::Authorize(_)
            | GuardRequest::AuthorizeAmend(_)
            | GuardRequest::Lookup(_)
            | GuardRequest::ExitAlone(_)
            | GuardRequest::CommandResult(_)
            | GuardRequest::Status(_)
            | GuardRequest::Store(_)
            | GuardRequest::Operator(_) => None,
        })
    }
}

pub fn link(number: u64) -> OrderLinkId {
    OrderLinkId::new(&format!("pg-test-{number}")).unwrap()
}

pub fn approval(number: u64, intent: &Intent) -> Approval {
    Approval {
        approval_id: ApprovalId(number),
        link_id: link(number),
        intent: intent.clone(),
        opens: !intent.reduce_only,
        expires: boot_now().after(1000),
        generation: Generation(1),
    }
}

/// A bot on its own thread, so that the test can play the guard meanwhile.
pub struct Bot {
    pub client: Client,
}

impl Bot {
    pub fn connect(socket: &Path) -> Self {
        let client = Client::connect(socket, PATIENCE).unwrap();
        let mut bot = Self { client };
        bot.ask(&GatewayRequest::Hello(BotHello {
            name: "player".to_owned(),
        }));
        bot
    }

    pub fn ask(&mut self, request: &GatewayRequest) -> GatewayReply {
        self.client.request(request, PATIENCE).unwrap()
    }

    /// Places an order while `meanwhile` plays the guard.
    pub fn place<T>(&mut self, intent: Intent, meanwhile: impl FnOnce() -> T) -> (Placed, T) {
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| self.ask(&GatewayRequest::Place(intent)));
            let result = meanwhile();
            match asking.join().unwrap() {
                GatewayReply::Placed(placed) => (placed, result),
                other => panic!("{other:?}"),
            }
        })
    }
}

/// An intent from its JSON, without `intent_id` and `at`.
pub fn intent(name: &str, rest: &str) -> Intent {
    let id = IntentId::new(name).unwrap();
    let text = format!(
        r#"{{"intent_id":"{id}","at":{},"symbol":"SOLUSDT",{rest}}}"#,
        wall_now().0
    );
    serde_json::from_str(&text).unwrap()
}
