//! Parameters of a request: a query string or a JSON body, read alike.

use std::collections::HashMap;

use money::{Price, Qty};
use serde_json::Value;

use crate::matching::{Change, Refusal, TriggerBy, parameter};

/// The parameters of one request. An empty string counts as absent.
#[derive(Debug, Default)]
pub(crate) struct Params(HashMap<String, String>);

impl Params {
    /// Reads a query string.
    pub(crate) fn from_query(query: &str) -> Result<Self, Refusal> {
        let uri = axum::http::Uri::builder()
            .path_and_query(format!("/?{query}"))
            .build()
            .map_err(|_| parameter("query string malformed"))?;
        axum::extract::Query::<HashMap<String, String>>::try_from_uri(&uri)
            .map(|query| Self(query.0))
            .map_err(|error| parameter(format!("query string malformed: {error}")))
    }

    /// Reads a JSON object of plain values.
    pub(crate) fn from_body(body: &[u8]) -> Result<Self, Refusal> {
        let body: HashMap<String, Value> =
            serde_json::from_slice(body).map_err(|error| parameter(format!("body: {error}")))?;
        let mut params = HashMap::new();
        for (key, value) in body {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) => number.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(parameter(format!("{key} must be a plain value")));
                }
            };
            params.insert(key, text);
        }
        Ok(Self(params))
    }

    /// A parameter, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A parameter that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| parameter(format!("{name} missing")))
    }

    /// Checks that the request is about linear contracts, the only ones here.
    pub(crate) fn need_linear(&self) -> Result<(), Refusal> {
        match self.need("category")? {
            "linear" => Ok(()),
            other => Err(parameter(format!("category {other} invalid: only linear"))),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.get(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| parameter(format!("{name} {text:?} is not a whole number")))
            })
            .transpose()
    }

    /// A page size: the default where absent, at most `most`.
    pub(crate) fn limit(&self, default: usize, most: usize) -> Result<usize, Refusal> {
        let Some(limit) = self.integer("limit")? else {
            return Ok(default);
        };
        match usize::try_from(limit) {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(parameter(format!("limit {limit} invalid: 1 to {most}"))),
        }
    }

    /// Yes or no; no where absent.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(parameter(format!("{name} {other:?} is not true or false"))),
        }
    }

    /// A quantity.
    pub(crate) fn qty(&self, name: &str) -> Result<Option<Qty>, Refusal> {
        self.get(name)
            .map(|text| Qty::parse(text).map_err(|error| parameter(format!("{name}: {error}"))))
            .transpose()
    }

    /// A price; `"0"` counts as absent.
    pub(crate) fn price(&self, name: &str) -> Result<Option<Price>, Refusal> {
        match self.change(name)? {
            Change::Keep | Change::Clear => Ok(None),
            Change::Set(price) => Ok(Some(price)),
        }
    }

    /// A change of a price, where `"0"` takes it away.
    pub(crate) fn change(&self, name: &str) -> Result<Change, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(Change::Keep);
        };
        let number =
            money::Amount::parse(text).map_err(|error| parameter(format!("{name}: {error}")))?;
        if number.is_zero() {
            return Ok(Change::Clear);
        }
        Price::new(number.get())
            .map(Change::Set)
            .map_err(|error| parameter(format!("{name}: {error}")))
    }

    /// Which price a trigger watches.
    pub(crate) fn trigger_by(&self, name: &str) -> Result<Option<TriggerBy>, Refusal> {
        self.word(name, TriggerBy::named)
    }

    /// A word of a closed list.
    pub(crate) fn word<T>(
        &self,
        name: &str,
        named: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        self.get(name)
            .map(|word| named(word).ok_or_else(|| parameter(format!("{name} {word:?} invalid"))))
            .transpose()
    }

    /// Where a page continues: the number in a cursor that this venue made. Clients send it back as
    /// it was published, or encoded once more.
    pub(crate) fn cursor(&self) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.get("cursor") else {
            return Ok(None);
        };
        text.strip_prefix(CURSOR)
            .or_else(|| text.strip_prefix("row:"))
            .and_then(|number| number.parse().ok())
            .map(Some)
            .ok_or_else(|| parameter("cursor invalid"))
    }
}

/// How cursors begin: percent-encoded already, as the published ones are.
const CURSOR: &str = "row%3A";

/// The cursor for the page that continues below that number.
pub(crate) fn cursor_text(below: usize) -> String {
    format!("{CURSOR}{below}")
}
