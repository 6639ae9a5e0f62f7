//! How things stand, for operators and bots.

use money::{Decimal, Ratio};
use protocol::control::Standing;
use protocol::status::{
    Account, BookPosition, LimitUse, RiskStatus, SCHEMA_VERSION, Session, Trip,
};
use protocol::{Tag, VenueMs};

use crate::checks::PRECEDENCE;
use crate::{Clock, Engine, commands};

/// The whole picture at a moment.
pub(crate) fn status(engine: &Engine, now: Clock) -> RiskStatus {
    let seen = at(engine, now);
    let state = &seen.state;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let resting = state.reservations.values().filter(|r| r.rests());
    RiskStatus {
        schema_version: SCHEMA_VERSION,
        mode: state.mode,
        state: seen.trading_state(),
        since: state.state_since,
        now: now.venue,
        generation: state.generation,
        synced: state.venue.synced,
        waiting_for: seen.waiting_for(),
        trips: trips_of(&seen),
        session: session(&seen),
        limits: limits(&seen),
        account: account(&seen),
        days: seen.days(),
        closes: seen.closes(),
        positions: positions(&seen),
        open_orders: count(resting.clone().count()),
        opening_orders: count(resting.filter(|r| r.approval.opens).count()),
        unresolved: count(
            state
                .reservations
                .values()
                .filter(|r| r.has_no_outcome())
                .count(),
        ),
        commands: commands::status(state),
        state_fault: state.store_fault.clone(),
        alerts_waiting: count(state.outbox.len()),
    }
}

/// The state, what blocks entries (worst first) and what they wait for.
pub(crate) fn standing(engine: &Engine) -> Standing {
    let state = &engine.state;
    let by_word = state.frozen.is_some() || state.halted.is_some();
    let halt = by_word.then_some(Tag::Halt);
    let standing = PRECEDENCE
        .iter()
        .filter(|tag| state.trips.contains_key(tag));
    Standing {
        state: engine.trading_state(),
        trips: halt.into_iter().chain(standing.copied()).collect(),
        waiting_for: engine.waiting_for(),
    }
}

/// The same engine with its clock moved on, for ages.
fn at(engine: &Engine, now: Clock) -> Engine {
    let mut seen = engine.clone();
    seen.state.clock = now;
    seen
}

fn trips_of(engine: &Engine) -> Vec<Trip> {
    let state = &engine.state;
    let standing = PRECEDENCE
        .iter()
        .filter_map(|tag| Some((*tag, state.trips.get(tag)?)));
    let mut all: Vec<Trip> = standing
        .map(|(tag, record)| Trip {
            tag,
            severity: tag.severity(),
            since: record.since,
            message: record.message.clone(),
            clears: tag.info().clears.to_owned(),
            clears_at: clears_at(engine, tag),
            context: record.context.clone(),
        })
        .collect();
    let operator = [
        (state.frozen, "frozen by the operator"),
        (state.halted, "halted by the operator"),
    ];
    for (since, message) in operator {
        if let Some(since) = since {
            all.insert(
                0,
                Trip {
                    tag: Tag::Halt,
                    severity: Tag::Halt.severity(),
                    since,
                    message: message.to_owned(),
                    clears: Tag::Halt.info().clears.to_owned(),
                    clears_at: None,
                    context: protocol::Context::new(),
                },
            );
        }
    }
    all
}

/// When a trip ends by itself: only the daily loss knows.
fn clears_at(engine: &Engine, tag: Tag) -> Option<VenueMs> {
    if tag != Tag::DailyLoss {
        return None;
    }
    let trip = engine.state.trips.get(&tag)?;
    let midnight = VenueMs(trip.day.saturating_add(1).saturating_mul(VenueMs::DAY_MS));
    Some(midnight.max(trip.since.after(engine.state.limits.daily_loss_cooldown_ms)))
}

fn session(engine: &Engine) -> Session {
    let session = &engine.state.session;
    Session {
        id: session.id,
        started: session.started,
        age_ms: engine.session_age_ms(),
        trades: session.trades,
        live_openers: engine.live_openers(),
        sent: session.sent,
        refused: session.refused,
    }
}

