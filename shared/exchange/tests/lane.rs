//! The connections that orders leave on: kept from one order to the next, never trusted when they
//! speak unasked, and exact about whether a request may have left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]
#![allow(dead_code, reason = "each test file uses a part of the scripted venue")]

mod venue;

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use exchange::{ExchangeError, Reader, Trader};
use venue::{Told, buy, client, fixture, heard, run};

/// Wide enough to hold nothing up.
const WIDE: (u32, u32) = (10_000, 100_000);

/// A venue that plays a script, order by order, and keeps its connections.
struct Line {
    url: String,
    /// Which connection each order came on, counted from 0.
    orders: Arc<Mutex<Vec<usize>>>,
    accepted: Receiver<Weak<TcpStream>>,
}

/// What the venue does once it has read an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Reads,
    Hangs,
}

impl Line {
    /// `script` is told how many orders came before this one; the clock is answered without it.
    fn playing(script: impl Fn(usize, &TcpStream) -> Then + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let orders = Arc::new(Mutex::new(Vec::new()));
        let (tell, accepted) = channel();
        let (script, book) = (Arc::new(script), Arc::clone(&orders));
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().flatten().enumerate() {
                let (script, book, tell) = (Arc::clone(&script), Arc::clone(&book), tell.clone());
                std::thread::spawn(move || serve(n, stream, &*script, &book, &tell));
            }
        });
        Self {
            url,
            orders,
            accepted,
        }
    }

    /// The next connection that was made.
    fn connection(&self) -> Arc<TcpStream> {
        self.accepted.recv().unwrap().upgrade().unwrap()
    }

    fn came_on(&self) -> Vec<usize> {
        self.orders.lock().unwrap().clone()
    }
}

fn serve(
    n: usize,
    stream: TcpStream,
    script: &impl Fn(usize, &TcpStream) -> Then,
    book: &Mutex<Vec<usize>>,
    tell: &Sender<Weak<TcpStream>>,
) {
    let stream = Arc::new(stream);
    // The test may have ended.
    drop(tell.send(Arc::downgrade(&stream)));
    while let Some(request) = heard(&stream) {
        if request.is("/market/time") {
            say(&stream, &fixture("time"));
            continue;
        }
        let before = {
            let mut book = book.lock().unwrap();
            book.push(n);
            book.len() - 1
        };
        if script(before, &stream) == Then::Hangs {
            return;
        }
    }
}

/// Writes; the client may have gone.
fn put(mut stream: &TcpStream, bytes: &str) {
    drop(stream.write_all(bytes.as_bytes()));
}

fn say(stream: &TcpStream, body: &str) {
    let length = body.len();
    put(
        stream,
        &format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"),
    );
}

fn taken(_: usize, stream: &TcpStream) -> Then {
    say(stream, &fixture("order-ids"));
    Then::Reads
}

/// Both halves of a client whose clock is set.
async fn ready(url: &str) -> (Reader, Trader) {
    let (reader, trader) = client(url, WIDE, &Told::default());
    reader.sync_clock().await.unwrap();
    (reader, trader)
}

#[test]
fn one_connection_carries_one_order_after_another_and_the_clock() {
    let line = Line::playing(taken);
    run(async {
        let (reader, trader) = ready(&line.url).await;
        for _ in 0..3 {
            trader.create(&buy("pg-1")).await.unwrap();
            reader.sync_clock().await.unwrap();
        }
    });
    assert_eq!(line.came_on(), [0, 0, 0]);
}

/// Were it not noticed, each first order after a quiet time would be one of unknown outcome.
#[test]
fn a_connection_that_the_venue_closed_meanwhile_is_not_used() {
    for how in [Shutdown::Both, Shutdown::Write] {
        let line = Line::playing(taken);
        run(async {
            let (_reader, trader) = ready(&line.url).await;
            line.connection().shutdown(how).unwrap();
            trader.create(&buy("pg-1")).await.unwrap();
        });
        assert_eq!(line.came_on(), [1], "{how:?}");
    }
}

/// What it says would be taken for the answer to the next order.
#[test]
fn a_connection_that_spoke_unasked_is_not_used() {
    let line = Line::playing(taken);
    run(async {
        let (_reader, trader) = ready(&line.url).await;
        say(&line.connection(), &fixture("order-ids"));
        trader.create(&buy("pg-1")).await.unwrap();
    });
    assert_eq!(line.came_on(), [1]);
}

