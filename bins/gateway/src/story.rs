//! The lines of an order's life in the log, and what a bot hears of an order that is not sent.

use daemon::logging;
use protocol::gateway::Placed;
use protocol::venue::Order;
use protocol::{Approval, Context, Denial, IntentId, Outcome, Severity, Tag};

/// A refusal in the gateway's own words.
pub(crate) fn denial(tag: Tag, message: &str) -> Denial {
    Denial {
        tag,
        message: message.to_owned(),
        context: Context::new(),
    }
}

/// A refusal, and its line.
pub(crate) fn refused(intent_id: IntentId, denial: Denial) -> Placed {
    let context = denial
        .context
        .clone()
        .with("intent_id", intent_id)
        .with("tag", denial.tag);
    logging::order(&format!("order refused: {}", denial.message), context);
    Placed {
        intent_id,
        link_id: None,
        outcome: Outcome::Denied(denial),
        repeated: false,
    }
}

/// A refusal that the guard has not seen, and therefore has not logged under its tag.
pub(crate) fn refused_here(intent_id: IntentId, denial: Denial) -> Placed {
    let context = denial.context.clone().with("intent_id", intent_id);
    logging::event(denial.tag, Severity::Warning, &denial.message, &context);
    refused(intent_id, denial)
}

/// What every line of the life of an order says that the guard has allowed.
pub(crate) fn facts_of(approval: &Approval) -> Context {
    let intent = &approval.intent;
    Context::new()
        .with("intent_id", intent.intent_id)
        .with("link_id", approval.link_id)
        .with("symbol", intent.symbol)
        .with("side", intent.side)
        .with("qty", intent.qty)
}

/// An order of unknown outcome has been found at the venue.
pub fn tell_found(order: &Order, intent_id: IntentId) {
    logging::order("order found at the venue", facts(order, Some(intent_id)));
}

/// The line of an order's life that a change of its state is worth, if any.
pub fn tell_change(order: &Order, intent_id: Option<IntentId>) {
    use protocol::venue::OrderStatus as S;
    let message = match order.status {
        S::Filled => "order filled",
        S::PartiallyFilled => "order partly filled",
        S::Cancelled | S::Deactivated => "order cancelled",
        S::Rejected => "order rejected",
        S::Triggered => "order triggered",
        S::Created | S::New | S::Untriggered | S::Active | S::Unknown => return,
    };
    logging::order(message, facts(order, intent_id));
}

fn facts(order: &Order, intent_id: Option<IntentId>) -> Context {
    let mut facts = Context::new()
        .with("order_id", order.order_id)
        .with("symbol", order.symbol)
        .with("side", order.side)
        .with("qty", order.qty.get().normalize())
        .with("filled", order.filled.get().normalize());
    if let Some(link_id) = order.link_id {
        facts = facts.with("link_id", link_id);
    }
    if let Some(intent_id) = intent_id {
        facts = facts.with("intent_id", intent_id);
    }
    facts
}

/// An outcome that the guard has not written down. That nothing is at the venue is not final then:
/// a gateway that dies leaves an order to be looked up, and another word for the same. What the
/// venue has taken it shows again, whoever dies.
pub(crate) fn not_final(outcome: Outcome) -> Outcome {
    match nothing_there(&outcome) {
        None => outcome,
        Some(said) => Outcome::Ambiguous {
            why: format!(
                "nothing of it is at the venue ({said}), and the risk-guard has not written that \
                 down yet: ask again"
            ),
        },
    }
}

/// Why nothing of an order is at the venue, if that is so.
pub(crate) fn nothing_there(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Rejected { code, message } => Some(format!("refused: {message} ({code})")),
        Outcome::NotSent { why } => Some(format!("not sent: {why}")),
        Outcome::Accepted { .. }
        | Outcome::Ambiguous { .. }
        | Outcome::Pending
        | Outcome::Denied(_) => None,
    }
}
