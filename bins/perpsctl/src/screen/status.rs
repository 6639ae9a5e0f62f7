//! The whole picture on one screen: state, session, limits, money, positions, config, processes,
//! and what to do next.

use money::Decimal;
use protocol::VenueMs;
use protocol::status::{
    BookPosition, FeedState, GatewayStatus, LimitUse, RiskStatus, SupervisorStatus, TradingState,
};

use super::next::next_steps;
use super::processes::process_lines;
use super::{BOLD, DIM, GREEN, PLAIN, RED, YELLOW, limit_line, span, time_of_day};
use crate::picture::Picture;

/// Which limits are worth a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// All that are on.
    All,
    /// Those of which something is used, or that have tripped.
    Used,
    /// Those that have tripped.
    Tripped,
}

impl Detail {
    fn shows(self, limit: &LimitUse) -> bool {
        let counts = match self {
            Self::All => true,
            Self::Used => limit.fraction.is_some_and(|used| !used.get().is_zero()),
            Self::Tripped => false,
        };
        limit.limit.is_some() && (counts || limit.tripped)
    }
}

/// The screen in three parts, a line each.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// State, and what blocks entries or keeps them waiting.
    pub(crate) top: Vec<String>,
    /// Everything else, what matters more above what matters less.
    pub(crate) middle: Vec<String>,
    /// What to do next.
    pub(crate) steps: Vec<String>,
}

impl Page {
    pub(crate) fn of(picture: &Picture, detail: Detail) -> Self {
        let mut page = Self::default();
        let Some(supervisor) = &picture.supervisor else {
            page.top.extend(picture.supervisor_problem.clone());
            return page;
        };
        page.top.push(headline(picture));
        if let Some(risk) = &picture.risk {
            block_lines(risk, &mut page.top);
            book_lines(risk, detail, &mut page.middle);
        } else {
            let problem = picture.risk_problem();
            page.top.push(format!("{RED}guard     {problem}{PLAIN}"));
        }
        venue_line(picture, &mut page.middle);
        config_line(supervisor, &mut page.middle);
        log_lines(supervisor, &mut page.middle);
        process_lines(supervisor, &mut page.middle);
        alerts_line(picture, &mut page.middle);
        page.steps = next_steps(picture);
        page
    }
}

/// The whole screen, a line each.
pub(crate) fn status(picture: &Picture, detail: Detail) -> Vec<String> {
    let page = Page::of(picture, detail);
    [page.top, page.middle, page.steps].concat()
}

/// `TESTNET http://...   REDUCE_ONLY since 12:03:11 UTC: SAFETY_DAILY_LOSS`.
fn headline(picture: &Picture) -> String {
    let mode = picture
        .supervisor
        .as_ref()
        .map_or_else(String::new, |s| s.mode.to_string());
    let venue = picture
        .gateway
        .as_ref()
        .map_or("", |gateway| gateway.base_url.as_str());
    let state = picture.risk.as_ref().map_or_else(
        || format!("{RED}{BOLD}NO GUARD: entries are blocked{PLAIN}"),
        |risk| {
            let colour = match risk.state {
                TradingState::Active if risk.synced && risk.waiting_for.is_empty() => GREEN,
                TradingState::Active => YELLOW,
                TradingState::ReduceOnly | TradingState::Halted | TradingState::Frozen => RED,
            };
            let why: Vec<&str> = risk.trips.iter().map(|trip| trip.tag.name()).collect();
            let since = clock(risk.since);
            let because = if why.is_empty() {
                String::new()
            } else {
                format!(": {}", why.join(" "))
            };
            let waits = match risk.state {
                TradingState::Active if !risk.waiting_for.is_empty() => {
                    format!(" {YELLOW}but no entries yet{PLAIN}")
                }
                TradingState::Active
                | TradingState::ReduceOnly
                | TradingState::Halted
                | TradingState::Frozen => String::new(),
            };
            let state = risk.state;
            format!("{colour}{BOLD}{state}{PLAIN} since {since}{because}{waits}")
        },
    );
    format!("{BOLD}{}{PLAIN} {venue}   {state}", mode.to_uppercase())
}

/// What the guard knows: what blocks, session, limits, money, positions.
pub(crate) fn risk_lines(risk: &RiskStatus, detail: Detail, lines: &mut Vec<String>) {
    block_lines(risk, lines);
    book_lines(risk, detail, lines);
}

