//! `faults [--intents N] [--lanes N] [--seed N]`: one intent is one order, proven on real
//! processes while every second order goes wrong and processes are killed.

use serde_json::json;
use testkit::Binaries;
use testkit::faults::{FaultRun, play};

use crate::cli::Faults;
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::{self, Form};

/// Plays the run and prints its counts.
pub(crate) fn run(form: Form, args: &Faults) -> Done {
    let binaries = Binaries::beside_this_program()?;
    let dir = tempfile::Builder::new()
        .prefix("faults-")
        .tempdir()
        .map_err(|problem| Failed::new(format!("no directory for the run: {problem}")))?;
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
    let result = json!({ "seed": args.seed, "counts": counts });
    form.tell(&result, || vec![counts.to_string()]);
    if counts.sound() {
        return Ok(Exit::Healthy);
    }
    out::problem(if counts.unfinished.is_empty() {
        "one intent was not one order, or a trip stood at the end"
    } else {
        "not played to the end: the counts are of what was done by then"
    });
    Ok(Exit::Degraded)
}
