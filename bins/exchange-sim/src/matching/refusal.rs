//! Why the venue says no, with the return code it says it with.

use thiserror::Error;

/// A request that the venue understood and refuses. `Display` is the wire's `retMsg`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A parameter is missing, malformed or out of its range.
    #[error("params error: {0}")]
    Parameter(String),
    /// No such order among the open ones.
    #[error("order not exists or too late to operate")]
    NoSuchOrder,
    /// The account cannot carry the order's margin and fees.
    #[error("ab not enough for new order: needs {needed}, available {available}")]
    InsufficientBalance {
        /// Margin and fees that the order would need, in settle coin.
        needed: money::Decimal,
        /// What is available, in settle coin.
        available: money::Decimal,
    },
    /// The account cannot carry the margin of a change that is not an order.
    #[error("available margin is insufficient")]
    InsufficientMargin,
    /// A reduce-only order that would not, or not only, reduce.
    #[error("reduce-only rule not satisfied: {0}")]
    ReduceOnly(&'static str),
    /// Too many active or conditional orders for the symbol.
    #[error("exceeded the limit of {limit} {what} orders for the symbol")]
    TooManyOrders {
        /// The kind counted.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// The leverage is already the one asked for.
    #[error("leverage not modified")]
    LeverageNotModified,
    /// The link id was used before.
    #[error("OrderLinkedID is duplicate")]
    DuplicateLinkId,
    /// A trigger that waits for a rise but lies at or below the price, or the other way round.
    #[error("trigger price {trigger} is on the wrong side of the current price {current}")]
    TriggerDirection {
        /// Whether the trigger waits for a rise.
        rises: bool,
        /// The trigger price asked for.
        trigger: money::Decimal,
        /// The price watched.
        current: money::Decimal,
    },
    /// The order's value is below the instrument's minimum.
    #[error("order does not meet minimum order value {minimum}USDT")]
    BelowMinimumNotional {
        /// The minimum, in settle coin.
        minimum: money::Decimal,
    },
}

impl Refusal {
    /// The wire's `retCode`.
    pub const fn code(&self) -> i64 {
        match self {
            Self::Parameter(_) => 10_001,
            Self::NoSuchOrder => 110_001,
            Self::InsufficientBalance { .. } => 110_007,
            Self::ReduceOnly(_) => 110_017,
            Self::TooManyOrders { .. } => 110_020,
            Self::LeverageNotModified => 110_043,
            Self::InsufficientMargin => 110_044,
            Self::DuplicateLinkId => 110_072,
            Self::TriggerDirection { rises: true, .. } => 110_092,
            Self::TriggerDirection { rises: false, .. } => 110_093,
            Self::BelowMinimumNotional { .. } => 110_094,
        }
    }
}

/// Shorthand for a parameter refusal.
pub(crate) fn parameter(text: impl Into<String>) -> Refusal {
    Refusal::Parameter(text.into())
}
