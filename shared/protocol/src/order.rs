//! An order's way through the house: intent, decision, approval, outcome.

use std::fmt;

use money::{Price, Qty};
use serde::{Deserialize, Serialize};

use crate::venue::Order;
use crate::{
    ApprovalId, BootMs, Context, Generation, IntentId, OrderId, OrderLinkId, Symbol, Tag, VenueMs,
};

/// Which side of the book an order is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Buys; a position of this side is long.
    Buy,
    /// Sells; a position of this side is short.
    Sell,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// A position of this side, in a trader's word.
    pub const fn position_word(self) -> &'static str {
        match self {
            Self::Buy => "long",
            Self::Sell => "short",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        })
    }
}

/// Which positions may be opened, and adopted when found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpeningSides {
    /// Long only.
    Long,
    /// Short only.
    Short,
    /// Both.
    Both,
}

impl OpeningSides {
    /// Whether an order of this side may open a position.
    pub const fn allows(self, side: Side) -> bool {
        matches!(
            (self, side),
            (Self::Both, _) | (Self::Long, Side::Buy) | (Self::Short, Side::Sell)
        )
    }
}

/// Market or limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// At the best price there is.
    Market,
    /// At the given price or better.
    Limit,
}

/// How long a limit order lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until cancelled.
    Gtc,
    /// What fills at once; the rest is cancelled.
    Ioc,
    /// All at once or not at all.
    Fok,
    /// Only as a maker.
    PostOnly,
}

/// What a bot wants done, once. The body of `place` on `gateway.sock` and of `authorize` on
/// `guard.sock`. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The bot's own name for it; a repeat returns the recorded outcome and sends nothing.
    pub intent_id: IntentId,
    /// When the bot made it, UTC milliseconds. Too old to be remembered is refused.
    pub at: VenueMs,
    /// Which instrument.
    pub symbol: Symbol,
    /// Which side.
    pub side: Side,
    /// Market or limit.
    pub order_type: OrderType,
    /// How much, in base coin.
    pub qty: Qty,
    /// Limit price; must be absent on a market order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// How long a limit order lives; `gtc` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_in_force: Option<TimeInForce>,
    /// Only shrinks a position.
    #[serde(default)]
    pub reduce_only: bool,
    /// Take profit to attach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<Price>,
    /// Stop loss to attach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<Price>,
}

impl Intent {
    /// What is wrong with the shape of this intent, before any limit is asked; `None` if nothing.
    pub fn flaw(&self) -> Option<&'static str> {
        if self.qty.is_zero() {
            return Some("qty must be above zero");
        }
        match (self.order_type, self.price) {
            (OrderType::Market, Some(_)) => return Some("a market order takes no price"),
            (OrderType::Limit, None) => return Some("a limit order needs a price"),
            (OrderType::Market, None) | (OrderType::Limit, Some(_)) => {}
        }
        if self.order_type == OrderType::Market && self.time_in_force.is_some() {
            return Some("a market order takes no time_in_force");
        }
        if self.reduce_only && (self.take_profit.is_some() || self.stop_loss.is_some()) {
            return Some("a reduce-only order takes no take_profit or stop_loss");
        }
        None
    }
}

/// A change to a resting order. Absent fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amend {
    /// The intent whose order is to change.
    pub intent_id: IntentId,
    /// New quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Qty>,
    /// New limit price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// New take profit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<Price>,
    /// New stop loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<Price>,
}

/// The guard's leave to send one order once, before `expires`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Which approval.
    pub approval_id: ApprovalId,
    /// The link id the order must carry.
    pub link_id: OrderLinkId,
    /// The order exactly as approved; for an amend the whole order that results.
    pub intent: Intent,
    /// Whether it can open or enlarge a position; otherwise it only shrinks one.
    pub opens: bool,
    /// After this moment it must not be sent.
    pub expires: BootMs,
    /// The config generation it was judged under.
    pub generation: Generation,
}

/// Why an order was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The limit or state that refused it.
    pub tag: Tag,
    /// What an operator reads.
    pub message: String,
    /// The numbers behind it.
    #[serde(default)]
    pub context: Context,
}

/// The guard's answer to `authorize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Send it, once.
    Approved(Approval),
    /// Do not send it.
    Denied(Denial),
    /// This intent was judged before: here is what became of it. Send nothing.
    Recorded(Recorded),
}

/// What became of an intent that was judged before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The intent.
    pub intent_id: IntentId,
    /// Its order's link id, if it was approved.
    pub link_id: Option<OrderLinkId>,
    /// Where it stands.
    pub outcome: Outcome,
}

/// What became of an approved send, or of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Approved, not yet told what became of it.
    Pending,
    /// The venue took it.
    Accepted {
        /// The venue's id.
        order_id: OrderId,
    },
    /// The venue refused it: nothing is there.
    Rejected {
        /// The venue's return code.
        code: i64,
        /// The venue's words.
        message: String,
    },
    /// It never left: nothing is there.
    NotSent {
        /// Why.
        why: String,
    },
    /// Nobody knows yet; being looked up by link id.
    Ambiguous {
        /// Why.
        why: String,
    },
    /// The guard refused it.
    Denied(Denial),
}

/// One look-up of an order whose outcome is unknown: open orders *and* history were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// The approval that was sent.
    pub approval_id: ApprovalId,
    /// Its link id.
    pub link_id: OrderLinkId,
    /// Venue time before the first of the reads was sent.
    pub begun: VenueMs,
    /// The order, if the venue knows it.
    pub found: Option<Order>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = r#"{"intent_id":"i-1","at":1,"symbol":"SOLUSDT","side":"buy","order_type":"market","qty":"1.5","stop_loss":"170"}"#;

    #[test]
    fn a_misspelt_stop_is_an_error_not_an_order_without_a_stop() {
        let misspelt = PLACE.replace("stop_loss", "stoploss");
        assert!(serde_json::from_str::<Intent>(PLACE).is_ok());
        assert!(serde_json::from_str::<Intent>(&misspelt).is_err());
    }

    #[test]
    fn flaws_of_shape() {
        let sound: Intent = serde_json::from_str(PLACE).unwrap();
        assert_eq!(sound.flaw(), None);
        let table: [(Intent, &str); 4] = [
            (
                Intent {
                    qty: Qty::ZERO,
                    ..sound.clone()
                },
                "qty",
            ),
            (
                Intent {
                    price: Price::parse("1").ok(),
                    ..sound.clone()
                },
                "no price",
            ),
            (
                Intent {
                    order_type: OrderType::Limit,
                    ..sound.clone()
                },
                "needs a price",
            ),
            (
                Intent {
                    reduce_only: true,
                    ..sound
                },
                "reduce-only",
            ),
        ];
        for (intent, word) in table {
            assert!(intent.flaw().unwrap().contains(word), "{word}");
        }
    }
}
