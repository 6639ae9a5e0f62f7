//! The rules of the house. Each test names the rule it holds and the places that break it.

use std::fs;

use tidy::{Source, dependencies, root, section, sources};

/// Our own crates, ground floor first: each may know those before it, never one after it.
const FLOORS: [&[&str]; 9] = [
    &["money"],
    &["protocol"],
    &["risk"],
    &["config", "state", "exchange", "daemon"],
    &["history"],
    &["replay"],
    &["testkit"],
    &[
        "perps-supervisor",
        "perps-gateway",
        "perps-guard",
        "perps-alerts",
        "perpsctl",
        "zoomex-sim",
        "perps-bot",
    ],
    &["tidy"],
];

fn rust() -> Vec<Source> {
    let found = sources(&[".rs"]);
    assert!(found.len() > 20, "the walk finds the house");
    found
}

/// Lines of non-test code that match, as `path:line: text`, outside the allowed paths.
fn places(allowed: &[&str], matches: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in rust()
        .iter()
        .filter(|s| !s.only_tests() && !s.path.starts_with("shared/tidy/"))
    {
        if allowed.iter().any(|path| source.path.starts_with(path)) {
            continue;
        }
        for (n, line) in source.without_tests().lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            if matches(code) {
                found.push(format!("{}:{}: {}", source.path, n + 1, line.trim()));
            }
        }
    }
    found
}

fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn arrows_only_point_down() {
    let floor = |name: &str| FLOORS.iter().position(|f| f.contains(&name));
    let mut broken = Vec::new();
    for source in sources(&["Cargo.toml"])
        .iter()
        .filter(|s| s.path != "Cargo.toml")
    {
        let name = section(&source.text, "[package]")
            .find_map(|l| l.strip_prefix("name = "))
            .map(|n| n.trim_matches('"').to_owned())
            .unwrap_or_default();
        let Some(own) = floor(&name) else {
            broken.push(format!(
                "{}: {name} stands on no floor; add it to FLOORS",
                source.path
            ));
            continue;
        };
        for dependency in dependencies(&source.text) {
            if floor(&dependency).is_some_and(|below| below >= own) {
                broken.push(format!("{name} must not know {dependency}"));
            }
        }
    }
    none("a crate knows only the floors below it", &broken);
}

#[test]
fn the_engine_is_pure() {
    let manifest = fs::read_to_string(root().join("shared/risk/Cargo.toml")).unwrap();
    let mut known = dependencies(&manifest);
    known.sort();
    assert_eq!(known, ["money", "protocol", "serde", "thiserror"]);
    let words = [
        "SystemTime",
        "Instant",
        "std::fs",
        "std::net",
        "std::env",
        "HashMap",
        "HashSet",
    ];
    let mut broken = Vec::new();
    for source in rust()
        .iter()
        .filter(|s| s.path.starts_with("shared/risk/src/"))
    {
        let code = source.without_tests();
        let hits = words.iter().filter(|word| code.contains(**word));
        broken.extend(hits.map(|word| format!("{}: {word}", source.path)));
    }
    none("no clock, no IO, no unordered map in the engine", &broken);
}

#[test]
fn no_float_where_money_is_counted() {
    let outside = [
        "bins/exchange-sim",
        "bins/perpsctl",
        "shared/testkit",
        "shared/daemon",
    ];
    let broken = places(&outside, |code| {
        code.split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|w| w == "f32" || w == "f64")
    });
    none("money is decimal", &broken);
}

#[test]
fn tags_live_in_the_catalogue() {
    let broken = places(&["shared/protocol/src/tag.rs"], |code| {
        code.contains("\"SAFETY_")
    });
    none("a tag's name is written in protocol::tag alone", &broken);
}

#[test]
fn rooms_stay_liveable() {
    let mut broken = Vec::new();
    for source in rust().iter().filter(|s| !s.only_tests()) {
        let lines = source.without_tests().lines().count();
        if lines > 500 {
            broken.push(format!("{}: {lines} lines; split it", source.path));
        }
    }
    none("a file has at most 500 lines without its tests", &broken);
}

#[test]
fn rooms_are_named_for_what_they_are() {
    let vague = [
        "utils", "util", "helpers", "helper", "common", "types", "manager", "misc",
    ];
    let mut broken = Vec::new();
    for source in rust() {
        let mut parts = source.path.trim_end_matches(".rs").split('/');
        if parts.any(|part| vague.contains(&part)) {
            broken.push(source.path.clone());
        }
    }
    none("a room's name says what it is for", &broken);
}

#[test]
fn every_room_says_what_it_is_for() {
    let broken: Vec<String> = rust()
        .iter()
        .filter(|s| !s.text.starts_with("//!"))
        .map(|s| format!("{}: begins without a //! doc", s.path))
        .collect();
    none("a file opens with what it is for", &broken);
}

#[test]
fn nothing_is_left_unfinished() {
    let words = [
        "TODO",
        "FIXME",
        "XXX",
        "todo!(",
        "unimplemented!(",
        "#[ignore",
    ];
    let mut broken = Vec::new();
    for source in sources(&[".rs", ".md", ".yaml", ".toml", ".py", "Makefile", "run"]) {
        if source.path.starts_with("shared/tidy/") {
            continue;
        }
        for (n, line) in source.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                broken.push(format!("{}:{}: {}", source.path, n + 1, line.trim()));
            }
        }
    }
    none("what is landed is finished", &broken);
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let places = ["/work/", "/root/", "/home/", "/tmp/"];
    let mut broken = Vec::new();
    for source in sources(&[
        ".rs", ".md", ".yaml", ".toml", ".py", ".service", "Makefile", "run",
    ]) {
        if source.path.starts_with("shared/tidy/") {
            continue;
        }
        for (n, line) in source.text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place)) {
                broken.push(format!("{}:{}: {}", source.path, n + 1, line.trim()));
            }
        }
    }
    none("no path of a particular machine", &broken);
}

#[test]
fn every_crate_from_outside_has_one_purpose_written_down() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let broken: Vec<String> = section(&manifest, "[workspace.dependencies]")
        .filter(|line| line.contains('=') && !line.contains("path = ") && !line.starts_with('#'))
        .filter(|line| !line.contains('#'))
        .map(str::to_owned)
        .collect();
    none("a dependency says what it is for", &broken);
}

#[test]
fn every_member_takes_its_lints_and_versions_from_the_workspace() {
    let mut broken = Vec::new();
    for source in sources(&["Cargo.toml"])
        .iter()
        .filter(|s| s.path != "Cargo.toml")
    {
        if !section(&source.text, "[lints]").any(|l| l == "workspace = true") {
            broken.push(format!("{}: lints", source.path));
        }
        let own = section(&source.text, "[dependencies]")
            .chain(section(&source.text, "[dev-dependencies]"))
            .filter(|l| l.contains("version") || l.contains("= \""));
        broken.extend(own.map(|l| format!("{}: {l}", source.path)));
    }
    none("one place for lints and versions", &broken);
}

#[test]
fn the_unit_of_one_account_is_the_template_with_its_name() {
    let read = |name: &str| fs::read_to_string(root().join("systemd").join(name)).unwrap();
    let from_unit = |text: String| text.split_once("[Unit]").unwrap().1.to_owned();
    let template = from_unit(read("perps@.service")).replace("%i", "main");
    assert_eq!(from_unit(read("perps.service")), template);
}
