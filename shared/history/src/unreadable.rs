//! Why a state or a record cannot be read.

use risk::SCHEMA_VERSION;
use thiserror::Error;

/// Why something that was written cannot be read.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// Not the JSON that it should be.
    #[error("it is not what version {SCHEMA_VERSION} reads: {0}")]
    Json(#[from] serde_json::Error),
    /// A part that an older version always wrote is not there.
    #[error("schema version {version} always has {what}, this has none")]
    Lacks {
        /// The version that it claims.
        version: u32,
        /// The missing part.
        what: &'static str,
    },
    /// A version that there never was.
    #[error("there is no schema version {0}")]
    NoSuchVersion(u32),
}
