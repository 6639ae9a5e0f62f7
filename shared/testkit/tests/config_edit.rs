//! Edits of the config while everything runs: a bad one changes nothing, a loosening one is told and
//! can be held, and the operator's commands say how it went. `saves.rs` has the ways of saving.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail loudly"
)]

mod stage;

use std::fs;
use std::path::Path;
use std::process::Command;

use daemon::deployment::Deployment;
use protocol::status::ConfigStatus;
use protocol::{Generation, Tag};
use stage::{PROFILE, Stage, qty, sol};
use testkit::{Binaries, until};

fn await_config(stage: &Stage, what: &str, wanted: impl Fn(&ConfigStatus) -> bool) -> ConfigStatus {
    until(30, what, || {
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
    stage.harness.await_tag(Tag::ConfigRejected).unwrap();

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

/// Runs `perpsctl` in the deployment; exit code, stdout, stderr.
fn perpsctl(stage: &Stage, words: &[&str]) -> (i32, String, String) {
    let program = Binaries::beside_this_program().unwrap();
    let out = Command::new(program.path("perpsctl").unwrap())
        .arg("--dir")
        .arg(stage.harness.dir())
        .args(words)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        out.status.code().unwrap(),
        text(out.stdout),
        text(out.stderr),
    )
}

#[test]
fn what_loosens_is_told_with_old_and_new_value_and_who_saved_it() {
    let stage = Stage::ready(PROFILE);
    let file = stage.harness.config_file();
    let text = fs::read_to_string(&file).unwrap();
    let cut = |text: &str, key: &str| {
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains(key)).collect();
        lines.join("\n")
    };
    let edited = cut(&text, "sessionMaxTrades")
        .replace("consecutiveLossLimit: 50", "consecutiveLossLimit: 20");
    fs::write(&file, edited).unwrap();
    let (code, said, _) = perpsctl(&stage, &["config", "apply", "--wait"]);
    assert_eq!(
        (code, said.contains("g2 in force everywhere")),
        (0, true),
        "{said}"
    );
    // The answer does not wait for the log's writer.
    let line = until(10, "the line of the edit", || {
        let log = stage.harness.trading_log().map_err(|e| e.to_string())?;
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains("SAFETY_CONFIG_APPLIED: g2"));
        line.map(str::to_owned).ok_or(log)
    })
    .unwrap();
    let uid = nix::unistd::geteuid();
    for part in [
        "WARN",
        "perps.sessionMaxTrades 100 -> off (loosened: the limit is gone)",
        "perps.consecutiveLossLimit 50 -> 20",
        &format!("uid {uid}"),
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("20 (loosened"), "{line}");
    let (code, said, _) = perpsctl(&stage, &["config", "history"]);
    let parts = ["started", "applied", "perps.sessionMaxTrades 100 -> off"];
    assert!(
        code == 0 && parts.iter().all(|part| said.contains(part)),
        "{said}"
    );
}

#[test]
fn the_operators_commands_say_how_an_edit_went() {
    let stage = Stage::ready(PROFILE);
    let file = stage.harness.config_file();
    let text = fs::read_to_string(&file).unwrap();
    let beside = file.with_file_name("edited.yaml");
    fs::write(&beside, text.replace("Trades: 100", "Trades: 90")).unwrap();
    let name = beside.to_str().unwrap();
    let (code, said, _) = perpsctl(&stage, &["config", "diff", name]);
    let parts = ["perps.sessionMaxTrades", "100 -> 90", "tightening"];
    assert!(
        code == 0 && parts.iter().all(|part| said.contains(part)),
        "{said}"
    );
    let (code, said, _) = perpsctl(&stage, &["config", "diff"]);
    assert!(
        code == 0 && said.contains("changes nothing in g1"),
        "{said}"
    );
    let (code, said, _) = perpsctl(&stage, &["config", "apply", "--wait", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &said["changed"], &said["applied"]),
        (0, &false.into(), &1.into())
    );

    fs::write(&file, text.replace("Trades: 100", "Trades: many")).unwrap();
    let (code, _, why) = perpsctl(&stage, &["config", "apply", "--wait"]);
    assert!(
        code == 1 && why.contains("refused, g1 stays in force") && why.contains("many"),
        "{why}"
    );
    let (code, _, why) = perpsctl(&stage, &["config", "check", file.to_str().unwrap()]);
    assert!(code == 1 && why.contains("many"), "{why}");
    let (code, said, _) = perpsctl(&stage, &["status"]);
    assert!(code == 1 && said.contains("REJECTED"), "{said}");
    let (code, _, why) = perpsctl(&stage, &["config", "confirm"]);
    assert!(code == 1 && why.contains("nothing to confirm"), "{why}");
    let (_, said, _) = perpsctl(&stage, &["config", "history", "--json"]);
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["fate"], &last["generation"]),
        (&"refused".into(), &1.into())
    );
}

#[test]
fn a_loosening_edit_is_held_until_it_is_confirmed() {
    let policy = "supervisor:\n  confirmLoosening: true\n";
    let mut stage = Stage::ready(&format!("{PROFILE}{policy}"));
    let file = stage.harness.config_file();
    let save = |stage: &Stage, trades| fs::write(&file, capped(stage, trades)).unwrap();
    save(&stage, 50);
    await_config(&stage, "what tightens", |config| {
        config.applied == Generation(2)
    });
    save(&stage, 60);
    let config = await_config(&stage, "the hold", |config| config.held.is_some());
    assert_eq!(
        (config.applied, limit_in_force(&stage)),
        (Generation(2), Some("50".into()))
    );
    assert_eq!(
        config.held.unwrap().changes[0].to_string(),
        "perps.sessionMaxTrades 50 -> 60 (loosened)"
    );
    let (code, _, why) = perpsctl(&stage, &["config", "apply", "--wait"]);
    assert!(
        code == 1 && why.contains("held") && why.contains("50 -> 60"),
        "{why}"
    );
    // Saved again meanwhile: what was looked at is not what would be confirmed.
    save(&stage, 70);
    await_config(&stage, "the next hold", |config| {
        config.held.as_ref().is_some_and(|h| h.number == 2)
    });
    let (code, _, why) = perpsctl(&stage, &["config", "confirm", "--number", "1"]);
    assert!(code == 1 && why.contains("saved again"), "{why}");
    // A restart is no way around it, once the deployment has proven itself.
    let applied = Deployment::at(stage.harness.dir()).applied_file();
    until(30, "the first start to be proven", || {
        fs::read(&applied).map(drop).map_err(|e| e.to_string())
    })
    .unwrap();
    stage.harness.stop().unwrap();
    stage.harness.restart().unwrap();
    stage.harness.await_synced().unwrap();
    await_config(&stage, "the hold again", |config| config.held.is_some());
    assert_eq!(limit_in_force(&stage), Some("50".into()));
    let (code, said, _) = perpsctl(&stage, &["config", "confirm"]);
    assert!(
        code == 0 && said.contains("in force everywhere (now)"),
        "{said}"
    );
    assert_eq!(limit_in_force(&stage), Some("70".into()));
    let (_, said, _) = perpsctl(&stage, &["config", "history"]);
    assert!(
        said.contains("held") && said.contains("confirmed by"),
        "{said}"
    );
}
