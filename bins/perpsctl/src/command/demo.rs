//! `demo`: a live guarded session against the simulated exchange, in this terminal.

use std::io::IsTerminal;
use std::time::Duration;

use daemon::clock;
use daemon::deployment::Deployment;
use daemon::logline::LogLine;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use testkit::{Binaries, Harness, HarnessSpec, PlayError, Sim, SimSpec};

use crate::cli::Demo;
use crate::command::events::coloured;
use crate::exit::Exit;
use crate::follow::Follower;
use crate::picture::Picture;
use crate::screen::{BOLD, DIM, GREEN, PLAIN, RED};
use crate::{out, pause, screen};

/// The demo's config, built in.
const CONFIG: &str = include_str!("../../../../configs/demo.yaml");

/// How many lines of the story are shown below the picture.
const STORY: usize = 14;

/// How wide such a line may be.
const STORY_WIDTH: usize = 140;

/// Plays a session and sums it up.
pub(crate) fn run(args: &Demo) -> Exit {
    match play(args) {
        Ok(exit) => exit,
        Err(problem) => {
            out::problem(&problem.to_string());
            Exit::Degraded
        }
    }
}

fn play(args: &Demo) -> Result<Exit, PlayError> {
    let binaries = Binaries::beside_this_program()?;
    let dir = tempfile::Builder::new()
        .prefix("perps-demo-")
        .tempdir()
        .map_err(|source| PlayError::Io {
            what: "no directory for the demo".to_owned(),
            source,
        })?;
    let spec = SimSpec {
        seed: args.seed,
        speed: "150",
        ..SimSpec::default()
    };
    let sim = Sim::start(&binaries, &spec)?;
    out::progress(&format!(
        "simulated exchange on {} (a one-minute candle lasts 0.4 s)",
        sim.url()
    ));
    let config = CONFIG.replace(config::PLACEHOLDER_BASE_URL, sim.url());
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config,
        arguments: Vec::new(),
    };
    let mut harness = Harness::start(&binaries, spec)?;
    // Only now: a child would inherit the blocked signals and could not be stopped by them.
    let interrupted = Interrupt::watch()?;
    out::progress("supervisor, alert-forwarder, risk-guard, gateway and bot are starting");
    harness.await_synced()?;

    let story = watch(&harness, args.seconds, &interrupted)?;
    let last = Picture::take(harness.dir());
    out::progress("stopping in order: bot, gateway, risk-guard, alert-forwarder");
    let ended = harness.stop()?;
    let sound = summary(&story, &last, &sim)? && ended.success();
    Ok(if sound { Exit::Healthy } else { Exit::Degraded })
}

/// What has been seen in `logs/trading.log`.
#[derive(Default)]
struct Story {
    lines: Vec<String>,
    events: usize,
}

/// Shows the session until it is over or interrupted.
fn watch(harness: &Harness, seconds: u64, interrupted: &Interrupt) -> Result<Story, PlayError> {
    let mut follower = Follower::new(&Deployment::at(harness.dir()).trading_log());
    let mut story = Story::default();
    let over = clock::boot_now().after(seconds.saturating_mul(1_000));
    let live = std::io::stdout().is_terminal();
    let mut next_picture = clock::boot_now();
    while clock::boot_now() < over && !interrupted.seen()? {
        let news = follower.news().map_err(|source| PlayError::Io {
            what: "read logs/trading.log".to_owned(),
            source,
        })?;
        for line in &news {
            story.tell(line);
            if !live {
                out::line(story.lines.last().map_or("", String::as_str));
            }
        }
        if clock::boot_now() >= next_picture {
            let picture = Picture::take(harness.dir());
            let left = over.since(clock::boot_now()) / 1_000;
            show(&picture, &story, left, live);
            next_picture = clock::boot_now().after(if live { 500 } else { 15_000 });
        }
        pause::for_a(Duration::from_millis(50));
    }
    Ok(story)
}

