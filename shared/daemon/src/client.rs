//! Asking a socket of the house: blocking ([`Client`], for tools, bots and tests) and on tokio
//! ([`Link`], for the gateway and the alert producers).
//!
//! A connection that ends or an answer that does not come in time means *outcome unknown*: the
//! caller must find out what became of the request, never send it again blindly.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::BootMs;
use protocol::frame::{self, Envelope, ErrorBody, Head, Message};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::lines::Lines;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody serves the socket.
    #[error("cannot connect")]
    NotConnected(#[source] io::Error),
    /// The request may or may not have been done.
    #[error("outcome unknown: {why}")]
    OutcomeUnknown {
        /// What happened instead of an answer.
        why: String,
    },
    /// The other side speaks otherwise.
    #[error("not understood: {0}")]
    Protocol(ErrorBody),
}

/// A blocking connection.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    lines: Lines,
    next_id: u64,
    pushed: VecDeque<Vec<u8>>,
}

impl Client {
    /// Connects. `patience` also bounds each write.
    pub fn connect(path: &Path, patience: Duration) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(ClientError::NotConnected)?;
        stream
            .set_write_timeout(Some(patience))
            .map_err(ClientError::NotConnected)?;
        Ok(Self {
            stream,
            lines: Lines::new(),
            next_id: 1,
            pushed: VecDeque::new(),
        })
    }

    /// Asks, and waits for the answer at most `patience`. What is pushed meanwhile is kept for
    /// [`Client::next_push`].
    pub fn request<Q: Message, R: Message>(
        &mut self,
        request: &Q,
        patience: Duration,
    ) -> Result<R, ClientError> {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        let deadline = deadline_in(patience);
        let mut bytes = Vec::new();
        frame::write(Head::request(id, deadline), request, &mut bytes)
            .map_err(ClientError::Protocol)?;
        // Where the door was closed before we spoke, why it was is still to be read.
        let written = self.stream.write_all(&bytes).map_err(|e| unknown(&e));
        loop {
            let line = match (self.line_by(deadline), &written) {
                (Ok(line), _) => line,
                (Err(_), Err(_)) => return written.and(Err(closed())),
                (Err(error), Ok(())) => return Err(error),
            };
            let envelope = Envelope::read(&line).map_err(ClientError::Protocol)?;
            if envelope.id == Some(id) {
                return envelope.message().map_err(ClientError::Protocol);
            }
            if envelope.id.is_none() && envelope.kind == "error" {
                let error = frame::read_body("error", envelope.body);
                return Err(ClientError::Protocol(error.map_err(ClientError::Protocol)?));
            }
            if envelope.id.is_none() {
                self.pushed.push_back(line);
            }
        }
    }

    /// The next message the other side sends of its own accord; `None` if there is none in time.
    pub fn next_push<P: Message>(&mut self, patience: Duration) -> Result<Option<P>, ClientError> {
        let line = match self.pushed.pop_front() {
            Some(line) => line,
            None => match self.line_by(deadline_in(patience)) {
                Ok(line) => line,
                Err(ClientError::OutcomeUnknown { why }) if why == TOO_LATE => return Ok(None),
                Err(e) => return Err(e),
            },
        };
        let envelope = Envelope::read(&line).map_err(ClientError::Protocol)?;
        envelope.message().map(Some).map_err(ClientError::Protocol)
    }

    fn line_by(&mut self, deadline: BootMs) -> Result<Vec<u8>, ClientError> {
        loop {
            if let Some(line) = self.lines.next() {
                return line.map(<[u8]>::to_vec).map_err(ClientError::Protocol);
            }
            let left = deadline.since(clock::boot_now());
            if left == 0 {
                return Err(ClientError::OutcomeUnknown {
                    why: TOO_LATE.to_owned(),
                });
            }
            let left = Duration::from_millis(left);
            self.stream
                .set_read_timeout(Some(left))
                .map_err(|e| unknown(&e))?;
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(closed()),
                Ok(n) => self.lines.push(bytes.get(..n).unwrap_or_default()),
                Err(e) if is_pause(&e) => {}
                Err(e) => return Err(unknown(&e)),
            }
        }
    }
}

const TOO_LATE: &str = "no answer in time";

fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

fn deadline_in(patience: Duration) -> BootMs {
    clock::boot_now().after(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))
}

fn closed() -> ClientError {
    ClientError::OutcomeUnknown {
        why: "the other side closed the connection".to_owned(),
    }
}

fn unknown(error: &io::Error) -> ClientError {
    ClientError::OutcomeUnknown {
        why: error.to_string(),
    }
}

