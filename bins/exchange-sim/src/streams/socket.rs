//! The sockets themselves: upgrade, one task each, orderly ends and cuts.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::{Response, StatusCode};
use axum::routing::any;

use super::hub::Face;
use crate::clock;
use crate::http::{App, Peer, page};

/// Longest message of a client.
const MAX_SAID: usize = 64 * 1024;

/// The addresses of the streams.
const PATHS: [(&str, Face); 3] = [
    ("/v3/private", Face::Private),
    ("/v5/private", Face::Private),
    ("/v5/public/linear", Face::Public),
];

/// The routes of all streams.
pub(crate) fn routes() -> Router<Arc<App>> {
    PATHS.iter().fold(Router::new(), |router, (path, face)| {
        let upgrade =
            move |state: State<Arc<App>>, peer: ConnectInfo<Peer>, ws: WebSocketUpgrade| {
                std::future::ready(upgrade(state.0, peer.0, ws, path, *face))
            };
        router.route(path, any(upgrade))
    })
}

fn upgrade(
    app: Arc<App>,
    peer: Peer,
    ws: WebSocketUpgrade,
    path: &'static str,
    face: Face,
) -> Response<Body> {
    let wall_ms = clock::wall().ms();
    let address = peer.address.ip();
    let refused = {
        let mut shared = app.shared();
        if shared.limits.banned(address, wall_ms) || shared.limits.connected(address, wall_ms) {
            Some(StatusCode::FORBIDDEN)
        } else if shared.hub.refuses(wall_ms) {
            Some(StatusCode::SERVICE_UNAVAILABLE)
        } else {
            None
        }
    };
    match refused {
        Some(status) => page(status, &status.to_string()),
        None => ws
            .max_message_size(MAX_SAID)
            .on_upgrade(move |socket| serve(socket, app, peer, path, face)),
    }
}

async fn serve(mut socket: WebSocket, app: Arc<App>, peer: Peer, path: &'static str, face: Face) {
    let (id, mut told) = app.shared().hub.join(face, path, peer);
    loop {
        tokio::select! {
            message = told.recv() => {
                let Some(message) = message else {
                    // Says goodbye, or, where the connection is cut, meets the cut.
                    drop(socket.send(Message::Close(None)).await);
                    break;
                };
                if socket.send(Message::Text(message)).await.is_err() {
                    break;
                }
            }
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => app.hear(id, &text),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
        }
    }
    app.shared().hub.leave(id);
}
