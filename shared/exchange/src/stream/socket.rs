//! Bytes in and out of one connection; all thinking is done by [`Session`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use protocol::Symbol;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::event::StreamEvent;
use super::session::{Act, End, Session};
use super::topic::{Feed, Topic};
use crate::client::Shared;
use crate::number::plain;
use crate::signing::websocket_signature;

/// How long a connection may take to stand, and a message to leave.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before a connection that may not be made yet is looked at again.
const NOT_YET_MS: u64 = 500;
/// How long after it is made a signing in is good for.
const AUTH_LIVES_MS: u64 = 10_000;
/// The longest message that is read; the longest known are a few kilobytes.
const MESSAGE_MOST: usize = 1024 * 1024;
/// Sleep while there is nothing to wait for but other wishes.
const IDLE: Duration = Duration::from_hours(1);

type Link = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One of the venue's two streams, not yet connected.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    feed: Feed,
    settle: Symbol,
}

impl Stream {
    pub(crate) fn over(shared: Arc<Shared>, feed: Feed, settle: Symbol) -> Self {
        Self {
            shared,
            feed,
            settle,
        }
    }

    /// Runs it for as long as there is someone with wishes: connects, signs in, subscribes, keeps
    /// the connection alive, and makes a new one when it ends.
    pub async fn run(
        self,
        mut topics: watch::Receiver<BTreeSet<Topic>>,
        mut tell: impl FnMut(StreamEvent),
    ) {
        let mut session = Session::new(self.feed, self.settle, self.shared.now());
        let wanted = topics.borrow_and_update().clone();
        let mut acts: VecDeque<Act> = session.want(&wanted, self.shared.now()).into();
        let mut link: Option<Link> = None;
        loop {
            while let Some(act) = acts.pop_front() {
                let more = self.carry_out(act, &mut session, &mut link, &mut tell);
                acts.extend(more.await);
            }
            let now = self.shared.now();
            let nap = session
                .deadline()
                .map_or(IDLE, |at| Duration::from_millis(at.since(now)));
            let heard = async {
                match &mut link {
                    Some(link) => link.next().await,
                    None => std::future::pending().await,
                }
            };
            let more = tokio::select! {
                changed = topics.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let wanted = topics.borrow_and_update().clone();
                    session.want(&wanted, self.shared.now())
                }
                message = heard => match text_of(message) {
                    Ok(Some(text)) => session.heard(self.shared.now(), &text),
                    Ok(None) => Vec::new(),
                    Err(why) => vec![Act::Hang(why)],
                },
                () = sleep(nap) => session.wake(self.shared.now()),
            };
            acts.extend(more);
        }
    }

    async fn carry_out(
        &self,
        act: Act,
        session: &mut Session,
        link: &mut Option<Link>,
        tell: &mut impl FnMut(StreamEvent),
    ) -> Vec<Act> {
        let mut over = |why: &str, end: End| {
            session.ended(self.shared.now(), why, end, fastrand::u16(0..1_000))
        };
        match act {
            Act::Tell(event) => {
                tell(event);
                Vec::new()
            }
            Act::Hang(why) => {
                // Whoever hangs up twice has nothing to hang up.
                match link.take() {
                    Some(_) => over(&why, End::Broken),
                    None => Vec::new(),
                }
            }
            Act::Send(text) => {
                let Some(open) = link.as_mut() else {
                    return Vec::new();
                };
                match timeout(PATIENCE, open.send(Message::text(text))).await {
                    Ok(Ok(())) => Vec::new(),
                    Ok(Err(e)) => vec![Act::Hang(plain(&e.to_string()))],
                    Err(_) => vec![Act::Hang("a message could not leave".to_owned())],
                }
            }
            Act::Connect => {
                let now = self.shared.now();
                if let Some(until) = self.shared.limiter(|limiter| limiter.banned_until(now)) {
                    return over("the venue has banned this address", End::NotBefore(until));
                }
                let auth = match self.auth() {
                    Ok(auth) => auth,
                    Err(why) => return over(why, End::NotBefore(now.after(NOT_YET_MS))),
                };
                match self.dial().await {
                    Ok(open) => {
                        *link = Some(open);
                        session.opened(self.shared.now(), auth)
                    }
                    Err((why, end)) => over(&why, end),
                }
            }
        }
    }

    /// The message that signs in, where one is needed.
    fn auth(&self) -> Result<Option<String>, &'static str> {
        match self.feed {
            Feed::Market => return Ok(None),
            Feed::Account => {}
        }
        let now = self.shared.clock().at(self.shared.now());
        let expires = now.ok_or("the venue's clock has not been synced")?;
        let expires = expires.after(AUTH_LIVES_MS).0;
        let keys = self.shared.credentials();
        let sign = websocket_signature(keys.secret(), expires);
        let message = serde_json::json!({"op": "auth", "args": [keys.key(), expires, sign]});
        Ok(Some(message.to_string()))
    }

    async fn dial(&self) -> Result<Link, (String, End)> {
        let url = self.shared.stream_url(self.feed);
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MOST))
            .max_frame_size(Some(MESSAGE_MOST));
        let broken = |why: String| (why, End::Broken);
        match timeout(PATIENCE, connect_async_with_config(url, Some(config), true)).await {
            Err(_) => Err(broken("no connection in time".to_owned())),
            Ok(Ok((link, _))) => Ok(link),
            Ok(Err(Error::Http(response))) => {
                let status = response.status();
                let why = format!("the venue answered HTTP {status}");
                let end = if status.as_u16() == 403 {
                    End::Forbidden
                } else {
                    End::Broken
                };
                Err((why, end))
            }
            Ok(Err(e)) => Err(broken(plain(&e.to_string()))),
        }
    }
}

/// The text of a message; `None` for what carries none.
fn text_of(message: Option<Result<Message, Error>>) -> Result<Option<String>, String> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
        Some(Ok(Message::Binary(_))) => Err("a binary message".to_owned()),
        Some(Ok(Message::Close(frame))) => Err(frame.map_or_else(
            || "the venue closed the connection".to_owned(),
            |frame| {
                plain(&format!(
                    "the venue closed the connection: {}",
                    frame.reason
                ))
            },
        )),
        // Pings are answered by the connection itself.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Err(e)) => Err(plain(&e.to_string())),
        None => Err("the connection ended".to_owned()),
    }
}
