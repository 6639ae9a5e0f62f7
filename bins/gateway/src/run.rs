//! The gateway's life: config, keys, connections, then one loop until it is told to stop.

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use config::VenueName;
use daemon::alerting::Alerting;
use daemon::child::{Child, Step};
use daemon::clock::{boot_now, wall_now};
use daemon::deployment::Deployment;
use daemon::inherited::Inherited;
use daemon::logging::{self, Held};
use daemon::logline::Level;
use daemon::server::Incoming;
use daemon::{environment, server};
use exchange::{Credentials, Surroundings, Throttle};
use protocol::control::{EXIT_CONFIG, Report};
use protocol::gateway::{GatewayReply, GatewayRequest};
use protocol::guard::GatewayHello;
use protocol::{BootMs, Context, Generation, Process, Severity, Tag};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::alarm::Alarm;
use crate::credentials;
use crate::event::{Events, Teller};
use crate::gateway::Gateway;
use crate::guard::{Address, Guard, GuardEvent};
use crate::hands::Hands;
use crate::send::Sender;
use crate::settings::Settings;
use crate::venue::{Venue, settle_coin};

/// How long an answer of the venue may take.
const VENUE_PATIENCE: Duration = Duration::from_secs(5);
/// How often the supervisor hears of us.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Lives until the supervisor says stop, or is gone.
pub async fn run(inherited: Inherited) -> anyhow::Result<ExitCode> {
    let Inherited {
        control,
        listener,
        dir,
        log: _,
    } = inherited;
    let mut child = Child::over(control).context("control channel")?;
    let listener = listener.context("no listening socket was passed on")?;
    let Step::Apply(generation, settings) = next(&mut child).await else {
        return Ok(ExitCode::SUCCESS);
    };
    logging::set_level(level(&settings));
    let names = settings.config.exchange.name.key_variables(settings.mode);
    let found = credentials::find(names, &dir, environment::text);
    let keys = match found {
        Ok(found) => Credentials::new(&found.key, &found.secret),
        Err(error) => return Ok(fail(&mut child, &said(&error))),
    };
    let Some(keys) = keys else {
        return Ok(fail(&mut child, "the exchange keys are blank"));
    };
    // Answered first, logged after.
    tokio::task::spawn_local(Held::begin().keep());
    let bots = server::serve_locally(listener).context("gateway.sock")?;
    let (gateway, talk) = connect(&Deployment::at(&dir), settings, keys, bots)?;
    child.ready(generation);
    tracing::info!("serving gateway.sock under {generation}");
    Box::pin(live(child, gateway, talk)).await
}

/// What the owner hears.
struct Talk {
    events: Events,
    guard: mpsc::UnboundedReceiver<GuardEvent>,
    bots: mpsc::Receiver<Incoming<GatewayRequest, GatewayReply>>,
}

impl Talk {
    /// Hands over all that has been said.
    fn hand_over(&mut self, gateway: &mut Gateway) {
        while let Ok(word) = self.guard.try_recv() {
            gateway.on_guard(word);
        }
        self.hand_over_events(gateway);
        while let Ok(incoming) = self.bots.try_recv() {
            gateway.on_bot(incoming);
        }
    }

    fn hand_over_events(&self, gateway: &mut Gateway) {
        while let Some(event) = self.events.take() {
            gateway.on_event(event);
        }
    }
}

/// Makes the owner and everything it reaches. Nothing is asked of the venue yet.
fn connect(
    deployment: &Deployment,
    settings: Rc<Settings>,
    keys: Credentials,
    bots: mpsc::Receiver<Incoming<GatewayRequest, GatewayReply>>,
) -> anyhow::Result<(Gateway, Talk)> {
    let (owner, events) = Teller::new();
    let (to_owner, from_guard) = mpsc::unbounded_channel();
    let (reader, trader) = exchange::connect(wire(&settings), keys, Box::new(Around))
        .context("the client of the venue")?;
    let settle = settle_coin(settings.topic.symbol)
        .map_err(|symbol| anyhow::anyhow!("no settle coin is known for {symbol}"))?;
    let venue = Venue::new(reader, settle, settings.config.exchange.account);
    let generation = Rc::new(Cell::new(settings.generation));
    let address = Address {
        socket: deployment.guard_socket(),
        hello: hello(venue.clone(), Rc::clone(&generation)),
    };
    let guard = Guard::connect(address, to_owner);
    let trigger = settings.config.perps.trigger_by.wire();
    let sender = Sender::new(trader, guard.clone(), venue.clone(), trigger);
    let alerting = Alerting::to(Process::Gateway, deployment.alerts_socket());
    let hands = Hands {
        venue,
        sender,
        guard,
        owner,
        began: wall_now(),
    };
    let gateway = Gateway::new(hands, settings, generation, alerting);
    let talk = Talk {
        events,
        guard: from_guard,
        bots,
    };
    Ok((gateway, talk))
}

