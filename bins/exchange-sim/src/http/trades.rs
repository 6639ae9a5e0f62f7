//! Lists with pages: open orders, order history, executions, closed PnL. All newest first.
//!
//! A cursor is the number of the last row given, so pages neither repeat nor skip a row while new
//! ones come in at the top.

use serde_json::{Value, json};

use super::answer::Answer;
use super::app::Call;
use super::params::{Params, cursor_text};
use crate::dialect::Dialect;
use crate::matching::{
    ExecKind, MarketId, Moment, Order, OrderNo, Refusal, Status, Venue, parameter,
};
use crate::rows::{closed_row, execution_row, order_row, with_capitals};

const WEEK_MS: i64 = 7 * 86_400_000;

/// Rows of a page, and where the next one continues.
struct Page {
    rows: Vec<Value>,
    next: String,
}

pub(crate) fn open_orders(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let venue = &call.sim.venue;
    let spelt = |row| match call.dialect {
        Dialect::Zoomex => with_capitals(row),
        Dialect::Bybit => row,
    };
    let market = wanted_market(call)?;
    if let Some(row) = named_order(call, market, |no| venue.is_recent(no)) {
        let rows: Vec<Value> = row.into_iter().map(spelt).collect();
        return Ok(json!({"list": rows, "nextPageCursor": "", "category": "linear"}));
    }
    if market.is_none() && call.params.get("settleCoin").is_none() {
        return Err(parameter("symbol or settleCoin missing"));
    }
    let mut open: Vec<OrderNo> = venue
        .markets()
        .filter(|(id, _)| market.is_none_or(|wanted| wanted == *id))
        .flat_map(|(id, _)| venue.open_orders(id))
        .collect();
    open.sort_unstable_by(|a, b| b.cmp(a));
    let page = page(
        &call.params,
        (20, 50),
        open.into_iter().map(|no| (no.number(), no)),
        |no| spelt(order_row(venue, venue.order(no))),
    )?;
    Ok(json!({"list": page.rows, "nextPageCursor": page.next, "category": "linear"}))
}

pub(crate) fn order_history(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let venue = &call.sim.venue;
    let market = wanted_market(call)?;
    if let Some(row) = named_order(call, market, |_| true) {
        return Ok(json!({"list": row, "nextPageCursor": "", "category": "linear"}));
    }
    let window = Window::of(&call.params, call.now)?;
    let status = call.params.word("orderStatus", Status::named)?;
    let ended = newest(&call.params, venue.orders())?
        .take_while(|(_, order)| order.created.ms() >= window.start)
        .filter(|(_, order)| {
            order.status.is_final()
                && status.is_none_or(|wanted| wanted == order.status)
                && order.created.ms() <= window.end
                && market.is_none_or(|wanted| wanted == order.market)
        });
    let page = page(&call.params, (20, 50), ended, |order| {
        order_row(venue, order)
    })?;
    Ok(json!({"list": page.rows, "nextPageCursor": page.next, "category": "linear"}))
}

pub(crate) fn executions(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let venue = &call.sim.venue;
    let market = wanted_market(call)?;
    let (order_id, link_id) = (call.params.get("orderId"), call.params.get("orderLinkId"));
    if order_id.is_some() || link_id.is_some() {
        let below = call.params.cursor()?.unwrap_or(usize::MAX);
        let numbers: &[usize] = match venue.find(order_id, link_id) {
            Some(no) => &venue.order(no).executions,
            None => &[],
        };
        let found = numbers.iter().rev().copied().filter(|n| *n < below);
        let page = page(&call.params, (50, 100), found.map(|n| (n, n)), |n| {
            execution_row(call.dialect, venue, n, &venue.executions()[n])
        })?;
        return Ok(json!({"list": page.rows, "nextPageCursor": page.next, "category": "linear"}));
    }
    let window = Window::of(&call.params, call.now)?;
    let kind = call.params.word("execType", ExecKind::named)?;
    let found = newest(&call.params, venue.executions())?
        .take_while(|(_, execution)| execution.at.ms() >= window.start)
        .filter(|(_, execution)| {
            execution.at.ms() <= window.end
                && kind.is_none_or(|wanted| wanted == execution.kind)
                && market.is_none_or(|wanted| wanted == execution.market)
        })
        .map(|(n, execution)| (n, (n, execution)));
    let page = page(&call.params, (50, 100), found, |(n, execution)| {
        execution_row(call.dialect, venue, n, execution)
    })?;
    Ok(json!({"list": page.rows, "nextPageCursor": page.next, "category": "linear"}))
}

