//! What a call is, and the venue it goes to: what all who call agree on.

use std::time::Duration;

use crate::limiter::Class;
use crate::venue::Venue;

/// How to reach the venue.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme, host and port: `https://openapi-testnet.zoomex.com`.
    pub base_url: String,
    /// Scheme, host and port of the streams: `wss://stream-testnet.zoomex.com`.
    pub stream_url: String,
    /// What the venue's paths are.
    pub venue: Venue,
    /// How long after signing the venue may still accept a request.
    pub recv_window_ms: u32,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The config's caps.
    pub per_second: u32,
    /// The config's caps.
    pub per_minute: u32,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) what: What<'a>,
    pub(crate) class: Class,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    /// GET of the venue's clock, on a connection that orders use: it is kept open by that.
    Clock,
    /// GET without signature.
    Public(&'a str),
    /// GET with this query string.
    Get(&'a str),
    /// POST with this body.
    Post(&'a str),
}
