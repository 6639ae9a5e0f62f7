//! Days and closed trades, a line each, fees and funding apart.

use money::Amount;
use protocol::VenueMs;
use protocol::status::{CloseCheck, CloseResult, DayMoney, RiskStatus};

use super::{BOLD, DIM, PLAIN, RED, YELLOW, money};

/// The days, oldest first, then the newest closed trades.
pub(crate) fn pnl(risk: &RiskStatus) -> Vec<String> {
    let mut lines = vec![format!(
        "{BOLD}{:<10} {:>14} {:>12} {:>12} {:>14} {:>7} {:>14}{PLAIN}",
        "day (UTC)", "realised", "fees", "funding", "closed PnL", "closes", "flows"
    )];
    lines.extend(risk.days.iter().map(day_line));
    lines.push(format!(
        "{DIM}realised = price differences less fees and funding; closed PnL = the venue's rows: net \
         of fees, without funding{PLAIN}"
    ));
    if let Some(jump) = risk.account.unconfirmed_flow {
        lines.push(format!(
            "{RED}unconfirmed deposits less withdrawals: {}{PLAIN}  perpsctl flow confirm",
            money(jump.get())
        ));
    }
    lines.push(String::new());
    if risk.closes.is_empty() {
        lines.push("no closed trades yet".to_owned());
        return lines;
    }
    lines.push(format!(
        "{BOLD}{:<14} {:<5} {:>10} {:<12} {:>12} {:>10} {:>10} {:>12} {:>12}  venue{PLAIN}",
        "closed (UTC)", "side", "qty", "symbol", "gross", "fees", "funding", "net", "venue's row"
    ));
    lines.extend(risk.closes.iter().map(close_line));
    lines
}

fn day_line(day: &DayMoney) -> String {
    format!(
        "{:<10} {:>14} {:>12} {:>12} {:>14} {:>7} {:>14}",
        utc(day.start, "%Y-%m-%d"),
        money(day.realised.get()),
        money(day.fees.get()),
        money(day.funding.get()),
        money(day.closed_pnl.get()),
        day.closes,
        money(day.flows.get()),
    )
}

fn close_line(close: &CloseResult) -> String {
    let known = |amount: Option<Amount>| amount.map_or("unknown".to_owned(), |a| money(a.get()));
    let check = match close.check {
        CloseCheck::Waiting => format!("{YELLOW}waiting{PLAIN}"),
        CloseCheck::Agrees => "agrees".to_owned(),
        CloseCheck::Disagrees => format!("{RED}DISAGREES{PLAIN}"),
        CloseCheck::Exempt => format!("{DIM}taken over{PLAIN}"),
    };
    format!(
        "{:<14} {:<5} {:>10} {:<12} {:>12} {:>10} {:>10} {:>12} {:>12}  {check}",
        utc(close.at, "%m-%d %H:%M:%S"),
        close.side.position_word(),
        close.qty.to_string(),
        close.symbol.to_string(),
        known(close.gross),
        known(close.fees),
        known(close.funding),
        known(close.pnl),
        known(close.venue_pnl),
    )
}

fn utc(at: VenueMs, form: &str) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| format!("{} ms", at.0), |t| t.strftime(form).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use money::Qty;
    use protocol::{OrderId, Side, Symbol};

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap()
    }

    #[test]
    fn a_day_and_a_trade_are_one_line_each() {
        let line = day_line(&DayMoney {
            start: VenueMs(1_641_168_000_000),
            realised: amount("-12.345"),
            fees: amount("2.5"),
            funding: amount("-0.1"),
            closed_pnl: amount("-9"),
            closes: 3,
            flows: amount("0"),
        });
        let cells: Vec<&str> = line.split_whitespace().collect();
        let expected = [
            "2022-01-03",
            "-12.34",
            "2.50",
            "-0.10",
            "-9.00",
            "3",
            "0.00",
        ];
        assert_eq!(cells, expected);
        let line = close_line(&CloseResult {
            order_id: OrderId::new("o").unwrap(),
            symbol: Symbol::new("SOLUSDT").unwrap(),
            side: Side::Buy,
            qty: Qty::parse("1.5").unwrap(),
            gross: Some(amount("10")),
            fees: None,
            funding: None,
            pnl: None,
            venue_pnl: Some(amount("9.5")),
            check: CloseCheck::Exempt,
            at: VenueMs(1_641_168_000_000),
        });
        assert!(line.starts_with("01-03 00:00:00 long"), "{line}");
        assert!(
            line.contains("unknown") && line.contains("taken over"),
            "{line}"
        );
    }
}
