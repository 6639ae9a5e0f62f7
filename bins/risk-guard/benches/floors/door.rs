//! A venue's door for the order path: it answers every order itself, at once and blocking, and
//! passes everything else on to a simulator, streams too.
//!
//! It takes orders or refuses them. What it has taken rests until it is cancelled at a word, which
//! the account's stream tells like any other news of the simulator's.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use daemon::clock;

/// What the venue says to an order that it has no margin for.
const REFUSAL: &str = r#"{"retCode":110007,"retMsg":"ab not enough for new order","result":{},"retExtInfo":{},"time":1763980800123}"#;

/// What it says to one that it takes, around its own id and the link id.
const TAKEN: [&str; 3] = [
    r#"{"retCode":0,"retMsg":"OK","result":{"orderId":"v"#,
    r#"","orderLinkId":""#,
    r#""},"retExtInfo":{},"time":1763980800123}"#,
];

/// Before it, the headers that the venue sends.
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-bapi-limit: 10\r\n\
    x-bapi-limit-status: 9\r\nx-bapi-limit-reset-timestamp: 1763980800123\r\ncontent-length: ";

/// Bytes of the last order and of its answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) posted: usize,
    pub(crate) answered: usize,
}

/// The listening side; it serves on threads of its own until the program ends.
pub(crate) struct Door {
    url: String,
    book: Arc<Book>,
}

/// What every connection shares.
#[derive(Default)]
struct Book {
    refuses: AtomicBool,
    seen: Mutex<Seen>,
    /// The link ids of what rests. The venue's own ids are these with a letter before them.
    resting: Mutex<Vec<String>>,
    /// The gateway's end of the account's stream.
    account: Mutex<Option<TcpStream>>,
}

