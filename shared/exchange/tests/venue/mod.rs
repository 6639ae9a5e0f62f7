//! A venue that says what a test tells it to, byte for byte, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exchange::{
    Credentials, NewOrder, Reader, Settings, Surroundings, Throttle, Trader, Venue as Family,
};
use money::Qty;
use protocol::{BootMs, OrderLinkId, OrderType, Side, Symbol};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn is(&self, path: &str) -> bool {
        self.path == format!("{}{path}", Family::ZOOMEX.prefix)
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// HTTP 200 with this body.
    Ok(String),
    /// This status, these header lines, this body.
    Status(u16, &'static str, String),
    /// HTTP 200 that promises a longer body than it sends.
    Cut(String),
    /// The connection ends without an answer.
    Hangup,
    /// Nothing, for longer than the client waits.
    Silence,
}

/// The server; it answers on threads of its own until the test ends.
pub(crate) struct Venue {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Venue {
    pub(crate) fn playing(script: impl Fn(&Request) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, book) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, book) = (Arc::clone(&script), Arc::clone(&book));
                std::thread::spawn(move || {
                    let Some(request) = heard(&stream) else {
                        return;
                    };
                    book.lock().unwrap().push(request.clone());
                    answer(stream, script(&request));
                });
            }
        });
        Self { url, seen }
    }

    /// Requests to this path (without the prefix) so far.
    pub(crate) fn asked(&self, path: &str) -> Vec<Request> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|r| r.is(path)).cloned().collect()
    }
}

pub(crate) fn heard(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Request {
        method,
        path,
        query,
        headers,
        body,
    })
}

fn answer(mut stream: TcpStream, play: Play) {
    let mut say = |status: u16, headers: &str, length: usize, body: &str| {
        let head = format!(
            "HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
        );
        drop(stream.write_all(head.as_bytes()));
        // The client may have had enough of a long body.
        drop(stream.write_all(body.as_bytes()));
    };
    match play {
        Play::Ok(body) => say(200, "", body.len(), &body),
        Play::Status(status, headers, body) => say(status, headers, body.len(), &body),
        Play::Cut(body) => say(200, "", body.len() + 100, &body),
        Play::Hangup => {}
        Play::Silence => wait(Duration::from_secs(5)),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a slow venue is what is being played"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// What the client told its surroundings, and the boot clock they give it: it stands still but for
/// the sleeps that the client announces and for what a test adds.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) boot: Arc<AtomicU64>,
    pub(crate) throttles: Arc<Mutex<Vec<Throttle>>>,
    pub(crate) bans: Arc<Mutex<Vec<BootMs>>>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            boot: Arc::new(AtomicU64::new(1_000_000)),
            throttles: Arc::default(),
            bans: Arc::default(),
        }
    }
}

impl Surroundings for Told {
    fn boot_now(&self) -> BootMs {
        BootMs(self.boot.load(Ordering::SeqCst))
    }

    fn throttled(&self, throttle: Throttle) {
        self.boot.fetch_add(throttle.sleep_ms, Ordering::SeqCst);
        self.throttles.lock().unwrap().push(throttle);
    }

    fn banned(&self, until: BootMs) {
        self.bans.lock().unwrap().push(until);
    }
}

pub(crate) const KEY: &str = "test-key";
pub(crate) const SECRET: &str = "test-secret";

/// Both halves of a client, with caps that do not matter unless the test wants them to.
pub(crate) fn client(url: &str, caps: (u32, u32), told: &Told) -> (Reader, Trader) {
    made(
        url,
        &url.replacen("http", "ws", 1),
        caps,
        Box::new(told.clone()),
    )
}

/// A client whose streams are at another address than its calls.
pub(crate) fn client_with_streams(url: &str, stream_url: &str) -> (Reader, Trader) {
    made(
        url,
        stream_url,
        (10_000, 100_000),
        Box::new(Ticking::default()),
    )
}

/// A boot clock that runs.
struct Ticking(std::time::Instant);

impl Default for Ticking {
    #[allow(clippy::disallowed_methods, reason = "this is the test's clock")]
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Surroundings for Ticking {
    fn boot_now(&self) -> BootMs {
        BootMs(1_000_000 + u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }

    fn throttled(&self, _: Throttle) {}

    fn banned(&self, _: BootMs) {}
}

fn made(
    url: &str,
    stream_url: &str,
    (per_second, per_minute): (u32, u32),
    around: Box<dyn Surroundings>,
) -> (Reader, Trader) {
    exchange::install_crypto_provider();
    let settings = Settings {
        base_url: url.to_owned(),
        stream_url: stream_url.to_owned(),
        venue: Family::ZOOMEX,
        recv_window_ms: 5000,
        timeout: Duration::from_millis(1_500),
        per_second,
        per_minute,
    };
    let keys = Credentials::new(KEY, SECRET).unwrap();
    exchange::connect(settings, keys, around).unwrap()
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

pub(crate) fn refusal(code: i64, message: &str) -> String {
    format!(r#"{{"retCode":{code},"retMsg":"{message}","result":{{}},"time":1763980800123}}"#)
}

pub(crate) fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

pub(crate) fn buy(link: &str) -> NewOrder {
    NewOrder {
        position_index: 0,
        symbol: symbol("SOLUSDT"),
        side: Side::Buy,
        order_type: OrderType::Market,
        qty: Qty::parse("3.1").unwrap(),
        price: None,
        time_in_force: None,
        link_id: OrderLinkId::new(link).unwrap(),
        reduce_only: false,
        take_profit: None,
        stop_loss: None,
        trigger_by: None,
    }
}
