//! `pnl`: what each day and each closed trade brought, fees and funding apart.

use std::path::Path;

use serde_json::json;

use crate::command::verb;
use crate::exit::Exit;
use crate::failure::Done;
use crate::out::Form;
use crate::screen;

/// Shows the days that the guard remembers and the newest closed trades.
pub(crate) fn run(dir: &Path, form: Form) -> Done {
    let risk = verb::risk(dir)?;
    let result = json!({
        "days": risk.days,
        "closes": risk.closes,
        "unrealised": risk.account.unrealised,
        "unconfirmed_flow": risk.account.unconfirmed_flow,
    });
    form.tell(&result, || screen::pnl(&risk));
    Ok(Exit::Healthy)
}
