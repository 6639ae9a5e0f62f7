//! Stands between a gateway and the simulator: everything passes, but the account's stream is the
//! test's own.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly, and not every test uses every hand"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept};

use crate::player::{PATIENCE, until};

/// The one in between.
pub(crate) struct Between {
    pub(crate) url: String,
    stream: Arc<Mutex<Option<WebSocket<TcpStream>>>>,
    joined: Mutex<Receiver<()>>,
}

impl Between {
    pub(crate) fn before(sim: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sim = sim.strip_prefix("http://").unwrap().to_owned();
        let stream = Arc::new(Mutex::new(None));
        let (tell, joined) = channel();
        let ours = Arc::clone(&stream);
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let (sim, ours, tell) = (sim.clone(), Arc::clone(&ours), tell.clone());
                std::thread::spawn(move || meet(peer, &sim, &ours, &tell));
            }
        });
        Self {
            url,
            stream,
            joined: Mutex::new(joined),
        }
    }

    /// Says this on the account's stream.
    pub(crate) fn say(&self, text: &str) {
        until("the gateway to be on the stream", || {
            let mut stream = self.stream.lock().unwrap();
            stream
                .as_mut()
                .map(|s| s.send(Message::text(text)).unwrap())
        });
    }

    /// Waits until the gateway has come to the stream once more than it had.
    pub(crate) fn again(&self) {
        let joined = self.joined.lock().unwrap();
        for _ in 0..2 {
            joined.recv_timeout(PATIENCE).unwrap();
        }
    }
}

fn meet(
    peer: TcpStream,
    sim: &str,
    ours: &Mutex<Option<WebSocket<TcpStream>>>,
    joined: &Sender<()>,
) {
    let mut head = [0; 16];
    if peer.peek(&mut head).unwrap_or(0) == 0 {
        return;
    }
    if !head.starts_with(b"GET /v3/private") {
        return pass(peer, sim);
    }
    let mut socket = accept(peer).unwrap();
    for _ in 0..2 {
        let asked: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
        let yes = format!(
            r#"{{"success":true,"op":{},"req_id":{}}}"#,
            asked["op"],
            asked.get("req_id").unwrap_or(&Value::String(String::new()))
        );
        socket.send(Message::text(yes)).unwrap();
    }
    *ours.lock().unwrap() = Some(socket);
    joined.send(()).unwrap_or_default();
}

fn pass(peer: TcpStream, sim: &str) {
    let Ok(other) = TcpStream::connect(sim) else {
        return;
    };
    let (from, to) = (peer.try_clone().unwrap(), other.try_clone().unwrap());
    let back = std::thread::spawn(move || carry(other, peer));
    carry(from, to);
    drop(back.join());
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read) = from.read(&mut bytes) {
        if read == 0 || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}
