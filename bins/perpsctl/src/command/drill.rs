//! `drill [--json] [--report FILE.md] [--only TEXT]`: every promise of the runbook, proven.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::Tag;
use serde_json::json;
use testkit::Binaries;
use testkit::drill::{Report, SCENARIOS, Scenario, play};

use crate::cli::Drill;
use crate::exit::Exit;
use crate::out;
use crate::screen::{GREEN, PLAIN, RED};

/// The version of the `--json` shape.
const SCHEMA_VERSION: u32 = 1;

/// Scenarios played side by side: more only wait for each other on a small machine.
const SIDE_BY_SIDE: usize = 4;

/// Plays every scenario and shows how each went.
pub(crate) fn run(args: &Drill) -> Exit {
    let binaries = match Binaries::beside_this_program() {
        Ok(binaries) => binaries,
        Err(problem) => return failed(&problem.to_string()),
    };
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| {
            args.only
                .as_ref()
                .is_none_or(|part| scenario.name.contains(part))
        })
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        out::problem(&format!(
            "no such scenario; there are: {}",
            names.join(", ")
        ));
        return Exit::Usage;
    }
    let dir = match tempfile::Builder::new().prefix("drill-").tempdir() {
        Ok(dir) => dir,
        Err(problem) => return failed(&format!("no directory for the drill: {problem}")),
    };
    out::progress(&format!(
        "{} scenarios, {SIDE_BY_SIDE} side by side",
        chosen.len()
    ));
    let reports = play_all(&binaries, &chosen, dir.path());
    let passed = reports.iter().filter(|report| report.passed()).count();
    if args.json {
        out::json(&json!({
            "schema_version": SCHEMA_VERSION,
            "scenarios": reports,
            "passed": passed,
            "failed": reports.len().saturating_sub(passed),
        }));
    } else {
        out::lines(&table(&reports));
        out::line(&format!("{passed} of {} PASS", reports.len()));
    }
    if let Some(file) = &args.report
        && let Err(e) = std::fs::write(file, markdown(&reports))
    {
        return failed(&format!("{}: {e}", file.display()));
    }
    if args.keep {
        out::progress(&format!("kept: {}", dir.keep().display()));
    }
    if passed == reports.len() {
        Exit::Healthy
    } else {
        Exit::Degraded
    }
}

/// Plays the scenarios, a few at a time, and gives their reports in the runbook's order.
fn play_all(binaries: &Binaries, chosen: &[&Scenario], dir: &Path) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Report)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(chosen.len()) {
            scope.spawn(|| {
                while let Some((n, scenario)) = take(&next, chosen) {
                    let report = play(binaries, scenario, &dir.join(format!("{n}")));
                    let word = if report.passed() { "PASS" } else { "FAIL" };
                    out::progress(&format!("  {word}  {}", scenario.name));
                    if let Ok(mut done) = done.lock() {
                        done.push((n, report));
                    }
                }
            });
        }
    });
    let mut reports = done.into_inner().unwrap_or_default();
    reports.sort_by_key(|(n, _)| *n);
    reports.into_iter().map(|(_, report)| report).collect()
}

fn take<'a>(next: &AtomicUsize, chosen: &[&'a Scenario]) -> Option<(usize, &'a Scenario)> {
    let n = next.fetch_add(1, Ordering::Relaxed);
    chosen.get(n).map(|scenario| (n, *scenario))
}

fn table(reports: &[Report]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<34} {:<36} {:<26} {:<26} result",
        "scenario", "config", "expected", "observed"
    )];
    for report in reports {
        let colour = if report.passed() { GREEN } else { RED };
        lines.push(format!(
            "{:<34} {:<36} {:<26} {:<26} {colour}{}{PLAIN}",
            report.name,
            report.config,
            names(&report.expected),
            names(&report.observed),
            report.result
        ));
    }
    lines
}

fn markdown(reports: &[Report]) -> String {
    let mut text = String::from(
        "# Drill\n\n| scenario | config | expected | observed | result |\n| --- | --- | --- | --- | --- |\n",
    );
    for report in reports {
        // Writing into a String cannot fail.
        writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            report.name,
            report.config,
            names(&report.expected),
            names(&report.observed),
            report.result
        )
        .ok();
    }
    text
}

fn names(tags: &[Tag]) -> String {
    if tags.is_empty() {
        return "-".to_owned();
    }
    tags.iter()
        .map(|tag| tag.name())
        .collect::<Vec<_>>()
        .join(" ")
}

fn failed(why: &str) -> Exit {
    out::problem(why);
    Exit::Degraded
}
