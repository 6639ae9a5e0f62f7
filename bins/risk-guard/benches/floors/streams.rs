//! What streams cost and how fast they are, through a whole deployment of real processes.

use std::time::Duration;

use daemon::client::Client;
use daemon::deployment::Deployment;
use money::{Price, Qty};
use protocol::frame::Empty;
use protocol::gateway::{BotHello, GatewayReply, GatewayRequest, Subscribe};
use protocol::guard::{GuardReply, GuardRequest, ResetTarget, Verb};
use protocol::status::{FeedState, RiskStatus};
use protocol::{Outcome, Process, Symbol, Tag};
use testkit::{Binaries, BotPlayer, Harness, HarnessSpec, Sim, SimSpec};

use crate::measure::{Row, now_ns, percentile};

const PATIENCE: Duration = Duration::from_secs(30);
const SYMBOLS: u32 = 50;
/// Symbols that one bot may follow.
const EACH_BOT: usize = 16;

pub(crate) fn cases(rows: &mut Vec<Row>, scale: usize) {
    rows.push(trip(40 / scale));
    rows.push(load(Duration::from_secs(10)));
}

/// A deployment whose streams are whole. What was made last is dropped first.
struct House {
    clients: Vec<Client>,
    harness: Harness,
    sim: Sim,
    _dir: tempfile::TempDir,
}

impl House {
    fn with(spec: &SimSpec, profile: &str) -> Self {
        let binaries = Binaries::beside_this_program().unwrap();
        let sim = Sim::start(&binaries, spec).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let spec = HarnessSpec {
            dir: dir.path().to_owned(),
            config: profile.replace("http://127.0.0.1:0", sim.url()),
            arguments: Vec::new(),
        };
        let mut harness = Harness::start(&binaries, spec).unwrap();
        harness.await_synced().unwrap();
        Self {
            clients: Vec::new(),
            harness,
            sim,
            _dir: dir,
        }
    }

    fn ask(client: &mut Client, request: &GatewayRequest) -> GatewayReply {
        client.request(request, PATIENCE).unwrap()
    }

    fn join(&mut self, wants: Subscribe) {
        let path = Deployment::at(self.harness.dir()).gateway_socket();
        let mut client = Client::connect(&path, PATIENCE).unwrap();
        let name = "bench".to_owned();
        Self::ask(&mut client, &GatewayRequest::Hello(BotHello { name }));
        let done = Self::ask(&mut client, &GatewayRequest::Subscribe(wants));
        assert_eq!(done, GatewayReply::Done(Empty {}));
        self.clients.push(client);
    }

