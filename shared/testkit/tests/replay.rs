//! The journal of a session of real processes, stepped again by `perpsctl replay`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod stage;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use protocol::guard::Verb;
use protocol::{Process, Tag};
use serde_json::Value;
use stage::{PROFILE, Stage, accepted, named, price, qty, sol};
use testkit::{Binaries, intent};

#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn replay(arguments: &[&str]) -> Output {
    let perpsctl = Binaries::beside_this_program().unwrap();
    Command::new(perpsctl.path("perpsctl").unwrap())
        .arg("replay")
        .args(arguments)
        .output()
        .unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn path(of: &Path) -> &str {
    of.to_str().unwrap()
}

/// A session with trades, a cap that bites, a halt, a killed guard.
fn session() -> Stage {
    let mut stage = Stage::ready(&PROFILE.replace("sessionMaxTrades: 100", "sessionMaxTrades: 2"));
    let mut bot = stage.bot();
    assert!(accepted(&bot.buy(sol(), qty("1")).unwrap()));
    bot.await_size(sol(), qty("1")).unwrap();
    stage.sim.price(sol(), Some(price("90"))).unwrap();
    assert!(accepted(&bot.close(sol(), qty("1")).unwrap()));
    bot.await_size(sol(), qty("0")).unwrap();
    stage.await_buy("second");
    bot.await_size(sol(), qty("1")).unwrap();
    stage.harness.await_tag(Tag::SessionTrades).unwrap();
    let refused = intent(named("third"), sol(), protocol::Side::Buy, qty("1"));
    assert!(!accepted(&bot.place(refused).unwrap()));
    // Its word is on disk before it is answered, and the refusal before it with it.
    stage
        .harness
        .operate(Verb::Halt { flatten: false })
        .unwrap();
    let pid = stage.harness.pid_of(Process::RiskGuard).unwrap();
    stage
        .harness
        .signal(Process::RiskGuard, Signal::SIGKILL)
        .unwrap();
    stage.await_back(Process::RiskGuard, pid);
    stage
}

#[test]
fn the_journal_of_a_session_replays_to_the_recorded_decisions() {
    let mut stage = session();
    let file = stage.harness.dir().join("data/perps_state.json");
    // While the guard runs and writes.
    let text = replay(&[path(&file)]);
    let shown = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.status.success() && shown.contains("identical"),
        "{shown}"
    );

    stage.harness.stop().unwrap();
    let state: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let journal = file.with_file_name("perps_state.journal");
    let segment = journal.join("00000001.seg");
    for of in [&file, &journal, &segment] {
        let found = document(&replay(&[path(of), "--json"]));
        assert_eq!(found["identical"], true, "{found:#}");
        assert_eq!(found["decisions"]["openings_approved"], 2);
        assert_eq!(
            found["decisions"]["refused"][Tag::SessionTrades.name()],
            1,
            "{found:#}"
        );
        assert_eq!(found["check"]["compared"], state["last_seq"]);
        assert_ne!(found["check"]["snapshots"], 0);
        let tripped = found["trips"].as_array().unwrap();
        let tags: Vec<&str> = tripped.iter().map(|t| t["tag"].as_str().unwrap()).collect();
        assert_eq!(tags, [Tag::SessionTrades.name(), Tag::Halt.name()]);
        assert_eq!(found["status"]["session"]["trades"], 2);
        assert_eq!(
            found["generations"].as_array().unwrap().len(),
            2,
            "two starts"
        );
    }

    // What would half the quantity have done?
    let config = stage.dir.path().join("other.yaml");
    let tighter = format!("{PROFILE}  maxOrderQty: 0.5\n");
    fs::write(&config, tighter).unwrap();
    let asked = [path(&file), "--config", path(&config), "--json"];
    let found = document(&replay(&asked));
    let other = &found["what_if"];
    assert_eq!(found["identical"], true);
    assert_eq!(other["refused"].as_array().unwrap().len(), 2, "{other:#}");
    assert_eq!(other["decisions"]["openings_approved"], 0);
    let tags: Vec<&str> = other["trips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trip| trip["tag"].as_str().unwrap())
        .collect();
    assert_eq!(tags, [Tag::Halt.name()], "nothing was traded");
    assert_eq!(other["status"]["positions"].as_array().unwrap().len(), 0);
    // One bought at 100 and sold at 90, and fees; what the second trade holds is open.
    let (was, avoided) = (&other["recorded"]["total"], &other["avoided"]);
    assert_eq!(other["would_be"]["total"], "0");
    let avoided = money::Amount::parse(avoided.as_str().unwrap()).unwrap();
    assert_eq!(avoided.negated().to_string(), was.as_str().unwrap());
    assert!(avoided > money::Amount::parse("10").unwrap(), "{avoided}");
    let shown = replay(&asked[..3]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("loss avoided") && shown.contains("never fills"),
        "{shown}"
    );

    let began = document(&replay(&[path(&file), "--json"]))["trips"][0]["began"].clone();
    let before = (began.as_i64().unwrap() - 1).to_string();
    let found = document(&replay(&[path(&file), "--json", "--until", &before]));
    assert_eq!(
        (&found["trips"], &found["identical"]),
        (&Value::Array(vec![]), &Value::Bool(true))
    );
}

/// The first block of this language in a text.
fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_documented_inputs_are_judged_as_documented() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/replay.md");
    let docs = fs::read_to_string(docs).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (inputs, config) = (dir.path().join("day.jsonl"), dir.path().join("perps.yaml"));
    fs::write(&inputs, block(&docs, "jsonl")).unwrap();
    fs::write(&config, block(&docs, "yaml")).unwrap();
    let found = document(&replay(&[
        path(&inputs),
        "--config",
        path(&config),
        "--json",
    ]));
    assert_eq!(found["decisions"]["openings_approved"], 1, "{found:#}");
    assert_eq!(found["decisions"]["refused"][Tag::CircuitBreaker.name()], 1);
    assert_eq!(found["trips"][0]["tag"], Tag::CircuitBreaker.name());
    assert_eq!(
        (&found["identical"], &found["what_if"]),
        (&Value::Null, &Value::Null)
    );
    let undecided = replay(&[path(&inputs)]);
    assert!(String::from_utf8_lossy(&undecided.stderr).contains("--config FILE"));
}

#[test]
fn what_is_no_journal_gets_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let table: [(&str, &[u8], i32, &str); 5] = [
        ("empty", b"", 1, "neither a sound state file nor lines"),
        (
            "binary",
            &[0, 159, 146, 150],
            1,
            "neither a sound state file nor lines",
        ),
        (
            "half",
            b"{\"at\":1,\"kind\":\"tick\"",
            1,
            "half:1: not an input",
        ),
        (
            "misspelt",
            b"{\"at\":1,\"kind\":\"tick\",\"gvae\":1}\n",
            1,
            "gvae",
        ),
        ("no-start", b"{\"at\":1,\"kind\":\"tick\"}\n", 1, "no start"),
    ];
    for (name, text, code, word) in table {
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        let output = replay(&[path(&file)]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{name}: {told}");
        assert!(told.contains(word), "{name}: {told}");
    }
    let missing = replay(&[path(&dir.path().join("nowhere"))]);
    assert_eq!(missing.status.code(), Some(1));
    let badly_timed = replay(&[path(dir.path()), "--until", "soon"]);
    assert_eq!(badly_timed.status.code(), Some(2));
    let no_journal = replay(&[path(dir.path())]);
    assert!(
        String::from_utf8_lossy(&no_journal.stderr).contains("neither a snapshot nor a journal")
    );
}
