//! The drill: every promise of the runbook played on a fresh harness of real processes, judged by
//! `logs/trading.log` and the simulator's ledger.

mod scenarios;
mod stage;

use std::path::{Path, PathBuf};

use protocol::Tag;
use serde::Serialize;

pub use scenarios::SCENARIOS;
use stage::Stage;

use crate::{Binaries, PlayError, SimSpec, until};

/// One promise and the play that proves it.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What is proven.
    pub name: &'static str,
    /// The config's file in `configs/`.
    pub config: &'static str,
    /// The config's text, built in.
    pub(crate) text: &'static str,
    /// The tags that must stand in `logs/trading.log`, and no others.
    pub expected: &'static [Tag],
    /// What happens.
    pub(crate) play: fn(&mut Stage) -> Result<(), PlayError>,
}

/// How a scenario went.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// The config used.
    pub config: &'static str,
    /// The tags that were to be seen.
    pub expected: Vec<Tag>,
    /// The tags that were seen.
    pub observed: Vec<Tag>,
    /// `PASS`, or what went wrong.
    pub result: String,
    /// Where its files are, while they are kept.
    #[serde(skip)]
    pub dir: PathBuf,
}

impl Report {
    /// Whether the promise was kept.
    pub fn passed(&self) -> bool {
        self.result == "PASS"
    }
}

/// Plays one scenario in a directory of its own.
pub fn play(binaries: &Binaries, scenario: &Scenario, dir: &Path) -> Report {
    let mut observed = Vec::new();
    let result = match run(binaries, scenario, dir, &mut observed) {
        Ok(()) => "PASS".to_owned(),
        Err(problem) => format!("FAIL: {}", chain(&problem)),
    };
    Report {
        name: scenario.name,
        config: scenario.config,
        expected: scenario.expected.to_vec(),
        observed,
        result,
        dir: dir.to_owned(),
    }
}

fn run(
    binaries: &Binaries,
    scenario: &Scenario,
    dir: &Path,
    observed: &mut Vec<Tag>,
) -> Result<(), PlayError> {
    let mut stage = Stage::set(binaries, scenario.text, dir, &SimSpec::default())?;
    let played = (scenario.play)(&mut stage);
    let mut expected = scenario.expected.to_vec();
    expected.sort();
    let tags = || {
        let harness = stage.harness.as_ref();
        harness.map_or(Ok(Vec::new()), crate::Harness::tags)
    };
    if played.is_ok() {
        // The guard answers first and logs after: the last line may still be on its way. What is
        // missing for good shows below.
        drop(until(5, "the log to tell the rest", || {
            let seen = tags().map_err(|e| e.to_string())?;
            let all = expected.iter().all(|tag| seen.contains(tag));
            if all {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        }));
    }
    *observed = tags()?;
    observed.sort();
    played?;
    if *observed == expected {
        Ok(())
    } else {
        Err(PlayError::Ended {
            what: "the tags seen are not the tags expected".to_owned(),
        })
    }
}

fn chain(problem: &PlayError) -> String {
    let mut text = problem.to_string();
    let mut source = std::error::Error::source(problem);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