    fn await_live(&mut self) {
        let client = self.clients.first_mut().unwrap();
        let end = now_ns() + 60_000_000_000;
        loop {
            match Self::ask(client, &GatewayRequest::Status(Empty {})) {
                GatewayReply::Status(status)
                    if status.account_stream == FeedState::Live
                        && status.market_stream == FeedState::Live =>
                {
                    return;
                }
                _ => assert!(now_ns() < end, "the streams are not whole"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn sol() -> Symbol {
    Symbol::new("SOLUSDT").unwrap()
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

/// A stop is executed at the venue; how long until the guard, asked again and again, says that
/// entries are blocked. The clock starts before the price is told to the simulator; what that call
/// alone takes, with nothing to execute, is the floor.
fn trip(times: usize) -> Row {
    let profile = include_str!("../../../../configs/drill/normal.yaml")
        .replace("max_daily_risk: 0.50", "max_daily_risk: 0.001")
        .replace("consecutiveLossLimit: 50", "consecutiveLossLimit: 1000")
        .replace("sessionMaxTrades: 100", "sessionMaxTrades: 1000");
    let mut house = House::with(&SimSpec::default(), &profile);
    house.sim.price(sol(), Some(price("100"))).unwrap();
    house.join(Subscribe::default());
    house.await_live();
    let mut bot = BotPlayer::connect(house.harness.dir()).unwrap();
    let path = Deployment::at(house.harness.dir()).guard_socket();
    let mut guard = Client::connect(&path, PATIENCE).unwrap();
    let mut look = move || -> RiskStatus {
        match guard
            .request(&GuardRequest::Status(Empty {}), PATIENCE)
            .unwrap()
        {
            GuardReply::Status(status) => status,
            other => panic!("{other:?}"),
        }
    };
    let tripped = |status: &RiskStatus| status.trips.iter().any(|t| t.tag == Tag::DailyLoss);
    let size = Qty::parse("10").unwrap();
    let (mut taken, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..times.max(10) {
        let begun = now_ns();
        house.sim.price(sol(), Some(price("100"))).unwrap();
        calls.push(now_ns() - begun);
        house
            .harness
            .operate(Verb::Reset {
                what: ResetTarget::DailyLoss,
            })
            .unwrap();
        // Entries wait for the reset, and for a fresh mark.
        loop {
            let placed = bot.buy_with_stop(sol(), size, price("99")).unwrap();
            if matches!(placed.outcome, Outcome::Accepted { .. }) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bot.await_size(sol(), size).unwrap();
        assert!(!tripped(&look()));
        let begun = now_ns();
        house.sim.price(sol(), Some(price("98"))).unwrap();
        while !tripped(&look()) {}
        taken.push(now_ns() - begun);
        bot.await_size(sol(), Qty::ZERO).unwrap();
    }
    let call = percentile(&mut calls, 500);
    let mut row = Row::alone(
        "execution at the venue, trip visible / the call alone",
        "p99 <= 2 ms",
        &mut taken,
    );
    row.ratio = Some(row.p50 as f64 / call as f64);
    row.floor = Some(call);
    row
}

/// Fifty symbols, each told ten times a second: what the gateway takes of one core.
fn load(time: Duration) -> Row {
    let spec = SimSpec {
        symbols: SYMBOLS,
        speed: "60",
        ..SimSpec::default()
    };
    let profile = include_str!("../../../../configs/drill/normal.yaml");
    let mut house = House::with(&spec, profile);
    let symbols = symbols(&house.sim);
    for some in symbols.chunks(EACH_BOT) {
        house.join(Subscribe {
            tickers: some.to_vec(),
            ..Subscribe::default()
        });
    }
    house.await_live();
    // The first reads of fifty symbols are not what is measured.
    std::thread::sleep(Duration::from_secs(8));
    // Bots that do not listen would be cut off.
    let clients = std::mem::take(&mut house.clients);
    let listening: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            std::thread::spawn(move || {
                let mut heard = 0_u64;
                let end = now_ns() + u64::try_from(time.as_nanos()).unwrap();
                while now_ns() < end {
                    let push =
                        client.next_push::<protocol::gateway::GatewayPush>(Duration::from_secs(1));
                    heard += u64::from(matches!(push, Ok(Some(_))));
                }
                heard
            })
        })
        .collect();
    let pid = house.harness.pid_of(Process::Gateway).unwrap();
    let (begun, before) = (now_ns(), cpu_ms(pid));
    let heard: u64 = listening.into_iter().map(|bot| bot.join().unwrap()).sum();
    let (wall, used) = (now_ns() - begun, cpu_ms(pid) - before);
    let per_mille = used * 1_000_000_000 / wall;
    let seconds = wall / 1_000_000_000;
    let note = format!(
        "{}.{} % of one core; {} ticks a second to bots",
        per_mille / 10,
        per_mille % 10,
        heard / seconds.max(1)
    );
    let mut second = [used * 1_000_000_000 / (wall / 1_000_000).max(1)];
    Row::alone(
        "gateway CPU a second, 50 symbols each 100 ms",
        "< 5 % of one core",
        &mut second,
    )
    .noted(note)
}

fn symbols(sim: &Sim) -> Vec<Symbol> {
    let url = format!(
        "{}/v5/market/instruments-info?category=linear&limit=1000",
        sim.url()
    );
    let text = ureq::get(url)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = answer["result"]["list"].as_array().unwrap();
    let names = rows.iter().filter_map(|row| row["symbol"].as_str());
    let all: Vec<Symbol> = names.map(|name| Symbol::new(name).unwrap()).collect();
    assert_eq!(all.len(), usize::try_from(SYMBOLS).unwrap());
    all
}

/// Processor time of a process so far, milliseconds (`/proc/PID/stat`, a hundred ticks a second).
fn cpu_ms(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in brackets may hold anything.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |n: usize| fields[n].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) * 10
}
