//! The stage a scenario plays on: a simulator with frozen prices, a harness, a bot.

use std::path::{Path, PathBuf};

use money::{Price, Qty};
use protocol::status::RiskStatus;
use protocol::{Side, Symbol, Tag};

use crate::bot::{accepted, refusal};
use crate::{Binaries, BotPlayer, Harness, HarnessSpec, PlayError, Sim, SimSpec, until};

/// A simulator, and a harness once it has been started.
pub(crate) struct Stage {
    // Dropped in this order: the harness stops while its exchange is still there.
    bot: Option<BotPlayer>,
    pub(crate) harness: Option<Harness>,
    pub(crate) sim: Sim,
    binaries: Binaries,
    dir: PathBuf,
    config: String,
    symbol: Symbol,
}

impl Stage {
    /// Starts the simulator and pins the price at 100.
    pub(crate) fn set(
        binaries: &Binaries,
        profile: &str,
        dir: &Path,
        spec: &SimSpec,
    ) -> Result<Self, PlayError> {
        let sim = Sim::start(binaries, spec)?;
        let config = profile.replace("http://127.0.0.1:0", sim.url());
        let symbol = Symbol::new("SOLUSDT").map_err(|e| PlayError::Ended {
            what: e.to_string(),
        })?;
        let stage = Self {
            sim,
            harness: None,
            bot: None,
            binaries: binaries.clone(),
            dir: dir.to_owned(),
            config,
            symbol,
        };
        stage.price("100")?;
        Ok(stage)
    }

    /// Starts the harness and waits until the venue has been read.
    pub(crate) fn begin(&mut self) -> Result<RiskStatus, PlayError> {
        let spec = HarnessSpec {
            dir: self.dir.clone(),
            config: self.config.clone(),
            arguments: Vec::new(),
        };
        let mut harness = Harness::start(&self.binaries, spec)?;
        let risk = harness.await_synced()?;
        self.bot = Some(BotPlayer::connect(harness.dir())?);
        self.harness = Some(harness);
        Ok(risk)
    }

    /// Stops everything in order and starts it again in the same directory.
    pub(crate) fn restart(&mut self) -> Result<RiskStatus, PlayError> {
        self.bot = None;
        let harness = self.harness()?;
        harness.stop()?;
        harness.restart()?;
        let risk = harness.await_synced()?;
        self.bot = Some(BotPlayer::connect(&self.dir)?);
        Ok(risk)
    }

    pub(crate) fn harness(&mut self) -> Result<&mut Harness, PlayError> {
        self.harness.as_mut().ok_or(PlayError::Ended {
            what: "no harness yet".to_owned(),
        })
    }

    fn bot(&mut self) -> Result<&mut BotPlayer, PlayError> {
        self.bot.as_mut().ok_or(PlayError::Ended {
            what: "no bot yet".to_owned(),
        })
    }

    /// Pins the price.
    pub(crate) fn price(&self, text: &str) -> Result<(), PlayError> {
        self.sim.price(self.symbol, Some(price(text)?))
    }

    /// A position from nowhere, at 100.
    pub(crate) fn position(&self, side: Side, size: &str) -> Result<(), PlayError> {
        self.sim
            .position(self.symbol, side, qty(size)?, price("100")?)
    }

    /// Buys, and waits until the position is there.
    pub(crate) fn buy(&mut self, size: &str) -> Result<(), PlayError> {
        let (symbol, size) = (self.symbol, qty(size)?);
        let bot = self.bot()?;
        accepted(&bot.buy(symbol, size)?)?;
        bot.await_size(symbol, size)
    }

    /// Closes the whole position, and waits until it is gone.
    pub(crate) fn close(&mut self, size: &str) -> Result<(), PlayError> {
        let (symbol, size) = (self.symbol, qty(size)?);
        let bot = self.bot()?;
        accepted(&bot.close(symbol, size)?)?;
        bot.await_size(symbol, Qty::ZERO)
    }

    /// Tries to buy; it must be refused for this tag, and nothing may reach the venue.
    pub(crate) fn buy_refused(&mut self, size: &str, tag: Tag) -> Result<(), PlayError> {
        let before = self.openings()?;
        let (symbol, size) = (self.symbol, qty(size)?);
        let placed = self.bot()?.buy(symbol, size)?;
        let refused_by = refusal(&placed)?;
        let after = self.openings()?;
        if refused_by != tag {
            return Err(wrong(format!("refused by {refused_by}, not by {tag}")));
        }
        if after == before {
            Ok(())
        } else {
            Err(wrong(format!(
                "{before} opening orders at the venue became {after}"
            )))
        }
    }

    /// Waits until this tag blocks entries.
    pub(crate) fn await_trip(&mut self, tag: Tag) -> Result<RiskStatus, PlayError> {
        let harness = self.harness()?;
        until(90, &format!("{tag} to block entries"), || {
            let risk = harness.risk().map_err(|e| e.to_string())?;
            if risk.trips.iter().any(|trip| trip.tag == tag) {
                Ok(risk)
            } else {
                Err(format!(
                    "trips {:?}, equity {:?}",
                    risk.trips, risk.account.equity
                ))
            }
        })
    }

    /// Waits until the guard has counted this many losing closes in a row.
    pub(crate) fn await_streak(&mut self, losses: u32) -> Result<RiskStatus, PlayError> {
        let harness = self.harness()?;
        until(30, &format!("a streak of {losses}"), || {
            let risk = harness.risk().map_err(|e| e.to_string())?;
            let streak = risk.account.loss_streak;
            if streak == losses {
                Ok(risk)
            } else {
                Err(format!("a streak of {streak}"))
            }
        })
    }

    /// Waits until the guard has counted this many trades in the session and knows of no open order.
    pub(crate) fn await_trades(&mut self, trades: u32) -> Result<RiskStatus, PlayError> {
        let harness = self.harness()?;
        until(30, &format!("{trades} trades in the session"), || {
            let risk = harness.risk().map_err(|e| e.to_string())?;
            let session = &risk.session;
            if session.trades == trades && session.live_openers == 0 {
                Ok(risk)
            } else {
                Err(format!(
                    "{} trades, {} live",
                    session.trades, session.live_openers
                ))
            }
        })
    }

    /// Orders at the venue that could open a position.
    pub(crate) fn openings(&self) -> Result<usize, PlayError> {
        Ok(self
            .sim
            .ledger()?
            .orders
            .iter()
            .filter(|order| order.opens())
            .count())
    }

    /// Fails with a sentence unless something holds.
    pub(crate) fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), PlayError> {
        if holds { Ok(()) } else { Err(wrong(what())) }
    }
}

fn price(text: &str) -> Result<Price, PlayError> {
    Price::parse(text).map_err(|e| wrong(e.to_string()))
}

fn qty(text: &str) -> Result<Qty, PlayError> {
    Qty::parse(text).map_err(|e| wrong(e.to_string()))
}

fn wrong(what: String) -> PlayError {
    PlayError::Ended { what }
}
