//! The real program as the tests see it: raw requests, the harness's own client, streams, and the
//! exchange's published samples.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use exchange::{Credentials, NewOrder, Reader, Settings, Surroundings, Throttle, Trader, Venue};
use money::{Price, Qty};
use protocol::{BootMs, OrderLinkId, OrderType, Side, Symbol};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running simulator; ends when dropped.
pub(crate) struct Sim {
    child: Child,
    pub(crate) address: String,
}

impl Sim {
    #[allow(
        clippy::disallowed_methods,
        reason = "this test spawns the program it is about"
    )]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let moving = arguments.contains(&"--speed");
        let mut child = Command::new(env!("CARGO_BIN_EXE_zoomex-sim"))
            .args(["--listen", "127.0.0.1:0"])
            .args(if moving { &[][..] } else { &["--speed", "0"] })
            .args(arguments)
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
            .unwrap()
            .to_owned();
        let sim = Self { child, address };
        sim.post("/sim/price", r#"{"symbol":"SOLUSDT","price":"100"}"#);
        sim
    }

    fn raw(&self, request: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        let body = text.split("\r\n\r\n").nth(1).unwrap_or("");
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    pub(crate) fn get(&self, path: &str, headers: &str) -> (u16, Value) {
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
        ))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Value {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        let (status, answer) = self.raw(&format!("{head}{body}"));
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer
    }

    /// A signed GET by a client that keeps its own clock.
    pub(crate) fn signed(&self, path: &str, query: &str) -> Value {
        self.signed_under("/cloud/trade/v3", path, query)
    }

    /// The same under either prefix.
    pub(crate) fn signed_under(&self, prefix: &str, path: &str, query: &str) -> Value {
        let now = self.now();
        let sign = exchange::signing::rest_signature("sim-secret", now, "sim-key", 5000, query);
        let headers = format!(
            "X-BAPI-API-KEY: sim-key\r\nX-BAPI-TIMESTAMP: {now}\r\nX-BAPI-RECV-WINDOW: 5000\r\nX-BAPI-SIGN: {sign}\r\n"
        );
        self.get(&format!("{prefix}{path}?{query}"), &headers).1
    }

    /// A signed POST.
    pub(crate) fn signed_post(&self, path: &str, body: &Value) -> Value {
        let (now, body) = (self.now(), body.to_string());
        let sign = exchange::signing::rest_signature("sim-secret", now, "sim-key", 5000, &body);
        let length = body.len();
        let head = format!(
            "POST /cloud/trade/v3{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             X-BAPI-API-KEY: sim-key\r\nX-BAPI-TIMESTAMP: {now}\r\nX-BAPI-RECV-WINDOW: 5000\r\n\
             X-BAPI-SIGN: {sign}\r\nContent-Length: {length}\r\n\r\n"
        );
        self.raw(&format!("{head}{body}")).1
    }

    /// Places an order in SOLUSDT.
    pub(crate) fn create(&self, order: &Value) -> Value {
        let mut body = json!({"category": "linear", "symbol": "SOLUSDT"});
        for (key, value) in order.as_object().unwrap() {
            body[key] = value.clone();
        }
        let answer = self.signed_post("/order/create", &body);
        assert_eq!(answer["retCode"], 0, "{body}: {answer}");
        answer
    }

    /// The venue's time.
    pub(crate) fn now(&self) -> i64 {
        let (_, answer) = self.get("/cloud/trade/v3/market/time", "");
        answer["time"].as_i64().unwrap()
    }

    /// The harness's own client.
    pub(crate) fn client(&self) -> (Reader, Trader) {
        client(self)
    }

    /// A stream; nothing said yet.
    pub(crate) fn stream(&self, path: &str) -> Stream {
        Stream::open(&self.address, path).expect("the stream opens")
    }

    /// A private stream, authenticated and subscribed.
    pub(crate) fn private(&self, path: &str, topics: &[&str]) -> Stream {
        let mut stream = self.stream(path);
        let expires = self.now() + 10_000;
        let sign = exchange::signing::websocket_signature("sim-secret", expires);
        stream.say(&json!({"op": "auth", "args": ["sim-key", expires, sign]}));
        let answer = stream.hear();
        assert_eq!(
            (&answer["op"], &answer["success"]),
            (&json!("auth"), &json!(true))
        );
        if !topics.is_empty() {
            stream.say(&json!({"op": "subscribe", "args": topics}));
            assert_eq!(stream.hear()["success"], true);
        }
        stream
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Quiet;

impl Surroundings for Quiet {
    fn boot_now(&self) -> BootMs {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds = uptime.split(' ').next().unwrap().replace('.', "");
        BootMs(seconds.parse::<u64>().unwrap() * 10)
    }
    fn throttled(&self, _: Throttle) {}
    fn banned(&self, _: BootMs) {}
}

fn client(sim: &Sim) -> (Reader, Trader) {
    exchange::install_crypto_provider();
    let settings = Settings {
        base_url: format!("http://{}", sim.address),
        stream_url: format!("ws://{}", sim.address),
        venue: Venue::ZOOMEX,
        recv_window_ms: 5000,
        timeout: Duration::from_secs(5),
        per_second: 100,
        per_minute: 1000,
    };
    exchange::connect(
        settings,
        Credentials::new("sim-key", "sim-secret").unwrap(),
        Box::new(Quiet),
    )
    .unwrap()
}

/// A market order for 2 with brackets around 100.
pub(crate) fn buy(link: &str) -> NewOrder {
    NewOrder {
        position_index: 0,
        symbol: Symbol::new("SOLUSDT").unwrap(),
        side: Side::Buy,
        order_type: OrderType::Market,
        qty: Qty::parse("2").unwrap(),
        price: None,
        time_in_force: None,
        link_id: OrderLinkId::new(link).unwrap(),
        reduce_only: false,
        take_profit: Price::parse("120").ok(),
        stop_loss: Price::parse("90").ok(),
        trigger_by: Some("MarkPrice"),
    }
}

/// One WebSocket.
pub(crate) struct Stream(WebSocket<TcpStream>);

impl Stream {
    /// Opens a stream; `None` if it is refused.
    pub(crate) fn open(address: &str, path: &str) -> Option<Self> {
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{address}{path}");
        tungstenite::client(url, tcp)
            .ok()
            .map(|(socket, _)| Self(socket))
    }

    pub(crate) fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    /// The next message.
    pub(crate) fn hear(&mut self) -> Value {
        loop {
            match self.0.read().expect("a message in time") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("{other:?} instead of a message")
                }
            }
        }
    }

    /// The first message of which that is true.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.hear();
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Reads to the end of the stream; false if it does not end.
    pub(crate) fn has_ended(&mut self) -> bool {
        loop {
            match self.0.read() {
                Ok(Message::Close(_)) => return true,
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) => return error.kind() != ErrorKind::WouldBlock,
                Err(_) => return true,
            }
        }
    }

    /// Whether it stays open without a word for a while.
    pub(crate) fn is_silent(&mut self) -> bool {
        let short = Some(Duration::from_millis(700));
        self.0.get_ref().set_read_timeout(short).unwrap();
        let heard = self.0.read();
        self.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        matches!(heard, Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock)
    }
}

