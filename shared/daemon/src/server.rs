//! Serving a Unix socket on tokio: framing, deadlines, peers and their errors, in one place.
//!
//! Every request comes out of one channel, so that one task can own what it changes. A peer that
//! sends garbage gets a typed error and loses its connection; a peer that does not read is cut off;
//! nobody else notices either.

use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interprocess::local_socket::PeerCreds;
use interprocess::local_socket::traits::StreamCommon as _;
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::os::unix::uds_local_socket::tokio::{Listener, Stream};
use protocol::frame::{self, Envelope, ErrorBody, ErrorCode, Head, Message};
use protocol::messages;
use tokio::sync::mpsc;

use crate::clock;
use crate::lines::Lines;
use crate::stream::{WriteHalf, halves};

/// Connections served at once; one more is refused.
const PEERS_MOST: usize = 64;

/// Lines that may wait for one peer to read them; one more cuts it off.
const UNREAD_MOST: usize = 4096;

/// Requests that may wait for the owner; one more waits in its peer's socket.
const WAITING_MOST: usize = 1024;

messages! {
    /// The answer that every socket can give.
    pub enum Failure {
        /// It was not done, or not understood.
        Error(ErrorBody) = "error",
    }
}

/// Who may come in besides root and our own user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guests {
    group: Option<u32>,
    user: Option<u32>,
}

impl Guests {
    /// The members of a group and one user, by name; a name that nobody has lets nobody in.
    pub fn named(group: Option<&str>, user: Option<&str>) -> Self {
        let group = group.and_then(|name| nix::unistd::Group::from_name(name).ok().flatten());
        let user = user.and_then(|name| nix::unistd::User::from_name(name).ok().flatten());
        Self {
            group: group.map(|group| group.gid.as_raw()),
            user: user.map(|user| user.uid.as_raw()),
        }
    }
}

/// One connection's other end.
#[derive(Debug, Clone)]
pub struct Peer {
    id: u64,
    uid: Option<u32>,
    /// It is root's or our own user's.
    own: bool,
    pid: Option<i32>,
    groups: Arc<[u32]>,
    out: Arc<Out>,
    /// What the socket did not take at once.
    later: mpsc::Sender<Vec<u8>>,
    cut: Arc<tokio::sync::Notify>,
}

impl Peer {
    /// Which connection it is; never used twice in a process's life.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Its user.
    pub const fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// Its process.
    pub const fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Whether it may come in: root, our own user, or one of the guests.
    pub fn may_come(&self, guests: Guests) -> bool {
        self.own
            || self.uid.is_some_and(|uid| Some(uid) == guests.user)
            || guests
                .group
                .is_some_and(|group| self.groups.contains(&group))
    }

    /// Tells a stranger so and ends the connection.
    pub fn refuse(&self, why: &str) {
        let error = ErrorBody::new(ErrorCode::Forbidden, why);
        self.push(&Failure::Error(error));
        self.close();
    }

    /// Tells it something of our own accord. A peer that does not read is cut off.
    pub fn push<M: Message>(&self, message: &M) {
        self.write(Head::push(), message);
    }

    /// Ends the connection.
    pub fn close(&self) {
        self.cut.notify_one();
    }

    fn write<M: Message>(&self, head: Head, message: &M) {
        let mut bytes = Vec::new();
        if let Err(error) = frame::write(head, message, &mut bytes) {
            tracing::error!("{} could not be written: {error}", message.kind());
            let failure = Failure::Error(error);
            if head.id.is_none() || frame::write(head, &failure, &mut bytes).is_err() {
                return;
            }
        }
        let mut waiting = self.out.lock();
        let Some(rest) = waiting.write(bytes) else {
            return;
        };
        match self.later.try_send(rest) {
            Ok(()) => waiting.lines = waiting.lines.saturating_add(1),
            Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!("a peer does not read what it is sent; its connection is cut");
                self.close();
            }
        }
    }
}

/// The writing half of a connection. A line goes into the socket at once, without a task between,
/// unless others wait before it.
#[derive(Debug)]
struct Out(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    /// `None` once the connection has ended.
    half: Option<WriteHalf>,
    /// Lines that the socket did not take.
    lines: usize,
}

