//! Executions and the rows of closed PnL.

use money::{Amount, Price, Qty};
use protocol::venue::{ClosedTrade, ExecKind, Execution};
use protocol::{ExecId, OrderId, OrderLinkId, Side, Symbol};
use serde::Deserialize;

use super::words;
use crate::number::{FieldError, Text};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionRow {
    symbol: Text,
    order_id: Text,
    #[serde(default)]
    order_link_id: Text,
    side: Text,
    exec_fee: Text,
    exec_id: Text,
    exec_price: Text,
    #[serde(default)]
    exec_qty: Text,
    #[serde(default)]
    exec_type: Text,
    exec_time: Text,
    #[serde(default)]
    closed_size: Text,
}

impl ExecutionRow {
    pub(crate) fn execution(&self) -> Result<Execution, FieldError> {
        let kind = words::exec_kind(&self.exec_type);
        // Funding moves no quantity and has neither order nor side; of everything else both must be
        // known.
        let exec_id = self.exec_id.required::<ExecId>("execId")?;
        let (qty, order_id, side) = match kind {
            ExecKind::Funding => (
                self.exec_qty.optional("execQty")?.unwrap_or(Qty::ZERO),
                self.order_id
                    .optional("orderId")?
                    .or_else(|| OrderId::new(exec_id.as_str()).ok()),
                words::side(&self.side, "side")?.or(Some(Side::Buy)),
            ),
            ExecKind::Trade | ExecKind::Bust | ExecKind::Adl | ExecKind::Unknown => (
                self.exec_qty.required("execQty")?,
                Some(self.order_id.required::<OrderId>("orderId")?),
                Some(words::traded_side(&self.side, "side")?),
            ),
        };
        let missing = |field| {
            move || FieldError {
                field,
                why: "is missing".to_owned(),
            }
        };
        Ok(Execution {
            exec_id,
            order_id: order_id.ok_or_else(missing("orderId"))?,
            link_id: self.order_link_id.optional::<OrderLinkId>("orderLinkId")?,
            symbol: self.symbol.required::<Symbol>("symbol")?,
            side: side.ok_or_else(missing("side"))?,
            price: self.exec_price.required::<Price>("execPrice")?,
            qty,
            fee: self.exec_fee.required::<Amount>("execFee")?,
            kind,
            closed: self.closed_size.optional("closedSize")?,
            at: self.exec_time.time("execTime")?,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosedRow {
    symbol: Text,
    order_id: Text,
    side: Text,
    closed_size: Text,
    avg_entry_price: Text,
    avg_exit_price: Text,
    #[serde(default)]
    cum_entry_value: Text,
    #[serde(default)]
    cum_exit_value: Text,
    closed_pnl: Text,
    created_time: Text,
    updated_time: Text,
}

impl ClosedRow {
    pub(crate) fn trade(&self) -> Result<ClosedTrade, FieldError> {
        Ok(ClosedTrade {
            order_id: self.order_id.required::<OrderId>("orderId")?,
            symbol: self.symbol.required::<Symbol>("symbol")?,
            side: words::traded_side(&self.side, "side")?,
            qty: self.closed_size.required("closedSize")?,
            entry: self.avg_entry_price.required::<Price>("avgEntryPrice")?,
            exit: self.avg_exit_price.required::<Price>("avgExitPrice")?,
            entry_value: self.cum_entry_value.optional("cumEntryValue")?,
            exit_value: self.cum_exit_value.optional("cumExitValue")?,
            pnl: self.closed_pnl.required::<Amount>("closedPnl")?,
            created: self.created_time.time("createdTime")?,
            updated: self.updated_time.time("updatedTime")?,
        })
    }
}
