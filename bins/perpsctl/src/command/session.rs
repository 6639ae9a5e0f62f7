//! `session show|new`.

use std::path::Path;

use protocol::guard::Verb;
use protocol::status::SCHEMA_VERSION;
use serde_json::json;

use crate::cli::Session;
use crate::command::verb;
use crate::exit::Exit;
use crate::out;
use crate::screen::span;

/// Shows the session, or ends it and begins the next.
pub(crate) fn run(dir: &Path, what: &Session) -> Exit {
    let args = match what {
        Session::New => return verb::say(dir, Verb::SessionNew),
        Session::Show(args) => args,
    };
    let session = match verb::risk(dir) {
        Ok(risk) => risk.session,
        Err(exit) => return exit,
    };
    if args.json {
        out::json(&json!({ "schema_version": SCHEMA_VERSION, "session": session }));
    } else {
        out::line(&format!(
            "{}  {}  trades {} (+{} live)  orders {} sent, {} refused",
            session.id,
            span(session.age_ms),
            session.trades,
            session.live_openers,
            session.sent,
            session.refused
        ));
    }
    Exit::Healthy
}
