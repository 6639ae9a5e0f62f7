//! The venue's words for sides, orders and states, and ours.

use protocol::venue::{ExecKind, OrderStatus};
use protocol::{OrderType, Side, TimeInForce};

use crate::number::{FieldError, Text, plain};

/// A side; `""` and `None` are the side of a flat position.
pub(crate) fn side(text: &Text, field: &'static str) -> Result<Option<Side>, FieldError> {
    match text.as_str() {
        "Buy" => Ok(Some(Side::Buy)),
        "Sell" => Ok(Some(Side::Sell)),
        "" | "None" => Ok(None),
        other => Err(FieldError {
            field,
            why: format!("{:?} is no side", plain(other)),
        }),
    }
}

/// A side that must be one.
pub(crate) fn traded_side(text: &Text, field: &'static str) -> Result<Side, FieldError> {
    side(text, field)?.ok_or_else(|| FieldError {
        field,
        why: "is missing".to_owned(),
    })
}

/// The venue's word for a side.
pub(crate) const fn of_side(side: Side) -> &'static str {
    match side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

/// Market or limit.
pub(crate) fn order_type(text: &Text) -> Result<OrderType, FieldError> {
    match text.as_str() {
        "Market" => Ok(OrderType::Market),
        "Limit" => Ok(OrderType::Limit),
        other => Err(FieldError {
            field: "orderType",
            why: format!("{:?} is unknown", plain(other)),
        }),
    }
}

/// How long an order rests; unknown words are no statement.
pub(crate) fn time_in_force(text: &Text) -> Option<TimeInForce> {
    match text.as_str() {
        "GTC" => Some(TimeInForce::Gtc),
        "IOC" => Some(TimeInForce::Ioc),
        "FOK" => Some(TimeInForce::Fok),
        "PostOnly" => Some(TimeInForce::PostOnly),
        _ => None,
    }
}

/// The venue's word for how long an order rests.
pub(crate) const fn of_time_in_force(tif: TimeInForce) -> &'static str {
    match tif {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
        TimeInForce::PostOnly => "PostOnly",
    }
}

/// Where an order stands; a word we do not know counts as open.
pub(crate) fn status(text: &Text) -> OrderStatus {
    match text.as_str() {
        "Created" => OrderStatus::Created,
        "New" => OrderStatus::New,
        "Rejected" => OrderStatus::Rejected,
        "PartiallyFilled" => OrderStatus::PartiallyFilled,
        "Filled" => OrderStatus::Filled,
        "Cancelled" | "PartiallyFilledCanceled" => OrderStatus::Cancelled,
        "Untriggered" => OrderStatus::Untriggered,
        "Triggered" => OrderStatus::Triggered,
        "Deactivated" => OrderStatus::Deactivated,
        "Active" => OrderStatus::Active,
        _ => OrderStatus::Unknown,
    }
}

/// What made an execution; the venue has published rows that do not say it, and those are trades.
pub(crate) fn exec_kind(text: &Text) -> ExecKind {
    match text.as_str() {
        "Trade" | "" => ExecKind::Trade,
        "Funding" => ExecKind::Funding,
        "BustTrade" => ExecKind::Bust,
        "AdlTrade" => ExecKind::Adl,
        _ => ExecKind::Unknown,
    }
}

/// Whether a `stopOrderType` is one that the venue gives to orders it makes for a position.
pub(crate) fn venue_made(stop_order_type: &Text) -> bool {
    matches!(
        stop_order_type.as_str(),
        "TakeProfit" | "StopLoss" | "TrailingStop" | "PartialTakeProfit" | "PartialStopLoss"
    )
}
