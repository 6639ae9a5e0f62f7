//! A connection's life under a clock that the test moves.

use super::*;

const NOW: BootMs = BootMs(1_000_000);

fn account() -> Session {
    let mut session = Session::new(Feed::Account, Symbol::new("USDT").unwrap(), NOW);
    assert_eq!(session.wake(NOW), [Act::Connect]);
    session
}

fn up(now: BootMs) -> Session {
    let mut session = account();
    session.opened(now, Some("auth".to_owned()));
    session.heard(now, r#"{"op":"auth","success":true}"#);
    let acts = session.heard(now, r#"{"op":"subscribe","success":true}"#);
    assert_eq!(acts, [Act::Tell(StreamEvent::Up)]);
    session
}

fn hangs(acts: &[Act], word: &str) -> bool {
    acts.iter()
        .any(|act| matches!(act, Act::Hang(why) if why.contains(word)))
}

#[test]
fn it_pings_every_twenty_seconds_and_hangs_up_without_a_pong() {
    let mut session = up(NOW);
    for round in 1..=3 {
        let at = NOW.after(20_000 * round);
        assert_eq!(session.deadline(), Some(at));
        assert_eq!(session.wake(NOW.after(20_000 * round - 1)), []);
        let ping = session.wake(at);
        assert_eq!(ping, [Act::Send(r#"{"op":"ping"}"#.to_owned())]);
        session.heard(at.after(50), r#"{"op":"pong"}"#);
    }
    let at = NOW.after(80_000);
    session.wake(at);
    assert_eq!(session.deadline(), Some(at.after(10_000)));
    assert_eq!(session.wake(at.after(9_999)), []);
    assert!(hangs(&session.wake(at.after(10_000)), "pong"));
}

#[test]
fn each_step_has_its_patience() {
    let late = NOW.after(10_000);
    assert!(hangs(&account().wake(late), "connection"));
    let mut session = account();
    session.opened(NOW, Some("auth".to_owned()));
    assert!(hangs(&session.wake(late), "signing in"));
    let mut session = account();
    session.opened(NOW, Some("auth".to_owned()));
    session.heard(NOW, r#"{"op":"auth","success":true}"#);
    assert!(hangs(&session.wake(late), "subscription"));
}

#[test]
fn pauses_double_with_jitter_and_begin_anew_after_a_good_connection() {
    let mut session = account();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        session.ended(NOW, "broken", End::Broken, 999);
        pauses.push(session.deadline().unwrap().since(NOW));
    }
    assert!(pauses[0] <= 250 && pauses[1] > pauses[0] && pauses[2] > pauses[1]);
    assert!(*pauses.last().unwrap() <= 30_000 && *pauses.last().unwrap() > 25_000);
    // The dice decide up to half of it.
    session.ended(NOW, "broken", End::Broken, 0);
    assert_eq!(session.deadline().unwrap().since(NOW), 15_000);
    let mut session = up(NOW);
    session.failures = 9;
    session.ended(NOW.after(29_999), "broken", End::Broken, 0);
    assert!(session.deadline().unwrap().since(NOW) > 40_000);
    let mut session = up(NOW);
    session.failures = 9;
    session.ended(NOW.after(30_000), "broken", End::Broken, 0);
    assert_eq!(session.deadline(), Some(NOW.after(30_125)));
}

#[test]
fn a_shut_door_is_not_knocked_at_for_ten_minutes() {
    let mut session = account();
    session.ended(NOW, "HTTP 403", End::Forbidden, 500);
    assert_eq!(session.deadline(), Some(NOW.after(600_000)));
    let mut session = account();
    session.ended(NOW, "banned", End::NotBefore(NOW.after(77)), 500);
    assert_eq!(session.deadline(), Some(NOW.after(77)));
}

#[test]
fn an_account_that_is_told_in_part_is_not_up() {
    let mut session = account();
    session.opened(NOW, Some("auth".to_owned()));
    session.heard(NOW, r#"{"op":"auth","success":true}"#);
    let acts = session.heard(NOW, r#"{"op":"subscribe","success":false,"ret_msg":"no"}"#);
    assert_eq!(acts.len(), 4, "each topic alone");
    let mut acts = Vec::new();
    for yes in [true, false, true, true] {
        acts.extend(session.heard(NOW, &format!(r#"{{"op":"subscribe","success":{yes}}}"#)));
    }
    assert!(hangs(&acts, "refuses execution"), "{acts:?}");
    assert!(!acts.contains(&Act::Tell(StreamEvent::Up)));
}

#[test]
fn without_wishes_the_market_is_not_connected_to() {
    let mut session = Session::new(Feed::Market, Symbol::new("USDT").unwrap(), NOW);
    assert_eq!((session.deadline(), session.wake(NOW)), (None, Vec::new()));
    let sol = Topic::Tickers(Symbol::new("SOLUSDT").unwrap());
    assert_eq!(session.want(&[sol].into(), NOW), [Act::Connect]);
    session.opened(NOW, None);
    session.heard(NOW, r#"{"op":"subscribe","success":true}"#);
    // What is no longer wanted is ended at the venue, and its last words are not told.
    let acts = session.want(&BTreeSet::new(), NOW);
    assert!(matches!(acts.as_slice(), [Act::Send(text)] if text.contains("unsubscribe")));
    let late = r#"{"topic":"tickers.SOLUSDT","type":"delta","ts":1763980101000,"data":{}}"#;
    assert_eq!(session.heard(NOW, late), []);
}
