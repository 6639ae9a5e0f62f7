//! `zoomex-sim`: the simulated exchange on a loopback port. Wiring only.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use exchange_sim::clock;
use exchange_sim::http::{App, Keys, Limits, serve};
use exchange_sim::matching::{AccountKind, FAITHFUL, MOST};
use exchange_sim::prices::{Pace, read_bars};
use exchange_sim::sim::{Options, Sim};
use money::{Amount, Ratio};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

/// How often prices move on while nobody asks.
const BEAT: Duration = Duration::from_millis(20);

/// Most that an account may begin with, in settle coin.
const MAX_BALANCE: u32 = 1_000_000_000;

/// A simulated Zoomex exchange for tests and demos. Speaks the REST API and the streams on a loopback
/// port.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; loopback only. Port 0 picks a free one.
    #[arg(long, value_name = "127.0.0.1:PORT")]
    listen: SocketAddr,
    /// Seed of the made-up prices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bars to replay as BTCUSDT, one market minute each: timestamp,open,high,low,close,volume.
    #[arg(long, value_name = "FILE.csv")]
    bars: Option<PathBuf>,
    /// Speed of the market: 1 is real time, 60 makes a minute candle last a second, 0 freezes.
    #[arg(long, default_value = "1")]
    speed: Ratio,
    /// How many instruments there are: BTCUSDT, ETHUSDT, SOLUSDT, then made-up ones.
    #[arg(long, default_value_t = FAITHFUL, value_parser = symbols)]
    symbols: usize,
    /// Wallet balance at the start, in USDT.
    #[arg(long, default_value = "10000")]
    balance: Amount,
    /// Account type.
    #[arg(long, value_enum, default_value_t = Account::Unified)]
    account: Account,
    /// API key of the account.
    #[arg(long, default_value = "sim-key")]
    api_key: String,
    /// Secret of the API key.
    #[arg(long, default_value = "sim-secret")]
    api_secret: String,
    /// Requests a second for each signed endpoint; 0 switches all limits off.
    #[arg(long, default_value_t = 10)]
    rate_limit: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Account {
    /// Trading account (`accountType=UNIFIED`).
    Unified,
    /// Classic derivatives wallet (`accountType=CONTRACT`).
    Classic,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    anyhow::ensure!(
        arguments.listen.ip().is_loopback(),
        "{} is not a loopback address; the simulator has no real security and listens on 127.0.0.1 only",
        arguments.listen
    );
    let app = Arc::new(exchange(&arguments)?);
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}; is it taken?", arguments.listen))?;
    let address = listener.local_addr()?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {address}")?;
    stdout.flush()?;
    tokio::select! {
        served = serve(listener, Arc::clone(&app)) => served.context("serving ended"),
        () = beat(&app) => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

fn exchange(arguments: &Arguments) -> anyhow::Result<App> {
    let balance = arguments.balance.get();
    anyhow::ensure!(
        !balance.is_sign_negative() && balance <= MAX_BALANCE.into(),
        "--balance {balance} is out of range: 0 to {MAX_BALANCE}"
    );
    let options = Options {
        seed: arguments.seed,
        pace: Pace::of_speed(arguments.speed.get())?,
        balance,
        account: match arguments.account {
            Account::Unified => AccountKind::Unified,
            Account::Classic => AccountKind::Classic,
        },
        symbols: arguments.symbols,
        bars: arguments.bars.as_deref().map(read_bars).transpose()?,
    };
    let keys = Keys {
        key: arguments.api_key.clone(),
        secret: arguments.api_secret.clone(),
    };
    let sim = Sim::new(options, clock::wall());
    Ok(App::new(sim, Limits::new(arguments.rate_limit), keys))
}

fn symbols(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=MOST).contains(count))
        .ok_or_else(|| format!("1 to {MOST}"))
}

async fn beat(app: &App) {
    let mut interval = tokio::time::interval(BEAT);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        app.advance();
    }
}
