//! A replay as a person reads it: a line a decision and a trip, then what came of it all.

use std::collections::BTreeMap;
use std::path::Path;

use history::{Told, Verdict};
use protocol::{Tag, VenueMs};
use replay::{
    Averted, Check, Counts, Happened, Judged, Judgement, Money, Report, Trip, WhatIfReport,
};

use super::status::grouped;
use super::{BOLD, DIM, Detail, GREEN, PLAIN, RED, YELLOW, risk_lines, span};

/// One thing that happened.
pub(crate) fn happened(news: Happened<'_>) -> Vec<String> {
    match news {
        Happened::Judged(judged) => vec![decision(judged)],
        Happened::Tripped(trip) => vec![format!(
            "{} {RED}tripped{PLAIN}   {}: {}",
            moment(trip.began),
            trip.tag,
            trip.message
        )],
        Happened::Ended(end) => vec![format!(
            "{} {GREEN}ended{PLAIN}     {} after {}",
            moment(end.at),
            end.tag,
            span(end.lasted_ms)
        )],
        Happened::Progress(_) => Vec::new(),
    }
}

fn decision(judged: &Judged) -> String {
    let order = order(judged);
    let change = if judged.amend { "change: " } else { "" };
    let (word, why) = match &judged.judgement {
        Judgement::Approved { opens: true } => (format!("{GREEN}approved{PLAIN}"), String::new()),
        Judgement::Approved { opens: false } => {
            (format!("{GREEN}approved{PLAIN}"), "  reduces".to_owned())
        }
        Judgement::Refused { tag, message } => (
            format!("{YELLOW}refused{PLAIN} "),
            format!("  {tag}: {message}"),
        ),
        Judgement::Repeated => (format!("{DIM}repeated{PLAIN}"), String::new()),
    };
    format!("{} {word}  {change}{order}{why}", moment(judged.at))
}

/// `buy 1.5 SOLUSDT (bot-1)`.
pub(crate) fn order(judged: &Judged) -> String {
    let side = judged
        .side
        .map_or_else(String::new, |side| format!("{side} "));
    let qty = judged.qty.map_or_else(String::new, |qty| format!("{qty} "));
    let symbol = judged
        .symbol
        .map_or_else(String::new, |symbol| format!("{symbol} "));
    format!("{side}{qty}{symbol}({})", judged.intent_id)
}

/// What came of it all.
pub(crate) fn summary(report: &Report) -> Vec<String> {
    let mut lines = vec![String::new(), counts(&report.decisions)];
    lines.extend(report.trips.iter().map(trip));
    for (at, generation) in &report.generations {
        lines.push(format!("config     {generation} since {}", moment(*at)));
    }
    match &report.status {
        Some(status) => {
            lines.push(format!(
                "{BOLD}at the end{PLAIN} {} UTC: {}",
                moment(status.now),
                status.state
            ));
            risk_lines(status, Detail::All, &mut lines);
        }
        None => lines.push("no input".to_owned()),
    }
    lines.extend(verdict(report.span.inputs, &report.check));
    lines
}

fn counts(counts: &Counts) -> String {
    let refused: Vec<String> = counts
        .refused
        .iter()
        .map(|(tag, count)| format!("{tag} {count}"))
        .collect();
    let by_tag = if refused.is_empty() {
        String::new()
    } else {
        format!(" ({})", refused.join(", "))
    };
    format!(
        "decisions  {} openings and {} reducers approved, {} refused{by_tag}, {} repeated",
        counts.openings_approved,
        counts.reducers_approved,
        counts.refusals(),
        counts.repeated
    )
}

/// `trip       SAFETY_DAILY_LOSS from ... to ...: message`.
pub(crate) fn trip(trip: &Trip) -> String {
    let until = trip
        .ended
        .map_or_else(|| "on".to_owned(), |at| format!("to {}", moment(at)));
    format!(
        "trip       {} from {} {until}: {}",
        trip.tag,
        moment(trip.began),
        trip.message
    )
}

/// What other limits would have done.
pub(crate) fn what_if(
    other: &WhatIfReport,
    report: &Report,
    config: &Path,
    brief: bool,
) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!("{BOLD}under the limits of {}{PLAIN}", config.display()),
    ];
    if !brief {
        lines.extend(other.refused.iter().map(averted));
    }
    lines.push(refusals(other));
    if other.also_allowed > 0 {
        lines.push(format!(
            "allowed    {} openings that were refused; taken as not sent",
            other.also_allowed
        ));
    }
    lines.extend(other.trips.iter().map(trip));
    let absent = report
        .trips
        .iter()
        .filter(|was| !other.trips.iter().any(|trip| trip.tag == was.tag));
    for was in absent {
        lines.push(format!(
            "no trip    {} (recorded {})",
            was.tag,
            moment(was.began)
        ));
    }
    if other.flattened > 0 {
        lines.push(format!(
            "flattened  {} positions at the mark",
            other.flattened
        ));
    }
    if other.rows_unexplained > 0 {
        lines.push(format!(
            "{YELLOW}note{PLAIN}       {} closed trades have no execution in the recording and were left as they are",
            other.rows_unexplained
        ));
    }
    lines.push(format!("{DIM}assumed:{PLAIN}"));
    let assumed = other.assumptions.iter();
    lines.extend(assumed.map(|one| format!("{DIM}  - {one}{PLAIN}")));
    lines.extend(made(other));
    lines
}

