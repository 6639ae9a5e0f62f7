//! `demo`: a live guarded session against the simulated exchange, in this terminal.

mod interrupt;
mod moments;
mod story;
mod summary;

use std::io::IsTerminal;
use std::time::Duration;

use daemon::clock;
use daemon::deployment::Deployment;
use interrupt::Interrupt;
use moments::Moments;
use serde_json::json;
use story::Story;
use summary::Summary;
use testkit::{Binaries, Harness, HarnessSpec, PlayError, Sim, SimSpec};

use crate::cli::Demo;
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::follow::Follower;
use crate::out::Form;
use crate::picture::Picture;
use crate::screen::{DIM, Detail, PLAIN};
use crate::{out, pause, screen};

/// The demo's config, built in.
const CONFIG: &str = include_str!("../../../../../configs/demo.yaml");

/// How many lines of the story are shown below the picture, at least and at most.
const STORY: std::ops::RangeInclusive<usize> = 4..=14;

/// Plays a session and sums it up. Programs get the summary alone.
pub(crate) fn run(form: Form, args: &Demo) -> Done {
    let binaries = Binaries::beside_this_program()?;
    let dir = tempfile::Builder::new()
        .prefix("perps-demo-")
        .tempdir()
        .map_err(|e| Failed::new(format!("no directory for the demo: {e}")))?;
    let spec = SimSpec {
        seed: args.seed,
        speed: "240",
        outlives_ctrl_c: true,
        ..SimSpec::default()
    };
    let interrupted = Interrupt::watch()?;
    let sim = Sim::start(&binaries, &spec)?;
    out::progress(&format!(
        "simulated exchange on {} (a one-minute candle lasts 0.25 s)",
        sim.url()
    ));
    let config = CONFIG.replace(config::PLACEHOLDER_BASE_URL, sim.url());
    let moments = Moments::of(&config);
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config,
        arguments: Vec::new(),
    };
    let mut harness = Harness::start(&binaries, spec)?;
    out::progress("supervisor, alert-forwarder, risk-guard, gateway and bot are starting");
    match harness.await_synced() {
        Err(_) if interrupted.seen() => {
            form.tell(&json!({ "began": false }), || {
                vec!["ended before the session began".to_owned()]
            });
            return Ok(Exit::Healthy);
        }
        begun => drop(begun?),
    }

    let story = watch(form, &harness, moments, args.seconds, &interrupted)?;
    let last = Picture::take(harness.dir());
    out::progress("stopping in order: bot, gateway, risk-guard, alert-forwarder");
    let ended = harness.stop()?;
    let summary = Summary::of(story, last, &sim, dir.path())?;
    form.tell(&summary, || summary.words());
    Ok(if summary.sound() && ended.success() {
        Exit::Healthy
    } else {
        Exit::Degraded
    })
}

/// Shows the session until it is over or interrupted.
fn watch(
    form: Form,
    harness: &Harness,
    mut moments: Moments,
    seconds: u64,
    interrupted: &Interrupt,
) -> Result<Story, PlayError> {
    let mut follower = Follower::new(&Deployment::at(harness.dir()).trading_log());
    let size = terminal_size::terminal_size();
    let mut story = Story::as_wide_as(size.map(|(columns, _)| columns.0));
    let whole = seconds.saturating_mul(1_000).max(1);
    let over = clock::boot_now().after(whole);
    let live = std::io::stdout().is_terminal();
    let mut next_picture = clock::boot_now();
    while clock::boot_now() < over && !interrupted.seen() {
        let told = story.lines.len();
        let gone = whole.saturating_sub(over.since(clock::boot_now()));
        if let Some(words) = moments.pass(gone.saturating_mul(100) / whole, harness)? {
            story.act(&screen::time_of_day(clock::wall_now()), words);
        }
        let news = follower.news().map_err(|source| PlayError::Io {
            what: "read logs/trading.log".to_owned(),
            source,
        })?;
        for line in &news {
            story.tell(line);
        }
        if !live && !form.is_json() {
            out::lines(story.lines.get(told..).unwrap_or_default());
        }
        if !form.is_json() && clock::boot_now() >= next_picture {
            let picture = Picture::take(harness.dir());
            let left = over.since(clock::boot_now()) / 1_000;
            let size = size.map(|(columns, rows)| (usize::from(columns.0), usize::from(rows.0)));
            show(&picture, &story, left, size.filter(|_| live));
            next_picture = clock::boot_now().after(if live { 500 } else { 15_000 });
        }
        pause::for_a(Duration::from_millis(50));
    }
    Ok(story)
}

/// The picture, and on a terminal of so many rows and columns the newest of the story below it.
fn show(picture: &Picture, story: &Story, seconds_left: u64, size: Option<(usize, usize)>) {
    let Some((columns, rows)) = size else {
        return out::lines(&screen::status(picture, Detail::All));
    };
    // One row for the ruler, one for the cursor.
    let rows = rows.saturating_sub(2);
    let mut shown = screen::fitted(picture, rows.saturating_sub(*STORY.start()), columns);
    shown.push(format!(
        "{DIM}--- logs/trading.log --- {seconds_left} s left, Ctrl-C ends it{PLAIN}"
    ));
    let room = rows.saturating_sub(shown.len().saturating_sub(1));
    let told = room.clamp(*STORY.start(), *STORY.end());
    let from = story.lines.len().saturating_sub(told);
    let story = story.lines.get(from..).unwrap_or_default();
    shown.extend(story.iter().map(|line| screen::cut(line, columns)));
    out::screen(&shown);
}
