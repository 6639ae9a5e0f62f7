//! `limits [--json]`: every limit and how much of it is used.

use std::path::Path;

use protocol::status::{RiskStatus, SCHEMA_VERSION, TradingState};
use serde_json::json;

use crate::cli::Json;
use crate::command::verb;
use crate::exit::Exit;
use crate::{out, screen};

/// Shows every limit, also those that are off.
pub(crate) fn run(dir: &Path, args: &Json) -> Exit {
    let risk: RiskStatus = match verb::risk(dir) {
        Ok(risk) => risk,
        Err(exit) => return exit,
    };
    if args.json {
        out::json(&json!({
            "schema_version": SCHEMA_VERSION,
            "state": risk.state,
            "limits": risk.limits,
            "realised": risk.account.realised_today,
            "fees": risk.account.fees_today,
            "funding": risk.account.funding_today,
            "unrealised": risk.account.unrealised,
            "unconfirmed_flow": risk.account.unconfirmed_flow,
            "days": risk.days,
            "closes": risk.closes,
        }));
    } else {
        out::lines(&screen::limits(&risk));
    }
    if risk.state == TradingState::Active {
        Exit::Healthy
    } else {
        Exit::Blocked
    }
}
