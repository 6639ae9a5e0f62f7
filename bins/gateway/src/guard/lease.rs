//! The guard's leave to open orders, which runs out by itself. Pure.

use protocol::BootMs;
use protocol::status::TradingState;

/// What the gateway holds of the guard's word. Empty at boot.
#[derive(Debug, Clone, Copy, Default)]
pub struct Leave {
    until: Option<BootMs>,
    state: Option<TradingState>,
}

impl Leave {
    /// The state the guard gave with its welcome. No leave to open comes with it.
    pub fn welcome(&mut self, state: TradingState) {
        self.state = Some(state);
    }

    /// A lease has come; one that ends sooner than the one held counts too.
    pub fn take(&mut self, until: BootMs, state: TradingState) {
        self.until = Some(until);
        self.state = Some(state);
    }

    /// Whether openings may leave at `now`.
    pub fn held(&self, now: BootMs) -> bool {
        self.until.is_some_and(|until| now <= until)
    }

    /// When it runs out, if one was ever held.
    pub const fn until(&self) -> Option<BootMs> {
        self.until
    }

    /// The trading state last heard; entries are blocked while none was.
    pub fn state(&self) -> TradingState {
        self.state.unwrap_or(TradingState::ReduceOnly)
    }

    /// Whether the operator has frozen everything, by the guard's last word.
    pub fn frozen(&self) -> bool {
        self.state == Some(TradingState::Frozen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_empty_at_boot_and_runs_out() {
        let mut leave = Leave::default();
        assert!(!leave.held(BootMs(0)));
        leave.welcome(TradingState::Active);
        assert!(!leave.held(BootMs(0)), "a welcome is no lease");
        leave.take(BootMs(100), TradingState::Active);
        assert!(leave.held(BootMs(100)));
        assert!(!leave.held(BootMs(101)));
        leave.take(BootMs(50), TradingState::Frozen);
        assert!(!leave.held(BootMs(60)) && leave.frozen());
    }
}