/// Two orders under a script; the connections that they came on.
fn two(script: impl Fn(usize, &TcpStream) -> Then + Send + Sync + 'static) -> Vec<usize> {
    let line = Line::playing(script);
    run(async {
        let (_reader, trader) = ready(&line.url).await;
        for _ in 0..2 {
            trader.create(&buy("pg-1")).await.unwrap();
        }
    });
    line.came_on()
}

#[test]
fn only_a_whole_answer_and_nothing_more_keeps_the_connection() {
    let ids = || fixture("order-ids");
    let sized = move |head: &str| {
        let length = ids().len();
        format!(
            "HTTP/1.1 200 OK\r\n{head}content-length: {length}\r\n\r\n{}",
            ids()
        )
    };
    let chunked = move |head: &str, end: &str| {
        let (a, b) = (ids()[..30].to_owned(), ids()[30..].to_owned());
        let (one, two) = (a.len(), b.len());
        format!(
            "HTTP/1.1 200 OK\r\n{head}Transfer-Encoding: Chunked\r\n\r\n\
             {one:x};why=not\r\n{a}\r\n{two:X}\r\n{b}\r\n0\r\n{end}"
        )
    };
    // An answer, what comes behind it, and the connections of two orders.
    let table = [
        (sized(""), "", [0, 0]),
        (sized(""), "HTTP/1.1 200", [0, 1]),
        (sized("Connection: Close\r\n"), "", [0, 1]),
        (sized("connection: x, close\r\n"), "", [0, 1]),
        (sized("").replace("HTTP/1.1", "HTTP/1.0"), "", [0, 1]),
        (
            format!("HTTP/1.1 103 X\r\nlink: x\r\n\r\n{}", sized("")),
            "",
            [0, 0],
        ),
        (chunked("", "\r\n"), "", [0, 0]),
        (chunked("", "after: all\r\n\r\n"), "", [0, 0]),
        (chunked("", "\r\n"), "more", [0, 1]),
        (chunked("content-length: 7\r\n", "\r\n"), "", [0, 1]),
    ];
    for (answer, more, connections) in table {
        let whole = format!("{answer}{more}");
        let at_once = two(move |_, stream| {
            put(stream, &whole);
            Then::Reads
        });
        assert_eq!(at_once, connections, "{answer}{more}");
        // However it is cut, it is the same; what comes behind comes with its end.
        let bytes = answer.clone();
        let dribbled = two(move |_, mut stream| {
            stream.set_nodelay(true).unwrap();
            let (most, last) = bytes.split_at(bytes.len() - 1);
            for byte in most.as_bytes() {
                stream.write_all(&[*byte]).unwrap();
            }
            put(stream, &format!("{last}{more}"));
            Then::Reads
        });
        assert_eq!(dribbled, connections, "byte by byte: {answer}{more}");
    }
}

#[test]
fn an_answer_may_end_with_its_connection() {
    let connections = two(|_, stream| {
        put(
            stream,
            &format!("HTTP/1.1 200 OK\r\n\r\n{}", fixture("order-ids")),
        );
        stream.shutdown(Shutdown::Both).unwrap();
        Then::Hangs
    });
    assert_eq!(connections, [0, 1]);
}

