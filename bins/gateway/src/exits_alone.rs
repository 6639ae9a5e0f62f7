//! Orders that only shrink a position and go without an approval: an exit while the guard is silent,
//! what a flatten sends. What the guard allows goes by `placing`.

use daemon::clock::boot_now;
use daemon::logging;
use protocol::gateway::Placed;
use protocol::guard::ExitReport;
use protocol::{Context, Intent, IntentId, OrderLinkId, Outcome, Tag, VenueMs};

use crate::event::Event;
use crate::guard::Reducing;
use crate::hands::Hands;
use crate::orders::Ours;
use crate::story::{denial, not_final, refused_here};
use crate::venue::Fault;

/// An exit that an earlier gateway sent under an id of its own, because it had never met the guard,
/// and died before it could tell: the guard would give it another id, and the venue take it twice.
/// Only an intent from before this life can have been; a venue that cannot be asked holds up no exit.
pub async fn sent_before(hands: &Hands, intent: &Intent) -> Option<Placed> {
    if !intent.reduce_only || intent.at >= hands.began {
        return None;
    }
    let link_id = OrderLinkId::of_gateway(intent.intent_id.as_str()).ok()?;
    // Boxed, like all that few orders need: what is not is moved with every order.
    let found = Box::pin(hands.venue.order(intent.symbol, link_id));
    let found = found.await.ok()??;
    let outcome = Outcome::Accepted {
        order_id: found.order_id,
    };
    tracing::warn!(
        "the exit {} went from an earlier gateway, without the risk-guard",
        intent.intent_id
    );
    tell_exit(hands, intent, link_id, &outcome, Some(found.created));
    Some(Placed {
        intent_id: intent.intent_id,
        link_id: Some(link_id),
        outcome,
        repeated: true,
    })
}

/// The guard hears of an exit that went without it, and the owner remembers it until then.
fn tell_exit(
    hands: &Hands,
    intent: &Intent,
    link_id: OrderLinkId,
    outcome: &Outcome,
    signed_at: Option<VenueMs>,
) {
    let owner = &hands.owner;
    owner.tell(Event::ExitAlone(intent.intent_id, link_id, outcome.clone()));
    if matches!(
        outcome,
        Outcome::Accepted { .. } | Outcome::Ambiguous { .. }
    ) {
        hands.guard.exit_alone(ExitReport {
            intent: intent.clone(),
            link_id,
            outcome: outcome.clone(),
            signed_at,
        });
    }
}

/// An exit while the guard is silent: from a position that is read now, never more than it holds.
pub async fn exit_alone(hands: &Hands, intent: &Intent, why: &str) -> Result<Placed, Fault> {
    let intent_id = intent.intent_id;
    if hands.guard.leave().frozen() {
        return Ok(refused_here(
            intent_id,
            denial(Tag::Halt, "the operator has frozen all sending"),
        ));
    }
    let positions = hands.venue.positions_now().await?;
    let orders = hands.venue.open_orders_now().await?;
    let permit = hands
        .guard
        .link_of(intent_id)
        .and_then(|link| Reducing::exit(intent, link, &positions, &orders));
    let permit = match permit {
        Ok(permit) => permit,
        Err(problem) => {
            let message = format!("{why}, and without it: {problem}");
            return Ok(refused_here(intent_id, denial(Tag::GuardLost, &message)));
        }
    };
    tracing::warn!("{why}; the exit {intent_id} goes without it, from a fresh read");
    let link_id = permit.order().link_id;
    let (outcome, signed_at) = send_reducing(hands, permit, Some(intent_id)).await;
    tell_exit(hands, intent, link_id, &outcome, signed_at);
    Ok(Placed {
        intent_id,
        link_id: Some(link_id),
        outcome: not_final(outcome),
        repeated: false,
    })
}

/// Sends an order that only shrinks a position; its outcome, and when it was signed at the latest.
/// An ambiguous one is looked up once, at once; a second send under the same link id would be refused
/// by the venue.
pub async fn send_reducing(
    hands: &Hands,
    permit: Reducing,
    intent_id: Option<IntentId>,
) -> (Outcome, Option<VenueMs>) {
    let order = permit.order().clone();
    let now = boot_now();
    hands.owner.tell(Event::Sending(Ours {
        intent_id,
        link_id: order.link_id,
        symbol: order.symbol,
        side: order.side,
        opens: false,
        since: now,
        last: None,
        misses: (0, now),
    }));
    let sent = hands.sender.reducing(permit).await;
    let mut outcome = sent.outcome;
    if matches!(outcome, Outcome::Ambiguous { .. })
        && let Ok(Some(found)) = hands.venue.order(order.symbol, order.link_id).await
    {
        outcome = Outcome::Accepted {
            order_id: found.order_id,
        };
    }
    let facts = Context::new()
        .with("link_id", order.link_id)
        .with("symbol", order.symbol)
        .with("side", order.side)
        .with("qty", order.qty)
        .with("reduce_only", true);
    match &outcome {
        Outcome::Accepted { order_id } => {
            hands.owner.tell(Event::Accepted(order.link_id, *order_id));
            logging::order("order accepted", facts.with("order_id", order_id));
        }
        Outcome::Rejected { code, message } => {
            hands.owner.tell(Event::Gone(order.link_id));
            logging::order(
                "order rejected",
                facts.with("code", code).with("venue_says", message),
            );
        }
        Outcome::NotSent { why } => {
            hands.owner.tell(Event::Gone(order.link_id));
            logging::order("order not sent", facts.with("why", why));
        }
        Outcome::Ambiguous { why } => logging::order("order ambiguous", facts.with("why", why)),
        Outcome::Pending | Outcome::Denied(_) => {}
    }
    (outcome, sent.signed_at)
}
