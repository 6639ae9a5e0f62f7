//! Streams over real connections: a scripted server that signs in, drops, goes silent, misbehaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]
#![allow(dead_code, reason = "each test file uses a part of the scripted venue")]

mod venue;

use std::collections::BTreeSet;
use std::time::Duration;

use exchange::signing::websocket_signature;
use exchange::stream::{Feed, News, StreamEvent, Topic};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};
use venue::{KEY, Play, SECRET, Venue, fixture, run, symbol};

const PATIENCE: Duration = Duration::from_secs(20);

/// The server's end of one connection.
struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        Self(accept_async(stream).await.unwrap())
    }

    /// The next request of the client.
    async fn asked(&mut self) -> Value {
        let message = timeout(PATIENCE, self.0.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Takes the subscription, in the words of the client's own request.
    async fn subscribe(&mut self) -> Value {
        let asked = self.asked().await;
        assert_eq!(asked["op"], "subscribe");
        let req_id = asked["req_id"].as_str().unwrap();
        self.say(&format!(
            r#"{{"success":true,"ret_msg":"","op":"subscribe","req_id":"{req_id}"}}"#
        ))
        .await;
        asked["args"].clone()
    }

    async fn sign_in(&mut self) -> Value {
        let asked = self.asked().await;
        assert_eq!(asked["op"], "auth");
        self.say(r#"{"success":true,"op":"auth"}"#).await;
        asked["args"].clone()
    }
}

struct Client {
    events: mpsc::UnboundedReceiver<StreamEvent>,
    topics: watch::Sender<BTreeSet<Topic>>,
}

impl Client {
    async fn next(&mut self) -> StreamEvent {
        timeout(PATIENCE, self.events.recv())
            .await
            .unwrap()
            .unwrap()
    }

    async fn until(&mut self, wanted: impl Fn(&StreamEvent) -> bool) -> StreamEvent {
        loop {
            let event = self.next().await;
            if wanted(&event) {
                return event;
            }
        }
    }
}

/// A stream of the client against this listener, with its clock synced by a scripted venue.
async fn streaming(listener: &TcpListener, feed: Feed, topics: &[Topic]) -> Client {
    let rest = Venue::playing(|_| Play::Ok(fixture("time")));
    let address = listener.local_addr().unwrap();
    let (reader, _) = venue::client_with_streams(&rest.url, &format!("ws://{address}"));
    reader.sync_clock().await.unwrap();
    let (wishes, wanted) = watch::channel(topics.iter().copied().collect());
    let (tell, events) = mpsc::unbounded_channel();
    let stream = reader.stream(feed, symbol("USDT"));
    tokio::task::spawn_local(stream.run(wanted, move |event| drop(tell.send(event))));
    Client {
        events,
        topics: wishes,
    }
}

fn local<T>(future: impl Future<Output = T>) -> T {
    run(tokio::task::LocalSet::new().run_until(future))
}

#[test]
fn the_account_signs_in_subscribes_and_comes_back_after_a_drop() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = streaming(&listener, Feed::Account, &[]).await;
        for _ in 0..2 {
            let mut peer = Peer::accept(&listener).await;
            let args = peer.sign_in().await;
            let expires = args[1].as_i64().unwrap();
            assert_eq!(args[0], KEY);
            assert_eq!(args[2], websocket_signature(SECRET, expires));
            // Ten seconds beyond the venue's clock.
            assert!(
                (1_763_980_810_000..1_763_980_830_000).contains(&expires),
                "{expires}"
            );
            let topics = peer.subscribe().await;
            assert_eq!(
                topics,
                serde_json::json!(["position", "execution", "order", "wallet"])
            );
            assert_eq!(client.next().await, StreamEvent::Up);
            peer.say(&fixture("stream-execution")).await;
            let seen = client.next().await;
            assert!(
                matches!(seen, StreamEvent::Seen(_, News::Executions(_))),
                "{seen:?}"
            );
            drop(peer);
            let down = client.next().await;
            assert!(matches!(down, StreamEvent::Down(_)), "{down:?}");
        }
    });
}