/// Whatever happens after the request has left, nobody knows, and nothing is sent again.
#[test]
fn what_breaks_after_the_request_left_is_unknown_and_sent_once() {
    type Script = fn(&TcpStream) -> Then;
    const SIZED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{\"retCode\":0";
    const CHUNK: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{\"retCode\":0";
    let table: [(&str, Script); 13] = [
        ("closed", |_| Then::Hangs),
        ("reset", |stream| {
            let socket = socket2::SockRef::from(stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
            Then::Hangs
        }),
        ("silent", |_| Then::Reads),
        ("half a head", |stream| {
            put(stream, &SIZED[..30]);
            Then::Hangs
        }),
        ("half a head, then silence", |stream| {
            put(stream, &SIZED[..30]);
            Then::Reads
        }),
        ("half a body", |stream| {
            put(stream, SIZED);
            Then::Hangs
        }),
        ("half a body, then silence", |stream| {
            put(stream, SIZED);
            Then::Reads
        }),
        ("half a chunk", |stream| {
            put(stream, CHUNK);
            Then::Hangs
        }),
        ("a chunk without a size", |stream| {
            put(stream, &CHUNK.replace("40\r\n", "forty\r\n"));
            Then::Reads
        }),
        ("two lengths", |stream| {
            put(
                stream,
                &SIZED.replace("\r\n\r\n", "\r\ncontent-length: 4\r\n\r\n"),
            );
            Then::Reads
        }),
        ("no HTTP", |stream| {
            put(stream, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
            Then::Reads
        }),
        ("another protocol", |stream| {
            put(stream, "HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n");
            Then::Reads
        }),
        ("a redirect", |stream| {
            let there = "HTTP/1.1 307 X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
            put(stream, there);
            Then::Reads
        }),
    ];
    for (name, script) in table {
        let line = Line::playing(move |n, stream| match n {
            0 => script(stream),
            _ => taken(n, stream),
        });
        run(async {
            let (_reader, trader) = ready(&line.url).await;
            let error = trader.create(&buy("pg-1")).await.unwrap_err();
            assert!(
                matches!(error, ExchangeError::Unknown { .. }),
                "{name}: {error}"
            );
            assert_eq!(line.came_on(), [0], "{name}: {error}");
            trader.create(&buy("pg-2")).await.unwrap();
        });
        assert_eq!(
            line.came_on(),
            [0, 1],
            "{name}: the next has its own connection"
        );
    }
}

/// A length that nobody would read is not waited for; what has no end is given up.
#[test]
fn an_endless_answer_is_given_up() {
    let table = [
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7fffffffffffffff\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(9 << 20)),
        format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(1 << 20)),
    ];
    for answer in table {
        let start: String = answer.chars().take(60).collect();
        let line = Line::playing(move |_, stream| {
            put(stream, &answer);
            Then::Reads
        });
        run(async {
            let (_reader, trader) = ready(&line.url).await;
            let error = trader.create(&buy("pg-1")).await.unwrap_err();
            assert!(error.is_ambiguous(), "{start}: {error}");
            assert!(!error.to_string().contains("in time"), "{start}: {error}");
        });
    }
}

/// An order that is being answered slowly holds up no other.
#[test]
fn orders_that_go_together_have_a_connection_each() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let line = Line::playing(move |n, stream| {
        if n < 2 {
            wait.lock().unwrap().recv().unwrap();
        }
        taken(n, stream)
    });
    run(async {
        let (_reader, trader) = ready(&line.url).await;
        let (one, two, three) = (buy("pg-1"), buy("pg-2"), buy("pg-3"));
        let last = async {
            while line.came_on().len() < 2 {
                tokio::task::yield_now().await;
            }
            let third = trader.create(&three).await;
            go.send(()).unwrap();
            go.send(()).unwrap();
            third
        };
        let (one, two, three) = tokio::join!(trader.create(&one), trader.create(&two), last);
        one.and(two).and(three).unwrap();
        // Which of the first two is heard of first is the threads' affair.
        let mut came_on = line.came_on();
        came_on.sort_unstable();
        assert_eq!(came_on, [0, 1, 2]);
        // All three are kept; the next takes one of them.
        trader.create(&buy("pg-4")).await.unwrap();
    });
    assert!(line.came_on()[3] < 3);
}

#[test]
fn an_order_goes_out_as_it_was_signed_with_nothing_else_in_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let venue = venue::Venue::playing(|request| {
        venue::Play::Ok(fixture(if request.is("/market/time") {
            "time"
        } else {
            "order-ids"
        }))
    });
    run(async {
        let (_reader, trader) = ready(&venue.url).await;
        trader.create(&buy("pg-1")).await.unwrap();
    });
    let order = &venue.asked("/order/create")[0];
    for (name, value) in &order.headers {
        seen.lock().unwrap().push(name.clone());
        assert!(!value.is_empty(), "{name}");
    }
    let mut names = seen.lock().unwrap().clone();
    names.sort();
    assert_eq!(
        names,
        [
            "accept",
            "content-length",
            "content-type",
            "host",
            "x-bapi-api-key",
            "x-bapi-recv-window",
            "x-bapi-sign",
            "x-bapi-sign-type",
            "x-bapi-timestamp",
        ]
    );
    assert_eq!(
        order.header("host"),
        venue.url.trim_start_matches("http://")
    );
    assert_eq!(order.header("content-type"), "application/json");
}
