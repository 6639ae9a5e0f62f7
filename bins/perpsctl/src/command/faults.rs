//! `faults [--intents N] [--lanes N] [--seed N] [--json]`: one intent is one order, proven on real
//! processes while every second order goes wrong and processes are killed.

use serde_json::json;
use testkit::Binaries;
use testkit::faults::{FaultRun, play};

use crate::cli::Faults;
use crate::exit::Exit;
use crate::out;

/// The version of the `--json` shape.
const SCHEMA_VERSION: u32 = 1;

/// Plays the run and prints its counts.
pub(crate) fn run(args: &Faults) -> Exit {
    let binaries = match Binaries::beside_this_program() {
        Ok(binaries) => binaries,
        Err(problem) => return failed(&problem.to_string()),
    };
    let dir = match tempfile::Builder::new().prefix("faults-").tempdir() {
        Ok(dir) => dir,
        Err(problem) => return failed(&format!("no directory for the run: {problem}")),
    };
    let run = FaultRun {
        intents: args.intents,
        lanes: args.lanes,
        seed: args.seed,
        dir: dir.path().to_owned(),
    };
    let counts = play(&binaries, &run, &|how_far| out::progress(how_far));
    if args.keep {
        out::progress(&format!("kept: {}", dir.keep().display()));
    }
    let counts = match counts {
        Ok(counts) => counts,
        Err(problem) => return failed(&problem.to_string()),
    };
    if args.json {
        out::json(
            &json!({ "schema_version": SCHEMA_VERSION, "seed": args.seed, "counts": counts }),
        );
    } else {
        out::line(&counts.to_string());
    }
    if counts.sound() {
        Exit::Healthy
    } else {
        out::problem("one intent was not one order, or a trip stood at the end");
        Exit::Degraded
    }
}

fn failed(why: &str) -> Exit {
    out::problem(why);
    Exit::Degraded
}
