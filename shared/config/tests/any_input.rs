//! Whatever stands in the file, the answer is a config in range or a list of problems.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::path::Path;

use config::catalogue::{Kind, keys};
use config::{Config, Value, parse, parse_bytes};
use proptest::prelude::*;

fn example() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/zoomex_example.yaml");
    std::fs::read_to_string(file).unwrap()
}

/// What must hold for anything that was accepted.
fn in_range(config: &Config) {
    for setting in config.settings() {
        let (Kind::Number(_, range) | Kind::Whole(_, range)) = setting.key.kind else {
            continue;
        };
        match setting.value {
            Value::Number(number) => assert!(range.contains(number), "{}", setting.key.path),
            Value::Off => assert_eq!(setting.key.absent, config::catalogue::Absent::Off),
            ref other @ (Value::Flag(_) | Value::Text(_) | Value::List(_) | Value::Table(_)) => {
                panic!("{} is {other}", setting.key.path)
            }
        }
    }
}

fn taken(bytes: &[u8]) {
    match parse_bytes(bytes, "any.yaml") {
        Ok(config) => in_range(&config),
        Err(error) => {
            assert!(!error.problems.is_empty());
            let lines = bytes.iter().filter(|b| matches!(b, b'\n' | b'\r')).count() + 2;
            for problem in &error.problems {
                assert!(
                    problem.place.line >= 1 && problem.place.line <= lines,
                    "{problem}"
                );
                assert!(problem.place.column >= 1);
            }
        }
    }
}

/// Values that have caught readers of YAML out.
const TRAPS: &[&str] = &[
    ".nan",
    "-.inf",
    "1e999",
    "-0",
    "0x1F",
    "0o7",
    "1_000",
    "''",
    "\"\"",
    "~",
    "null",
    "yes",
    "on",
    "2001-01-01",
    "12:30:45",
    "=",
    "<<",
    "*a",
    "&a 1",
    "!!int 3",
    "[",
    "]",
    "{",
    "}",
    "- 1",
    "|",
    ">",
    "\"\\u0000\"",
    "\u{feff}",
    "99999999999999999999999999999999999999",
    "-1",
    "+1",
    ".5",
    "1.",
    "0.0",
    "\u{0661}",
    "1\u{a0}",
    "true",
    "[1, [2]]",
    "{a: {b: c}}",
    "# none",
    "%",
    "@",
    "`",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        taken(&bytes);
    }

    #[test]
    fn any_text(text in "[ -~\n\t:\\[\\]{}&*!|>'\"%@`#,?-]{0,200}") {
        taken(text.as_bytes());
    }

    #[test]
    fn a_damaged_example(
        at in any::<prop::sample::Index>(),
        cut in 0_usize..40,
        put in "[ -~\n\t]{0,12}",
    ) {
        let mut bytes = example().into_bytes();
        let from = at.index(bytes.len());
        let to = (from + cut).min(bytes.len());
        bytes.splice(from..to, put.into_bytes());
        taken(&bytes);
    }

    #[test]
    fn any_key_with_any_trap(
        index in any::<prop::sample::Index>(),
        trap in prop::sample::select(TRAPS),
    ) {
        let path = index.get(keys()).path;
        let head: Vec<_> = path.split('.').map(|name| format!("{name}: ")).collect();
        let tail = "}".repeat(head.len() - 1);
        let rest = if path.starts_with("perps") { "" } else { "perps: {useTestnet: true}\n" };
        taken(format!("{}{trap}{tail}\n{rest}", head.join("{")).as_bytes());
        let steps = head.iter().enumerate().map(|(n, name)| format!("\n{}{name}", " ".repeat(n)));
        taken(format!("{}{trap}\n{rest}", steps.collect::<String>()).as_bytes());
    }
}

#[test]
fn every_beginning_of_the_example() {
    let text = example();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        taken(&text.as_bytes()[..end]);
    }
}

#[test]
fn half_a_profile_is_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let profile = "trading:\n  max_daily_risk: 0.02\nrisk_management:\n  crisis_mode:\n    drawdown_threshold: 0.05\nperps:\n  sessionMaxTrades: 10\n  sessionMaxRuntimeMinutes: 120\n  consecutiveLossLimit: 3\n  maxMarginRatio: 0.80\n  useTestnet: true\n";
    let mut texts = vec![profile.to_owned(), example()];
    texts.push(std::fs::read_to_string(root.join("demo.yaml")).unwrap());
    for file in std::fs::read_dir(root.join("drill")).unwrap() {
        texts.push(std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    for text in texts {
        let half = &text[..text.len() / 2];
        assert!(parse(half, "half.yaml").is_err(), "accepted:\n{half}");
    }
}
