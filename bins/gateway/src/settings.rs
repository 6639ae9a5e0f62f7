//! What one config generation means to the gateway. Checked before it is taken.

use std::path::Path;

use config::Config;
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
        Ok(Self {
            generation: prepare.generation,
            mode: prepare.mode,
            config,
            topic,
        })
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
