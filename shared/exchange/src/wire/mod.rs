//! The venue's JSON, an area a file; each row becomes one of our own types or a typed error.

pub(crate) mod envelope;
pub(crate) mod executions;
pub(crate) mod market;
pub(crate) mod orders;
pub(crate) mod positions;
pub(crate) mod wallet;
pub(crate) mod words;
