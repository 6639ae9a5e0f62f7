//! What tells one venue of this family from another.

/// A venue's hosts and the path before every call (V3 documentation, integration guidance).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Venue {
    /// REST on the testnet.
    pub testnet: &'static str,
    /// REST with real money.
    pub mainnet: &'static str,
    /// Path before every call.
    pub prefix: &'static str,
}

impl Venue {
    /// Zoomex V3.
    pub const ZOOMEX: Self = Self {
        testnet: "https://openapi-testnet.zoomex.com",
        mainnet: "https://openapi.zoomex.com",
        prefix: "/cloud/trade/v3",
    };
}
