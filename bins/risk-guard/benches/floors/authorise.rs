//! What the guard's socket answers: refused against a bare ping-pong of the same bytes, allowed and
//! durable against append + fdatasync of the same bytes.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use protocol::frame::{self, Envelope, Head};
use protocol::guard::{GuardReply, GuardRequest, OutcomeReport};
use protocol::{BootMs, Decision, Intent, Outcome, Symbol};

use crate::measure::{Row, against, now_ns, pin};
use crate::player::{self, Peer, Supervisor};

/// Requests in flight at a time.
const BATCH: usize = 64;

const CONFIG: &str = "trading:\n  max_daily_risk: 0.5\nperps:\n  useTestnet: true\n";

pub(crate) fn cases(rows: &mut Vec<Row>, scale: usize) {
    for pinned in [true, false] {
        rows.push(refused(scale, pinned));
        rows.push(durable(scale, pinned));
    }
    pin(None, &[]);
    rows.extend(in_flight(scale));
}

/// One guard that allows, and its gateway.
struct House {
    guard: Supervisor,
    gateway: Peer,
    count: u64,
}

impl House {
    fn new(pinned: bool) -> Self {
        Self::begun(Supervisor::new(), pinned)
    }

    fn begun(mut guard: Supervisor, pinned: bool) -> Self {
        guard.start(CONFIG, &[]);
        let (mut gateway, _) = Peer::gateway(&guard.socket());
        player::sync(&mut gateway);
        let pid = guard.pid();
        pin(pinned.then_some(0), &[pid]);
        Self {
            guard,
            gateway,
            count: 0,
        }
    }

    fn intent(&mut self, symbol: &str) -> Intent {
        self.count += 1;
        let mut intent = player::intent(&format!("b-{}", self.count));
        intent.symbol = Symbol::new(symbol).unwrap();
        intent
    }

    fn frame(&mut self, intent: Intent) -> (u64, Vec<u8>) {
        let id = 1_000_000 + self.count;
        let mut bytes = Vec::new();
        let deadline = BootMs(player::boot_ms().0 + 60_000);
        frame::write(
            Head::request(id, deadline),
            &GuardRequest::Authorize(intent),
            &mut bytes,
        )
        .unwrap();
        (id, bytes)
    }

    /// Reads on until the answer to this request has come. It is told by its first bytes: a client
    /// that parses would be measured too.
    fn answer(&mut self, id: u64) -> Vec<u8> {
        let head = format!("{{\"v\":1,\"id\":{id},");
        loop {
            let line = self.gateway.line().expect("the guard answers");
            if line.starts_with(head.as_bytes()) {
                return line;
            }
        }
    }

    fn round_trip(&mut self, symbol: &str) -> (u64, Vec<u8>) {
        let intent = self.intent(symbol);
        let (id, bytes) = self.frame(intent);
        let begun = now_ns();
        self.gateway.send_bytes(&bytes);
        let line = self.answer(id);
        (now_ns() - begun, line)
    }

    /// What it takes from the first byte of so many requests to the last answer.
    fn batch(&mut self) -> u64 {
        let mut bytes = Vec::new();
        let mut ids = Vec::new();
        for _ in 0..BATCH {
            let intent = self.intent("SOLUSDT");
            let (id, frame) = self.frame(intent);
            bytes.extend(frame);
            ids.push(id);
        }
        let begun = now_ns();
        self.gateway.send_bytes(&bytes);
        let lines: Vec<Vec<u8>> = ids.iter().map(|id| self.answer(*id)).collect();
        let took = now_ns() - begun;
        self.give_back_all(&lines);
        // So that nothing is refused for being old, however slow the machine.
        player::sync(&mut self.gateway);
        took
    }

    fn give_back(&mut self, line: &[u8]) {
        self.gateway.ask(&over(line));
    }

    fn give_back_all(&mut self, lines: &[Vec<u8>]) {
        let told: Vec<u64> = lines
            .iter()
            .map(|line| self.gateway.send(&over(line)))
            .collect();
        for id in told {
            self.gateway.answer_to(id);
        }
    }
}

/// That the order of this allow was never sent.
fn over(line: &[u8]) -> GuardRequest {
    let GuardReply::Decision(Decision::Approved(approval)) =
        Envelope::read(line).unwrap().message().unwrap()
    else {
        panic!("{}", String::from_utf8_lossy(line))
    };
    GuardRequest::Outcome(OutcomeReport {
        approval_id: approval.approval_id,
        outcome: Outcome::NotSent {
            why: "a trial".into(),
        },
        signed_at: None,
    })
}

