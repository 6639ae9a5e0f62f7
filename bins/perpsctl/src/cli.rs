//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use protocol::{Process, Symbol};

/// The operator's hand: see, stop, reset and prove the safety harness.
///
/// Exit codes: 0 healthy, 1 degraded or failed, 2 usage, 3 supervisor not running,
/// 4 no answer in time, 5 trading blocked.
#[derive(Debug, Parser)]
#[command(name = "perpsctl", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The deployment: the directory that holds run/, logs/, data/, alerts/ and accepted/.
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The deployment of an instance of the installed service, such as demo of perps@demo.service;
    /// in place of --dir.
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "dir")]
    pub(crate) instance: Option<String>,
    /// JSON with a schema version on stdout, and nothing else there; a failure is an object, too.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, each in a file of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything in one look.
    Status(Status),
    /// Every limit and how much of it is used.
    Limits,
    /// What each day and each closed trade brought, fees and funding apart.
    Pnl,
    /// The `SAFETY_*` story so far, from logs/trading.log.
    Events(Events),
    /// The log of one process, or trading.log.
    Logs(Logs),
    /// The kill switch: no entries, resting opening orders cancelled, until `resume`.
    Halt(Halt),
    /// Close every position, or one symbol's, and show how far it is until the venue confirms it;
    /// or take that back.
    Flatten(Flatten),
    /// Send nothing at all, exits included, until `resume`; only a `flatten` still goes.
    Freeze,
    /// End a halt or a freeze.
    Resume,
    /// Run one process anew, also one that died so often that it is not started any more.
    Restart(Restart),
    /// End a trip: the condition is judged anew at once.
    Reset(Reset),
    /// Reconciliation with the venue.
    Recon {
        /// What about it.
        #[command(subcommand)]
        what: Recon,
    },
    /// Balance jumps that no execution explains.
    Flow {
        /// What about it.
        #[command(subcommand)]
        what: Flow,
    },
    /// What a tag means and what to do about it.
    Explain(Explain),
    /// Wait until something is the case.
    Wait(Wait),
    /// The trading session.
    Session {
        /// What about it.
        #[command(subcommand)]
        what: Session,
    },
    /// The guard's state files: journal and snapshot, while it runs and while it does not.
    State(State),
    /// The config.
    Config {
        /// What about it.
        #[command(subcommand)]
        what: Config,
    },
    /// Step a journal through the engine again: are the decisions the recorded ones, and what would
    /// other limits have done?
    Replay(Replay),
    /// Prove every limit on fresh harnesses of real processes against the simulated exchange.
    Drill(Drill),
    /// Prove that one intent is one order while every second order goes wrong.
    Faults(Faults),
    /// A live guarded session against the simulated exchange, in this terminal.
    Demo(Demo),
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Draw it anew every second until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    pub(crate) watch: bool,
}

/// `events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Keep following.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only this tag, such as `SAFETY_DAILY_LOSS`.
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
}

/// `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Keep following, also across rotation.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many of the last lines to begin with.
    #[arg(short = 'n', long, default_value_t = 50)]
    pub(crate) lines: usize,
    /// Whose log; trading.log if absent.
    #[arg(value_name = "PROCESS", value_parser = process(&Process::ALL))]
    pub(crate) process: Option<Process>,
}

/// `halt`.
#[derive(Debug, Args)]
pub(crate) struct Halt {
    /// Go flat as well.
    #[arg(long)]
    pub(crate) flatten: bool,
}

/// `flatten`.
#[derive(Debug, Args)]
pub(crate) struct Flatten {
    /// Only this instrument, such as SOLUSDT.
    #[arg(long, value_name = "SYMBOL")]
    pub(crate) symbol: Option<Symbol>,
    /// Take back a flatten that the venue has not confirmed: of --symbol, or all of them. What is
    /// open stays as it is.
    #[arg(long, conflicts_with = "timeout")]
    pub(crate) withdraw: bool,
    /// Seconds to watch it; the harness goes on by itself after that.
    #[arg(long, default_value_t = 120)]
    pub(crate) timeout: u64,
}

/// `restart`.
#[derive(Debug, Args)]
pub(crate) struct Restart {
    /// Which.
    #[arg(value_name = "PROCESS", value_parser = process(&[
        Process::AlertForwarder, Process::RiskGuard, Process::Gateway, Process::Bot,
    ]))]
    pub(crate) process: Process,
    /// Seconds to wait for it to be ready.
    #[arg(long, default_value_t = 30)]
    pub(crate) timeout: u64,
}

/// `reset`.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// Which trip.
    #[arg(value_enum)]
    pub(crate) limit: ResetLimit,
    /// For drawdown: the peak becomes the equity of now.
    #[arg(long, conflicts_with = "keep_peak")]
    pub(crate) rebase: bool,
    /// For drawdown: the peak stays as it is (the default).
    #[arg(long)]
    pub(crate) keep_peak: bool,
}