fn block_lines(risk: &RiskStatus, lines: &mut Vec<String>) {
    for trip in &risk.trips {
        let when = trip.clears_at.map_or_else(String::new, |at| {
            format!(" (in {})", span(at.since(risk.now)))
        });
        lines.push(format!(
            "{RED}blocked{PLAIN}   {}: {}",
            trip.tag, trip.message
        ));
        lines.push(format!("          clears: {}{when}", trip.clears));
    }
    for reason in &risk.waiting_for {
        lines.push(format!("{YELLOW}waiting{PLAIN}   {reason}"));
    }
}

/// Session, limits, money, positions.
fn book_lines(risk: &RiskStatus, detail: Detail, lines: &mut Vec<String>) {
    let session = &risk.session;
    lines.push(format!(
        "session   {}  {}   trades {} (+{} live)   orders {} sent, {} refused, {} unresolved",
        session.id,
        span(session.age_ms),
        session.trades,
        session.live_openers,
        session.sent,
        session.refused,
        risk.unresolved
    ));
    let on = risk.limits.iter().filter(|limit| detail.shows(limit));
    for (n, limit) in on.enumerate() {
        lines.push(format!(
            "{:<9} {}",
            if n == 0 { "limits" } else { "" },
            limit_line(limit)
        ));
    }
    let off: Vec<&str> = risk
        .limits
        .iter()
        .filter(|l| l.limit.is_none())
        .map(|l| l.name.as_str())
        .collect();
    if !off.is_empty() && detail == Detail::All {
        lines.push(format!("{DIM}off       {}{PLAIN}", off.join(", ")));
    }
    money_line(risk, lines);
    for position in &risk.positions {
        lines.push(position_line(position));
    }
    if risk.positions.is_empty() {
        lines.push(format!(
            "position  flat   open orders {} ({} opening)",
            risk.open_orders, risk.opening_orders
        ));
    } else {
        lines.push(format!(
            "orders    {} open, {} of them opening",
            risk.open_orders, risk.opening_orders
        ));
    }
    if let Some(fault) = &risk.state_fault {
        lines.push(format!("{RED}state     {fault}{PLAIN}"));
    }
    for command in risk.commands.iter().filter(|command| command.pending()) {
        let how = command.progress.as_ref();
        let how = how.map_or(String::new(), |how| format!(" ({how})"));
        lines.push(format!("{YELLOW}command{PLAIN}   {}{how}", command.what));
    }
}

fn money_line(risk: &RiskStatus, lines: &mut Vec<String>) {
    let account = &risk.account;
    let known = |amount: Option<money::Amount>| {
        amount.map_or_else(|| "unknown".to_owned(), |a| grouped(a.get()))
    };
    let age = account.age_ms.map_or_else(
        || "never read".to_owned(),
        |ms| format!("read {} ago", span(ms)),
    );
    lines.push(format!(
        "equity    {} USDT, {age}   peak {}   realised today {} (fees {}, funding {})   unrealised {}",
        known(account.equity),
        known(account.peak),
        grouped(account.realised_today.get()),
        grouped(account.fees_today.get()),
        grouped(account.funding_today.get()),
        known(account.unrealised),
    ));
}

fn position_line(position: &BookPosition) -> String {
    let at = position
        .entry
        .map_or_else(|| "unknown".to_owned(), |p| p.to_string());
    let stop = position.stop_loss.map_or_else(
        || format!("{YELLOW}no stop at the venue{PLAIN}"),
        |p| format!("stop {p} at the venue"),
    );
    let adopted = if position.adopted { ", adopted" } else { "" };
    let side = position.side.position_word();
    format!(
        "position  {side} {} {} @ {at}, {stop}{adopted}",
        position.size, position.symbol
    )
}

fn venue_line(picture: &Picture, lines: &mut Vec<String>) {
    let Some(gateway) = &picture.gateway else {
        lines.push(format!(
            "{RED}venue     {}{PLAIN}",
            picture.gateway_problem()
        ));
        return;
    };
    let skew = gateway.skew_ms.map_or_else(
        || "clock not synced".to_owned(),
        |ms| format!("clock skew {ms} ms"),
    );
    let state = if gateway.synced {
        "read"
    } else {
        "not read yet"
    };
    lines.push(format!(
        "venue     {state}, {skew}, {} requests in the last minute, held back {} for the request caps, {}{}",
        gateway.requests_last_minute,
        span(gateway.throttled_last_minute_ms),
        counted(gateway.bots, "bot"),
        if gateway.lease {
            ""
        } else {
            ", NO LEASE from the guard"
        },
    ));
    lines.push(streams_line(gateway));
    if let Some(until) = gateway.banned_until {
        lines.push(format!(
            "{RED}          banned by the venue until {}{PLAIN}",
            clock(until)
        ));
    }
    if let Some(error) = &gateway.last_error {
        lines.push(format!("{YELLOW}          last error: {error}{PLAIN}"));
    }
}

