//! From schema version 1 to 2: closing orders, the days around today, jumps of the balance one by
//! one, execution ids with their times.
//!
//! What version 1 did not write down is unknown, never zero: of a position that was held then
//! nobody knows what opening it cost.

use money::Amount;
use serde_json::{Map, Value, json};

use crate::unreadable::Unreadable;

/// The `state` of a snapshot.
pub(crate) fn state(state: &mut Value) -> Result<(), Unreadable> {
    let began = part(state, "began")?.clone();
    let now = part(part(state, "clock")?, "venue")?.clone();
    let root = object(state, "state")?;
    root.insert("days".to_owned(), json!({ "past": [], "ahead": null }));
    let closings = json!({ "open": {}, "settled": [], "rows": [], "rows_base": 0 });
    root.insert("closings".to_owned(), closings);
    object(child(state, "day")?, "day")?.insert("closes".to_owned(), json!(0));
    wallet(child(state, "wallet")?, &now)?;
    let venue = part(state, "venue")?;
    let read =
        *part(venue, "condition")? != json!("fresh") || *part(venue, "compared")? == json!(true);
    let book = object(child(state, "book")?, "book")?;
    // A first start that had not compared its book yet has none.
    let since = if read { began } else { Value::Null };
    book.insert("since".to_owned(), since);
    book.insert("differences".to_owned(), json!({}));
    let ingested = child(state, "ingested")?;
    for ring in ["executions", "closed"] {
        times(child(ingested, ring)?, &now)?;
    }
    Ok(())
}

/// A record of the journal: what is new in it may be absent.
pub(crate) fn record(record: &mut Value) -> Result<(), Unreadable> {
    part(record, "kind").map(drop)
}

fn wallet(wallet: &mut Value, now: &Value) -> Result<(), Unreadable> {
    let jump = amount(part(wallet, "unconfirmed_flow")?)?;
    let equity = wallet.pointer("/last/wallet/equity").cloned();
    let anchor = wallet.get("anchor").filter(|anchor| !anchor.is_null());
    let anchor = anchor
        .map(|anchor| {
            Ok::<_, Unreadable>((
                time(part(anchor, "at")?)?,
                amount(part(anchor, "balance")?)?,
            ))
        })
        .transpose()?;
    let mut explained = anchor.map(|(_, balance)| balance);
    let mut kept = Vec::new();
    for cash in part(wallet, "recent_cash")?
        .as_array()
        .into_iter()
        .flatten()
    {
        // What was before the anchor is in its balance.
        if anchor
            .is_some_and(|(at, _)| time(part(cash, "at").unwrap_or(cash)).is_ok_and(|t| t <= at))
        {
            continue;
        }
        let more = amount(part(cash, "cash")?)?;
        explained = explained.and_then(|sum| sum.plus(more).ok());
        kept.push(cash.clone());
    }
    let jumps = match equity {
        Some(equity) if !jump.is_zero() => json!([{ "at": now, "amount": jump, "equity": equity }]),
        Some(_) | None => json!([]),
    };
    let wallet = object(wallet, "wallet")?;
    wallet.remove("unconfirmed_flow");
    wallet.insert("recent_cash".to_owned(), Value::Array(kept));
    wallet.insert("explained".to_owned(), json!(explained));
    wallet.insert("unconfirmed".to_owned(), jumps);
    wallet.insert("unproven".to_owned(), json!(false));
    wallet.insert("suspects".to_owned(), json!([]));
    Ok(())
}

/// Ids get a time: they were told by now.
fn times(ring: &mut Value, now: &Value) -> Result<(), Unreadable> {
    let order = object(ring, "ids")?.get_mut("order");
    for id in order.and_then(Value::as_array_mut).into_iter().flatten() {
        *id = json!([id.clone(), now]);
    }
    Ok(())
}

fn lacks(what: &'static str) -> Unreadable {
    Unreadable::Lacks { version: 1, what }
}

fn part<'a>(of: &'a Value, name: &'static str) -> Result<&'a Value, Unreadable> {
    of.get(name).ok_or(lacks(name))
}

fn child<'a>(of: &'a mut Value, name: &'static str) -> Result<&'a mut Value, Unreadable> {
    of.get_mut(name).ok_or(lacks(name))
}

fn object<'a>(
    of: &'a mut Value,
    name: &'static str,
) -> Result<&'a mut Map<String, Value>, Unreadable> {
    of.as_object_mut().ok_or(lacks(name))
}

fn amount(text: &Value) -> Result<Amount, Unreadable> {
    Ok(serde_json::from_value(text.clone())?)
}

fn time(number: &Value) -> Result<i64, Unreadable> {
    number.as_i64().ok_or(lacks("a time"))
}
