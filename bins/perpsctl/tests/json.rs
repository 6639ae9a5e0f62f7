//! `--json` beside every human output: each verb prints JSON with a schema version on stdout and
//! nothing else there, also when it fails; the exit code is that of the words.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and starts the program it tests"
)]

#[path = "../../../shared/testkit/tests/stage/mod.rs"]
mod stage;

use std::path::Path;
use std::process::{Command, Output};

use protocol::Process;
use serde_json::Value;
use stage::{PROFILE, Stage, accepted, qty, sol};

fn perpsctl(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perpsctl"))
        .arg("--dir")
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap()
}

/// Everything on stdout, which must be JSON objects under their version.
fn objects(output: &Output) -> Vec<Value> {
    let found: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .collect();
    let found = found.unwrap_or_else(|e| panic!("{e}: {output:?}"));
    for object in &found {
        assert_eq!(object["schema_version"], 1, "{object}");
    }
    found
}

/// What a verb prints under `--json`, and its exit code.
fn told(dir: &Path, words: &str) -> (Vec<Value>, i32) {
    let mut arguments: Vec<&str> = words.split(' ').collect();
    arguments.push("--json");
    let output = perpsctl(dir, &arguments);
    (objects(&output), output.status.code().unwrap())
}

/// The one object of a verb that does what it is asked.
fn done(dir: &Path, words: &str) -> Value {
    let (mut objects, exit) = told(dir, words);
    assert_eq!((objects.len(), exit), (1, 0), "{words}: {objects:?}");
    objects.remove(0)
}

/// Every verb, by the help texts: `halt`, `session new` ...
fn verbs(under: &[&str]) -> Vec<String> {
    let output = perpsctl(Path::new("."), &[under, &["--help"]].concat());
    let help = String::from_utf8(output.stdout).unwrap();
    let Some((_, commands)) = help.split_once("\nCommands:\n") else {
        assert!(help.contains("--json"), "{under:?} knows no --json: {help}");
        return vec![under.join(" ")];
    };
    let names = commands.lines().take_while(|line| !line.is_empty());
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    names
        .flat_map(|name| verbs(&[under, &[name]].concat()))
        .collect()
}

/// Each verb as it fails where nothing ever ran, and how.
const NOTHING_RAN: [(&str, i32); 24] = [
    ("status", 3),
    ("limits", 3),
    ("pnl", 3),
    ("events", 3),
    ("logs", 3),
    ("halt", 3),
    ("flatten", 3),
    ("freeze", 3),
    ("resume", 3),
    ("restart gateway", 3),
    ("reset daily-loss", 3),
    ("recon acknowledge", 3),
    ("flow confirm", 3),
    ("wait --for ready --timeout 0", 4),
    ("session show", 3),
    ("session new", 3),
    ("state verify", 1),
    ("state backup to.json", 1),
    ("state restore from.json", 1),
    ("config show", 3),
    ("config diff", 3),
    ("config apply", 3),
    ("config confirm", 3),
    ("config history", 3),
];

/// Verbs that do not need a deployment, or that do something without one.
const ELSEWHERE: [&str; 8] = [
    "explain",
    "state show",
    "state reset",
    "config check",
    "replay",
    "drill",
    "faults",
    "demo",
];

#[test]
fn no_verb_is_forgotten() {
    let asked = NOTHING_RAN.map(|(words, _)| words);
    let known = |verb: &String| {
        let begins = |words: &&str| *words == verb || words.starts_with(&format!("{verb} "));
        asked.iter().any(begins) || ELSEWHERE.contains(&verb.as_str())
    };
    let verbs = verbs(&[]);
    assert!(verbs.len() >= asked.len(), "{verbs:?}");
    let forgotten: Vec<&String> = verbs.iter().filter(|verb| !known(verb)).collect();
    assert!(forgotten.is_empty(), "no test asks {forgotten:?}");
}

