//! `{"retCode":0,"retMsg":"OK","result":{...},"time":...}` around every answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::number::Text;

/// The outside of an answer. Success is `retCode == 0`, whatever `retMsg` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope<'a> {
    pub(crate) ret_code: i64,
    #[serde(default)]
    pub(crate) ret_msg: Text,
    /// When the venue made the answer.
    #[serde(default)]
    pub(crate) time: Text,
    #[serde(default, borrow)]
    pub(crate) result: Option<&'a RawValue>,
}

/// A `result` that lists rows, a page at a time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    pub(crate) list: Vec<T>,
    #[serde(default)]
    pub(crate) next_page_cursor: Text,
}