/// A connection on tokio: many requests may be under way at once, and what the other side sends of
/// its own accord comes out of a channel. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Link {
    out: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    next_id: Arc<AtomicU64>,
}

type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Vec<u8>>>>>>;

impl Link {
    /// Connects. The receiver ends when the connection does.
    pub async fn connect(path: &Path) -> Result<(Self, Pushes), ClientError> {
        let stream = tokio::net::UnixStream::connect(path)
            .await
            .map_err(ClientError::NotConnected)?;
        let (reader, writer) = stream.into_split();
        let (out, outgoing) = mpsc::channel(1024);
        let (pushes, incoming) = mpsc::channel(4096);
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        tokio::spawn(write_all(writer, outgoing));
        tokio::spawn(read_all(reader, pushes, Arc::clone(&waiting)));
        let link = Self {
            out,
            waiting,
            next_id: Arc::new(AtomicU64::new(1)),
        };
        Ok((link, Pushes(incoming)))
    }

    /// Asks, and waits for the answer at most `patience`. Requests of one task leave in order.
    pub async fn request<Q: Message, R: Message>(
        &self,
        request: &Q,
        patience: Duration,
    ) -> Result<R, ClientError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Vec::new();
        frame::write(
            Head::request(id, deadline_in(patience)),
            request,
            &mut bytes,
        )
        .map_err(ClientError::Protocol)?;
        let (answer, answered) = oneshot::channel();
        let closed = || ClientError::OutcomeUnknown {
            why: "the connection is closed".to_owned(),
        };
        match self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            Some(waiting) => drop(waiting.insert(id, answer)),
            None => return Err(closed()),
        }
        self.out.send(bytes).await.map_err(|_| closed())?;
        let outcome = tokio::time::timeout(patience, answered).await;
        let line = match outcome {
            Ok(Ok(line)) => line,
            Ok(Err(_)) => return Err(closed()),
            Err(_) => {
                if let Some(waiting) = self
                    .waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .as_mut()
                {
                    waiting.remove(&id);
                }
                return Err(ClientError::OutcomeUnknown {
                    why: TOO_LATE.to_owned(),
                });
            }
        };
        let envelope = Envelope::read(&line).map_err(ClientError::Protocol)?;
        envelope.message().map_err(ClientError::Protocol)
    }

    /// Says something that has no answer.
    pub async fn note<N: Message>(&self, note: &N) -> Result<(), ClientError> {
        let mut bytes = Vec::new();
        frame::write(Head::push(), note, &mut bytes).map_err(ClientError::Protocol)?;
        let sent = self.out.send(bytes).await;
        sent.map_err(|_| ClientError::OutcomeUnknown {
            why: "the connection is closed".to_owned(),
        })
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.out.is_closed()
            || self
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_none()
    }
}

/// What the other side of a [`Link`] sends of its own accord.
#[derive(Debug)]
pub struct Pushes(mpsc::Receiver<Vec<u8>>);

impl Pushes {
    /// The next one; `None` once the connection has ended. What cannot be understood is logged
    /// and passed over.
    pub async fn next<P: Message>(&mut self) -> Option<P> {
        loop {
            let line = self.0.recv().await?;
            match Envelope::read(&line).and_then(|envelope| envelope.message()) {
                Ok(push) => return Some(push),
                Err(error) => tracing::warn!("a message was not understood: {error}"),
            }
        }
    }
}

async fn write_all(
    mut writer: tokio::net::unix::OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
) {
    while let Some(bytes) = outgoing.recv().await {
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read_all(
    mut reader: tokio::net::unix::OwnedReadHalf,
    pushes: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
) {
    let mut lines = Lines::new();
    let mut bytes = vec![0; 16 * 1024];
    'open: while let Ok(n @ 1..) = reader.read(&mut bytes).await {
        lines.push(bytes.get(..n).unwrap_or_default());
        while let Some(line) = lines.next() {
            let Ok(line) = line.map(<[u8]>::to_vec) else {
                break 'open;
            };
            let id = Envelope::read(&line).ok().and_then(|envelope| envelope.id);
            let asker = id.and_then(|id| {
                waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .as_mut()?
                    .remove(&id)
            });
            match (id, asker) {
                // An asker that has given up does not need its answer any more.
                (Some(_), Some(asker)) => drop(asker.send(line)),
                (Some(_), None) => {}
                (None, _) => {
                    if pushes.send(line).await.is_err() {
                        break 'open;
                    }
                }
            }
        }
    }
    // Dropping the askers' senders tells each that its outcome is unknown.
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
}
