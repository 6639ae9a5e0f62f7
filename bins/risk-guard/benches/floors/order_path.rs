//! The whole way of an order: a bot asks the gateway, the gateway asks the guard, signs, posts, has
//! the guard write down what the venue said, and tells the bot. Against blocking threads that pass
//! the same bytes over the same kinds of sockets in the same order and do nothing else.
//!
//! Everything is held on one core, the log's reader too; the deployment's files lie in memory, so
//! that the journal's sync costs nothing. The venue refuses every order for want of margin, so that
//! nothing is ever opened; a refusal is final once the guard has it, so its way is longer by one hop
//! than an accepted order's. The rest of the account is a simulator's. Twice: orders one after
//! another, in bursts that the request caps allow, where what an order leaves to be done is on the
//! next one's time; and each after a pause, where everybody's caches have gone cold.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use daemon::clock;
use daemon::deployment::Deployment;
use daemon::lines::Lines;
use money::Qty;
use protocol::frame::{self, Empty, Envelope, Head, Message};
use protocol::gateway::{BotHello, GatewayReply, GatewayRequest, Placed};
use protocol::guard::{GuardReply, GuardRequest, OutcomeReport};
use protocol::{
    Approval, ApprovalId, Decision, Generation, Intent, IntentId, Outcome, Process, Side, Symbol,
};
use testkit::{Binaries, Harness, HarnessSpec, Sim, SimSpec};

use crate::door::{Door, Seen};
use crate::measure::{Row, against, now_ns, pin_all};

/// Orders of one burst, and the rest before it: a hundred requests a second is the most that the
/// caps allow, reads included.
const BURST: usize = 40;
const REST: Duration = Duration::from_millis(600);

/// The pause before each order of the second case.
const PAUSE: Duration = Duration::from_millis(15);

pub(crate) fn cases(rows: &mut Vec<Row>, scale: usize) {
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("no /dev/shm here: the order path is not measured");
        return;
    };
    let mut house = House::new(memory.path());
    let bytes = house.bytes();
    let mut floor = Chain::new(&bytes);
    house.pin(Some(0));
    let rested = |one: &mut dyn FnMut() -> u64| {
        std::thread::sleep(REST);
        (0..BURST).map(|_| one()).collect()
    };
    let burst = against(
        "order path, refused by the venue / bare chain, one core",
        "<= 1.6 x",
        (25 / scale).max(3),
        || rested(&mut || house.round_trip()),
        || rested(&mut || floor.round_trip()),
    );
    let paused = |one: &mut dyn FnMut() -> u64| {
        let mut each = || {
            std::thread::sleep(PAUSE);
            one()
        };
        (0..BURST).map(|_| each()).collect()
    };
    let alone = against(
        "the same, each after 15 ms / bare chain, one core",
        "told",
        (9 / scale).max(3),
        || paused(&mut || house.round_trip()),
        || paused(&mut || floor.round_trip()),
    );
    house.pin(None);
    rows.push(burst.noted(format!("{bytes:?}")));
    rows.push(alone);
}

/// Bytes of each message on the way.
#[derive(Debug, Clone, Copy)]
struct Bytes {
    asked: usize,
    authorise: usize,
    approved: usize,
    posted: usize,
    refused: usize,
    outcome: usize,
    noted: usize,
    answered: usize,
}

/// A deployment, its venue and one bot. What was made last is dropped first.
struct House {
    bot: UnixStream,
    lines: Lines,
    count: u64,
    harness: Harness,
    door: Door,
    sim: Sim,
}

