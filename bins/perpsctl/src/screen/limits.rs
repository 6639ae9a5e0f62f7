//! Every limit, how much of it is used, and which are off.

use money::{Decimal, Ratio};
use protocol::Tag;
use protocol::status::{LimitUse, RiskStatus};

use super::{DIM, GREEN, PLAIN, RED, YELLOW, bar, span};

/// One line a limit, then the day's money.
pub(crate) fn limits(risk: &RiskStatus) -> Vec<String> {
    let mut lines: Vec<String> = risk.limits.iter().map(limit_line).collect();
    let account = &risk.account;
    lines.push(String::new());
    lines.push(format!(
        "today     realised {} (fees {}, funding {})   unrealised {}",
        money(account.realised_today.get()),
        money(account.fees_today.get()),
        money(account.funding_today.get()),
        account
            .unrealised
            .map_or_else(|| "unknown".to_owned(), |a| money(a.get())),
    ));
    lines
}

/// One limit: name, use, bar, and whether it has tripped.
pub(crate) fn limit_line(limit: &LimitUse) -> String {
    let name = format!("{:<22}", limit.name);
    let Some(bound) = &limit.limit else {
        return format!("{DIM}{name} off{PLAIN}");
    };
    if matches!(limit.tag, Tag::OrderLimit | Tag::PriceCollar) {
        return format!("{name} each order: {}", bound_of_one(bound, &limit.unit));
    }
    let used = match (&limit.used, limit.unit.as_str()) {
        (None, _) => "unknown".to_owned(),
        // The currency stands behind the bound.
        (Some(used), "settle") => used.parse().map_or_else(|_| used.clone(), money),
        (Some(used), unit) => amount(used, unit),
    };
    let of = amount(bound, &limit.unit);
    let gauge = limit.fraction.map_or_else(String::new, |f| {
        format!("{}{}{PLAIN}", colour(f, limit.tripped), bar(f))
    });
    let verdict = if limit.tripped {
        format!("  {RED}TRIPPED{PLAIN}")
    } else {
        String::new()
    };
    format!("{name} {:<24} {gauge}{verdict}", format!("{used} of {of}"))
}

/// What one order may be at most, or must be.
fn bound_of_one(bound: &str, unit: &str) -> String {
    match unit {
        // Words of their own: which symbols, whether a stop is required.
        "text" => bound.to_owned(),
        "ratio" => format!("within {} of the mark price", amount(bound, unit)),
        _ => format!("at most {}", amount(bound, unit)),
    }
}

fn colour(fraction: Ratio, tripped: bool) -> &'static str {
    if tripped || fraction.get() >= Decimal::ONE {
        RED
    } else if fraction.get() >= Decimal::new(7, 1) {
        YELLOW
    } else {
        GREEN
    }
}

/// A limit's text in the words of its unit.
fn amount(text: &str, unit: &str) -> String {
    match (unit, Ratio::parse(text), text.parse::<u64>()) {
        ("ratio", Ok(ratio), _) => ratio.percent(),
        ("ms", _, Ok(ms)) => span(ms),
        ("settle", ..) => format!("{text} USDT"),
        ("times", ..) => format!("{text} x"),
        _ => text.to_owned(),
    }
}

/// Money to the cent, as people read it.
pub(crate) fn money(amount: Decimal) -> String {
    format!("{:.2}", amount.round_dp(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn use_of(limit: Option<&str>, used: Option<&str>, unit: &str) -> LimitUse {
        LimitUse {
            key: "k".into(),
            name: "daily loss".into(),
            tag: Tag::DailyLoss,
            limit: limit.map(str::to_owned),
            used: used.map(str::to_owned),
            unit: unit.into(),
            fraction: Ratio::parse("0.5").ok(),
            tripped: false,
        }
    }

    #[test]
    fn an_absent_limit_is_shown_as_off() {
        assert!(limit_line(&use_of(None, Some("3"), "trades")).contains(" off"));
    }

    #[test]
    fn units_are_words() {
        let line = limit_line(&use_of(Some("0.02"), Some("0.01"), "ratio"));
        assert!(
            line.contains("1.00 % of 2.00 %") && line.contains("[#####-----]"),
            "{line}"
        );
        let line = limit_line(&use_of(Some("7200000"), Some("6120000"), "ms"));
        assert!(line.contains("1h42m of 2h00m"), "{line}");
        let order = |limit, unit| {
            limit_line(&LimitUse {
                tag: Tag::OrderLimit,
                ..use_of(Some(limit), None, unit)
            })
        };
        assert!(order("2500", "settle").ends_with("each order: at most 2500 USDT"));
        assert!(order("5", "times").ends_with("each order: at most 5 x"));
        assert!(order("0.03", "ratio").ends_with("within 3.00 % of the mark price"));
        assert!(order("SOLUSDT", "text").ends_with("each order: SOLUSDT"));
        let line = limit_line(&use_of(Some("10"), None, "trades"));
        assert!(line.contains("unknown of 10"), "{line}");
    }
}
