//! Edits of the config while everything runs: every way of saving is seen, a bad one changes
//! nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod stage;

use std::fs;
use std::path::Path;

use protocol::status::ConfigStatus;
use protocol::{Generation, Tag};
use stage::{PROFILE, Stage, qty, sol};
use testkit::until;

fn await_config(stage: &Stage, what: &str, wanted: impl Fn(&ConfigStatus) -> bool) -> ConfigStatus {
    until(10, what, || {
        let status = stage.harness.status().map_err(|e| e.to_string())?;
        let everywhere = status.children.iter().all(|child| {
            child.generation == Some(status.config.applied) || child.generation.is_none()
        });
        if wanted(&status.config) && everywhere {
            Ok(status.config)
        } else {
            Err(format!("{:?}", status.config))
        }
    })
    .unwrap()
}

fn capped(stage: &Stage, trades: u32) -> String {
    let text = fs::read_to_string(stage.harness.config_file()).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("sessionMaxTrades"))
        .unwrap()
        .to_owned();
    text.replace(&line, &format!("  sessionMaxTrades: {trades}"))
}

fn limit_in_force(stage: &Stage) -> Option<String> {
    let risk = stage.harness.risk().unwrap();
    risk.limits
        .iter()
        .find(|limit| limit.key == "perps.sessionMaxTrades")
        .and_then(|l| l.limit.clone())
}

/// One way of saving a text.
type Save<'a> = &'a dyn Fn(&str);

#[test]
fn every_way_of_saving_is_seen() {
    let stage = Stage::ready(PROFILE);
    let file = stage.harness.config_file();
    let beside = |name: &str| file.with_file_name(name);
    let ways: [(&str, Save<'_>); 5] = [
        ("in place", &|text| fs::write(&file, text).unwrap()),
        ("moved over", &|text| {
            fs::write(beside("new.yaml"), text).unwrap();
            fs::rename(beside("new.yaml"), &file).unwrap();
        }),
        ("deleted and made again", &|text| {
            fs::remove_file(&file).unwrap();
            fs::write(&file, text).unwrap();
        }),
        ("a symlink swapped in", &|text| {
            fs::write(beside("target.yaml"), text).unwrap();
            std::os::unix::fs::symlink("target.yaml", beside("link")).unwrap();
            fs::rename(beside("link"), &file).unwrap();
        }),
        ("behind the symlink", &|text| {
            fs::write(beside("target.yaml"), text).unwrap();
        }),
    ];
    for ((way, save), generation) in ways.into_iter().zip(2_u64..) {
        let trades = u32::try_from(generation).unwrap() + 20;
        save(&capped(&stage, trades));
        await_config(&stage, way, |config| {
            config.applied == Generation(generation)
        });
        assert_eq!(limit_in_force(&stage), Some(trades.to_string()), "{way}");
    }
    assert!(stage.harness.tags().unwrap().contains(&Tag::ConfigApplied));
}

#[test]
fn a_bad_edit_changes_nothing_and_the_next_good_one_counts() {
    let stage = Stage::ready(PROFILE);
    let file = stage.harness.config_file();
    let before = limit_in_force(&stage);
    let good = capped(&stage, 1);
    let bad = good.replace("sessionMaxTrades", "sessionMaxTrade");
    fs::write(&file, &bad).unwrap();
    let config = await_config(&stage, "the refusal", |config| config.rejected.is_some());
    let why = config.rejected.unwrap();
    assert!(
        why.contains("did you mean sessionMaxTrades?") && position_named(&why, &file),
        "{why}"
    );
    assert_eq!(
        (config.applied, limit_in_force(&stage)),
        (Generation(1), before)
    );
    assert!(stage.harness.tags().unwrap().contains(&Tag::ConfigRejected));

    fs::write(&file, &good).unwrap();
    await_config(&stage, "the good edit", |config| {
        config.rejected.is_none() && config.applied == Generation(2)
    });
    assert_eq!(limit_in_force(&stage), Some("1".to_owned()));
    let mut bot = stage.bot();
    bot.buy(sol(), qty("1")).unwrap();
    bot.await_size(sol(), qty("1")).unwrap();
    let refused = bot.buy(sol(), qty("1")).unwrap();
    assert!(
        format!("{:?}", refused.outcome).contains("SessionTrades"),
        "{refused:?}"
    );
}

/// `FILE:LINE:COLUMN:` at the front.
fn position_named(why: &str, file: &Path) -> bool {
    let rest = why
        .strip_prefix(&format!("{}:", file.display()))
        .unwrap_or("");
    let mut parts = rest.split(':');
    let number = |part: Option<&str>| part.is_some_and(|p| p.parse::<u32>().is_ok());
    number(parts.next()) && number(parts.next())
}