impl Out {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what the socket did not take at once, in order, until nobody is left to say more.
    async fn drain(&self, half: WriteHalf, mut later: mpsc::Receiver<Vec<u8>>) {
        while let Some(bytes) = later.recv().await {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                match half.write(rest) {
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        if half.room().await.is_err() {
                            return;
                        }
                    }
                    Err(_) => return,
                }
            }
            let mut waiting = self.lock();
            waiting.lines = waiting.lines.saturating_sub(1);
        }
    }
}

impl Waiting {
    /// Writes a line if it is its turn; what is left of it.
    fn write(&self, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let half = self.half.as_ref()?;
        if self.lines > 0 {
            return Some(bytes);
        }
        match half.write(&bytes) {
            Ok(written) if written >= bytes.len() => None,
            Ok(written) => Some(bytes.split_off(written)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Some(bytes),
            // The reading half sees that too, and ends the connection.
            Err(_) => None,
        }
    }
}

/// A request that waits for its answer. Dropped without one, it is answered with an error.
#[derive(Debug)]
pub struct Responder<R: Message> {
    peer: Peer,
    id: Option<u64>,
    reply: PhantomData<fn(R)>,
}

impl<R: Message> Responder<R> {
    /// Answers.
    pub fn answer(mut self, reply: &R) {
        if let Some(id) = self.id.take() {
            self.peer.write(Head::answer(id), reply);
        }
    }

    /// Answers that it was not done.
    pub fn fail(mut self, error: ErrorBody) {
        if let Some(id) = self.id.take() {
            self.peer.write(Head::answer(id), &Failure::Error(error));
        }
    }
}

impl<R: Message> Drop for Responder<R> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let error = ErrorBody::new(ErrorCode::Internal, "not answered: the outcome is unknown");
            self.peer.write(Head::answer(id), &Failure::Error(error));
        }
    }
}

/// What comes in on the socket.
#[derive(Debug)]
pub enum Incoming<Q, R: Message> {
    /// A connection has begun.
    Joined(Peer),
    /// A request, its deadline not yet passed.
    Asked(Peer, Q, Responder<R>),
    /// A connection has ended.
    Left(Peer),
}

/// One of the tasks that serve a socket.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a task of a server's begins.
type Spawn = fn(Task);

/// Serves a listening socket until the receiver is dropped. Needs a tokio runtime.
pub fn serve<Q, R>(listener: UnixListener) -> io::Result<mpsc::Receiver<Incoming<Q, R>>>
where
    Q: Message + Send + 'static,
    R: Message + 'static,
{
    serve_by(listener, |task| drop(tokio::spawn(task)))
}

/// The same beside the tasks of the [`LocalSet`](tokio::task::LocalSet) that it is called on: what
/// is asked there reaches another of its tasks without a turn of the event loop between.
pub fn serve_locally<Q, R>(listener: UnixListener) -> io::Result<mpsc::Receiver<Incoming<Q, R>>>
where
    Q: Message + Send + 'static,
    R: Message + 'static,
{
    serve_by(listener, |task| drop(tokio::task::spawn_local(task)))
}

fn serve_by<Q, R>(
    listener: UnixListener,
    spawn: Spawn,
) -> io::Result<mpsc::Receiver<Incoming<Q, R>>>
where
    Q: Message + Send + 'static,
    R: Message + 'static,
{
    listener.set_nonblocking(true)?;
    let listener = Listener::try_from(OwnedFd::from(listener))?;
    let (sender, receiver) = mpsc::channel(WAITING_MOST);
    spawn(Box::pin(accept(listener, sender, spawn)));
    Ok(receiver)
}

