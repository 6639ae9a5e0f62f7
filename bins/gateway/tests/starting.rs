//! Starts that go wrong, and a venue that is not there, with the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod player;

use player::{House, Sim, Spec};

#[test]
fn without_keys_it_says_what_to_set_and_ends() {
    let mut house = House::start(&Spec {
        keys: None,
        ..Spec::at("http://127.0.0.1:1")
    });
    let why = house.failing();
    assert!(why.contains("set ZOOMEX_TESTNET_API_KEY"), "{why}");
    assert_eq!(house.ended().code(), Some(78));
}

#[test]
fn with_wrong_keys_it_repeats_the_venues_sentence_and_ends() {
    let Some(sim) = Sim::start() else { return };
    for keys in [("other-key", "sim-secret"), ("sim-key", "other-secret")] {
        let mut house = House::start(&Spec {
            keys: Some(keys),
            ..Spec::at(&sim.url)
        });
        let why = house.failing();
        assert!(why.contains("1000"), "{why}");
        assert!(!why.contains(keys.0) && !why.contains(keys.1), "{why}");
        assert_eq!(house.ended().code(), Some(78));
    }
}

#[test]
fn a_venue_that_is_not_there_is_waited_for() {
    let mut house = House::ready(&Spec::at("http://127.0.0.1:1"));
    let guard = house.guard(Vec::new());
    // Before the first call has failed it waits for the first reads.
    let beat = house.heartbeat_that(|beat| beat.waiting_for.contains("market/time"));
    let later = house.heartbeat_that(|later| later.progress > beat.progress);
    assert!(later.waiting_for.contains("the venue"));
    drop(guard);
    assert!(house.stop().success());
}

#[test]
fn the_end_of_the_control_channel_is_a_stop() {
    let mut house = House::ready(&Spec::at("http://127.0.0.1:1"));
    house.let_go();
    assert!(house.ended().success());
}