/// What can be reset.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum ResetLimit {
    /// Zero the loss streak.
    CircuitBreaker,
    /// A fresh daily allowance from this moment.
    DailyLoss,
    /// The drawdown trip.
    Drawdown,
    /// A liquidation has been looked at.
    Liquidation,
}

/// `recon`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Recon {
    /// The account has been looked at: take the venue's word.
    Acknowledge,
}

/// `flow`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Flow {
    /// The jump was a deposit or withdrawal of yours.
    Confirm,
}

/// `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A tag, such as `SAFETY_DAILY_LOSS`; all of them if absent.
    pub(crate) tag: Option<String>,
}

/// `wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// What for.
    #[arg(long = "for", value_enum)]
    pub(crate) condition: Condition,
    /// Seconds to wait at most.
    #[arg(long, default_value_t = 60)]
    pub(crate) timeout: u64,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Condition {
    /// Every process is ready and the venue has been read.
    Ready,
    /// The supervisor is gone.
    Stopped,
}

impl Condition {
    /// Its word on the command line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Stopped => "stopped",
        }
    }

    /// What is waited for, in words.
    pub(crate) const fn awaited(self) -> &'static str {
        match self {
            Self::Ready => "every process to be ready and the venue to be read",
            Self::Stopped => "the supervisor to end",
        }
    }
}

/// `session`.
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// The session's counts.
    Show,
    /// End this session and begin the next.
    New,
}

/// `state`.
#[derive(Debug, Args)]
pub(crate) struct State {
    /// The snapshot's file; the one that the guard holds, or that the config names, if absent.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What about it.
    #[command(subcommand)]
    pub(crate) what: StateCommand,
}

/// What can be done about the state.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// The files, and what the guard knows: session, day, trips, approvals, positions.
    Show,
    /// Check every byte; exit code 1 if anything is damaged or missing.
    Verify,
    /// Put the whole state into one file.
    Backup {
        /// The file to write; it must not be there yet.
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
    /// Put a backup in the place of what is there, which is archived. Not while the guard runs.
    Restore {
        /// The backup.
        #[arg(value_name = "FROM")]
        from: PathBuf,
    },
    /// Peak, daily loss, streak and session start fresh; halt, freeze, unresolved approvals and bans
    /// stay.
    Reset {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Is this file sound? Lists used, unused and defaulted keys and the request budget.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// The config in force.
    Show,
    /// What a file changes against the config in force, and which changes loosen a limit.
    Diff {
        /// The file; the one that the supervisor watches if absent.
        file: Option<PathBuf>,
    },
    /// Read the file now; fails with the reason if it is refused or held.
    Apply(Apply),
    /// Put an edit in force that is held because it loosens limits.
    Confirm(Confirm),
    /// What became of each edit: applied, refused or held, what it changed, who saved it.
    History(History),
}

/// `config apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Until it is in force in every process, refused or held.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Seconds to wait at most.
    #[arg(long, default_value_t = 30)]
    pub(crate) timeout: u64,
}

/// `config confirm`.
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// The number of the held edit, as `config apply` showed it; the one that is held if absent.
    #[arg(long, value_name = "N")]
    pub(crate) number: Option<u64>,
    /// Seconds to wait at most.
    #[arg(long, default_value_t = 30)]
    pub(crate) timeout: u64,
}

/// `config history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// How many of the newest edits.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) lines: usize,
}

/// `replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A journal's directory, a segment, an archive, a state file, or a file of inputs, one JSON
    /// object a line (docs/replay.md).
    pub(crate) file: PathBuf,
    /// What would the limits of this config have done? For a file of inputs that begins with no
    /// start: the limits in force.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Stop before the first input later than this: UTC, as 2026-11-25T12:00:00Z, or milliseconds
    /// since 1970.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Leave out the single decisions.
    #[arg(long)]
    pub(crate) summary: bool,
}

/// `drill`.
#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// Write a report in Markdown as well.
    #[arg(long, value_name = "FILE.md")]
    pub(crate) report: Option<PathBuf>,
    /// Only scenarios whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// Keep the scenarios' directories, and say where they are.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// `faults`.
#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// How many intents, in all.
    #[arg(long, default_value_t = 300)]
    pub(crate) intents: usize,
    /// Harnesses side by side, each with an exchange of its own.
    #[arg(long, default_value_t = 4)]
    pub(crate) lanes: usize,
    /// What goes wrong when follows from it.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keep the lanes' directories, and say where they are.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How long the session lasts.
    #[arg(long, default_value_t = 75)]
    pub(crate) seconds: u64,
    /// Seed of the simulated market.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
}

/// One of these processes, by the name that it has in status and logs.
fn process(these: &[Process]) -> impl TypedValueParser<Value = Process> + use<> {
    let names = these.iter().map(|process| process.name());
    PossibleValuesParser::new(names)
        .try_map(|name| Process::named(&name).ok_or("there is no such process"))
}
