//! Orders: what is sent, and the rows that come back.

use money::{Price, Qty};
use protocol::venue::Order;
use protocol::{OrderId, OrderLinkId, OrderType, Side, Symbol, TimeInForce};
use serde::{Deserialize, Serialize};

use super::words;
use crate::number::{FieldError, Text};

/// An order row. `/order/realtime` begins each key with a capital letter, every other call does
/// not; both are read here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderRow {
    #[serde(alias = "OrderId")]
    order_id: Text,
    #[serde(default, alias = "OrderLinkId")]
    order_link_id: Text,
    #[serde(alias = "Symbol")]
    symbol: Text,
    #[serde(alias = "Side")]
    side: Text,
    #[serde(alias = "OrderType")]
    order_type: Text,
    #[serde(default, alias = "Price")]
    price: Text,
    #[serde(alias = "Qty")]
    qty: Text,
    #[serde(alias = "CumExecQty")]
    cum_exec_qty: Text,
    #[serde(alias = "OrderStatus")]
    order_status: Text,
    #[serde(default, alias = "ReduceOnly")]
    reduce_only: Text,
    #[serde(default, alias = "CloseOnTrigger")]
    close_on_trigger: Text,
    #[serde(default, alias = "StopOrderType")]
    stop_order_type: Text,
    #[serde(default, alias = "TriggerPrice")]
    trigger_price: Text,
    #[serde(default, alias = "StopLoss")]
    stop_loss: Text,
    #[serde(default, alias = "TakeProfit")]
    take_profit: Text,
    #[serde(default, alias = "TimeInForce")]
    time_in_force: Text,
    #[serde(alias = "CreatedTime")]
    created_time: Text,
    #[serde(alias = "UpdatedTime")]
    updated_time: Text,
}

impl OrderRow {
    pub(crate) fn order(&self) -> Result<Order, FieldError> {
        let flag = |text: &Text, field: &'static str| -> Result<bool, FieldError> {
            // An absent flag is a plain order: it counts as one that can open.
            Ok(text.optional::<bool>(field)?.unwrap_or(false))
        };
        let order_type = words::order_type(&self.order_type)?;
        let price: Option<Price> = self.price.nonzero("price")?;
        Ok(Order {
            order_id: self.order_id.required::<OrderId>("orderId")?,
            link_id: self.order_link_id.optional::<OrderLinkId>("orderLinkId")?,
            symbol: self.symbol.required::<Symbol>("symbol")?,
            side: words::traded_side(&self.side, "side")?,
            order_type,
            price: if order_type == OrderType::Limit {
                price
            } else {
                None
            },
            qty: self.qty.required("qty")?,
            filled: self.cum_exec_qty.required::<Qty>("cumExecQty")?,
            status: words::status(&self.order_status),
            reduce_only: flag(&self.reduce_only, "reduceOnly")?,
            close_on_trigger: flag(&self.close_on_trigger, "closeOnTrigger")?,
            venue_made: words::venue_made(&self.stop_order_type),
            trigger_price: self.trigger_price.nonzero("triggerPrice")?,
            stop_loss: self.stop_loss.nonzero("stopLoss")?,
            take_profit: self.take_profit.nonzero("takeProfit")?,
            time_in_force: words::time_in_force(&self.time_in_force),
            created: self.created_time.time("createdTime")?,
            updated: self.updated_time.time("updatedTime")?,
        })
    }
}

/// The answer to create, amend and cancel.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderIds {
    order_id: Text,
}

impl OrderIds {
    pub(crate) fn order_id(&self) -> Result<OrderId, FieldError> {
        self.order_id.required("orderId")
    }
}

/// An order to be created, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// Which instrument.
    pub symbol: Symbol,
    /// Which side.
    pub side: Side,
    /// Market or limit.
    pub order_type: OrderType,
    /// How much.
    pub qty: Qty,
    /// Limit price.
    pub price: Option<Price>,
    /// How long it rests; the venue's default if absent.
    pub time_in_force: Option<TimeInForce>,
    /// Its link id.
    pub link_id: OrderLinkId,
    /// Only shrinks a position.
    pub reduce_only: bool,
    /// Take profit to attach, for the whole position.
    pub take_profit: Option<Price>,
    /// Stop loss to attach, for the whole position.
    pub stop_loss: Option<Price>,
    /// What triggers the two, in the venue's word: `LastPrice`, `MarkPrice` or `IndexPrice`.
    pub trigger_by: Option<&'static str>,
    /// 0 one-way; 1 and 2 the legs of hedge mode.
    pub position_index: u8,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateBody {
    category: &'static str,
    symbol: Symbol,
    side: &'static str,
    order_type: &'static str,
    qty: Qty,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_in_force: Option<&'static str>,
    position_idx: u8,
    order_link_id: OrderLinkId,
    reduce_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    take_profit: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_loss: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tp_trigger_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sl_trigger_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpsl_mode: Option<&'static str>,
}

impl From<&NewOrder> for CreateBody {
    fn from(order: &NewOrder) -> Self {
        let bracket = order.take_profit.is_some() || order.stop_loss.is_some();
        Self {
            category: "linear",
            symbol: order.symbol,
            side: words::of_side(order.side),
            order_type: match order.order_type {
                OrderType::Market => "Market",
                OrderType::Limit => "Limit",
            },
            qty: order.qty,
            price: order.price,
            time_in_force: order.time_in_force.map(words::of_time_in_force),
            position_idx: order.position_index,
            order_link_id: order.link_id,
            reduce_only: order.reduce_only,
            take_profit: order.take_profit,
            stop_loss: order.stop_loss,
            tp_trigger_by: order.take_profit.and(order.trigger_by),
            sl_trigger_by: order.stop_loss.and(order.trigger_by),
            tpsl_mode: bracket.then_some("Full"),
        }
    }
}

/// A change to a resting order; absent fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AmendOrder {
    category: &'static str,
    /// Which instrument.
    pub symbol: Symbol,
    /// Which order.
    pub order_link_id: OrderLinkId,
    /// New quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qty: Option<Qty>,
    /// New limit price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// New take profit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<Price>,
    /// New stop loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<Price>,
}

impl AmendOrder {
    /// A change of nothing yet.
    pub const fn of(symbol: Symbol, order_link_id: OrderLinkId) -> Self {
        Self {
            category: "linear",
            symbol,
            order_link_id,
            qty: None,
            price: None,
            take_profit: None,
            stop_loss: None,
        }
    }
}

/// Which resting order is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderName {
    /// By the venue's id.
    Id(OrderId),
    /// By our link id.
    Link(OrderLinkId),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelBody {
    pub(crate) category: &'static str,
    pub(crate) symbol: Symbol,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_link_id: Option<OrderLinkId>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelAllBody {
    pub(crate) category: &'static str,
    pub(crate) symbol: Symbol,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeverageBody {
    pub(crate) category: &'static str,
    pub(crate) symbol: Symbol,
    pub(crate) buy_leverage: String,
    pub(crate) sell_leverage: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StopBody {
    pub(crate) category: &'static str,
    pub(crate) symbol: Symbol,
    pub(crate) position_idx: u8,
    pub(crate) tpsl_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) take_profit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_loss: Option<String>,
}
