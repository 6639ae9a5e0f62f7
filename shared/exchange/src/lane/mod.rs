//! The connections that orders leave on, each kept open from one to the next.
//!
//! What this room is for: HTTP/1.1 with nothing between an order and its socket, and one exact
//! answer to the question whether a request may have left. What it does not do: send anything
//! twice, follow a redirect, use a proxy, or judge what an answer says.
//!
//! ```text
//!  idle and quiet ──▶ written ──▶ whole answer ──▶ idle again, if both sides keep it
//!    │ closed, or speaks unasked       │
//!    ▼                                 ▼ cut, late, not HTTP
//!  dropped; a new one is made        outcome unknown; dropped
//! ```
//! A connection carries one request at a time: orders that go together each have their own.

mod incoming;
mod socket;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::BootMs;
use rustls::ClientConfig;
use tokio::time::timeout;

pub(crate) use incoming::{Heard, Limits};

use incoming::{Flaw, Incoming};
use socket::{Address, Socket, connect};

use crate::error::ExchangeError;

/// How long a connection without a request is kept.
const IDLE_MOST_MS: u64 = 90_000;
/// How many of them are kept.
const IDLE_MOST: usize = 8;

/// The connections to one venue.
#[derive(Debug)]
pub(crate) struct Lane {
    address: Address,
    tls: Option<Arc<ClientConfig>>,
    /// How long a request may take, connecting included.
    patience: Duration,
    /// The one used last is the last.
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    socket: Socket,
    since: BootMs,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not a byte of it was given away.
    Here,
    /// Some of it may have left.
    Gone,
}

impl Lane {
    /// A lane without connections; encrypted if there is something to encrypt with.
    pub(crate) fn to(
        base_url: &reqwest::Url,
        tls: Option<Arc<ClientConfig>>,
        patience: Duration,
    ) -> Result<Self, String> {
        Ok(Self {
            address: Address::of(base_url)?,
            tls,
            patience,
            idle: Mutex::default(),
        })
    }

    /// Host and port as a request names them.
    pub(crate) fn authority(&self) -> &str {
        &self.address.authority
    }

    /// Sends one request as it is, once, and waits for its answer.
    pub(crate) async fn carry(
        &self,
        call: &'static str,
        request: &[u8],
        now: BootMs,
    ) -> Result<Heard, ExchangeError> {
        let mut stage = Stage::Here;
        let mut incoming = Incoming::default();
        let carried = self.carried(request, now, &mut stage, &mut incoming);
        let flaw = match timeout(self.patience, carried).await {
            Ok(Ok(())) => None,
            Ok(Err(flaw)) => Some(flaw),
            Err(_) => Some(Flaw::Lost("no answer in time".to_owned())),
        };
        if stage == Stage::Here {
            let why = flaw.map_or_else(String::new, |flaw| flaw.to_string());
            return Err(ExchangeError::NotSent { call, why });
        }
        incoming.heard(call, flaw)
    }

    async fn carried(
        &self,
        request: &[u8],
        now: BootMs,
        stage: &mut Stage,
        incoming: &mut Incoming,
    ) -> Result<(), Flaw> {
        let mut socket = match self.take_quiet(now) {
            Some(socket) => socket,
            // Boxed: few requests need one, and all would carry its size along.
            None => Box::pin(connect(&self.address, self.tls.as_ref())).await?,
        };
        socket.write(request, stage).await?;
        while !incoming.look()? {
            if socket.read(incoming.room()).await? == 0 {
                incoming.ended()?;
                break;
            }
        }
        if incoming.is_kept() {
            self.keep(socket, now);
        }
        Ok(())
    }

    /// The connection used last, of those that are still open and have nothing to say.
    fn take_quiet(&self, now: BootMs) -> Option<Socket> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| now.since(kept.since) < IDLE_MOST_MS);
        while let Some(mut kept) = idle.pop() {
            if kept.socket.is_quiet() {
                return Some(kept.socket);
            }
        }
        None
    }

    fn keep(&self, socket: Socket, since: BootMs) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MOST {
            idle.push(Idle { socket, since });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    // For these tests alone: `openssl req -x509 -newkey ec ... -subj /CN=localhost`.
    const CERTIFICATE: &[u8] = include_bytes!("../../tests/fixtures/localhost.crt.pem");
    const KEY: &[u8] = include_bytes!("../../tests/fixtures/localhost.key.pem");
    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}";

    fn run<T>(future: impl Future<Output = T>) -> T {
        crate::install_crypto_provider();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(future)
    }

    /// A lane that trusts this certificate, to localhost.
    fn lane(port: u16, trusted: Option<CertificateDer<'static>>) -> Lane {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted);
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let url = format!("https://localhost:{port}").parse().unwrap();
        Lane::to(&url, Some(Arc::new(config)), Duration::from_secs(2)).unwrap()
    }

    /// Answers requests over TLS, so many on each connection before it says goodbye; how many
    /// connections there were.
    async fn serve(listener: TcpListener, each: usize, connections: Arc<AtomicUsize>) {
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
                PrivateKeyDer::from_pem_slice(KEY).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.fetch_add(1, Ordering::SeqCst);
            // A client that does not trust us ends it here.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            for _ in 0..each {
                let mut request = vec![0; REQUEST.len()];
                if stream.read_exact(&mut request).await.is_err() {
                    break;
                }
                assert_eq!(request, REQUEST);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nheld";
                stream.write_all(answer).await.unwrap();
                stream.flush().await.unwrap();
            }
            drop(stream.shutdown().await);
        }
    }

    async fn answers(lane: &Lane, times: usize) {
        for _ in 0..times {
            let heard = lane
                .carry("order/create", REQUEST, BootMs(0))
                .await
                .unwrap();
            assert_eq!((heard.status, heard.body.unwrap()), (200, b"held".to_vec()));
            // What the other side says after its answer arrives before the next request.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[test]
    fn an_encrypted_connection_is_kept_and_left_when_the_venue_says_goodbye() {
        let (listener, port) = bound();
        let trusted = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
        run(async {
            let connections = Arc::new(AtomicUsize::new(0));
            let listener = TcpListener::from_std(listener).unwrap();
            let lane = lane(port, Some(trusted));
            tokio::select! {
                () = serve(listener, 3, Arc::clone(&connections)) => {}
                () = answers(&lane, 5) => {}
            }
            assert_eq!(connections.load(Ordering::SeqCst), 2);
        });
    }

    #[test]
    fn nothing_leaves_to_a_venue_that_is_not_trusted() {
        let (listener, port) = bound();
        run(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let lane = lane(port, None);
            tokio::select! {
                () = serve(listener, 1, Arc::default()) => {}
                heard = lane.carry("order/create", REQUEST, BootMs(0)) => {
                    let error = heard.unwrap_err();
                    assert!(matches!(error, ExchangeError::NotSent { .. }), "{error}");
                }
            }
        });
    }

    #[test]
    fn a_connection_is_not_kept_for_ever() {
        let (listener, port) = bound();
        let trusted = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
        run(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let lane = lane(port, Some(trusted));
            let idle = async {
                answers(&lane, 1).await;
                assert!(lane.take_quiet(BootMs(IDLE_MOST_MS)).is_none());
                answers(&lane, 1).await;
                assert!(lane.take_quiet(BootMs(IDLE_MOST_MS - 1)).is_some());
            };
            tokio::select! {
                () = serve(listener, 1000, Arc::default()) => {}
                () = idle => {}
            }
        });
    }

    fn bound() -> (std::net::TcpListener, u16) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }
}