/// `streams   account live since 12:03:11 UTC, market down: polls carry the load`.
fn streams_line(gateway: &GatewayStatus) -> String {
    let one = |name: &str, state: FeedState, since: Option<VenueMs>| {
        let (colour, word, then) = match state {
            FeedState::Live => (GREEN, "live", ""),
            FeedState::Repairing => (YELLOW, "connecting", ": what was missed is read"),
            FeedState::Away => (YELLOW, "down", ": polls carry the load"),
        };
        let since = since.map_or_else(String::new, |at| format!(" since {}", clock(at)));
        format!("{name} {colour}{word}{PLAIN}{since}{then}")
    };
    let account = one(
        "account",
        gateway.account_stream,
        gateway.account_stream_since,
    );
    let market = one("market", gateway.market_stream, gateway.market_stream_since);
    format!("streams   {account}, {market}")
}

fn config_line(supervisor: &SupervisorStatus, lines: &mut Vec<String>) {
    let config = &supervisor.config;
    let disk = match (&config.rejected, &config.held) {
        (Some(reason), _) => format!("{RED}disk REJECTED{PLAIN} {reason}"),
        (None, Some(held)) => format!(
            "{YELLOW}disk HELD{PLAIN}, loosens limits, saved by {}",
            held.saved_by
        ),
        (None, None) => "disk = applied".to_owned(),
    };
    lines.push(format!(
        "config    {disk}   applied {} everywhere, {}   {}",
        config.applied,
        span(config.applied_for_ms),
        config.file
    ));
    if !config.needs_restart.is_empty() {
        lines.push(format!(
            "          wait for a restart: {}",
            config.needs_restart.join(", ")
        ));
    }
}

/// What is wrong with the log files, if anything.
fn log_lines(supervisor: &SupervisorStatus, lines: &mut Vec<String>) {
    if let Some(fault) = &supervisor.log_fault {
        lines.push(format!("{RED}logs      {fault}{PLAIN}"));
    }
    if supervisor.log_lines_lost > 0 {
        lines.push(format!(
            "{YELLOW}logs      {} lines lost since the start{PLAIN}",
            supervisor.log_lines_lost
        ));
    }
}

fn alerts_line(picture: &Picture, lines: &mut Vec<String>) {
    if picture.alerts_closed {
        lines.push(format!(
            "{DIM}alerts    shown to root and the harness's own user only{PLAIN}"
        ));
        return;
    }
    let Some(alerts) = &picture.alerts else {
        lines.push(format!(
            "{RED}alerts    no answer: the supervisor logs them meanwhile{PLAIN}"
        ));
        return;
    };
    let sinks: Vec<String> = alerts
        .sinks
        .iter()
        .map(|sink| {
            let last = sink
                .last_delivered
                .map_or_else(|| "never".to_owned(), clock);
            let trouble = sink
                .failing
                .as_ref()
                .map_or_else(String::new, |why| format!(", FAILING: {why}"));
            format!(
                "{} {} delivered, last {last}{trouble}",
                sink.name, sink.delivered
            )
        })
        .collect();
    lines.push(format!(
        "alerts    spool {}   {}",
        alerts.spooled,
        sinks.join("; ")
    ));
}

/// `1 bot`, `2 bots`.
fn counted(n: u32, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `12:03:11 UTC`.
fn clock(at: VenueMs) -> String {
    format!("{} UTC", time_of_day(at))
}

/// Money to the cent with thousands apart: `9,768.40`.
pub(crate) fn grouped(amount: Decimal) -> String {
    let text = format!("{:.2}", amount.abs().round_dp(2));
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let mut out = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && whole.len().saturating_sub(n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    let sign = if amount.is_sign_negative() && !amount.is_zero() {
        "-"
    } else {
        ""
    };
    format!("{sign}{out}.{cents}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_grouped() {
        for (number, expected) in [
            (Decimal::new(976_840, 2), "9,768.40"),
            (Decimal::new(-23_160, 2), "-231.60"),
            (Decimal::new(123_456_789_012, 2), "1,234,567,890.12"),
            (Decimal::ZERO, "0.00"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn clocks_are_utc() {
        assert_eq!(clock(VenueMs(1_700_000_000_000)), "22:13:20 UTC");
    }
}
