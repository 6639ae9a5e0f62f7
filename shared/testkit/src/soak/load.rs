//! The load of a soak: bots that buy, close, rest, cancel and repeat themselves, and take every
//! lost connection as an unknown outcome.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use money::{Price, Qty};
use protocol::gateway::Placed;
use protocol::{Intent, IntentId, OrderType, Outcome, Side, Symbol};

use super::wrong;
use crate::{BotPlayer, PlayError, intent};

/// Pause between two orders of one bot.
const PAUSE_MS: u64 = 150;

/// What the bots know of their orders.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) unknown: AtomicU64,
}

/// Bots at work.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) counts: Arc<Counts>,
    ends: Arc<AtomicBool>,
    bots: Vec<JoinHandle<Result<(), PlayError>>>,
}

pub(super) fn symbol() -> Result<Symbol, PlayError> {
    Symbol::new("SOLUSDT").map_err(|e| wrong(&e))
}

impl Load {
    pub(super) fn begin(dir: &Path, seed: u64, bots: u64) -> Result<Self, PlayError> {
        let mut load = Self {
            counts: Arc::default(),
            ends: Arc::default(),
            bots: Vec::new(),
        };
        for n in 0..bots {
            let bot = Bot {
                dir: dir.to_owned(),
                name: format!("soak-{n}"),
                dice: fastrand::Rng::with_seed(seed.wrapping_add(n).wrapping_mul(0x9e37_79b9)),
                counts: Arc::clone(&load.counts),
                symbol: symbol()?,
                one: Qty::parse("1").map_err(|e| wrong(&e))?,
                far_below: Price::parse("90").map_err(|e| wrong(&e))?,
                player: None,
                placed: 0,
                rests: None,
                repeat: None,
            };
            let ends = Arc::clone(&load.ends);
            load.bots.push(std::thread::spawn(move || bot.work(&ends)));
        }
        Ok(load)
    }

    /// Ends the bots, and waits for the answers they wait for.
    pub(super) fn end(self) -> Result<(), PlayError> {
        self.ends.store(true, Ordering::Relaxed);
        for bot in self.bots {
            bot.join().map_err(|_| PlayError::Ended {
                what: "a bot of the soak panicked".to_owned(),
            })??;
        }
        Ok(())
    }
}

struct Bot {
    dir: PathBuf,
    name: String,
    dice: fastrand::Rng,
    counts: Arc<Counts>,
    symbol: Symbol,
    one: Qty,
    far_below: Price,
    player: Option<BotPlayer>,
    placed: u64,
    /// An order of its own that may rest.
    rests: Option<IntentId>,
    /// An intent whose answer was lost: it is said once more.
    repeat: Option<Intent>,
}

impl Bot {
    fn work(mut self, ends: &AtomicBool) -> Result<(), PlayError> {
        while !ends.load(Ordering::Relaxed) {
            crate::wait::rest(PAUSE_MS);
            if self.player.is_none() {
                // Nobody answers while the gateway is away.
                self.player = BotPlayer::connect(&self.dir).ok();
            }
            self.act()?;
        }
        Ok(())
    }

    fn act(&mut self) -> Result<(), PlayError> {
        if let Some(again) = self.repeat.take() {
            return self.place(again);
        }
        match self.dice.u8(0..10) {
            0..4 => {
                let buy = self.intent(Side::Buy)?;
                self.place(buy)
            }
            4..7 => {
                let close = self.intent(Side::Sell)?;
                self.place(Intent {
                    reduce_only: true,
                    ..close
                })
            }
            7..9 => {
                let bid = self.intent(Side::Buy)?;
                self.rests = Some(bid.intent_id);
                self.place(Intent {
                    order_type: OrderType::Limit,
                    price: Some(self.far_below),
                    ..bid
                })
            }
            _ => {
                if let (Some(player), Some(rests)) = (&mut self.player, self.rests.take())
                    && player.cancel(rests).is_err()
                {
                    self.player = None;
                }
                Ok(())
            }
        }
    }

    fn intent(&mut self, side: Side) -> Result<Intent, PlayError> {
        self.placed = self.placed.saturating_add(1);
        let name = format!("{}-{}", self.name, self.placed);
        let name = IntentId::new(&name).map_err(|e| wrong(&e))?;
        Ok(intent(name, self.symbol, side, self.one))
    }

    fn place(&mut self, order: Intent) -> Result<(), PlayError> {
        let Some(player) = &mut self.player else {
            return Ok(());
        };
        let count = match player.place(order.clone()) {
            Ok(Placed {
                outcome: Outcome::Accepted { .. },
                ..
            }) => &self.counts.accepted,
            Ok(_) => &self.counts.refused,
            Err(PlayError::Socket { .. }) => {
                self.player = None;
                self.repeat = Some(order);
                &self.counts.unknown
            }
            Err(other) => return Err(other),
        };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
