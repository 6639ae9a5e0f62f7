//! An order's way from a bot to the venue and back: steps, word of the guard, send, outcome.
//!
//! Each order is a task of its own and ends whether its bot still listens or not, so that no
//! approval is ever left without an outcome.

use std::time::Duration;

use daemon::clock::boot_now;
use daemon::logging;
use exchange::Slot;
use money::Price;
use protocol::frame::{ErrorBody, ErrorCode};
use protocol::gateway::Placed;
use protocol::guard::{Observation, OutcomeReport};
use protocol::order::Amend;
use protocol::venue::Instrument;
use protocol::{
    Approval, Context, Denial, Intent, IntentId, OrderLinkId, Outcome, Side, Symbol, Tag,
};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::event::Event;
use crate::exits_alone::{exit_alone, sent_before};
use crate::guard::{Approved, Verdict};
use crate::hands::Hands;
use crate::normalise;
use crate::orders::Ours;
use crate::read;
use crate::resolve::Missing;
use crate::send::Sent;
use crate::story::{denial, facts_of, not_final, nothing_there, refused, refused_here};
use crate::venue::{Fault, odd};

/// How long a refusal waits for the guard's disk before the bot hears that it is not final.
const KEPT_PATIENCE: Duration = Duration::from_secs(2);

/// What is known of the order's instrument when it comes in.
#[derive(Debug)]
pub struct Market {
    /// Its steps; read first if absent.
    pub instrument: Option<Instrument>,
    /// Its mark price; read first if absent.
    pub mark: Option<Price>,
}

/// Places one order. An error means that nothing was asked of the guard.
pub async fn place(hands: &Hands, intent: Intent, market: Market) -> Result<Placed, Fault> {
    let intent_id = intent.intent_id;
    let (instrument, mark) = known(hands, intent.symbol, market, intent.reduce_only).await?;
    let intent = match normalise::order(&intent, &instrument, mark) {
        Ok(intent) => intent,
        Err(denial) => return Ok(refused_here(intent_id, denial)),
    };
    if let Some(placed) = sent_before(hands, &intent).await {
        return Ok(placed);
    }
    let slot = hands.sender.slot(!intent.reduce_only).await?;
    let verdict = hands.guard.authorize(intent.clone()).await;
    match verdict {
        Verdict::Approved(permit) => {
            let link_id = permit.approval().link_id;
            let outcome = send_approved(hands, permit, slot).await;
            Ok(Placed {
                intent_id,
                link_id: Some(link_id),
                outcome,
                repeated: false,
            })
        }
        Verdict::Silent(ref why) if intent.reduce_only => {
            Box::pin(exit_alone(hands, &intent, why)).await
        }
        Verdict::Refused(ref error) if intent.reduce_only => {
            Box::pin(exit_alone(hands, &intent, &error.message)).await
        }
        Verdict::Denied(_) | Verdict::Recorded(_) | Verdict::Silent(_) | Verdict::Refused(_) => {
            Ok(unsent(intent_id, verdict))
        }
    }
}

/// Changes a resting order of ours.
pub async fn amend(
    hands: &Hands,
    change: Amend,
    (symbol, side): (Symbol, Side),
    market: Market,
) -> Result<Placed, Fault> {
    let intent_id = change.intent_id;
    let (instrument, _) = known(hands, symbol, market, true).await?;
    let change = match normalise::amend(&change, side, &instrument) {
        Ok(change) => change,
        Err(denial) => return Ok(refused_here(intent_id, denial)),
    };
    let slot = hands.sender.slot(true).await?;
    let verdict = hands.guard.authorize_amend(change).await;
    match verdict {
        Verdict::Approved(permit) => {
            let link_id = permit.approval().link_id;
            let outcome = send_approved(hands, permit, slot).await;
            Ok(Placed {
                intent_id,
                link_id: Some(link_id),
                outcome,
                repeated: false,
            })
        }
        Verdict::Denied(_) | Verdict::Recorded(_) | Verdict::Silent(_) | Verdict::Refused(_) => {
            Ok(unsent(intent_id, verdict))
        }
    }
}

/// Cancels a resting order of ours by its link id.
pub async fn cancel(
    hands: &Hands,
    intent_id: IntentId,
    symbol: Symbol,
    link_id: OrderLinkId,
) -> Result<(), ErrorBody> {
    let facts = Context::new()
        .with("intent_id", intent_id)
        .with("link_id", link_id)
        .with("symbol", symbol);
    match hands.sender.cancel_link(symbol, link_id).await {
        Ok(()) => {
            logging::order("order cancel sent", facts);
            // The venue cancels asynchronously; the next read of all open orders shows it.
            hands.owner.tell(Event::Touched);
            Ok(())
        }
        Err(fault) => {
            let code = if fault.is_ambiguous() {
                ErrorCode::Internal
            } else {
                ErrorCode::NotReady
            };
            hands.owner.tell(Event::Refused(fault.clone()));
            Err(ErrorBody::new(
                code,
                format!("the cancel was not taken: {fault}"),
            ))
        }
    }
}

