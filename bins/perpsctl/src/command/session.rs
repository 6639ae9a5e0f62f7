//! `session show|new`.

use std::path::Path;

use protocol::guard::Verb;
use serde_json::json;

use crate::cli::Session;
use crate::command::verb;
use crate::exit::Exit;
use crate::failure::Done;
use crate::out::Form;
use crate::screen::span;

/// Shows the session, or ends it and begins the next.
pub(crate) fn run(dir: &Path, form: Form, what: &Session) -> Done {
    match what {
        Session::New => return verb::say(dir, form, Verb::SessionNew),
        Session::Show => {}
    }
    let session = verb::risk(dir)?.session;
    form.tell(&json!({ "session": session }), || {
        vec![format!(
            "{}  {}  trades {} (+{} live)  orders {} sent, {} refused",
            session.id,
            span(session.age_ms),
            session.trades,
            session.live_openers,
            session.sent,
            session.refused
        )]
    });
    Ok(Exit::Healthy)
}
