//! `drill [--report FILE.md] [--only TEXT]`: every promise of the runbook, proven.

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
use crate::failure::{Done, Failed};
use crate::out::{self, Form};
use crate::screen::{GREEN, PLAIN, RED};

/// Scenarios played side by side: more only wait for each other on a small machine.
const SIDE_BY_SIDE: usize = 4;

/// Plays every scenario and shows how each went.
pub(crate) fn run(form: Form, args: &Drill) -> Done {
    let binaries = Binaries::beside_this_program()?;
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
        let names = names.join(", ");
        return Err(Failed::usage(format!(
            "no such scenario; there are: {names}"
        )));
    }
    let dir = tempfile::Builder::new()
        .prefix("drill-")
        .tempdir()
        .map_err(|problem| Failed::new(format!("no directory for the drill: {problem}")))?;
    out::progress(&format!(
        "{} scenarios, {SIDE_BY_SIDE} side by side",
        chosen.len()
    ));
    let reports = play_all(&binaries, &chosen, dir.path());
    if args.keep {
        out::progress(&format!("kept: {}", dir.keep().display()));
    }
    let filed = args.report.as_ref().map(|file| {
        let written = std::fs::write(file, markdown(&reports));
        written.map_err(|e| format!("{}: {e}", file.display()))
    });
    let passed = reports.iter().filter(|report| report.passed()).count();
    let result = json!({
        "scenarios": reports,
        "passed": passed,
        "failed": reports.len().saturating_sub(passed),
    });
    form.tell(&result, || {
        let mut lines = table(&reports);
        lines.push(format!("{passed} of {} PASS", reports.len()));
        lines
    });
    if let Some(Err(why)) = filed {
        out::problem(&why);
        return Ok(Exit::Degraded);
    }
    Ok(if passed == reports.len() {
        Exit::Healthy
    } else {
        Exit::Degraded
    })
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
