//! How the gateway is: what failed, what it waits for, what only an operator can mend.

use daemon::child::Beat;
use daemon::clock::boot_now;
use exchange::stream::Feed;
use protocol::guard::Observation;
use protocol::status::{GatewayStatus, SCHEMA_VERSION};
use protocol::{BootMs, VenueMs};

use super::Gateway;
use crate::venue::{Begun, Fault};

/// Pause after the venue refused key, signature or permission: no retry will mend it, and a key
/// that is mended at the venue is noticed within this time.
const DENIED_PAUSE_MS: u64 = 30_000;

/// The gateway's condition.
#[derive(Debug, Default)]
pub struct Health {
    /// The start-up order has been walked through on this connection to the guard.
    pub synced: bool,
    /// It has been once, in this life.
    pub ever_synced: bool,
    /// Venue minus machine.
    pub skew_ms: Option<i64>,
    /// The last failure of a call; gone once calls succeed.
    last_error: Option<String>,
    /// The venue's sentence while key, signature or permission are refused.
    denied: Option<String>,
    rest_until: Option<BootMs>,
    banned_until: Option<BootMs>,
    /// Faults that the owner has not acted on yet.
    fresh_denial: bool,
    fresh_ban: Option<BootMs>,
}

impl Health {
    /// A call has failed.
    pub fn fault(&mut self, fault: &Fault) {
        let text = fault.to_string();
        match fault {
            Fault::Fatal { .. } => {
                self.fresh_denial = true;
                self.denied = Some(text.clone());
            }
            Fault::Banned { until, .. } => {
                if self.banned_until != Some(*until) {
                    self.fresh_ban = Some(*until);
                    self.banned_until = Some(*until);
                }
            }
            Fault::NotSent { .. }
            | Fault::Unknown { .. }
            | Fault::Refused { .. }
            | Fault::Unreadable { .. } => {}
        }
        // A denial is said when it is acted on.
        if self.last_error.as_ref() != Some(&text) && !self.fresh_denial {
            tracing::warn!("{text}");
        }
        self.last_error = Some(text);
    }

    /// Whether nothing is to be asked of the venue now.
    pub fn resting(&self, now: BootMs) -> bool {
        self.rest_until.is_some_and(|until| now < until)
    }
}

impl Gateway {
    /// Why the gateway must end: the venue refuses its keys and has never accepted them.
    pub fn fatal(&self) -> Option<&str> {
        self.health
            .denied
            .as_deref()
            .filter(|_| !self.health.ever_synced)
    }

    /// Tells the guard of denials and bans, and rests.
    pub(super) fn after_faults(&mut self) {
        let begun = self.hands.venue.begun();
        if std::mem::take(&mut self.health.fresh_denial) {
            let until = boot_now().after(DENIED_PAUSE_MS);
            self.health.rest_until = Some(until);
            self.plan.rest_until(until);
            let why = self.health.denied.clone();
            if self.health.ever_synced {
                let said = why.as_deref().unwrap_or_default();
                tracing::error!("{said}; entries are blocked until it is mended");
            }
            self.tell_guard(begun, Observation::AccessDenied(why));
        }
        if let Some(until) = self.health.fresh_ban.take() {
            self.health.rest_until = self.health.rest_until.max(Some(until));
            self.plan.rest_until(until);
            let left = until.since(begun.boot);
            let venue_until = begun.venue.after(left);
            tracing::error!("the venue has banned this address for {} s", left / 1000);
            self.tell_guard(begun, Observation::Banned(venue_until));
        }
    }

    /// A signed call has succeeded.
    pub(super) fn works_again(&mut self) {
        if self.health.last_error.take().is_some() {
            tracing::info!("the venue answers again");
        }
        if self.health.denied.take().is_some() {
            let begun = self.hands.venue.begun();
            self.tell_guard(begun, Observation::AccessDenied(None));
        }
    }

    /// Whether the venue has been read through once in this life.
    pub fn settled(&self) -> bool {
        self.health.ever_synced
    }

    /// A sign of life.
    pub fn pulse<'a>(&self, waiting_for: &'a str) -> Beat<'a> {
        Beat {
            progress: self.progress,
            waiting_for,
            settled: self.settled(),
            standing: None,
        }
    }

    /// What is waited for, in one line.
    pub fn waits(&self) -> String {
        self.waiting_for().join("; ")
    }

    pub(super) fn waiting_for(&self) -> Vec<String> {
        let mut waiting = Vec::new();
        if !self.hands.guard.connected() {
            waiting.push("the risk-guard".to_owned());
        }
        if let Some(error) = &self.health.last_error {
            waiting.push(format!("the venue: {error}"));
        }
        if !self.resolver.is_empty() {
            waiting.push(format!("the outcome of {} orders", self.resolver.len()));
        } else if self.walking() && self.health.last_error.is_none() {
            waiting.push("the first reads of the venue".to_owned());
        }
        waiting
    }

    pub(super) fn status(&self) -> GatewayStatus {
        let (requests, slept, banned) = self.hands.venue.load();
        let begun: Begun = self.hands.venue.begun();
        let until = |boot: BootMs| -> VenueMs { begun.venue.after(boot.since(begun.boot)) };
        let ago = |boot: BootMs| begun.venue.before(begun.boot.since(boot));
        GatewayStatus {
            schema_version: SCHEMA_VERSION,
            base_url: self
                .settings
                .config
                .base_url(self.settings.mode)
                .as_str()
                .to_owned(),
            synced: self.health.synced,
            waiting_for: self.waiting_for(),
            lease: self.hands.guard.leave().held(begun.boot),
            skew_ms: self.health.skew_ms,
            requests_last_minute: u32::try_from(requests).unwrap_or(u32::MAX),
            throttled_last_minute_ms: slept,
            banned_until: banned.map(until),
            last_error: self.health.last_error.clone(),
            bots: self.listeners.count(),
            account_stream: self.feeds.state(Feed::Account),
            account_stream_since: self.feeds.since(Feed::Account).map(ago),
            market_stream: self.feeds.state(Feed::Market),
            market_stream_since: self.feeds.since(Feed::Market).map(ago),
        }
    }
}