#[test]
fn a_refused_signing_in_is_told_in_the_venues_words() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = streaming(&listener, Feed::Account, &[]).await;
        let mut peer = Peer::accept(&listener).await;
        assert_eq!(peer.asked().await["op"], "auth");
        peer.say(r#"{"success":false,"ret_msg":"Params Error","op":"auth"}"#)
            .await;
        assert_eq!(
            client.next().await,
            StreamEvent::Denied("Params Error".to_owned())
        );
        let down = client.next().await;
        assert!(
            matches!(&down, StreamEvent::Down(why) if why.contains("sign in")),
            "{down:?}"
        );
    });
}

#[test]
fn wishes_change_while_it_runs_and_a_bad_topic_spoils_no_other() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sol, odd) = (
            Topic::Tickers(symbol("SOLUSDT")),
            Topic::Tickers(symbol("ODDUSDT")),
        );
        let mut client = streaming(&listener, Feed::Market, &[sol]).await;
        let mut peer = Peer::accept(&listener).await;
        assert_eq!(
            peer.subscribe().await,
            serde_json::json!(["tickers.SOLUSDT"])
        );
        assert_eq!(client.next().await, StreamEvent::Up);
        let eth = Topic::Tickers(symbol("ETHUSDT"));
        client.topics.send_replace([eth, odd].into());
        let gone = peer.asked().await;
        assert_eq!(
            (&gone["op"], &gone["args"][0]),
            (&"unsubscribe".into(), &"tickers.SOLUSDT".into())
        );
        let both = peer.asked().await;
        assert_eq!(both["args"].as_array().unwrap().len(), 2);
        let refused = |req: &Value| {
            format!(
                r#"{{"success":false,"ret_msg":"Invalid symbol","op":"subscribe","req_id":{}}}"#,
                req["req_id"]
            )
        };
        peer.say(&refused(&both)).await;
        for _ in 0..2 {
            let one = peer.asked().await;
            assert_eq!(one["args"].as_array().unwrap().len(), 1);
            if one["args"][0] == "tickers.ODDUSDT" {
                peer.say(&refused(&one)).await;
            } else {
                peer.say(&format!(
                    r#"{{"success":true,"op":"subscribe","req_id":{}}}"#,
                    one["req_id"]
                ))
                .await;
            }
        }
        assert_eq!(
            client.next().await,
            StreamEvent::Refused(odd, "Invalid symbol".to_owned())
        );
        peer.say(&fixture("stream-tickers").replace("SOLUSDT", "ETHUSDT"))
            .await;
        let seen = client.next().await;
        assert!(
            matches!(&seen, StreamEvent::Seen(_, News::Ticker(t)) if t.symbol.as_str() == "ETHUSDT"),
            "{seen:?}"
        );
    });
}

#[test]
fn what_no_sane_server_does_ends_the_connection_and_the_next_one_works() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let topic = Topic::Tickers(symbol("SOLUSDT"));
        let mut client = streaming(&listener, Feed::Market, &[topic]).await;
        for bad in [
            Message::text("<html>502</html>"),
            Message::text(format!("{{\"pad\":\"{}\"}}", "x".repeat(10 * 1024 * 1024))),
            Message::binary(vec![1, 2, 3]),
            Message::text("[".repeat(200_000)),
            Message::Close(None),
        ] {
            let mut peer = Peer::accept(&listener).await;
            peer.subscribe().await;
            client.until(|event| *event == StreamEvent::Up).await;
            // The client may hang up before all of it has arrived.
            drop(peer.0.send(bad).await);
            client
                .until(|event| matches!(event, StreamEvent::Down(_)))
                .await;
        }
        let mut peer = Peer::accept(&listener).await;
        peer.subscribe().await;
        client.until(|event| *event == StreamEvent::Up).await;
        peer.say(&fixture("stream-tickers")).await;
        client
            .until(|event| matches!(event, StreamEvent::Seen(..)))
            .await;
    });
}