fn refusals(other: &WhatIfReport) -> String {
    let mut by_tag: BTreeMap<Tag, u64> = BTreeMap::new();
    for order in &other.refused {
        *by_tag.entry(order.tag).or_default() += 1;
    }
    let tags: Vec<String> = by_tag
        .iter()
        .map(|(tag, count)| format!("{tag} {count}"))
        .collect();
    let tags = if tags.is_empty() {
        String::new()
    } else {
        format!(" ({})", tags.join(", "))
    };
    format!(
        "refused    {} openings that were approved{tags}; {} fills and {} closed trades fewer",
        other.refused.len(),
        other.fills_removed,
        other.rows_removed
    )
}

/// The money, and what the limits would have made of it.
fn made(other: &WhatIfReport) -> Vec<String> {
    let (Some(was), Some(would), Some(avoided)) = (&other.recorded, &other.would_be, other.avoided)
    else {
        let why = other
            .fault
            .as_deref()
            .unwrap_or("an amount is out of range");
        return vec![format!("{RED}money      unknown{PLAIN}: {why}")];
    };
    let shown = |money: &Money| {
        format!(
            "{} realised and {} open",
            grouped(money.realised.get()),
            grouped(money.unrealised.get())
        )
    };
    let avoided = avoided.get();
    let verdict = if avoided.is_zero() {
        "no difference".to_owned()
    } else if avoided.is_sign_negative() {
        format!("{RED}profit forgone{PLAIN} {}", grouped(avoided.abs()))
    } else {
        format!("{GREEN}loss avoided{PLAIN} {}", grouped(avoided))
    };
    vec![
        format!("money      {}, where it was {}", shown(would), shown(was)),
        format!("{BOLD}PnL{PLAIN}        {verdict}"),
    ]
}

fn averted(order: &Averted) -> String {
    format!(
        "{} {YELLOW}refused{PLAIN}   {}{} {} {} ({})  {}: {}",
        moment(order.at),
        if order.amend { "change: " } else { "" },
        order.side,
        order.qty,
        order.symbol,
        order.intent_id,
        order.tag,
        order.message
    )
}

fn verdict(inputs: u64, check: &Check) -> Vec<String> {
    if check.is_empty() {
        return vec![format!(
            "{inputs} inputs; nothing says what came of them when they were recorded, so there is nothing to compare"
        )];
    }
    if !check.differs() {
        return vec![format!(
            "{GREEN}identical{PLAIN}  {inputs} inputs: every decision, event and command as recorded, {} snapshots met",
            check.snapshots
        )];
    }
    let mut lines = vec![format!(
        "{RED}DIFFERENT{PLAIN}  {} of {} steps came out otherwise",
        check.differences, check.compared
    )];
    if let Some(first) = &check.first_difference {
        lines.push(format!(
            "  the first is record {}, {} UTC, {}:",
            first.record,
            moment(first.at),
            first.input
        ));
        lines.push(format!("  recorded  {}", in_short(first.recorded)));
        lines.push(format!("  replayed  {}", in_short(first.replayed)));
        lines.push(format!("  in full   {}", first.effects));
    }
    if let Some(record) = check.first_wrong_snapshot {
        lines.push(format!(
            "  the snapshot at record {record} holds another state than the inputs lead to"
        ));
    }
    lines.push("  Was it written by another version of the guard, or edited?".to_owned());
    lines
}

fn in_short(told: Option<Told>) -> String {
    let Some(Told { verdict, digest }) = told else {
        return "nothing".to_owned();
    };
    let word = match verdict {
        Some(Verdict::Approved) => "approved".to_owned(),
        Some(Verdict::Denied(tag)) => format!("refused by {tag}"),
        Some(Verdict::Repeated) => "repeated".to_owned(),
        None => "told".to_owned(),
    };
    format!("{word}, checksum {digest:08x}")
}

/// `2026-11-25 12:03:11`, UTC.
pub(crate) fn moment(at: VenueMs) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| format!("{} ms", at.0),
        |t| t.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}
