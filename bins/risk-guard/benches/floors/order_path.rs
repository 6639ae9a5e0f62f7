//! The whole way of an order: a bot asks the gateway, the gateway asks the guard, signs, posts, and
//! tells the bot what the venue said. Against blocking threads that pass the same bytes over the
//! same kinds of sockets in the same order and do nothing else.
//!
//! Everything is held on one core, the log's reader too; the deployment's files lie in memory, so
//! that the journal's sync costs nothing. The venue's side of an order is a [`Door`] that answers
//! at once; what it takes rests there and is cancelled after each burst, outside the timing, which
//! the account's stream tells. The rest of the account is a simulator's.
//!
//! Orders go one after another, in bursts that the request caps allow: what an order leaves to be
//! done is on the next one's time. What became of it reaches the guard with the next order's
//! question, in one write, and is answered with it; so it is in the floor. Then each after a pause,
//! where everybody's caches have gone cold. Last, orders that the venue refuses for want of margin:
//! a refusal is final once the guard has it, so its way is longer by one hop, and so is its floor.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use daemon::clock;
use daemon::deployment::Deployment;
use daemon::lines::Lines;
use money::{Price, Qty};
use protocol::frame::{self, Empty, Envelope, Head, Message};
use protocol::gateway::{BotHello, GatewayReply, GatewayRequest, Placed};
use protocol::guard::{GuardReply, GuardRequest, OutcomeReport};
use protocol::{
    Approval, ApprovalId, Decision, Generation, Intent, IntentId, Outcome, Process, Side, Symbol,
    TimeInForce,
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
    house.pin(Some(0));
    rows.push(house.measure(
        "order path, taken by the venue / bare chain, one core",
        "<= 1.6 x",
        (25 / scale).max(3),
        Pace::Burst,
    ));
    rows.push(house.measure(
        "the same, each after 15 ms / bare chain, one core",
        "told",
        (9 / scale).max(3),
        Pace::Apart,
    ));
    house.door.refuse(true);
    rows.push(house.measure(
        "order path, refused by the venue / bare chain, one core",
        "told",
        (9 / scale).max(3),
        Pace::Burst,
    ));
    house.pin(None);
}

/// How orders follow one another.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// Each at once, all after a rest.
    Burst,
    /// Each after a pause.
    Apart,
}

impl Pace {
    fn times(self, mut one: impl FnMut() -> u64) -> Vec<u64> {
        let (before, each) = match self {
            Self::Burst => (REST, Duration::ZERO),
            Self::Apart => (Duration::ZERO, PAUSE),
        };
        std::thread::sleep(before);
        let mut each = || {
            if !each.is_zero() {
                std::thread::sleep(each);
            }
            one()
        };
        (0..BURST).map(|_| each()).collect()
    }
}

/// Bytes of each message on the way.
#[derive(Debug, Clone, Copy)]
struct Bytes {
    asked: usize,
    authorise: usize,
    approved: usize,
    posted: usize,
    said: usize,
    outcome: usize,
    noted: usize,
    answered: usize,
    /// Whether the bot waits until the outcome is noted.
    waits: bool,
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
                Outcome::Accepted { .. } => return self.door.cancel_all(),
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
            order_type: protocol::OrderType::Limit,
            qty: Qty::parse("0.1").unwrap(),
            price: Some(Price::parse("100").unwrap()),
            time_in_force: Some(TimeInForce::Gtc),
            reduce_only: false,
            take_profit: None,
            stop_loss: None,
        }
    }

    fn measure(
        &mut self,
        name: &'static str,
        goal: &'static str,
        rounds: usize,
        pace: Pace,
    ) -> Row {
        let bytes = self.bytes();
        let mut floor = Chain::new(&bytes);
        let case = || {
            let times = pace.times(|| self.round_trip());
            self.door.cancel_all();
            times
        };
        let row = against(name, goal, rounds, case, || {
            pace.times(|| floor.round_trip())
        });
        row.noted(format!("{bytes:?}"))
    }

    /// How long an order took all the way to the venue.
    fn round_trip(&mut self) -> u64 {
        let (took, placed) = self.order();
        let reached = matches!(
            placed.outcome,
            Outcome::Accepted { .. } | Outcome::Rejected { code: 110_007, .. }
        );
        assert!(reached, "{placed:?}");
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
        let waits = matches!(placed.outcome, Outcome::Rejected { .. });
        let outcome = GuardRequest::Outcome(OutcomeReport {
            approval_id: ApprovalId(self.count),
            outcome: placed.outcome,
            signed_at: Some(clock::wall_now()),
        });
        let outcome = framed(1_001, &outcome);
        let mut noted = Vec::new();
        let done = GuardReply::Done(Empty {});
        frame::write(Head::answer(1_001), &done, &mut noted).unwrap();
        let Seen { posted, answered } = self.door.seen();
        Bytes {
            asked: request.len(),
            authorise: authorise.len(),
            approved: approved.len(),
            posted,
            said: answered,
            outcome: outcome.len(),
            noted: noted.len(),
            answered: line.len() + 1,
            waits,
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
        // What rides along is in the same write.
        let (rides, noted) = if bytes.waits {
            (0, 0)
        } else {
            (bytes.outcome, bytes.noted)
        };
        let asked = bytes.authorise + rides;
        let allowed = bytes.approved + noted;
        let of = *bytes;
        std::thread::spawn(move || {
            let mut authorise = Spoken::of(allowed, asked);
            let mut outcome = Spoken::of(of.noted, of.outcome);
            while authorise.answer(&mut guard) && (!of.waits || outcome.answer(&mut guard)) {}
        });
        std::thread::spawn(move || {
            let mut post = Spoken::of(of.said, of.posted);
            while post.answer(&mut venue) {}
        });
        std::thread::spawn(move || {
            let mut authorise = Spoken::of(asked, allowed);
            let mut post = Spoken::of(of.posted, of.said);
            let mut outcome = Spoken::of(of.outcome, of.noted);
            let mut bot = Spoken::of(of.answered, of.asked);
            while gateway.read_exact(&mut bot.heard).is_ok() {
                authorise.call(&mut to_guard);
                post.call(&mut to_venue);
                if of.waits {
                    outcome.call(&mut to_guard);
                }
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
