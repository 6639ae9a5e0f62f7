//! Our resting opening orders, cancelled and seen to be gone. Stops and other reducers stay.

use std::time::Duration;

use daemon::logging;
use protocol::venue::Order;
use protocol::{Context, Symbol};
use tokio::time::sleep;

use crate::guard::is_ours;
use crate::hands::Hands;
use crate::venue::Fault;

/// Rounds of cancelling and reading before the command is given back as not done.
const ROUNDS: u32 = 6;
/// Pause between a cancel and the read that should show it.
const PAUSE: Duration = Duration::from_millis(300);

/// Cancels every opening order of ours, of one symbol or of all, until a fresh read shows none.
/// What was done, or what is in the way. A freeze stops it unless it is an operator's own word.
pub async fn cancel(
    hands: &Hands,
    symbol: Option<Symbol>,
    explicit: bool,
) -> Result<String, String> {
    let mut cancelled = 0_usize;
    let mut last = String::new();
    for round in 0..ROUNDS {
        if round > 0 {
            sleep(PAUSE).await;
        }
        if !explicit && hands.guard.leave().frozen() {
            return Err("frozen by the operator; it goes on after perpsctl resume".to_owned());
        }
        let begun = hands.venue.begun();
        let orders = match hands.venue.open_orders_now().await {
            Ok(orders) => orders,
            Err(fault) => {
                last = format!("open orders cannot be read: {fault}");
                continue;
            }
        };
        let left = opening(&orders, symbol);
        hands.seen(begun, protocol::guard::Observation::OpenOrders(orders));
        if left.is_empty() {
            return Ok(match cancelled {
                0 => "no opening order of ours rests".to_owned(),
                n => format!("{n} cancels sent, no opening order of ours rests any more"),
            });
        }
        cancelled = cancelled.saturating_add(left.len());
        if let Err(why) = send_all(hands, &left).await {
            last = why;
        }
    }
    Err(format!("opening orders may still rest: {last}"))
}

/// Cancels these without reading them first; what is known at a stop.
pub async fn send_all(hands: &Hands, orders: &[Order]) -> Result<(), String> {
    let mut problem = None;
    let mut sends = tokio::task::JoinSet::new();
    for order in orders {
        let (hands, order) = (hands.clone(), order.clone());
        sends.spawn_local(async move { one(&hands, &order).await.map_err(|e| (order, e)) });
    }
    while let Some(sent) = sends.join_next().await {
        match sent {
            Ok(Ok(())) => {}
            Ok(Err((order, fault))) => {
                problem = Some(format!("{} {}: {fault}", order.symbol, order.order_id));
            }
            Err(error) => problem = Some(format!("a cancel ended early: {error}")),
        }
    }
    problem.map_or(Ok(()), Err)
}

/// Those of ours that could open or enlarge a position.
pub fn opening(orders: &[Order], symbol: Option<Symbol>) -> Vec<Order> {
    orders
        .iter()
        .filter(|order| symbol.is_none_or(|only| only == order.symbol))
        .filter(|order| !order.status.is_final() && !order.only_reduces() && is_ours(order))
        .cloned()
        .collect()
}

async fn one(hands: &Hands, order: &Order) -> Result<(), Fault> {
    hands.sender.cancel(order.symbol, order.order_id).await?;
    let mut facts = Context::new()
        .with("order_id", order.order_id)
        .with("symbol", order.symbol)
        .with("side", order.side);
    if let Some(link_id) = order.link_id {
        facts = facts.with("link_id", link_id);
    }
    logging::order("order cancel sent", facts);
    Ok(())
}
