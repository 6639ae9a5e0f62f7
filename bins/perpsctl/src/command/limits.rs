//! `limits`: every limit and how much of it is used.

use std::path::Path;

use protocol::status::TradingState;
use serde_json::json;

use crate::command::verb;
use crate::exit::Exit;
use crate::failure::Done;
use crate::out::Form;
use crate::screen;

/// Shows every limit, also those that are off.
pub(crate) fn run(dir: &Path, form: Form) -> Done {
    let risk = verb::risk(dir)?;
    let result = json!({
        "state": risk.state,
        "limits": risk.limits,
        "realised": risk.account.realised_today,
        "fees": risk.account.fees_today,
        "funding": risk.account.funding_today,
        "unrealised": risk.account.unrealised,
        "unconfirmed_flow": risk.account.unconfirmed_flow,
        "days": risk.days,
        "closes": risk.closes,
    });
    form.tell(&result, || screen::limits(&risk));
    Ok(if risk.state == TradingState::Active {
        Exit::Healthy
    } else {
        Exit::Blocked
    })
}