/// A blocking echo of lines of the given lengths, on a thread of its own.
fn ping_pong(request: usize, answer: usize) -> UnixStream {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        let mut buffer = vec![0; request];
        let reply = vec![b'y'; answer];
        while theirs.read_exact(&mut buffer).is_ok() {
            if theirs.write_all(&reply).is_err() {
                return;
            }
        }
    });
    ours
}

fn refused(scale: usize, pinned: bool) -> Row {
    let mut house = House::new(pinned);
    let (_, reply) = house.round_trip("NOPE");
    // The refusal is told as an event too, in the same breath.
    let event = house.gateway.line().expect("the event");
    let intent = house.intent("NOPE");
    let (_, request) = house.frame(intent);
    let mut answer = vec![0; reply.len() + event.len()];
    let mut floor = ping_pong(request.len(), answer.len());
    let each = 2_000 / scale;
    let precedence = precedence(house.guard.pid());
    let name = if pinned {
        "authorise refused / ping-pong, one core"
    } else {
        "authorise refused / ping-pong, free"
    };
    against(
        name,
        "<= 1.6 x",
        9,
        || (0..each).map(|_| house.round_trip("NOPE").0).collect(),
        || {
            let one = |_| {
                let begun = now_ns();
                floor.write_all(&request).unwrap();
                floor.read_exact(&mut answer).unwrap();
                now_ns() - begun
            };
            (0..each).map(one).collect()
        },
    )
    .noted(precedence)
}

/// Whether the guard has the precedence it asks for; without it whoever it wakes interrupts it.
fn precedence(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, behind_name) = stat.rsplit_once(')').unwrap();
    let nice = behind_name.split_whitespace().nth(16).unwrap();
    format!("guard at nice {nice}")
}

fn durable(scale: usize, pinned: bool) -> Row {
    let mut house = House::new(pinned);
    let mut file = append_file(&house.guard.dir().join("floor"));
    let intent = house.intent("SOLUSDT");
    let (_, record) = house.frame(intent);
    let each = 200 / scale;
    let name = if pinned {
        "authorise durable / append + fdatasync, one core"
    } else {
        "authorise durable / append + fdatasync, free"
    };
    against(
        name,
        "<= 1.0 x",
        9,
        || {
            let mut one = || {
                let (took, line) = house.round_trip("SOLUSDT");
                house.give_back(&line);
                took
            };
            (0..each).map(|_| one()).collect()
        },
        || {
            let one = |_| {
                let begun = now_ns();
                file.write_all(&record).unwrap();
                file.sync_data().unwrap();
                now_ns() - begun
            };
            (0..each).map(one).collect()
        },
    )
}

fn append_file(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}

/// Batches of 64 against one append + fdatasync of the same bytes; and with the files in memory,
/// which shows what the guard itself takes.
fn in_flight(scale: usize) -> Vec<Row> {
    let mut house = House::new(false);
    let mut file = append_file(&house.guard.dir().join("floor"));
    let intent = house.intent("SOLUSDT");
    let (_, record) = house.frame(intent);
    let records = record.repeat(BATCH);
    let each = 100 / scale.min(10);
    let row = against(
        "64 authorisations in flight / append + fdatasync",
        "one sync a batch",
        5,
        || (0..each).map(|_| house.batch()).collect(),
        || {
            let one = |_| {
                let begun = now_ns();
                file.write_all(&records).unwrap();
                file.sync_data().unwrap();
                now_ns() - begun
            };
            (0..each).map(one).collect()
        },
    );
    let rate = rate(row.p50);
    let mut rows = vec![row.noted(rate)];
    if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
        let mut house = House::begun(Supervisor::at(memory.path()), false);
        let mut times: Vec<u64> = (0..each * 5).map(|_| house.batch()).collect();
        let row = Row::alone(
            "64 authorisations in flight, files in memory",
            ">= 100 k/s",
            &mut times,
        );
        let rate = self::rate(row.p50);
        rows.push(row.noted(rate));
    }
    rows
}

fn rate(batch_ns: u64) -> String {
    format!("{:.0}/s", BATCH as f64 * 1e9 / batch_ns as f64)
}
