//! Servers and clients of the Unix sockets, against each other and against bad peers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail loudly"
)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use daemon::client::{Client, ClientError, Link};
use daemon::clock;
use daemon::server::{Guests, Incoming, serve};
use protocol::frame::{Empty, ErrorBody, ErrorCode, MAX_LINE};
use protocol::messages;

messages! {
    /// Asked in these tests.
    pub enum Ask {
        /// Doubles a number.
        Double(u64) = "double",
        /// Is dropped without an answer.
        Forget(Empty) = "forget",
        /// Asks for a push.
        Push(Empty) = "push",
    }
}

messages! {
    /// Answered in these tests.
    pub enum Answer {
        /// The number.
        Number(u64) = "number",
        /// Something went wrong.
        Error(ErrorBody) = "error",
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

/// Serves doubling on a thread of its own until the test ends.
fn server(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut incoming = serve::<Ask, Answer>(listener).unwrap();
            while let Some(news) = incoming.recv().await {
                match news {
                    Incoming::Asked(_, Ask::Double(n), to) => to.answer(&Answer::Number(n * 2)),
                    Incoming::Asked(_, Ask::Forget(_), _dropped) => {}
                    Incoming::Asked(peer, Ask::Push(_), to) => {
                        assert!(peer.may_come(Guests::default()), "our own user may");
                        peer.push(&Answer::Number(7));
                        to.answer(&Answer::Number(0));
                    }
                    Incoming::Joined(_) | Incoming::Left(_) => {}
                }
            }
        });
    });
}

fn raw(path: &Path, bytes: &[u8]) -> (String, bool) {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that closes early makes the rest of a long write fail, which is the point.
    drop(stream.write_all(bytes));
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut more = String::new();
    let closed = matches!(reader.read_line(&mut more), Ok(0) | Err(_)) && more.is_empty();
    (first, closed)
}

#[test]
fn requests_are_answered_and_pushes_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    server(&path);
    let mut client = Client::connect(&path, PATIENCE).unwrap();
    assert_eq!(
        client
            .request::<_, Answer>(&Ask::Double(21), PATIENCE)
            .unwrap(),
        Answer::Number(42)
    );
    client
        .request::<_, Answer>(&Ask::Push(Empty {}), PATIENCE)
        .unwrap();
    assert_eq!(client.next_push(PATIENCE).unwrap(), Some(Answer::Number(7)));
    assert_eq!(
        client
            .next_push::<Answer>(Duration::from_millis(20))
            .unwrap(),
        None
    );
}

#[test]
fn a_forgotten_request_is_an_unknown_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    server(&path);
    let mut client = Client::connect(&path, PATIENCE).unwrap();
    let Answer::Error(error) = client.request(&Ask::Forget(Empty {}), PATIENCE).unwrap() else {
        unreachable!("an error was expected")
    };
    assert_eq!(error.code, ErrorCode::Internal);
}

#[test]
fn garbage_costs_only_its_sender() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    server(&path);
    let mut bystander = Client::connect(&path, PATIENCE).unwrap();
    let (answer, closed) = raw(&path, b"hello\n");
    assert!(answer.contains("malformed") && closed, "{answer}");
    let (answer, closed) = raw(&path, &vec![b'x'; MAX_LINE + 10]);
    assert!(answer.contains("too_long") && closed, "{answer}");
    let reply = bystander
        .request::<_, Answer>(&Ask::Double(1), PATIENCE)
        .unwrap();
    assert_eq!(reply, Answer::Number(2));
}

#[test]
fn what_is_late_or_unknown_is_refused_and_the_talk_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    server(&path);
    let now = clock::boot_now().0;
    let mut stream = UnixStream::connect(&path).unwrap();
    let late = format!(
        "{{\"v\":1,\"id\":1,\"type\":\"double\",\"deadline_ms\":{},\"body\":1}}\n",
        now - 1
    );
    let open_ended = "{\"v\":1,\"id\":2,\"type\":\"double\",\"body\":1}\n";
    let sing = format!(
        "{{\"v\":1,\"id\":3,\"type\":\"sing\",\"deadline_ms\":{}}}\n",
        now + 9000
    );
    let bad = format!(
        "{{\"v\":1,\"id\":4,\"type\":\"double\",\"deadline_ms\":{},\"body\":\"x\"}}\n",
        now + 9000
    );
    let good = format!(
        "{{\"v\":1,\"id\":5,\"type\":\"double\",\"deadline_ms\":{},\"body\":4}}\n",
        now + 9000
    );
    stream
        .write_all(format!("{late}{open_ended}{sing}{bad}{good}").as_bytes())
        .unwrap();
    let mut lines = BufReader::new(stream).lines();
    for expected in [
        "expired",
        "no_deadline",
        "unknown_type",
        "bad_body",
        "\"body\":8",
    ] {
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains(expected), "{expected}: {line}");
    }
}

#[test]
fn a_link_carries_many_requests_and_says_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = UnixListener::bind(&path).unwrap();
        let mut incoming = serve::<Ask, Answer>(listener).unwrap();
        let (link, mut pushes) = Link::connect(&path).await.unwrap();
        let asked: Vec<_> = (0..3)
            .map(|n| {
                let link = link.clone();
                tokio::spawn(
                    async move { link.request::<_, Answer>(&Ask::Double(n), PATIENCE).await },
                )
            })
            .collect();
        let mut waiting = Vec::new();
        while waiting.len() < 3 {
            match incoming.recv().await.unwrap() {
                Incoming::Joined(peer) => peer.push(&Answer::Number(99)),
                Incoming::Asked(_, Ask::Double(n), to) => waiting.push((n, to)),
                Incoming::Asked(..) | Incoming::Left(_) => {}
            }
        }
        for (n, to) in waiting.drain(..).rev() {
            to.answer(&Answer::Number(n * 2));
        }
        for (n, task) in (0..).zip(asked) {
            assert_eq!(task.await.unwrap().unwrap(), Answer::Number(n * 2));
        }
        assert_eq!(pushes.next::<Answer>().await, Some(Answer::Number(99)));
        let link_again = link.clone();
        let last = tokio::spawn(async move {
            link_again
                .request::<_, Answer>(&Ask::Double(1), PATIENCE)
                .await
        });
        loop {
            if let Incoming::Asked(peer, _, to) = incoming.recv().await.unwrap() {
                peer.close();
                std::mem::forget(to);
                break;
            }
        }
        assert!(matches!(
            last.await.unwrap(),
            Err(ClientError::OutcomeUnknown { .. })
        ));
        assert_eq!(pushes.next::<Answer>().await, None);
        assert!(link.is_closed());
    });
}