fn account(engine: &Engine) -> Account {
    let state = &engine.state;
    let last = state.wallet.last.as_ref();
    Account {
        equity: last.map(|read| read.wallet.equity),
        balance: last.map(|read| read.wallet.balance),
        age_ms: last.map(|read| state.clock.age_ms(read.elapsed)),
        peak: state.wallet.peak,
        drawdown: engine.drawdown(),
        day_open: engine.day_open(),
        realised_today: state.day.cash,
        fees_today: state.day.fees,
        funding_today: state.day.funding,
        unrealised: last.and_then(|read| read.wallet.unrealised),
        unconfirmed_flow: unconfirmed_flow(engine),
        margin_ratio: engine.margin_ratio(money::Amount::ZERO),
        loss_streak: state.loss_streak,
    }
}

fn unconfirmed_flow(engine: &Engine) -> Option<money::Amount> {
    let jumps = &engine.state.wallet.unconfirmed;
    let sum = engine.unconfirmed_rise().plus(engine.unconfirmed_fall());
    sum.ok().filter(|_| !jumps.is_empty())
}

fn positions(engine: &Engine) -> Vec<BookPosition> {
    let book = &engine.state.book;
    let ours = book
        .positions
        .iter()
        .map(|(symbol, held)| (*symbol, held.side, held.size, held.entry(), held.adopted));
    let theirs = book
        .venue_positions
        .values()
        .filter(|p| !book.positions.contains_key(&p.symbol))
        .filter_map(|p| Some((p.symbol, p.side?, p.size, p.entry, false)));
    ours.chain(theirs)
        .map(|(symbol, side, size, entry, adopted)| {
            let live = book.venue_positions.get(&symbol);
            BookPosition {
                symbol,
                side,
                size,
                entry,
                mark: book.marks.get(&symbol).map(|mark| mark.price),
                stop_loss: live.and_then(|p| p.stop_loss),
                take_profit: live.and_then(|p| p.take_profit),
                adopted,
            }
        })
        .collect()
}

/// One row of the table of limits: key, name, tag, unit, limit, use.
type Row = (
    &'static str,
    &'static str,
    Tag,
    &'static str,
    Option<Decimal>,
    Option<Decimal>,
);

/// Every limit, also those that are off, in the order in which an operator looks for them.
fn limits(engine: &Engine) -> Vec<LimitUse> {
    let set = &engine.state.limits;
    let rows = main_limits(engine).into_iter().chain(order_limits(engine));
    let mut all: Vec<LimitUse> = rows.map(|row| line(engine, row)).collect();
    let symbols = set.allowed_symbols.as_ref().map(|symbols| {
        symbols
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    });
    all.push(text_line(
        "perps.allowedSymbols",
        "allowed symbols",
        symbols,
    ));
    let required = set.require_stop_loss.then(|| "yes".to_owned());
    all.push(text_line(
        "perps.requireStopLoss",
        "stop loss required",
        required,
    ));
    all
}

fn main_limits(engine: &Engine) -> [Row; 6] {
    let state = &engine.state;
    let set = &state.limits;
    let shown = |amount: Option<Ratio>| amount.map(|ratio| ratio.get().max(Decimal::ZERO));
    let trades = state.session.trades.saturating_add(engine.live_openers());
    let daily = (Some(set.max_daily_risk.get()), shown(engine.daily_loss()));
    let drawdown = (Some(set.drawdown_threshold.get()), shown(engine.drawdown()));
    let streak = (
        set.consecutive_loss_limit.map(Decimal::from),
        Some(state.loss_streak.into()),
    );
    let margin = shown(engine.margin_ratio(money::Amount::ZERO));
    let margin = (Some(set.max_margin_ratio.get()), margin);
    let slots = (
        set.session_max_trades.map(Decimal::from),
        Some(trades.into()),
    );
    let age = Some(Decimal::from(engine.session_age_ms()));
    let runtime = (set.session_max_runtime_ms.map(Decimal::from), age);
    let threshold = "risk_management.crisis_mode.drawdown_threshold";
    let (minutes, cap) = ("perps.sessionMaxRuntimeMinutes", "perps.sessionMaxTrades");
    [
        (
            "trading.max_daily_risk",
            "daily loss",
            Tag::DailyLoss,
            "ratio",
            daily.0,
            daily.1,
        ),
        (
            threshold,
            "drawdown",
            Tag::Drawdown,
            "ratio",
            drawdown.0,
            drawdown.1,
        ),
        (
            "perps.consecutiveLossLimit",
            "loss streak",
            Tag::CircuitBreaker,
            "losses",
            streak.0,
            streak.1,
        ),
        (
            "perps.maxMarginRatio",
            "margin ratio",
            Tag::MarginBlock,
            "ratio",
            margin.0,
            margin.1,
        ),
        (
            cap,
            "session trades",
            Tag::SessionTrades,
            "trades",
            slots.0,
            slots.1,
        ),
        (
            minutes,
            "session runtime",
            Tag::SessionRuntime,
            "ms",
            runtime.0,
            runtime.1,
        ),
    ]
}