fn show(picture: &Picture, story: &Story, seconds_left: u64, live: bool) {
    if live {
        out::line("\x1b[2J\x1b[H");
    }
    out::lines(&screen::status(picture));
    if live {
        out::line(&format!(
            "{DIM}--- logs/trading.log --- {seconds_left} s left, Ctrl-C ends it{PLAIN}"
        ));
        let from = story.lines.len().saturating_sub(STORY);
        out::lines(story.lines.get(from..).unwrap_or_default());
    }
}

impl Story {
    fn tell(&mut self, text: &str) {
        let Ok(line) = text.parse::<LogLine>() else {
            return;
        };
        let brief = brief(&line);
        self.lines.push(match line.tag() {
            Some(tag) => {
                self.events = self.events.saturating_add(1);
                coloured(&brief, tag)
            }
            None => brief,
        });
    }
}

/// A line of the story on one line of the screen: when, who, what, and of which order.
fn brief(line: &LogLine) -> String {
    let text = line.to_string();
    let clock = text.get(11..19).unwrap_or_default();
    let fact = |key: &str| line.context.0.get(key).map_or("", String::as_str);
    let order = [fact("side"), fact("qty"), fact("symbol")].join(" ");
    let message = line.message.split(" | context=").next().unwrap_or_default();
    let full = format!(
        "{clock} {:<15} {message}  {}",
        line.process.name(),
        order.trim()
    );
    full.chars()
        .take(STORY_WIDTH)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Sums the session up against the simulator's ledger; true if the ledger agrees.
fn summary(story: &Story, last: &Picture, sim: &Sim) -> Result<bool, PlayError> {
    let ledger = sim.ledger()?;
    let openings = ledger.orders.iter().filter(|order| order.opens()).count();
    let approved = ledger
        .orders
        .iter()
        .filter(|order| order.opens() && order.order_link_id.starts_with("pg-"))
        .count();
    out::line("");
    out::line(&format!(
        "{BOLD}The session, against the simulated exchange's own ledger{PLAIN}"
    ));
    if let Some(risk) = &last.risk {
        let session = &risk.session;
        out::line(&format!(
            "  guard     {} trades, {} orders sent, {} refused, state {}",
            session.trades, session.sent, session.refused, risk.state
        ));
        if let (Some(equity), Some(peak)) = (risk.account.equity, risk.account.peak) {
            out::line(&format!(
                "  money     equity {equity}, peak {peak}, realised today {} (fees {})",
                risk.account.realised_today, risk.account.fees_today
            ));
        }
        for trip in &risk.trips {
            out::line(&format!("  blocked   {}: {}", trip.tag, trip.message));
        }
    }
    out::line(&format!(
        "  exchange  {} orders, {openings} of them opening, {} executions, {} closed trades",
        ledger.orders.len(),
        ledger.executions.len(),
        ledger.closed_pnl.len()
    ));
    out::line(&format!(
        "  log       {} SAFETY_ and ALERT lines",
        story.events
    ));
    let sound = openings == approved;
    let verdict = if sound {
        format!("{GREEN}no order without an approval{PLAIN}")
    } else {
        format!(
            "{RED}{} opening orders without an approval{PLAIN}",
            openings.saturating_sub(approved)
        )
    };
    out::line(&format!("  verdict   {verdict}"));
    Ok(sound)
}

/// Ctrl-C and SIGTERM, seen in their turn instead of ending the demo half-way.
struct Interrupt(SignalFd);

impl Interrupt {
    fn watch() -> Result<Self, PlayError> {
        let problem = |e: nix::Error| PlayError::Io {
            what: "watch for Ctrl-C".to_owned(),
            source: e.into(),
        };
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block().map_err(problem)?;
        SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map(Self)
            .map_err(problem)
    }

    fn seen(&self) -> Result<bool, PlayError> {
        match self.0.read_signal() {
            Ok(signal) => Ok(signal.is_some()),
            Err(e) => Err(PlayError::Io {
                what: "watch for Ctrl-C".to_owned(),
                source: e.into(),
            }),
        }
    }
}
