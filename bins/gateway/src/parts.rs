//! Snapshots in parts that each fit one line. Pure.

use protocol::frame::MAX_LINE;
use protocol::guard::Observation;
use serde::Serialize;

/// Room for the frame around a part, and for its stamps.
const ROOM: usize = MAX_LINE - 4096;

/// The observation, in as many parts as it needs; the order of its rows is kept. A snapshot
/// without rows is one empty part: "there are none" must be told too.
pub fn parts(what: Observation) -> Vec<Observation> {
    match what {
        Observation::Instruments(rows) => each(rows, Observation::Instruments),
        Observation::Tickers(rows) => each(rows, Observation::Tickers),
        Observation::Positions(rows) => each(rows, Observation::Positions),
        Observation::OpenOrders(rows) => each(rows, Observation::OpenOrders),
        Observation::Orders(rows) => each(rows, Observation::Orders),
        Observation::Executions(rows) => each(rows, Observation::Executions),
        Observation::ClosedTrades(rows) => each(rows, Observation::ClosedTrades),
        whole @ (Observation::Wallet(_)
        | Observation::ExecutionsComplete(_)
        | Observation::ClosedTradesComplete(_)
        | Observation::Synced
        | Observation::ClockSkew(_)
        | Observation::Banned(_)
        | Observation::AccessDenied(_)
        | Observation::CandlesStale { .. }) => vec![whole],
    }
}

fn each<T: Serialize>(rows: Vec<T>, wrap: fn(Vec<T>) -> Observation) -> Vec<Observation> {
    let mut done = Vec::new();
    let mut part = Vec::new();
    let mut used = 0usize;
    for row in rows {
        // What cannot be measured is given a line of its own.
        let length = serde_json::to_string(&row).map_or(ROOM, |text| text.len().saturating_add(1));
        if used.saturating_add(length) > ROOM && !part.is_empty() {
            done.push(wrap(std::mem::take(&mut part)));
            used = 0;
        }
        used = used.saturating_add(length);
        part.push(row);
    }
    done.push(wrap(part));
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use money::Price;
    use protocol::frame::{Head, write};
    use protocol::guard::{GuardNote, Observe};
    use protocol::venue::Ticker;
    use protocol::{BootMs, Symbol, VenueMs};

    fn tickers(count: usize) -> Vec<Ticker> {
        let price = Price::parse("123.45").unwrap();
        (0..count)
            .map(|n| Ticker {
                symbol: Symbol::new(&format!("COIN{n}USDT")).unwrap(),
                last: price,
                mark: price,
                bid: Some(price),
                ask: Some(price),
                at: VenueMs(1_763_980_000_000),
            })
            .collect()
    }

    #[test]
    fn every_part_fits_a_line_and_no_row_is_lost() {
        for count in [0, 1, 700, 5000] {
            let rows = tickers(count);
            let mut back = Vec::new();
            for part in parts(Observation::Tickers(rows.clone())) {
                let note = GuardNote::Observe(Observe {
                    begun: VenueMs(i64::MAX),
                    begun_boot: BootMs(u64::MAX),
                    more: true,
                    what: part.clone(),
                });
                write(Head::push(), &note, &mut Vec::new()).unwrap();
                let Observation::Tickers(part) = part else {
                    panic!("{part:?}")
                };
                back.extend(part);
            }
            assert_eq!(back, rows);
        }
        assert_eq!(parts(Observation::Tickers(Vec::new())).len(), 1);
        assert!(parts(Observation::Tickers(tickers(5000))).len() > 5);
    }
}
