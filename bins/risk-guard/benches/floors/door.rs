//! A venue's door for the order path: it refuses every order itself, at once and blocking, and
//! passes everything else on to a simulator, streams too.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the venue says to an order that it has no margin for.
const REFUSAL: &str = r#"{"retCode":110007,"retMsg":"ab not enough for new order","result":{},"retExtInfo":{},"time":1763980800123}"#;

/// Before it, the headers that the venue sends.
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-bapi-limit: 10\r\n\
    x-bapi-limit-status: 9\r\nx-bapi-limit-reset-timestamp: 1763980800123\r\ncontent-length: ";

/// Bytes of the last order and of its answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) posted: usize,
    pub(crate) refused: usize,
}

/// The listening side; it serves on threads of its own until the program ends.
pub(crate) struct Door {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Door {
    pub(crate) fn before(behind: &str) -> Self {
        let behind = behind.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let book = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behind, book) = (behind.clone(), Arc::clone(&book));
                std::thread::spawn(move || serve(stream, &behind, &book));
            }
        });
        Self { url, seen }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap()
    }
}

/// One connection, to its end.
fn serve(mut client: TcpStream, behind: &str, book: &Mutex<Seen>) {
    client.set_nodelay(true).unwrap();
    let mut behind = TcpStream::connect(behind).unwrap();
    behind.set_nodelay(true).unwrap();
    let refusal = format!("{HEAD}{}\r\n\r\n{REFUSAL}", REFUSAL.len());
    while let Some(request) = message(&mut client) {
        let head = String::from_utf8_lossy(&request);
        let line = head.lines().next().unwrap_or_default();
        if line.starts_with("POST ") && line.contains("/order/create ") {
            client.write_all(refusal.as_bytes()).unwrap();
            let (posted, refused) = (request.len(), refusal.len());
            *book.lock().unwrap() = Seen { posted, refused };
            continue;
        }
        behind.write_all(&request).unwrap();
        if head.to_ascii_lowercase().contains("\r\nupgrade:") {
            return join(client, behind);
        }
        let Some(answer) = message(&mut behind) else {
            return;
        };
        if client.write_all(&answer).is_err() {
            return;
        }
    }
}

/// One head and the body that its length announces; `None` at the end of the connection.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(whole) = length(&bytes)
            && bytes.len() >= whole
        {
            return Some(bytes);
        }
        match stream.read(&mut buffer) {
            Ok(n @ 1..) => bytes.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}

/// How long a message is, once its head is there.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let body = text.split("\r\ncontent-length:").nth(1);
    let body = body.map_or(0, |rest| {
        rest.lines().next().unwrap().trim().parse().unwrap()
    });
    Some(head + body)
}

/// Carries bytes both ways until one side ends.
fn join(client: TcpStream, behind: TcpStream) {
    let (mut from, mut to) = (client.try_clone().unwrap(), behind.try_clone().unwrap());
    std::thread::spawn(move || {
        std::io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Both).ok();
    });
    let (mut from, mut to) = (behind, client);
    std::io::copy(&mut from, &mut to).ok();
    to.shutdown(Shutdown::Both).ok();
}
