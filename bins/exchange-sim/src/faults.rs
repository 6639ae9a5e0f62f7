//! Faults on order: what the next requests are to suffer.
//!
//! A fault waits for requests whose path ends with its `path` (any request without one) and spoils
//! the next `count` of them. `executed` says whether the venue carries the request out first.

use money::{Amount, Decimal};
use serde::Deserialize;

/// Ways in which an answer goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The request arrives `ms` late; with `executed`, its answer does.
    Latency,
    /// HTTP 500 with a page that is not JSON.
    #[serde(rename = "http_500")]
    Http500,
    /// Carried out, but the answer never comes: held for `ms` (30 s), then the connection drops.
    TimeoutAfterAccept,
    /// The connection is reset instead of an answer.
    Reset,
    /// The venue's clock is off by `ms` from now on; 0 sets it right. Waits for no request.
    ClockSkew,
    /// The request gets HTTP 403 and bans its address until it was quiet for `ms` (10 minutes).
    #[serde(rename = "ban_403")]
    Ban403,
    /// An answer with return code `code`.
    RetCode,
    /// Carried out, but an order finds only half of what it wants in the book, in whole lots.
    PartialFill,
    /// Cuts the open streams whose path ends with `path` (all without one), and refuses new streams
    /// for `ms` (not at all). Waits for no request.
    DropWs,
    /// Leaves the open streams whose path ends with `path` open, but silent for good. Waits for no
    /// request.
    MuteWs,
    /// Every row of closed PnL is shown with `amount` too much from now on; none shows them right
    /// again. The ledger keeps the truth. Waits for no request.
    WrongClosedPnl,
    /// Rows of closed PnL are shown `ms` after they were written from now on; 0 shows them at once
    /// again. Waits for no request.
    LateClosedPnl,
}

/// One fault as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// End of the paths it is for.
    pub path: Option<String>,
    /// How many requests it spoils; one if absent.
    #[serde(default = "once")]
    pub count: u32,
    /// Milliseconds, where the kind has a use for them.
    pub ms: Option<i64>,
    /// Return code, for `ret_code`.
    pub code: Option<i64>,
    /// Settle coin, for `wrong_closed_pnl`.
    pub amount: Option<Amount>,
    /// Whether the request is carried out before its answer is spoilt. Always, for
    /// `timeout_after_accept`.
    #[serde(default)]
    pub executed: bool,
}

/// The faults that wait for a request, and those that stand.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: Vec<Fault>,
    /// By how much rows of closed PnL are shown wrong, in settle coin.
    pub closed_off: Decimal,
    /// How late rows of closed PnL are shown, in ms.
    pub closed_late_ms: i64,
}

impl Faults {
    /// Adds a fault behind those that wait already.
    pub fn add(&mut self, fault: Fault) {
        if fault.count > 0 {
            self.waiting.push(fault);
        }
    }

    /// The oldest fault for a request to that path, used up once.
    pub fn strike(&mut self, path: &str) -> Option<Fault> {
        let place = self
            .waiting
            .iter()
            .position(|fault| fault.path.as_deref().is_none_or(|end| path.ends_with(end)))?;
        let fault = self.waiting.get_mut(place)?;
        fault.count -= 1;
        let struck = fault.clone();
        if struck.count == 0 {
            self.waiting.remove(place);
        }
        Some(struck)
    }

    /// How many requests will still be spoilt.
    pub fn pending(&self) -> u64 {
        self.waiting
            .iter()
            .map(|fault| u64::from(fault.count))
            .sum()
    }
}

const fn once() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_fault_strikes_matching_paths_and_only_so_often() {
        let mut faults = Faults::default();
        faults.add(fault(
            r#"{"kind":"http_500","path":"/order/create","count":2}"#,
        ));
        faults.add(fault(r#"{"kind":"ban_403"}"#));
        let kinds: Vec<_> = [
            "/p/order/create",
            "/p/order/cancel",
            "/p/order/create",
            "/p/order/create",
        ]
        .iter()
        .map(|path| faults.strike(path).map(|fault| fault.kind))
        .collect();
        assert_eq!(
            kinds,
            [
                Some(FaultKind::Http500),
                Some(FaultKind::Ban403),
                Some(FaultKind::Http500),
                None
            ]
        );
    }

    #[test]
    fn a_misspelt_fault_is_refused() {
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"latancy"}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"latency","millis":5}"#).is_err());
    }
}
