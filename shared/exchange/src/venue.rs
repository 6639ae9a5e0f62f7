//! What tells one venue of this family from another on the wire: its paths. Its hosts stand in the
//! config's table of venues, beside the mode guard that decides which of them may be dialled.

/// A venue's paths (V3 and V5 documentation, integration guidance and WebSocket connect).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Venue {
    /// Path before every REST call.
    pub prefix: &'static str,
    /// Path of the account's stream.
    pub account_stream: &'static str,
    /// Path of the public stream of linear contracts.
    pub market_stream: &'static str,
}

impl Venue {
    /// Zoomex V3; its public stream is V5's.
    pub const ZOOMEX: Self = Self {
        prefix: "/cloud/trade/v3",
        account_stream: "/v3/private",
        market_stream: "/v5/public/linear",
    };

    /// Bybit V5.
    pub const BYBIT: Self = Self {
        prefix: "/v5",
        account_stream: "/v5/private",
        market_stream: "/v5/public/linear",
    };
}
