//! `make soak`: blows on every process under order load, and the verdict of the books.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use testkit::Binaries;
use testkit::soak::{SoakSpec, soak};

/// Long enough for every kind of blow on every process.
const SECONDS: u64 = 120;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            say(&format!("soak: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// `soak [SECONDS [SEED]]`.
fn run() -> Result<bool, Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1).filter(|word| !word.is_empty());
    let seconds = words.next().map_or(Ok(SECONDS), |word| word.parse())?;
    let seed = match words.next() {
        Some(word) => word.parse()?,
        None => daemon::clock::wall_now().0.unsigned_abs(),
    };
    let dir = tempfile::Builder::new().prefix("soak-").tempdir()?;
    say(&format!(
        "soak of {seconds} s, seed {seed}: again with make soak SECONDS={seconds} SEED={seed}"
    ));
    let spec = SoakSpec {
        seconds,
        seed,
        dir: dir.path().to_owned(),
    };
    let verdict = soak(&Binaries::beside_this_program()?, &spec, |progress| {
        say(&progress.to_string());
    })?;
    writeln!(stdout(), "{}", serde_json::to_string_pretty(&verdict)?)?;
    let sound = verdict.faults.is_empty();
    if !sound {
        say(&format!(
            "the deployment is kept in {}",
            dir.keep().display()
        ));
    }
    Ok(sound)
}

fn say(text: &str) {
    // With stderr gone there is nobody to tell.
    drop(writeln!(stderr(), "{text}"));
}
