//! Our figure of a closing order against the venue's row, on real processes: a venue whose row is
//! wrong, one whose row is late, one that never shows it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod stage;

use money::Amount;
use protocol::status::{CloseCheck, RiskStatus};
use protocol::{Side, Tag};
use stage::{PROFILE, Stage, accepted, amount, await_log, await_risk, price, qty, sol, stands};
use testkit::until;

/// A venue whose rows are late after a second, and one whose rows are never late in a test.
const PROMPT: &str = "  venueLagMs: 500\n";
const SLOW: &str = "  venueLagMs: 60000\n";

/// A harness without a stream of the account: polls at full pace tell a test sooner what comes.
fn ready(lag: &str) -> Stage {
    let stage = Stage::ready(&format!("{PROFILE}{lag}"));
    stage.sim.drop_streams(Some("/private"), 3_600_000).unwrap();
    stage
}

/// Buys two, sells them dearer, and gives what that came to by the simulator's ledger.
fn close(stage: &Stage) -> Amount {
    let mut bot = stage.bot();
    stage.sim.price(sol(), Some(price("100"))).unwrap();
    assert!(accepted(&bot.buy(sol(), qty("2")).unwrap()));
    bot.await_size(sol(), qty("2")).unwrap();
    stage.sim.price(sol(), Some(price("101.37"))).unwrap();
    assert!(accepted(&bot.close(sol(), qty("2")).unwrap()));
    bot.await_size(sol(), qty("0")).unwrap();
    let ledger = stage.sim.ledger().unwrap();
    amount(
        ledger.closed_pnl.last().unwrap()["closedPnl"]
            .as_str()
            .unwrap(),
    )
}

fn checked(risk: &RiskStatus) -> Vec<CloseCheck> {
    risk.closes.iter().map(|close| close.check).collect()
}

/// Waits until the gateway has asked twice more for rows of closed PnL: once surely from now on.
fn await_read(stage: &Stage) {
    let before = stage.sim.closed_pnl_reads().unwrap();
    until(60, "closed PnL to be read again", || {
        let reads = stage.sim.closed_pnl_reads().map_err(|e| e.to_string())?;
        (reads > before + 1).then_some(()).ok_or(reads.to_string())
    })
    .unwrap();
}

#[test]
fn a_row_beyond_a_cent_from_our_executions_blocks_with_both_numbers_until_acknowledged() {
    let stage = ready(PROMPT);
    stage.sim.misstate_closed_pnl(amount("-0.05")).unwrap();
    let ours = close(&stage);
    let theirs = ours.minus(amount("0.05")).unwrap();
    let risk = await_risk(&stage, "the block", |risk| stands(risk, Tag::ReconBlock));
    assert_eq!(checked(&risk), [CloseCheck::Disagrees]);
    let shown = &risk.closes[0];
    assert_eq!((shown.pnl, shown.venue_pnl), (Some(ours), Some(theirs)));
    let both = [format!("{ours} on 2"), format!("{theirs} on 2")];
    let both = [both[0].as_str(), both[1].as_str()];
    assert!(both.iter().all(|side| risk.trips[0].message.contains(side)));
    await_log(&stage, &[&["SAFETY_RECON_BLOCK"], &both[..]].concat());
    await_log(
        &stage,
        &[&["ALERT[safety_recon_block]"], &both[..]].concat(),
    );

    let (code, status) = stage.perpsctl(&["status"]);
    assert_eq!(code, 5, "{status}");
    for part in [both[0], both[1], "perpsctl recon acknowledge"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert!(stage.perpsctl(&["pnl"]).1.contains("DISAGREES"));
    let refused = stage.bot().buy(sol(), qty("1")).unwrap();
    assert!(!accepted(&refused), "{refused:?}");
    assert_eq!(stage.openings().len(), 1);

    let (code, said) = stage.perpsctl(&["recon", "acknowledge"]);
    assert_eq!((code, said.contains("acknowledged")), (0, true), "{said}");
    // The row is as wrong as before; it has been looked at.
    await_read(&stage);
    let risk = stage.harness.risk().unwrap();
    assert!(risk.trips.is_empty(), "{:?}", risk.trips);
    stage.await_buy("acknowledged");
}

#[test]
fn a_row_that_merely_lags_and_a_cent_are_no_disagreement() {
    let stage = ready(SLOW);
    stage.sim.delay_closed_pnl(3_600_000).unwrap();
    stage.sim.misstate_closed_pnl(amount("0.01")).unwrap();
    close(&stage);
    await_read(&stage);
    let risk = await_risk(&stage, "our own figure", |risk| !risk.closes.is_empty());
    assert_eq!(checked(&risk), [CloseCheck::Waiting]);
    assert_eq!(risk.closes[0].venue_pnl, None, "the row is not shown yet");
    assert!(risk.trips.is_empty(), "{:?}", risk.trips);
    stage.await_buy("meanwhile");
    stage.sim.delay_closed_pnl(0).unwrap();
    let risk = await_risk(&stage, "the row", |risk| {
        checked(risk) == [CloseCheck::Agrees]
    });
    assert!(risk.trips.is_empty(), "{:?}", risk.trips);
}

#[test]
fn a_row_later_than_the_venues_lag_blocks_and_its_coming_does_not_end_that() {
    let stage = ready(PROMPT);
    stage.sim.delay_closed_pnl(3_600_000).unwrap();
    let ours = close(&stage);
    let risk = await_risk(&stage, "the block", |risk| stands(risk, Tag::ReconBlock));
    let said = &risk.trips[0].message;
    assert!(
        said.contains(&format!("{ours} on 2")) && said.contains("no row of closed PnL"),
        "{said}"
    );
    stage.sim.delay_closed_pnl(0).unwrap();
    let risk = await_risk(&stage, "the row", |risk| {
        checked(risk) == [CloseCheck::Agrees]
    });
    assert!(stands(&risk, Tag::ReconBlock), "until the operator says so");
    assert_eq!(stage.perpsctl(&["recon", "acknowledge"]).0, 0);
    stage.await_buy("acknowledged");
}

#[test]
fn what_was_taken_over_is_exempt() {
    let mut stage = ready(PROMPT);
    assert!(stage.harness.stop().unwrap().success());
    let held = (Side::Buy, qty("2"), price("100"));
    stage.sim.position(sol(), held.0, held.1, held.2).unwrap();
    stage.harness.restart().unwrap();
    stage.harness.await_synced().unwrap();
    stage.sim.misstate_closed_pnl(amount("-5")).unwrap();
    let mut bot = stage.bot();
    bot.await_size(sol(), held.1).unwrap();
    assert!(accepted(&bot.close(sol(), held.1).unwrap()));
    let risk = await_risk(&stage, "the close", |risk| {
        checked(risk) == [CloseCheck::Exempt]
    });
    assert!(risk.closes[0].venue_pnl.is_some(), "{:?}", risk.closes);
    await_read(&stage);
    let risk = stage.harness.risk().unwrap();
    assert!(risk.trips.is_empty(), "{:?}", risk.trips);
}
