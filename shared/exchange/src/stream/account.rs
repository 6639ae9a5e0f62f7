//! What the account's stream tells, read by the same rows that REST is read by.

use protocol::Symbol;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::event::News;
use super::topic::Topic;
use crate::number::{FieldError, Text, plain};
use crate::wire::executions::ExecutionRow;
use crate::wire::orders::OrderRow;
use crate::wire::positions::PositionRow;
use crate::wire::wallet::AccountRow;

/// Only of this category does the harness know anything; one key tells all of them apart.
#[derive(Debug, Deserialize)]
struct Category {
    #[serde(default)]
    category: Text,
}

impl Category {
    /// Rows without the key are ours: the topics of one category leave it out.
    fn is_linear(&self) -> bool {
        matches!(self.category.as_str(), "" | "linear")
    }
}

/// Reads the rows of one of the account's topics; `None` where nothing of it concerns us.
pub(super) fn read(topic: Topic, rows: &RawValue, settle: Symbol) -> Result<Option<News>, String> {
    match topic {
        Topic::Position => {
            let rows: Vec<PositionRow> = linear(rows)?;
            told(rows.iter().map(PositionRow::position), News::Positions)
        }
        Topic::Execution => {
            let rows: Vec<ExecutionRow> = linear(rows)?;
            told(rows.iter().map(ExecutionRow::execution), News::Executions)
        }
        Topic::Order => {
            let rows: Vec<OrderRow> = linear(rows)?;
            told(rows.iter().map(OrderRow::order), News::Orders)
        }
        Topic::Wallet => {
            let rows: Vec<AccountRow> = all(rows)?;
            // A message names the coins that changed; ours need not be among them.
            let mut ours = rows.iter().filter(|row| row.holds(settle));
            let Some((row, kind)) = ours.find_map(|row| Some((row, row.kind()?))) else {
                return Ok(None);
            };
            let wallet = row.wallet(settle).map_err(|e| e.to_string())?;
            Ok(Some(News::Wallet(kind, wallet)))
        }
        Topic::Tickers(_) | Topic::Candles(..) | Topic::Quotes(_) => {
            Err("it belongs to the other connection".to_owned())
        }
    }
}

fn all<T: DeserializeOwned>(rows: &RawValue) -> Result<Vec<T>, String> {
    serde_json::from_str(rows.get()).map_err(|e| plain(&format!("data: {e}")))
}

/// The rows of linear contracts.
fn linear<T: DeserializeOwned>(rows: &RawValue) -> Result<Vec<T>, String> {
    let raw: Vec<&RawValue> =
        serde_json::from_str(rows.get()).map_err(|e| plain(&format!("data: {e}")))?;
    let read = |raw: &&RawValue| -> Result<Option<T>, serde_json::Error> {
        let category: Category = serde_json::from_str(raw.get())?;
        category
            .is_linear()
            .then(|| serde_json::from_str(raw.get()))
            .transpose()
    };
    let rows: Result<Vec<Option<T>>, _> = raw.iter().map(read).collect();
    rows.map(|rows| rows.into_iter().flatten().collect())
        .map_err(|e| plain(&format!("data: {e}")))
}

fn told<T>(
    rows: impl Iterator<Item = Result<T, FieldError>>,
    wrap: fn(Vec<T>) -> News,
) -> Result<Option<News>, String> {
    let rows: Result<Vec<T>, FieldError> = rows.collect();
    let rows = rows.map_err(|e| e.to_string())?;
    Ok((!rows.is_empty()).then(|| wrap(rows)))
}