pub(crate) fn closed_pnl(call: &mut Call<'_>) -> Answer {
    call.params.need_linear()?;
    let venue = &call.sim.venue;
    let market = wanted_market(call)?;
    let window = Window::of(&call.params, call.now)?;
    let (off, late_ms) = (call.sim.faults.closed_off, call.sim.faults.closed_late_ms);
    let written = window.end.min(call.now.ms().saturating_sub(late_ms));
    let found = newest(&call.params, venue.closed())?
        .take_while(|(_, row)| row.at.ms() >= window.start)
        .filter(|(_, row)| {
            row.at.ms() <= written && market.is_none_or(|wanted| wanted == row.market)
        });
    let page = page(&call.params, (50, 100), found, |row| {
        let mut shown = row.clone();
        shown.pnl += off;
        closed_row(call.dialect, venue, &shown)
    })?;
    Ok(json!({"nextPageCursor": page.next, "category": "linear", "list": page.rows}))
}

/// The span of time that a list is for: seven days at most.
struct Window {
    start: i64,
    end: i64,
}

impl Window {
    fn of(params: &Params, now: Moment) -> Result<Self, Refusal> {
        let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
        let window = match (start, end) {
            (None, None) => Self {
                start: now.ms() - WEEK_MS,
                end: now.ms(),
            },
            (Some(start), None) => Self {
                start,
                end: start.saturating_add(WEEK_MS),
            },
            (None, Some(end)) => Self {
                start: end.saturating_sub(WEEK_MS),
                end,
            },
            (Some(start), Some(end)) => Self { start, end },
        };
        if window.end < window.start {
            return Err(parameter("endTime is before startTime"));
        }
        if window.end.saturating_sub(window.start) > WEEK_MS {
            return Err(parameter("the time range is over 7 days"));
        }
        Ok(window)
    }
}

/// All rows below the cursor, newest first, with their numbers.
fn newest<'a, T>(
    params: &Params,
    all: &'a [T],
) -> Result<impl Iterator<Item = (usize, &'a T)>, Refusal> {
    let below = params.cursor()?.unwrap_or(usize::MAX).min(all.len());
    Ok(all[..below].iter().enumerate().rev())
}

fn page<T>(
    params: &Params,
    (default, most): (usize, usize),
    found: impl Iterator<Item = (usize, T)>,
    row: impl Fn(T) -> Value,
) -> Result<Page, Refusal> {
    let limit = params.limit(default, most)?;
    let below = params.cursor()?.unwrap_or(usize::MAX);
    let mut found = found.skip_while(|(number, _)| *number >= below);
    let mut last = None;
    let mut rows = Vec::new();
    for (number, item) in found.by_ref().take(limit) {
        rows.push(row(item));
        last = Some(number);
    }
    let more = rows.len() == limit && found.next().is_some();
    let next = last.filter(|_| more).map_or_else(String::new, cursor_text);
    Ok(Page { rows, next })
}

fn wanted_market(call: &Call<'_>) -> Result<Option<MarketId>, Refusal> {
    call.params
        .get("symbol")
        .map(|symbol| call.sim.venue.market_id(symbol))
        .transpose()
}

/// The order that the request names, as a list of one or none; `None` if it names none.
fn named_order(
    call: &Call<'_>,
    market: Option<MarketId>,
    shown: impl Fn(OrderNo) -> bool,
) -> Option<Vec<Value>> {
    let (order_id, link_id) = (call.params.get("orderId"), call.params.get("orderLinkId"));
    if order_id.is_none() && link_id.is_none() {
        return None;
    }
    let venue: &Venue = &call.sim.venue;
    let fits = |order: &Order| market.is_none_or(|wanted| wanted == order.market);
    let found = venue
        .find(order_id, link_id)
        .filter(|no| shown(*no) && fits(venue.order(*no)));
    Some(
        found
            .into_iter()
            .map(|no| order_row(venue, venue.order(no)))
            .collect(),
    )
}
