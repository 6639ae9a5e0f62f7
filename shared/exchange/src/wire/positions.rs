//! Positions.

use money::{Amount, Price, Qty, Ratio};
use protocol::Symbol;
use protocol::venue::Position;
use serde::Deserialize;

use super::words;
use crate::number::{FieldError, Text};

/// A position row; the streams call the entry price `entryPrice`, REST `avgPrice`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionRow {
    position_idx: Text,
    symbol: Text,
    side: Text,
    size: Text,
    #[serde(default, alias = "entryPrice")]
    avg_price: Text,
    #[serde(default)]
    mark_price: Text,
    #[serde(default)]
    leverage: Text,
    #[serde(default)]
    unrealised_pnl: Text,
    #[serde(default)]
    stop_loss: Text,
    #[serde(default)]
    take_profit: Text,
}

impl PositionRow {
    pub(crate) fn position(&self) -> Result<Position, FieldError> {
        let size: Qty = self.size.required("size")?;
        let direction = words::side(&self.side, "side")?;
        if direction.is_none() && !size.is_zero() {
            let why = format!("is missing though the size is {size}");
            return Err(FieldError { field: "side", why });
        }
        Ok(Position {
            symbol: self.symbol.required::<Symbol>("symbol")?,
            side: if size.is_zero() { None } else { direction },
            size,
            entry: self.avg_price.nonzero::<Price>("avgPrice")?,
            mark: self.mark_price.nonzero::<Price>("markPrice")?,
            leverage: self.leverage.nonzero::<Ratio>("leverage")?,
            unrealised: self.unrealised_pnl.optional::<Amount>("unrealisedPnl")?,
            stop_loss: self.stop_loss.nonzero::<Price>("stopLoss")?,
            take_profit: self.take_profit.nonzero::<Price>("takeProfit")?,
            index: self.position_idx.required::<u8>("positionIdx")?,
        })
    }
}
