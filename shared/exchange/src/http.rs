//! How a request gets to the venue: reads through reqwest; what changes something, and the question
//! after the time, on the [`Lane`].

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use protocol::{BootMs, VenueMs};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::sync::OnceCell;

use crate::answer::{chain, read_body};
use crate::call::{Call, Settings, What};
use crate::error::ExchangeError;
use crate::lane::{Heard, Lane, Limits};

/// How long a connection for reads may take to stand.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// The venue's address, and the ways there.
#[derive(Debug)]
pub(crate) struct Http {
    /// With the prefix of every path.
    base: Url,
    patience: Duration,
    /// Filled at once where no certificates are needed, else by the first call.
    ways: OnceCell<Ways>,
}

#[derive(Debug)]
struct Ways {
    reads: reqwest::Client,
    lane: Lane,
}

/// What a signed request says of itself.
pub(crate) struct Signed<'a> {
    pub(crate) key: &'a str,
    pub(crate) at: VenueMs,
    pub(crate) window_ms: u32,
    pub(crate) sign: String,
}

impl Http {
    pub(crate) fn new(settings: &Settings) -> Result<Self, ExchangeError> {
        let base = format!("{}{}", settings.base_url, settings.venue.prefix);
        let base = Url::parse(&base).map_err(|e| not_made(e.to_string()))?;
        let patience = settings.timeout;
        let ways = if base.scheme() == "http" {
            OnceCell::new_with(Some(Ways::make(&base, patience)?))
        } else {
            OnceCell::new()
        };
        Ok(Self {
            base,
            patience,
            ways,
        })
    }

    /// Sends a request, once, and hears what comes back.
    pub(crate) async fn send(
        &self,
        call: &Call<'_>,
        signed: Option<&Signed<'_>>,
        now: BootMs,
    ) -> Result<Heard, ExchangeError> {
        // Boxed, like a read below: an order would carry its size along.
        let ways = match self.ways.get() {
            Some(ways) => ways,
            None => Box::pin(self.make_ways()).await?,
        };
        match call.what {
            What::Clock => {
                let request = self.text("GET", call, signed, ways.lane.authority(), "");
                ways.lane.carry(call.name, &request, now).await
            }
            What::Post(body) => {
                let request = self.text("POST", call, signed, ways.lane.authority(), body);
                ways.lane.carry(call.name, &request, now).await
            }
            What::Public(query) | What::Get(query) => {
                Box::pin(self.read(&ways.reads, call, query, signed)).await
            }
        }
    }

    /// The system's certificates are hundreds of files: the first call reads them, beside the event
    /// loop; after a failure the next call tries again.
    async fn make_ways(&self) -> Result<&Ways, ExchangeError> {
        let make = || async {
            let (base, patience) = (self.base.clone(), self.patience);
            let made = tokio::task::spawn_blocking(move || Ways::make(&base, patience)).await;
            made.unwrap_or_else(|e| Err(not_made(e.to_string())))
        };
        self.ways.get_or_try_init(make).await
    }

    /// A whole request as it goes into a socket.
    fn text(
        &self,
        method: &str,
        call: &Call<'_>,
        signed: Option<&Signed<'_>>,
        host: &str,
        body: &str,
    ) -> Vec<u8> {
        let mut text = Vec::with_capacity(body.len().saturating_add(512));
        let path = self.base.path().trim_end_matches('/');
        let written = (|| -> std::io::Result<()> {
            write!(text, "{method} {path}{} HTTP/1.1\r\n", call.path)?;
            write!(text, "host: {host}\r\naccept: */*\r\n")?;
            if let Some(signed) = signed {
                for (name, value) in signed.headers() {
                    write!(text, "{name}: {value}\r\n")?;
                }
            }
            if !body.is_empty() {
                let length = body.len();
                text.extend_from_slice(b"content-type: application/json\r\n");
                write!(text, "content-length: {length}\r\n")?;
            }
            text.extend_from_slice(b"\r\n");
            text.extend_from_slice(body.as_bytes());
            Ok(())
        })();
        debug_assert!(written.is_ok(), "memory takes every byte");
        text
    }

    async fn read(
        &self,
        http: &reqwest::Client,
        call: &Call<'_>,
        query: &str,
        signed: Option<&Signed<'_>>,
    ) -> Result<Heard, ExchangeError> {
        let name = call.name;
        let path = self.base.path().trim_end_matches('/');
        let mut url = self.base.clone();
        url.set_path(&format!("{path}{}", call.path));
        url.set_query(Some(query));
        let mut request = http.get(url);
        if let Some(signed) = signed {
            request = request.headers(header_map(name, signed)?);
        }
        let response = request.send().await.map_err(|e| {
            let why = chain(&e);
            if e.is_connect() || e.is_builder() {
                ExchangeError::NotSent { call: name, why }
            } else {
                ExchangeError::Unknown { call: name, why }
            }
        })?;
        let status = response.status();
        let number = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok()?.parse().ok()
        };
        Ok(Heard {
            status: status.as_u16(),
            limits: Limits {
                left: number("x-bapi-limit-status"),
                reset: number("x-bapi-limit-reset-timestamp").map(VenueMs),
            },
            // What the body of an error says changes nothing.
            body: if status.is_success() {
                read_body(name, response).await
            } else {
                Ok(Vec::new())
            },
        })
    }
}

impl Signed<'_> {
    fn headers(&self) -> [(&'static str, String); 5] {
        [
            ("x-bapi-api-key", self.key.to_owned()),
            ("x-bapi-timestamp", self.at.0.to_string()),
            ("x-bapi-recv-window", self.window_ms.to_string()),
            ("x-bapi-sign", self.sign.clone()),
            ("x-bapi-sign-type", "2".to_owned()),
        ]
    }
}

fn header_map(call: &'static str, signed: &Signed<'_>) -> Result<HeaderMap, ExchangeError> {
    let mut headers = HeaderMap::new();
    for (name, value) in signed.headers() {
        let mut value = HeaderValue::from_str(&value).map_err(|e| ExchangeError::NotSent {
            call,
            why: e.to_string(),
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

impl Ways {
    /// With the system's certificates only if something is to be encrypted.
    fn make(base: &Url, patience: Duration) -> Result<Self, ExchangeError> {
        let builder = reqwest::Client::builder()
            .timeout(patience)
            .connect_timeout(CONNECT_PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .no_proxy();
        let (builder, tls) = if base.scheme() == "http" {
            // No certificate is trusted then: should a call be encrypted after all, it fails.
            (builder.tls_certs_only([]), None)
        } else {
            let config = ClientConfig::with_platform_verifier();
            let mut config = config.map_err(|e| not_made(e.to_string()))?;
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            (
                builder.tls_backend_preconfigured(config.clone()),
                Some(Arc::new(config)),
            )
        };
        Ok(Self {
            reads: builder.build().map_err(|e| not_made(chain(&e)))?,
            lane: Lane::to(base, tls, patience).map_err(not_made)?,
        })
    }
}

const fn not_made(why: String) -> ExchangeError {
    ExchangeError::NotSent {
        call: "connect",
        why,
    }
}