impl Door {
    pub(crate) fn before(behind: &str) -> Self {
        let behind = behind.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let book = Arc::new(Book::default());
        let shared = Arc::clone(&book);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behind, book) = (behind.clone(), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, &behind, &book));
            }
        });
        Self { url, book }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.book.seen.lock().unwrap()
    }

    /// Whether orders are refused from now on.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.book.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Cancels every order that rests, nothing of it executed.
    pub(crate) fn cancel_all(&self) {
        let resting = std::mem::take(&mut *self.book.resting.lock().unwrap());
        if resting.is_empty() {
            return;
        }
        let now = clock::wall_now().0;
        let row = |link: &String| {
            format!(
                r#"{{"orderId":"v{link}","orderLinkId":"{link}","symbol":"SOLUSDT","side":"Buy","orderType":"Limit","price":"100","qty":"0.1","cumExecQty":"0","orderStatus":"Cancelled","timeInForce":"GTC","createdTime":"{now}","updatedTime":"{now}"}}"#
            )
        };
        let rows: Vec<String> = resting.iter().map(row).collect();
        let rows = rows.join(",");
        let text =
            format!(r#"{{"id":"door","topic":"order","creationTime":{now},"data":[{rows}]}}"#);
        // A whole text frame, its length in eight bytes (RFC 6455, base framing protocol).
        let mut frame = vec![0x81, 127];
        frame.extend(u64::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend(text.as_bytes());
        let mut account = self.book.account.lock().unwrap();
        account.as_mut().unwrap().write_all(&frame).unwrap();
    }
}

/// One connection, to its end.
fn serve(mut client: TcpStream, behind: &str, book: &Book) {
    client.set_nodelay(true).unwrap();
    let mut behind = TcpStream::connect(behind).unwrap();
    behind.set_nodelay(true).unwrap();
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    while message(&mut client, &mut request) {
        let (line, _) = split(&request, b"\r\n").unwrap();
        if line.starts_with(b"POST ") && split(line, b"/order/create ").is_some() {
            book.judge(&request, &mut answer);
            client.write_all(&answer).unwrap();
            let (posted, answered) = (request.len(), answer.len());
            *book.seen.lock().unwrap() = Seen { posted, answered };
            continue;
        }
        behind.write_all(&request).unwrap();
        if headers(&request).any(|(name, _)| name.eq_ignore_ascii_case(b"upgrade")) {
            let account = split(line, b"/private").is_some();
            return join(client, behind, account.then_some(book));
        }
        if !message(&mut behind, &mut answer) || client.write_all(&answer).is_err() {
            return;
        }
    }
}

impl Book {
    /// The answer to an order.
    fn judge(&self, request: &[u8], answer: &mut Vec<u8>) {
        answer.clear();
        if self.refuses.load(Ordering::Relaxed) {
            write!(answer, "{HEAD}{}\r\n\r\n{REFUSAL}", REFUSAL.len()).unwrap();
            return;
        }
        let (_, rest) = split(request, br#""orderLinkId":""#).unwrap();
        let (link, _) = split(rest, b"\"").unwrap();
        let link = String::from_utf8(link.to_vec()).unwrap();
        let length = TAKEN.iter().map(|part| part.len()).sum::<usize>() + 2 * link.len();
        write!(answer, "{HEAD}{length}\r\n\r\n").unwrap();
        for part in [TAKEN[0], &link, TAKEN[1], &link, TAKEN[2]] {
            answer.extend_from_slice(part.as_bytes());
        }
        self.resting.lock().unwrap().push(link);
    }
}

/// One head and the body that its length announces; false at the end of the connection.
fn message(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> bool {
    bytes.clear();
    let mut buffer = [0; 4 * 1024];
    while length(bytes).is_none_or(|whole| bytes.len() < whole) {
        match stream.read(&mut buffer) {
            Ok(n @ 1..) => bytes.extend_from_slice(&buffer[..n]),
            _ => return false,
        }
    }
    true
}

/// How long a message is, once its head is there.
fn length(bytes: &[u8]) -> Option<usize> {
    let (head, _) = split(bytes, b"\r\n\r\n")?;
    let body = headers(bytes).find(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    let body = body.map_or(0, |(_, value)| {
        std::str::from_utf8(value).unwrap().trim().parse().unwrap()
    });
    Some(head.len() + 4 + body)
}

/// The header lines of a message.
fn headers(message: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = message;
    std::iter::from_fn(move || {
        let (line, after) = split(rest, b"\r\n")?;
        rest = after;
        (!line.is_empty()).then_some(line)
    })
    .filter_map(|line| split(line, b":"))
}

/// What comes before the first of these bytes, and after them.
fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        from += bytes[from..].iter().position(|byte| *byte == at[0])?;
        if bytes[from..].starts_with(at) {
            return Some((&bytes[..from], &bytes[from + at.len()..]));
        }
        from += 1;
    }
}

/// Carries bytes both ways until one side ends. Into the account's stream others may speak too, so
/// what the simulator says there goes through frame by frame.
fn join(client: TcpStream, behind: TcpStream, account: Option<&Book>) {
    let (mut from, mut to) = (client.try_clone().unwrap(), behind.try_clone().unwrap());
    std::thread::spawn(move || {
        std::io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Both).ok();
    });
    let (mut from, mut to) = (behind, client);
    if let Some(book) = account {
        let mut agreed = Vec::new();
        // Byte by byte: what follows the head is a frame already.
        while !agreed.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            from.read_exact(&mut byte).unwrap();
            agreed.extend(byte);
        }
        to.write_all(&agreed).unwrap();
        *book.account.lock().unwrap() = Some(to.try_clone().unwrap());
        while let Some(frame) = frame(&mut from) {
            let _whole = book.account.lock().unwrap();
            if to.write_all(&frame).is_err() {
                break;
            }
        }
    } else {
        std::io::copy(&mut from, &mut to).ok();
    }
    to.shutdown(Shutdown::Both).ok();
}

/// One frame of a server's; `None` at the end.
fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut frame = vec![0; 2];
    stream.read_exact(&mut frame).ok()?;
    let longer = match frame[1] {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    frame.resize(2 + longer, 0);
    stream.read_exact(&mut frame[2..]).ok()?;
    let length = frame[2..]
        .iter()
        .fold(0, |all, byte| all << 8 | usize::from(*byte));
    let length = if longer == 0 {
        usize::from(frame[1])
    } else {
        length
    };
    let head = frame.len();
    frame.resize(head + length, 0);
    stream.read_exact(&mut frame[head..]).ok()?;
    Some(frame)
}