#[test]
fn where_nothing_ran_every_verb_fails_with_an_object() {
    let dir = tempfile::tempdir().unwrap();
    for (words, exit) in NOTHING_RAN {
        let (objects, code) = told(dir.path(), words);
        assert_eq!((objects.len(), code), (1, exit), "{words}: {objects:?}");
        let error = &objects[0]["error"];
        let kind = match exit {
            1 => "failed",
            3 => "not_running",
            _ => "no_answer",
        };
        assert_eq!(
            (&error["kind"], &error["exit_code"]),
            (&kind.into(), &exit.into())
        );
        // The same sentence, and nothing else, is what a person reads.
        let plain = perpsctl(dir.path(), &words.split(' ').collect::<Vec<_>>());
        let sentence = String::from_utf8(plain.stderr).unwrap();
        let message = error["message"].as_str().unwrap();
        assert_eq!((plain.status.code(), plain.stdout.len()), (Some(exit), 0));
        assert_eq!(
            sentence.trim_end(),
            format!("perpsctl: {message}"),
            "{words}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_an_object_too() {
    let dir = tempfile::tempdir().unwrap();
    for words in [
        "halts",
        "reset streak",
        "explain SAFETY_NOTHING",
        "logs gatway",
        "restart supervisor",
        "events --tag SAFETY_NOTHING",
        "drill --only nothing-like-this",
        "status --watch",
        "replay nowhere --until yesterday",
    ] {
        let (objects, code) = told(dir.path(), words);
        assert_eq!((objects.len(), code), (1, 2), "{words}: {objects:?}");
        assert_eq!(objects[0]["error"]["kind"], "usage", "{words}");
        let message = objects[0]["error"]["message"].as_str().unwrap();
        assert!(
            !message.is_empty() && !message.contains('\u{1b}'),
            "{message}"
        );
    }
}

#[test]
fn every_verb_that_succeeds_says_so() {
    let stage = Stage::ready(PROFILE);
    let dir = stage.dir.path();
    assert!(accepted(&stage.bot().buy(sol(), qty("1")).unwrap()));

    assert_eq!(done(dir, "wait --for ready")["condition"], "ready");
    let halted = done(dir, "halt");
    assert_eq!(
        (&halted["verb"]["halt"]["flatten"], &halted["state"]),
        (&false.into(), &"HALTED".into())
    );
    let (blocked, exit) = told(dir, "limits");
    assert_eq!((&blocked[0]["state"], exit), (&"HALTED".into(), 5));
    assert_eq!(done(dir, "resume")["state"], "ACTIVE");
    let frozen = done(dir, "freeze");
    assert_eq!(
        (&frozen["verb"], &frozen["state"]),
        (&"freeze".into(), &"FROZEN".into())
    );
    assert_eq!(done(dir, "resume")["state"], "ACTIVE");
    for words in [
        "reset circuit-breaker",
        "reset daily-loss",
        "reset drawdown --rebase",
        "recon acknowledge",
        "flow confirm",
    ] {
        let (said, exit) = told(dir, words);
        // Where nothing has tripped the guard may say that there is nothing to end.
        let sound = match exit {
            0 => said[0]["message"].is_string() && !said[0]["verb"].is_null(),
            1 => said[0]["error"]["kind"] == "failed",
            _ => false,
        };
        assert!(sound, "{words}: {said:?}");
    }
    let before = done(dir, "session show")["session"]["id"].clone();
    assert_eq!(done(dir, "session new")["state"], "ACTIVE");
    assert_ne!(done(dir, "session show")["session"]["id"], before);
    let (seen, exit) = told(dir, "status");
    assert_eq!((seen.len(), exit, &seen[0]["error"]), (1, 0, &Value::Null));
    assert_eq!(seen[0]["risk"]["state"], "ACTIVE");
    assert!(done(dir, "pnl")["days"].is_array());
    assert!(done(dir, "explain daily_loss")["tags"][0]["name"].is_string());
    assert!(done(dir, "config show")["settings"].is_array());
    assert_eq!(done(dir, "config diff")["changes"], serde_json::json!([]));
    assert_eq!(done(dir, "config apply --wait")["changed"], false);
    for words in ["events", "logs", "logs risk-guard", "config history"] {
        let (lines, exit) = told(dir, words);
        assert!(exit == 0 && !lines.is_empty(), "{words}: {lines:?}");
    }
    let (changes, exit) = told(dir, "flatten --timeout 30");
    assert_eq!((exit, &changes.last().unwrap()["done"]), (0, &true.into()));
    let pid = stage.harness.pid_of(Process::RiskGuard).unwrap();
    assert_eq!(done(dir, "state show")["guard"]["pid"], pid);
    assert!(done(dir, "state reset --yes")["message"].is_string());
}

#[test]
fn the_demo_ends_with_its_summary() {
    let dir = tempfile::tempdir().unwrap();
    let summary = done(dir.path(), "demo --seconds 6");
    assert_eq!(summary["sound"], true, "{summary}");
    assert_eq!(summary["exchange"]["openings_without_approval"], 0);
    assert_eq!(summary["guard"]["state"], "HALTED");
    assert!(summary["replay"]["inputs"].as_u64().unwrap() > 0);
}