/// The one loop.
async fn live(
    mut child: Child<Rc<Settings>>,
    mut gateway: Gateway,
    mut talk: Talk,
) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut beat = interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut alarm = Alarm::new();
    let mut settled = false;
    loop {
        talk.hand_over(&mut gateway);
        alarm.set(gateway.turn());
        // A first start is proven by this word; it does not wait for the next beat.
        if gateway.settled() && !std::mem::replace(&mut settled, true) {
            child.heartbeat(gateway.pulse(&gateway.waits()));
        }
        if let Some(why) = gateway.fatal() {
            let why = why.to_owned();
            return Ok(fail(&mut child, &why));
        }
        tokio::select! {
            step = next(&mut child) => match step {
                Step::Apply(generation, settings) => {
                    logging::set_level(level(&settings));
                    gateway.apply(&settings);
                    child.report(&Report::Applied(generation));
                }
                Step::Stop => break,
            },
            Some(word) = talk.guard.recv() => gateway.on_guard(word),
            event = talk.events.next() => gateway.on_event(event),
            Some(incoming) = talk.bots.recv() => {
                // What became of its last order it may have heard before the owner.
                talk.hand_over_events(&mut gateway);
                gateway.on_bot(incoming);
            }
            () = alarm.ring() => {}
            _ = beat.tick() => {
                child.heartbeat(gateway.pulse(&gateway.waits()));
            }
            _ = terminate.recv() => break,
        }
    }
    gateway.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// The supervisor's next step.
async fn next(child: &mut Child<Rc<Settings>>) -> Step<Rc<Settings>> {
    let check = |prepare: &_| Settings::check(prepare).map(Rc::new);
    child.next(check).await
}

/// Says why it cannot run; no restart would mend it.
fn fail(child: &mut Child<Rc<Settings>>, why: &str) -> ExitCode {
    tracing::error!("{why}");
    child.report(&Report::Failing(why.to_owned()));
    ExitCode::from(EXIT_CONFIG)
}

fn wire(settings: &Settings) -> exchange::Settings {
    let perps = &settings.config.perps;
    let recv_window = settings.config.limits.recv_window_ms;
    exchange::Settings {
        base_url: settings.config.base_url(settings.mode).as_str().to_owned(),
        stream_url: settings.config.stream_url(settings.mode),
        venue: match settings.config.exchange.name {
            VenueName::Zoomex => exchange::Venue::ZOOMEX,
            VenueName::Bybit => exchange::Venue::BYBIT,
        },
        recv_window_ms: u32::try_from(recv_window).unwrap_or(u32::MAX),
        timeout: VENUE_PATIENCE,
        per_second: perps.max_requests_per_second,
        per_minute: perps.max_requests_per_minute,
    }
}

fn hello(venue: Venue, generation: Rc<Cell<Generation>>) -> Box<dyn Fn() -> GatewayHello> {
    Box::new(move || GatewayHello {
        pid: std::process::id(),
        generation: generation.get(),
        venue_now: venue.now(),
    })
}

fn level(settings: &Settings) -> Level {
    match settings.config.logging.level {
        config::LogLevel::Trace | config::LogLevel::Debug => Level::Debug,
        config::LogLevel::Info => Level::Info,
        config::LogLevel::Warn => Level::Warn,
        config::LogLevel::Error => Level::Error,
    }
}

/// An error and what lies behind it, on one line.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What the client of the venue needs from this process.
struct Around;

impl Surroundings for Around {
    fn boot_now(&self) -> BootMs {
        boot_now()
    }

    fn throttled(&self, throttle: Throttle) {
        let message = format!("{} waits {} ms", throttle.call, throttle.sleep_ms);
        let context = Context::new()
            .with("sleep_ms", throttle.sleep_ms)
            .with("endpoint", throttle.call)
            .with("cause", throttle.cause.word());
        logging::event(Tag::RateLimit, Severity::Debug, &message, &context);
    }

    fn banned(&self, _until: BootMs) {
        // The call that met the ban says so to the owner.
    }
}