/// Runs one call of the client.
pub(crate) fn run<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(call)
}

/// The exchange's own samples by name; `None`, with a line that says so, where they are not at hand.
pub(crate) fn samples() -> Option<BTreeMap<String, Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/zoomex/examples");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: the exchange's published samples are not at hand");
        return None;
    };
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        (name, serde_json::from_str(&text).unwrap())
    };
    Some(files.map(|file| read(file.unwrap().path())).collect())
}

/// That a message has at least the published keys, with the published types of value.
pub(crate) fn at_least(place: &str, published: &Value, ours: &Value) {
    match (published, ours) {
        (Value::Object(published), Value::Object(ours)) => {
            for (key, value) in published {
                let mine = ours
                    .get(key)
                    .unwrap_or_else(|| panic!("{place}.{key} is missing"));
                at_least(&format!("{place}.{key}"), value, mine);
            }
        }
        (Value::Array(published), Value::Array(ours)) => {
            // A list of words may be empty; a list of rows was filled on purpose.
            let rows = published
                .first()
                .filter(|first| !first.is_string() || !ours.is_empty());
            if let Some(first) = rows {
                let mine = ours.first().unwrap_or_else(|| panic!("{place} is empty"));
                at_least(&format!("{place}[0]"), first, mine);
            }
        }
        (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_)) => {}
        // Published as a bare number in a spot row, as a string for contracts.
        (Value::Number(_), Value::String(_)) if place.ends_with("closedSize") => {}
        _ => panic!("{place}: published {published}, ours {ours}"),
    }
}
