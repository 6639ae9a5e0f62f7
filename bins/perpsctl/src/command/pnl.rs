//! `pnl [--json]`: what each day and each closed trade brought, fees and funding apart.

use std::path::Path;

use protocol::status::SCHEMA_VERSION;
use serde_json::json;

use crate::cli::Json;
use crate::command::verb;
use crate::exit::Exit;
use crate::{out, screen};

/// Shows the days that the guard remembers and the newest closed trades.
pub(crate) fn run(dir: &Path, args: &Json) -> Exit {
    let risk = match verb::risk(dir) {
        Ok(risk) => risk,
        Err(exit) => return exit,
    };
    if args.json {
        out::json(&json!({
            "schema_version": SCHEMA_VERSION,
            "days": risk.days,
            "closes": risk.closes,
            "unrealised": risk.account.unrealised,
            "unconfirmed_flow": risk.account.unconfirmed_flow,
        }));
    } else {
        out::lines(&screen::pnl(&risk));
    }
    Exit::Healthy
}