fn order_limits(engine: &Engine) -> impl Iterator<Item = Row> {
    rates(engine).into_iter().chain(sizes(engine))
}

fn rates(engine: &Engine) -> [Row; 2] {
    let state = &engine.state;
    let now = state.clock.elapsed_ms;
    let recent = state
        .openings
        .iter()
        .filter(|at| now.saturating_sub(**at) < 60_000)
        .count();
    let open = state.reservations.values().filter(|r| r.rests()).count();
    let rate = state.limits.max_orders_per_minute.map(Decimal::from);
    let most = state.limits.max_open_orders.map(Decimal::from);
    let used = |count: usize| Some(Decimal::from(count));
    [
        (
            "perps.maxOrdersPerMinute",
            "orders a minute",
            Tag::OrderRate,
            "orders",
            rate,
            used(recent),
        ),
        (
            "perps.maxOpenOrders",
            "open orders",
            Tag::OrderRate,
            "orders",
            most,
            used(open),
        ),
    ]
}

fn sizes(engine: &Engine) -> [Row; 6] {
    let set = &engine.state.limits;
    let notional = |limit: Option<money::Notional>| limit.map(money::Notional::get);
    let qty = set.max_order_qty.map(money::Qty::get);
    let order = notional(set.max_order_notional);
    let position = (notional(set.max_position_notional), largest(engine));
    let total = (notional(set.max_gross_exposure), gross(engine));
    let (collar, leverage) = (
        set.price_collar.map(Ratio::get),
        set.max_leverage.map(Ratio::get),
    );
    let (held, all) = ("perps.maxPositionNotional", "perps.maxGrossExposure");
    [
        (
            "perps.maxOrderQty",
            "order quantity",
            Tag::OrderLimit,
            "base",
            qty,
            None,
        ),
        (
            "perps.maxOrderNotional",
            "order notional",
            Tag::OrderLimit,
            "settle",
            order,
            None,
        ),
        (
            held,
            "position notional",
            Tag::Exposure,
            "settle",
            position.0,
            position.1,
        ),
        (
            all,
            "gross exposure",
            Tag::Exposure,
            "settle",
            total.0,
            total.1,
        ),
        (
            "perps.priceCollar",
            "price collar",
            Tag::PriceCollar,
            "ratio",
            collar,
            None,
        ),
        (
            "perps.maxLeverage",
            "leverage",
            Tag::OrderLimit,
            "times",
            leverage,
            None,
        ),
    ]
}

fn line(engine: &Engine, (key, name, tag, unit, limit, used): Row) -> LimitUse {
    let fraction = limit
        .zip(used)
        .and_then(|(limit, used)| used.checked_div(limit));
    LimitUse {
        key: key.to_owned(),
        name: name.to_owned(),
        tag,
        limit: limit.map(|limit| limit.normalize().to_string()),
        used: used.map(|used| used.round_dp(12).normalize().to_string()),
        unit: unit.to_owned(),
        fraction: fraction.and_then(|f| Ratio::new(f.round_dp(6)).ok()),
        tripped: engine.state.trips.contains_key(&tag),
    }
}

fn text_line(key: &str, name: &str, limit: Option<String>) -> LimitUse {
    LimitUse {
        key: key.to_owned(),
        name: name.to_owned(),
        tag: Tag::OrderLimit,
        limit,
        used: None,
        unit: "text".to_owned(),
        fraction: None,
        tripped: false,
    }
}

fn worths(engine: &Engine) -> impl Iterator<Item = Decimal> + '_ {
    let marks = engine.state.book.marks.iter();
    marks.flat_map(move |(symbol, mark)| {
        [protocol::Side::Buy, protocol::Side::Sell]
            .into_iter()
            .filter_map(move |side| {
                engine
                    .exposure(*symbol, side, mark.price, None)
                    .ok()
                    .map(money::Notional::get)
            })
    })
}

fn largest(engine: &Engine) -> Option<Decimal> {
    worths(engine).max().or(Some(Decimal::ZERO))
}

fn gross(engine: &Engine) -> Option<Decimal> {
    worths(engine).try_fold(Decimal::ZERO, Decimal::checked_add)
}
