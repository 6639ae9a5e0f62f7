//! What one config generation means to the gateway. Checked before it is taken.

use std::path::Path;

use config::Config;
use daemon::server::Guests;
use protocol::control::Prepare;
use protocol::gateway::CandleTopic;
use protocol::venue::Interval;
use protocol::{Generation, Mode};

use crate::resolve::Waits;

/// One generation.
#[derive(Debug)]
pub struct Settings {
    /// Its number.
    pub generation: Generation,
    /// The mode of the command line.
    pub mode: Mode,
    /// Everything the file says.
    pub config: Config,
    /// The configured series: symbol and interval.
    pub topic: CandleTopic,
    /// Who may speak on `gateway.sock` besides root and our own user: operators and the bot's user.
    pub guests: Guests,
}

impl Settings {
    /// Reads and checks a generation; changes nothing.
    pub fn check(prepare: &Prepare) -> Result<Self, String> {
        let path = Path::new(&prepare.path);
        let bytes = std::fs::read(path)
            .map_err(|e| format!("{}: the generation cannot be read: {e}", prepare.path))?;
        let config = config::parse_bytes(&bytes, &prepare.file).map_err(|e| e.to_string())?;
        config.mode_guard(prepare.mode).map_err(|e| e.to_string())?;
        let word = config.perps.interval.wire();
        let interval = Interval::named(word).ok_or_else(|| {
            let known: Vec<&str> = Interval::ALL.iter().map(|i| i.word()).collect();
            format!(
                "{}: perps.interval {word} cannot be followed by the gateway: use one of {}",
                prepare.file,
                known.join(", ")
            )
        })?;
        let topic = CandleTopic {
            symbol: config.perps.symbol,
            interval,
        };
        let group = config.supervisor.operator_group.as_deref();
        let guests = Guests::named(group, config.bot.user.as_deref());
        Ok(Self {
            generation: prepare.generation,
            mode: prepare.mode,
            config,
            topic,
            guests,
        })
    }

    /// These settings with what only a restart changes taken from those in force: symbol,
    /// interval, leverage, trigger price and the venue.
    pub fn following(&self, before: &Self) -> Self {
        let mut config = self.config.clone();
        let kept = &before.config.perps;
        config.perps.symbol = kept.symbol;
        config.perps.interval = kept.interval;
        config.perps.leverage = kept.leverage;
        config.perps.trigger_by = kept.trigger_by;
        config.exchange = before.config.exchange.clone();
        Self {
            generation: self.generation,
            mode: before.mode,
            config,
            topic: before.topic,
            guests: self.guests,
        }
    }

    /// How long the venue needs to accept and to show an order.
    pub fn waits(&self) -> Waits {
        let limits = &self.config.limits;
        Waits {
            acceptance_ms: limits
                .recv_window_ms
                .saturating_add(limits.time_sync_max_skew_ms),
            lag_ms: limits.venue_lag_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(generation: u64, text: &str) -> Settings {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.yaml");
        std::fs::write(&path, format!("perps:\n  useTestnet: true\n{text}")).unwrap();
        Settings::check(&Prepare {
            generation: Generation(generation),
            file: "perps.yaml".to_owned(),
            path: path.display().to_string(),
            mode: Mode::Testnet,
        })
        .unwrap()
    }

    #[test]
    fn an_edit_changes_the_caps_at_once_and_the_symbol_at_a_restart() {
        let before = settings(1, "  symbol: SOLUSDT\n  leverage: 2\n");
        let edited = "  symbol: ETHUSDT\n  leverage: 9\n  maxRequestsPerSecond: 3\n";
        let after = settings(2, edited).following(&before);
        assert_eq!(after.generation, Generation(2));
        assert_eq!(after.config.perps.max_requests_per_second, 3);
        assert_eq!(after.topic, before.topic);
        assert_eq!(after.config.perps.leverage, before.config.perps.leverage);
    }

    #[test]
    fn an_interval_that_cannot_be_followed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.yaml");
        std::fs::write(&path, "perps:\n  useTestnet: true\n  interval: W\n").unwrap();
        let refused = Settings::check(&Prepare {
            generation: Generation(1),
            file: "perps.yaml".to_owned(),
            path: path.display().to_string(),
            mode: Mode::Testnet,
        });
        assert!(refused.unwrap_err().contains("perps.interval W"));
    }
}
