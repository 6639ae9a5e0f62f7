//! Executions and the rows of closed PnL.

use money::{Amount, Price, Qty};
use protocol::venue::{ClosedTrade, ExecKind, Execution};
use protocol::{ExecId, OrderId, OrderLinkId, Symbol};
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
        // Funding moves no quantity; of everything else it must be known.
        let qty = match kind {
            ExecKind::Funding => self.exec_qty.optional("execQty")?.unwrap_or(Qty::ZERO),
            ExecKind::Trade | ExecKind::Bust | ExecKind::Adl | ExecKind::Unknown => {
                self.exec_qty.required("execQty")?
            }
        };
        Ok(Execution {
            exec_id: self.exec_id.required::<ExecId>("execId")?,
            order_id: self.order_id.required::<OrderId>("orderId")?,
            link_id: self.order_link_id.optional::<OrderLinkId>("orderLinkId")?,
            symbol: self.symbol.required::<Symbol>("symbol")?,
            side: words::traded_side(&self.side, "side")?,
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
            pnl: self.closed_pnl.required::<Amount>("closedPnl")?,
            created: self.created_time.time("createdTime")?,
            updated: self.updated_time.time("updatedTime")?,
        })
    }
}