async fn accept<Q, R>(listener: Listener, incoming: mpsc::Sender<Incoming<Q, R>>, spawn: Spawn)
where
    Q: Message + Send + 'static,
    R: Message + 'static,
{
    let open = Arc::new(AtomicUsize::new(0));
    let mut next_id = 1_u64;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = incoming.closed() => return,
        };
        match accepted {
            Ok(stream) if open.load(Ordering::Relaxed) < PEERS_MOST => {
                open.fetch_add(1, Ordering::Relaxed);
                let (incoming, open) = (incoming.clone(), Arc::clone(&open));
                let id = next_id;
                next_id = next_id.saturating_add(1);
                spawn(Box::pin(async move {
                    talk(stream, id, incoming).await;
                    open.fetch_sub(1, Ordering::Relaxed);
                }));
            }
            Ok(_) => tracing::warn!("{PEERS_MOST} connections are open; one more was refused"),
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn talk<Q, R>(stream: Stream, id: u64, incoming: mpsc::Sender<Incoming<Q, R>>)
where
    Q: Message + Send + 'static,
    R: Message + 'static,
{
    let credentials = stream.peer_creds().ok();
    let uid = credentials.as_ref().and_then(PeerCreds::euid);
    let stream = OwnedFd::try_from(stream).map(std::os::unix::net::UnixStream::from);
    let Ok((reader, writer)) = stream.and_then(halves) else {
        return;
    };
    let (later, outgoing) = mpsc::channel::<Vec<u8>>(UNREAD_MOST);
    let out = Arc::new(Out(Mutex::new(Waiting {
        half: Some(writer.clone()),
        lines: 0,
    })));
    let peer = Peer {
        id,
        uid,
        own: uid.is_some_and(|uid| uid == 0 || uid == nix::unistd::geteuid().as_raw()),
        pid: credentials.as_ref().and_then(PeerCreds::pid),
        groups: groups_of(uid, credentials.as_ref().and_then(PeerCreds::egid)),
        out: Arc::clone(&out),
        later,
        cut: Arc::new(tokio::sync::Notify::new()),
    };
    if incoming.send(Incoming::Joined(peer.clone())).await.is_err() {
        return;
    }
    let draining = Arc::clone(&out);
    let writing = tokio::spawn(async move { draining.drain(writer, outgoing).await });
    let mut lines = Lines::new();
    let mut bytes = vec![0; 16 * 1024];
    let cut = Arc::clone(&peer.cut);
    loop {
        let read = tokio::select! {
            read = reader.read(&mut bytes) => read,
            () = cut.notified() => break,
            () = incoming.closed() => break,
        };
        let Ok(n @ 1..) = read else { break };
        lines.push(bytes.get(..n).unwrap_or_default());
        if !take_lines(&mut lines, &peer, &incoming).await {
            break;
        }
    }
    let aborting = writing.abort_handle();
    // The owner may keep the peer; its pushes go nowhere from here on.
    drop(incoming.send(Incoming::Left(peer.clone())).await);
    drop(peer);
    // What is already queued, such as the error that ended the talk, still goes out.
    let last_words = std::time::Duration::from_millis(500);
    if tokio::time::timeout(last_words, writing).await.is_err() {
        aborting.abort();
    }
    out.lock().half = None;
}

/// Hands whole lines on; false if the connection must end.
async fn take_lines<Q, R>(
    lines: &mut Lines,
    peer: &Peer,
    incoming: &mpsc::Sender<Incoming<Q, R>>,
) -> bool
where
    Q: Message,
    R: Message,
{
    while let Some(line) = lines.next() {
        let envelope = match line.and_then(Envelope::read) {
            Ok(envelope) => envelope,
            Err(error) => {
                peer.push(&Failure::Error(error));
                return false;
            }
        };
        let admitted = envelope.admit(clock::boot_now());
        let asked = admitted.and_then(|id| Ok((id, envelope.message::<Q>()?)));
        match asked {
            Ok((id, request)) => {
                let responder = Responder {
                    peer: peer.clone(),
                    id: Some(id),
                    reply: PhantomData,
                };
                let asked = Incoming::Asked(peer.clone(), request, responder);
                if incoming.send(asked).await.is_err() {
                    return false;
                }
            }
            Err(error) => {
                let closes = error.closes();
                let head = Head {
                    id: envelope.id,
                    deadline: None,
                };
                peer.write(head, &Failure::Error(error));
                if closes {
                    return false;
                }
            }
        }
    }
    true
}

/// The groups of a user, for the operators' group; its own group alone if the system does not say.
fn groups_of(uid: Option<u32>, gid: Option<u32>) -> Arc<[u32]> {
    let own = gid.map(nix::unistd::Gid::from_raw);
    let user = uid.and_then(|uid| {
        nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid))
            .ok()
            .flatten()
    });
    let all = user.and_then(|user| {
        let name = std::ffi::CString::new(user.name).ok()?;
        nix::unistd::getgrouplist(&name, own.unwrap_or(user.gid)).ok()
    });
    all.unwrap_or_else(|| own.into_iter().collect())
        .iter()
        .map(|gid| gid.as_raw())
        .collect()
}
