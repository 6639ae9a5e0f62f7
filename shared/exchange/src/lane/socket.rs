//! One connection: made, written, read, looked at.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Stage;

/// How far the addresses of one family are ahead of the other's (RFC 8305, connection attempt delay).
const HEAD_START: Duration = Duration::from_millis(300);
/// Silence after which the other side is asked whether it is still there, and between questions.
const ALIVE: Duration = Duration::from_secs(15);
/// How many such questions go unanswered before the connection is given up.
const ALIVE_MOST: u32 = 3;
/// How long what was written may stay unacknowledged.
const UNACKNOWLEDGED_MOST: Duration = Duration::from_secs(30);

/// Where the venue is.
#[derive(Debug)]
pub(super) struct Address {
    /// As a request's `Host` names it.
    pub(super) authority: String,
    host: String,
    port: u16,
    name: ServerName<'static>,
}

impl Address {
    pub(super) fn of(base_url: &reqwest::Url) -> Result<Self, String> {
        let shown = base_url.host_str().ok_or("the address names no host")?;
        let port = base_url.port_or_known_default();
        let port = port.ok_or("the address names no port")?;
        let host = shown.trim_matches(['[', ']']).to_owned();
        Ok(Self {
            authority: match base_url.port() {
                Some(port) => format!("{shown}:{port}"),
                None => shown.to_owned(),
            },
            name: ServerName::try_from(host.clone()).map_err(|e| e.to_string())?,
            host,
            port,
        })
    }
}

/// A connection that stands.
#[derive(Debug)]
pub(super) enum Socket {
    /// As it is.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Makes a connection.
pub(super) async fn connect(
    address: &Address,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<Socket> {
    let stream = reach(address).await?;
    stream.set_nodelay(true)?;
    let options = SockRef::from(&stream);
    let alive = TcpKeepalive::new()
        .with_time(ALIVE)
        .with_interval(ALIVE)
        .with_retries(ALIVE_MOST);
    options.set_tcp_keepalive(&alive)?;
    options.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MOST))?;
    let Some(config) = tls else {
        return Ok(Socket::Plain(stream));
    };
    let connector = TlsConnector::from(Arc::clone(config));
    let encrypted = connector.connect(address.name.clone(), stream).await?;
    Ok(Socket::Tls(Box::new(encrypted)))
}

/// Tries every address of the host; those of one family begin sooner, and do not hold up the other.
async fn reach(address: &Address) -> io::Result<TcpStream> {
    let all: Vec<SocketAddr> = lookup_host((address.host.as_str(), address.port))
        .await?
        .collect();
    let four = all.first().is_some_and(SocketAddr::is_ipv4);
    let (one, other): (Vec<_>, Vec<_>) = all.into_iter().partition(|a| a.is_ipv4() == four);
    if other.is_empty() {
        return any_of(&one).await;
    }
    let one = any_of(&one);
    tokio::pin!(one);
    match timeout(HEAD_START, &mut one).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(_)) => return any_of(&other).await,
        Err(_) => {}
    }
    let other = any_of(&other);
    tokio::pin!(other);
    tokio::select! {
        made = &mut one => match made {
            Ok(stream) => Ok(stream),
            Err(_) => other.await,
        },
        made = &mut other => match made {
            Ok(stream) => Ok(stream),
            Err(_) => one.await,
        },
    }
}

async fn any_of(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Socket {
    /// Whether it is open and has nothing to say. What speaks before it is asked cannot be told
    /// from an answer, so it is not asked.
    pub(super) fn is_quiet(&mut self) -> bool {
        let stream = match self {
            Self::Plain(stream) => &*stream,
            Self::Tls(encrypted) => {
                let (stream, session) = encrypted.get_mut();
                let quiet = session.process_new_packets().is_ok_and(|state| {
                    state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed()
                });
                if !quiet {
                    return false;
                }
                &*stream
            }
        };
        // Asked of the system itself: the event loop may not have heard yet that it was closed.
        let seen = SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]);
        seen.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Writes a whole request. `stage` says whether any of it may have left.
    pub(super) async fn write(&mut self, request: &[u8], stage: &mut Stage) -> io::Result<()> {
        match self {
            Self::Plain(stream) => {
                let mut rest = request;
                while !rest.is_empty() {
                    *stage = Stage::Gone;
                    match stream.write(rest).await {
                        Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                        Err(error) => {
                            // A write that fails has taken nothing.
                            if rest.len() == request.len() {
                                *stage = Stage::Here;
                            }
                            return Err(error);
                        }
                    }
                }
                Ok(())
            }
            Self::Tls(stream) => {
                *stage = Stage::Gone;
                stream.write_all(request).await?;
                stream.flush().await
            }
        }
    }

    /// Adds what comes next; 0 at the end of the connection.
    pub(super) async fn read(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(bytes).await,
            Self::Tls(stream) => stream.read_buf(bytes).await,
        }
    }
}
