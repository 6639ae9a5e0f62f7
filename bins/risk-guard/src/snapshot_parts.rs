//! Puts together what the gateway had to send in several parts.
//!
//! A list that does not fit one line comes as parts with `more` set on all but the last. The
//! engine must never see half a list of positions, so nothing is handed on before the last part.
//! What this room does not do: judge what was seen.

use protocol::frame::{ErrorBody, ErrorCode};
use protocol::guard::{Observation, Observe};

/// Items that one snapshot may have in all its parts; a venue's account has far fewer.
const MOST_ITEMS: usize = 20_000;

/// Parts of a snapshot that has not ended yet.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    begun: Option<Observe>,
}

impl Parts {
    /// Takes one part; gives the whole back with the last one. An error means that the sender is
    /// out of step: what was collected is gone.
    pub(crate) fn add(&mut self, part: Observe) -> Result<Option<Observe>, ErrorBody> {
        let Some(mut whole) = self.begun.take() else {
            return Ok(self.keep(part));
        };
        let more = part.more;
        if !join(&mut whole.what, part.what) {
            let message = "a part of a snapshot is followed by something else";
            return Err(ErrorBody::new(ErrorCode::BadBody, message));
        }
        if items(&whole.what) > MOST_ITEMS {
            let message = format!("a snapshot has at most {MOST_ITEMS} items");
            return Err(ErrorBody::new(ErrorCode::BadBody, message));
        }
        // The ages of the whole count from its first part: the oldest read in it.
        whole.more = more;
        Ok(self.keep(whole))
    }

    /// Whether a snapshot has begun and not ended.
    pub(crate) const fn pending(&self) -> bool {
        self.begun.is_some()
    }

    fn keep(&mut self, observed: Observe) -> Option<Observe> {
        if observed.more {
            self.begun = Some(observed);
            None
        } else {
            Some(observed)
        }
    }
}

/// Appends the items of `part`; `false` if the two are not lists of the same kind.
fn join(whole: &mut Observation, part: Observation) -> bool {
    match (whole, part) {
        (Observation::Instruments(all), Observation::Instruments(more)) => all.extend(more),
        (Observation::Tickers(all), Observation::Tickers(more)) => all.extend(more),
        (Observation::Positions(all), Observation::Positions(more)) => all.extend(more),
        (Observation::OpenOrders(all), Observation::OpenOrders(more))
        | (Observation::Orders(all), Observation::Orders(more)) => all.extend(more),
        (Observation::Executions(all), Observation::Executions(more)) => all.extend(more),
        (Observation::ClosedTrades(all), Observation::ClosedTrades(more)) => all.extend(more),
        _ => return false,
    }
    true
}

fn items(what: &Observation) -> usize {
    match what {
        Observation::Instruments(list) => list.len(),
        Observation::Tickers(list) => list.len(),
        Observation::Positions(list) => list.len(),
        Observation::OpenOrders(list) | Observation::Orders(list) => list.len(),
        Observation::Executions(list) => list.len(),
        Observation::ClosedTrades(list) => list.len(),
        Observation::Wallet(_)
        | Observation::ExecutionsComplete(_)
        | Observation::ClosedTradesComplete(_)
        | Observation::Synced
        | Observation::ClockSkew(_)
        | Observation::Banned(_)
        | Observation::AccessDenied(_)
        | Observation::CandlesStale { .. } => 1,
    }
}

#[cfg(test)]
mod tests {
    use money::{Price, Qty};
    use protocol::venue::{Position, Ticker};
    use protocol::{BootMs, Symbol, VenueMs};

    use super::*;

    fn position(symbol: &str) -> Position {
        Position {
            symbol: Symbol::new(symbol).unwrap(),
            side: None,
            size: Qty::ZERO,
            entry: None,
            mark: None,
            leverage: None,
            unrealised: None,
            stop_loss: None,
            take_profit: None,
            index: 0,
        }
    }

    fn part(begun: i64, more: bool, symbols: &[&str]) -> Observe {
        let what = Observation::Positions(symbols.iter().map(|s| position(s)).collect());
        Observe {
            begun: VenueMs(begun),
            begun_boot: BootMs(1),
            more,
            what,
        }
    }

    #[test]
    fn nothing_is_handed_on_before_the_last_part_and_the_age_is_the_firsts() {
        let mut parts = Parts::default();
        assert_eq!(parts.add(part(1, true, &["A"])).unwrap(), None);
        assert_eq!(parts.add(part(2, true, &["B"])).unwrap(), None);
        assert!(parts.pending());
        let whole = parts.add(part(3, false, &["C"])).unwrap();
        assert_eq!(whole, Some(part(1, false, &["A", "B", "C"])));
        assert!(!parts.pending());
    }

    #[test]
    fn a_whole_one_goes_through() {
        let mut parts = Parts::default();
        let whole = part(1, false, &["A"]);
        assert_eq!(parts.add(whole.clone()).unwrap(), Some(whole));
    }

    #[test]
    fn something_else_in_between_is_an_error_and_nothing_is_kept() {
        let mut parts = Parts::default();
        parts.add(part(1, true, &["A"])).unwrap();
        let price = Price::parse("1").unwrap();
        let ticker = Ticker {
            symbol: Symbol::new("A").unwrap(),
            last: price,
            mark: price,
            bid: None,
            ask: None,
            at: VenueMs(1),
        };
        let other = Observe {
            what: Observation::Tickers(vec![ticker]),
            ..part(1, false, &[])
        };
        assert!(parts.add(other).is_err());
        assert!(!parts.pending());
        let single = Observe {
            what: Observation::Synced,
            ..part(1, false, &[])
        };
        parts.add(part(1, true, &["A"])).unwrap();
        assert!(parts.add(single).is_err());
    }

    #[test]
    fn it_is_bounded() {
        let mut parts = Parts::default();
        let many = vec!["A"; 9_000];
        assert!(parts.add(part(1, true, &many)).is_ok());
        assert!(parts.add(part(1, true, &many)).is_ok());
        assert!(parts.add(part(1, true, &many)).is_err());
    }
}