/// What must be known of an instrument before an order in it can be judged. An exit asks for no
/// more than its steps.
async fn known(
    hands: &Hands,
    symbol: Symbol,
    market: Market,
    exits: bool,
) -> Result<(Instrument, Option<Price>), Fault> {
    let begun = hands.venue.begun();
    let instrument = if let Some(instrument) = market.instrument {
        instrument
    } else {
        let read = Box::pin(hands.venue.instrument(symbol)).await?;
        let missing = || odd("market/instruments-info", format!("no instrument {symbol}"));
        let instrument = read.ok_or_else(missing)?;
        hands.seen(begun, Observation::Instruments(vec![instrument.clone()]));
        instrument
    };
    if exits {
        return Ok((instrument, market.mark));
    }
    let mark = if let Some(mark) = market.mark {
        mark
    } else {
        let begun = hands.venue.begun();
        let ticker = Box::pin(hands.venue.ticker(symbol)).await?;
        let mark = ticker.mark;
        hands.seen(begun, Observation::Tickers(vec![ticker]));
        mark
    };
    if !hands.venue.leverage_known(symbol) {
        Box::pin(async {
            hands.venue.position(symbol).await?;
            read::positions(hands).await
        })
        .await?;
    }
    Ok((instrument, Some(mark)))
}

/// Sends what the guard allowed and reports what became of it.
async fn send_approved(hands: &Hands, permit: Approved, slot: Slot) -> Outcome {
    let approval = permit.approval().clone();
    let amends = permit.is_change();
    let facts = facts_of(&approval);
    logging::order("order approved", facts.clone());
    let now = boot_now();
    if !amends {
        hands.owner.mention(Event::Sending(Ours {
            intent_id: Some(approval.intent.intent_id),
            link_id: approval.link_id,
            symbol: approval.intent.symbol,
            side: approval.intent.side,
            opens: approval.opens,
            since: now,
            last: None,
            misses: (0, now),
        }));
    }
    let sending = if amends {
        "order change sent"
    } else {
        "order sent"
    };
    logging::order(sending, facts.clone());
    let sent = hands.sender.approved(permit, slot).await;
    if let Some(fault) = &sent.fault {
        hands.owner.tell(Event::Refused(fault.clone()));
    }
    settle(hands, &approval, &sent, amends, facts);
    let report = OutcomeReport {
        approval_id: approval.approval_id,
        outcome: sent.outcome.clone(),
        signed_at: sent.signed_at,
    };
    if nothing_there(&sent.outcome).is_none() {
        hands.guard.outcome(report);
        return sent.outcome;
    }
    let kept = hands.guard.outcome_kept(report);
    refusal(sent.outcome, kept, KEPT_PATIENCE).await
}

/// What the bot hears of an order of which nothing is at the venue: that, if the guard has it on
/// disk in time, else [`not_final`].
async fn refusal(outcome: Outcome, kept: oneshot::Receiver<()>, patience: Duration) -> Outcome {
    if timeout(patience, kept).await == Ok(Ok(())) {
        outcome
    } else {
        not_final(outcome)
    }
}

/// What the outcome of a send means to the owner, and the line of the order's life.
fn settle(hands: &Hands, approval: &Approval, sent: &Sent, amends: bool, facts: Context) {
    let link_id = approval.link_id;
    match &sent.outcome {
        Outcome::Accepted { order_id } => {
            hands.owner.tell(Event::Accepted(link_id, *order_id));
            logging::order("order accepted", facts.with("order_id", order_id));
        }
        Outcome::Rejected { code, message } => {
            if !amends {
                hands.owner.tell(Event::Gone(link_id));
            }
            let facts = facts.with("code", code).with("venue_says", message);
            logging::order("order rejected", facts);
        }
        Outcome::NotSent { why } => {
            if !amends {
                hands.owner.tell(Event::Gone(link_id));
            }
            logging::order("order not sent", facts.with("why", why));
        }
        Outcome::Ambiguous { why } | Outcome::Denied(Denial { message: why, .. }) => {
            let missing = Missing::of(approval, sent.left_at);
            hands
                .owner
                .tell(Event::Ambiguous(missing, sent.signed_boot));
            logging::order("order ambiguous", facts.with("why", why));
        }
        Outcome::Pending => {}
    }
}

/// What a bot hears of an order that was not sent.
fn unsent(intent_id: IntentId, verdict: Verdict) -> Placed {
    match verdict {
        Verdict::Denied(denial) => refused(intent_id, denial),
        Verdict::Recorded(recorded) => Placed {
            intent_id,
            link_id: recorded.link_id,
            outcome: recorded.outcome,
            repeated: true,
        },
        Verdict::Silent(why) => refused_here(intent_id, denial(Tag::GuardLost, &why)),
        Verdict::Refused(error) => {
            let message = format!("the risk-guard could not judge it: {}", error.message);
            refused_here(intent_id, denial(Tag::GuardLost, &message))
        }
        Verdict::Approved(permit) => {
            // Not reached: an approval is sent by its caller. The guard's look-ups would end it.
            let link_id = Some(permit.approval().link_id);
            let outcome = Outcome::Ambiguous {
                why: "approved and not sent".to_owned(),
            };
            Placed {
                intent_id,
                link_id,
                outcome,
                repeated: false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: Duration = Duration::from_millis(20);

    fn refused() -> Outcome {
        Outcome::Rejected {
            code: 110_007,
            message: "no".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_refusal_is_final_once_it_is_on_disk() {
        let (taken, kept) = oneshot::channel();
        taken.send(()).unwrap();
        assert_eq!(refusal(refused(), kept, BRIEF).await, refused());
        let (taken, kept) = oneshot::channel();
        assert!(matches!(
            refusal(refused(), kept, BRIEF).await,
            Outcome::Ambiguous { .. }
        ));
        drop(taken);
        // An order that the venue has is found again, whoever dies.
        let accepted = Outcome::Accepted {
            order_id: protocol::OrderId::new("o").unwrap(),
        };
        assert_eq!(not_final(accepted.clone()), accepted);
    }
}