impl House {
    fn new(dir: &Path) -> Self {
        let binaries = Binaries::beside_this_program().unwrap();
        let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
        let door = Door::before(sim.url());
        let profile = include_str!("../../../../configs/drill/normal.yaml")
            .replace("http://127.0.0.1:0", door.url())
            .replace("maxRequestsPerSecond: 9", "maxRequestsPerSecond: 100")
            .replace("maxRequestsPerMinute: 500", "maxRequestsPerMinute: 6000");
        let spec = HarnessSpec {
            dir: dir.to_owned(),
            config: profile,
            arguments: Vec::new(),
        };
        let mut harness = Harness::start(&binaries, spec).unwrap();
        harness.await_synced().unwrap();
        let bot = UnixStream::connect(Deployment::at(dir).gateway_socket()).unwrap();
        bot.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut house = Self {
            bot,
            lines: Lines::new(),
            count: 0,
            harness,
            door,
            sim,
        };
        let name = "bench".to_owned();
        let hello = framed(1, &GatewayRequest::Hello(BotHello { name }));
        house.bot.write_all(&hello).unwrap();
        house.line();
        house.settle();
        house
    }

    /// Orders are placed until the guard allows one: its marks, leverage and streams are there then.
    fn settle(&mut self) {
        let end = now_ns() + 30_000_000_000;
        loop {
            match self.order().1.outcome {
                Outcome::Rejected { code: 110_007, .. } => return,
                other => assert!(now_ns() < end, "no order gets through: {other:?}"),
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn pin(&self, core: Option<usize>) {
        let children = [
            Process::RiskGuard,
            Process::Gateway,
            Process::AlertForwarder,
        ];
        let mut pids: Vec<u32> = children.map(|of| self.harness.pid_of(of).unwrap()).to_vec();
        pids.extend([self.harness.pid(), self.sim.pid(), std::process::id()]);
        pin_all(core, &pids);
    }

    fn intent(&mut self) -> Intent {
        self.count += 1;
        Intent {
            intent_id: IntentId::new(&format!("bench-{:08}", self.count)).unwrap(),
            at: clock::wall_now(),
            symbol: Symbol::new("SOLUSDT").unwrap(),
            side: Side::Buy,
            order_type: protocol::OrderType::Market,
            qty: Qty::parse("1").unwrap(),
            price: None,
            time_in_force: None,
            reduce_only: false,
            take_profit: None,
            stop_loss: None,
        }
    }

    /// How long an order took all the way to the venue.
    fn round_trip(&mut self) -> u64 {
        let (took, placed) = self.order();
        let refused = matches!(placed.outcome, Outcome::Rejected { code: 110_007, .. });
        assert!(refused, "{placed:?}");
        took
    }

    /// One order: how long it took, and what became of it.
    fn order(&mut self) -> (u64, Placed) {
        let (took, _, line) = self.timed();
        let reply: GatewayReply = Envelope::read(&line).unwrap().message().unwrap();
        let GatewayReply::Placed(placed) = reply else {
            panic!("{reply:?}")
        };
        (took, placed)
    }

    fn timed(&mut self) -> (u64, Vec<u8>, Vec<u8>) {
        let intent = self.intent();
        let request = framed(1_000_000 + self.count, &GatewayRequest::Place(intent));
        let begun = now_ns();
        self.bot.write_all(&request).unwrap();
        let line = self.line();
        (now_ns() - begun, request, line)
    }

    fn line(&mut self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(line) = self.lines.next() {
                return line.unwrap().to_vec();
            }
            let read = self.bot.read(&mut buffer).unwrap();
            assert!(read > 0, "the gateway has gone");
            self.lines.push(&buffer[..read]);
        }
    }

    /// What an order takes on each hop. The guard's socket is not listened to: its two lines are
    /// made anew from the order's own words.
    fn bytes(&mut self) -> Bytes {
        let (_, request, line) = self.timed();
        let reply: GatewayReply = Envelope::read(&line).unwrap().message().unwrap();
        let GatewayReply::Placed(placed) = reply else {
            panic!("{reply:?}")
        };
        let envelope = Envelope::read(&request).unwrap();
        let GatewayRequest::Place(intent) = envelope.message().unwrap() else {
            panic!("asked something else")
        };
        let authorise = framed(1_000, &GuardRequest::Authorize(intent.clone()));
        let approval = Approval {
            approval_id: ApprovalId(self.count),
            link_id: placed.link_id.unwrap(),
            intent,
            opens: true,
            expires: clock::boot_now(),
            generation: Generation(1),
        };
        let mut approved = Vec::new();
        let decision = GuardReply::Decision(Decision::Approved(approval));
        frame::write(Head::answer(1_000), &decision, &mut approved).unwrap();
        let outcome = GuardRequest::Outcome(OutcomeReport {
            approval_id: ApprovalId(self.count),
            outcome: placed.outcome,
            signed_at: Some(clock::wall_now()),
        });
        let outcome = framed(1_001, &outcome);
        let mut noted = Vec::new();
        let done = GuardReply::Done(Empty {});
        frame::write(Head::answer(1_001), &done, &mut noted).unwrap();
        let Seen { posted, refused } = self.door.seen();
        Bytes {
            asked: request.len(),
            authorise: authorise.len(),
            approved: approved.len(),
            posted,
            refused,
            outcome: outcome.len(),
            noted: noted.len(),
            answered: line.len() + 1,
        }
    }
}

fn framed<M: Message>(id: u64, message: &M) -> Vec<u8> {
    let mut bytes = Vec::new();
    let deadline = clock::boot_now().after(60_000);
    frame::write(Head::request(id, deadline), message, &mut bytes).unwrap();
    bytes
}

/// The floor: who asks, two threads over Unix sockets, one over TCP.
struct Chain {
    first: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Chain {
    fn new(bytes: &Bytes) -> Self {
        let (first, mut gateway) = UnixStream::pair().unwrap();
        let (mut to_guard, mut guard) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut to_venue = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut venue, _) = listener.accept().unwrap();
        to_venue.set_nodelay(true).unwrap();
        venue.set_nodelay(true).unwrap();
        let of = *bytes;
        std::thread::spawn(move || {
            let mut authorise = Spoken::of(of.approved, of.authorise);
            let mut outcome = Spoken::of(of.noted, of.outcome);
            while authorise.answer(&mut guard) && outcome.answer(&mut guard) {}
        });
        std::thread::spawn(move || {
            let mut post = Spoken::of(of.refused, of.posted);
            while post.answer(&mut venue) {}
        });
        std::thread::spawn(move || {
            let mut authorise = Spoken::of(of.authorise, of.approved);
            let mut post = Spoken::of(of.posted, of.refused);
            let mut outcome = Spoken::of(of.outcome, of.noted);
            let mut bot = Spoken::of(of.answered, of.asked);
            while gateway.read_exact(&mut bot.heard).is_ok() {
                authorise.call(&mut to_guard);
                post.call(&mut to_venue);
                outcome.call(&mut to_guard);
                gateway.write_all(&bot.said).unwrap();
            }
        });
        Self {
            first,
            request: vec![b'q'; of.asked],
            answer: vec![0; of.answered],
        }
    }

    fn round_trip(&mut self) -> u64 {
        let begun = now_ns();
        self.first.write_all(&self.request).unwrap();
        self.first.read_exact(&mut self.answer).unwrap();
        now_ns() - begun
    }
}

/// What one side says and hears.
struct Spoken {
    said: Vec<u8>,
    heard: Vec<u8>,
}

impl Spoken {
    fn of(said: usize, heard: usize) -> Self {
        Self {
            said: vec![b's'; said],
            heard: vec![0; heard],
        }
    }

    fn call(&mut self, stream: &mut (impl Read + Write)) {
        stream.write_all(&self.said).unwrap();
        stream.read_exact(&mut self.heard).unwrap();
    }

    /// Answers one message; false once the other side has gone.
    fn answer(&mut self, stream: &mut (impl Read + Write)) -> bool {
        stream.read_exact(&mut self.heard).is_ok() && stream.write_all(&self.said).is_ok()
    }
}
