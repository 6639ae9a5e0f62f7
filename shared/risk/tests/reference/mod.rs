//! The limits as the design tells them, done the slow and obvious way.
//!
//! No figure is counted as it comes: the whole story is kept, and each question walks through all of
//! it again from the first event. Only what blocks is remembered, since a trip has a beginning. It knows nothing of the engine, and the engine nothing of it.
//! What it leaves out: everything that is not a limit of the account or of the session (stale
//! views, orders of unknown outcome, reconciliation); whoever plays it keeps those quiet.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "the numbers of a test are small"
)]

use money::Decimal;

/// Something that happened, and when (UTC milliseconds).
#[derive(Debug, Clone)]
pub struct Event {
    pub at: i64,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An opening intent was approved and has no execution yet.
    Approved(u64),
    /// It ended without one.
    Gone(u64),
    /// It has executed: so much at that price, and the fee paid.
    Bought {
        intent: u64,
        qty: Decimal,
        price: Decimal,
        fee: Decimal,
    },
    /// Something that closes has executed.
    Sold {
        qty: Decimal,
        price: Decimal,
        fee: Decimal,
    },
    /// Funding was paid.
    Funding(Decimal),
    /// A row of closed PnL.
    Closed(Decimal),
    /// The wallet was read.
    Read {
        equity: Decimal,
        balance: Decimal,
    },
    /// The operator's words.
    ResetStreak,
    ResetDay,
    ResetDrawdown {
        rebase: bool,
    },
    NewSession,
    Halt,
    Freeze,
    Resume,
    /// Time passed.
    Nothing,
}

/// The limits that it knows.
#[derive(Debug, Clone)]
pub struct Rules {
    pub streak: u64,
    pub daily: Decimal,
    pub cooldown_ms: i64,
    pub drawdown: Decimal,
    pub hysteresis: Decimal,
    pub latch: bool,
    pub trades: u64,
    pub runtime_ms: i64,
}

/// What blocks entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Block {
    Streak,
    Day,
    Drawdown,
    Trades,
    Runtime,
    Halt,
    Freeze,
}

/// Everything that it says about a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub blocks: Vec<Block>,
    pub streak: u64,
    pub realised_today: Decimal,
    pub day_open: Option<Decimal>,
    pub peak: Option<Decimal>,
    pub trades: u64,
    pub live: u64,
    pub size: Decimal,
}

const DAY_MS: i64 = 86_400_000;

/// The whole story, from the beginning.
#[derive(Debug, Clone)]
pub struct Reference {
    pub rules: Rules,
    pub began: i64,
    pub events: Vec<Event>,
    /// What blocks, and since which event.
    standing: Vec<(Block, usize)>,
}

impl Reference {
    pub fn new(rules: Rules, began: i64) -> Self {
        Self {
            rules,
            began,
            events: Vec::new(),
            standing: Vec::new(),
        }
    }

    /// The story goes on: what begins to block with this event, and what ends.
    pub fn tell(&mut self, event: Event) {
        let what = event.what.clone();
        self.events.push(event);
        let now = self.events.len() - 1;
        match what {
            What::Closed(pnl) if pnl >= Decimal::ZERO => self.over(Block::Streak),
            What::ResetStreak => self.over(Block::Streak),
            What::ResetDay => self.over(Block::Day),
            What::ResetDrawdown { .. } => self.over(Block::Drawdown),
            What::NewSession => {
                self.over(Block::Trades);
                self.over(Block::Runtime);
            }
            What::Halt => self.standing.push((Block::Halt, now)),
            What::Freeze => self.standing.push((Block::Freeze, now)),
            What::Resume => {
                self.over(Block::Halt);
                self.over(Block::Freeze);
            }
            _ => {}
        }
        let all = [
            Block::Streak,
            Block::Day,
            Block::Drawdown,
            Block::Trades,
            Block::Runtime,
        ];
        for block in all {
            let since = self.standing.iter().find(|(one, _)| *one == block);
            match since.map(|(_, at)| *at) {
                None if self.begins(block, now) => self.standing.push((block, now)),
                Some(since) if self.ends(block, since, now) => self.over(block),
                _ => {}
            }
        }
        self.standing.sort();
        self.standing.dedup_by_key(|(block, _)| *block);
    }

    fn over(&mut self, block: Block) {
        self.standing.retain(|(one, _)| *one != block);
    }

    /// What blocks now.
    pub fn blocks(&self) -> Vec<Block> {
        self.standing.iter().map(|(block, _)| *block).collect()
    }

    fn begins(&self, block: Block, now: usize) -> bool {
        match block {
            Block::Streak => self.streak(now) >= self.rules.streak,
            Block::Day => self.loss(now).is_some_and(|loss| loss > self.rules.daily),
            Block::Drawdown => self
                .fall(now)
                .is_some_and(|fall| fall > self.rules.drawdown),
            Block::Trades => self.trades(now) + self.live(now) >= self.rules.trades,
            Block::Runtime => self.events[now].at - self.session_began(now) > self.rules.runtime_ms,
            Block::Halt | Block::Freeze => false,
        }
    }

    fn ends(&self, block: Block, since: usize, now: usize) -> bool {
        let (at, began) = (self.events[now].at, self.events[since].at);
        match block {
            Block::Day => {
                at.div_euclid(DAY_MS) > began.div_euclid(DAY_MS)
                    && at - began >= self.rules.cooldown_ms
                    && self.loss(now).is_some_and(|loss| loss <= self.rules.daily)
            }
            Block::Drawdown => {
                let inside = self.rules.drawdown * (Decimal::ONE - self.rules.hysteresis);
                !self.rules.latch && self.fall(now).is_some_and(|fall| fall <= inside)
            }
            Block::Trades => self.trades(now) + self.live(now) < self.rules.trades,
            Block::Streak | Block::Runtime | Block::Halt | Block::Freeze => false,
        }
    }

    /// Losing closes in a row, since the last reset.
    fn streak(&self, now: usize) -> u64 {
        let mut streak = 0;
        for event in &self.events[..=now] {
            match event.what {
                What::Closed(pnl) if pnl < Decimal::ZERO => streak += 1,
                What::Closed(_) | What::ResetStreak => streak = 0,
                _ => {}
            }
        }
        streak
    }

    /// Cash of the day of the event `now`, of the events from `first` to `now`.
    fn cash(&self, first: usize, now: usize) -> Decimal {
        let today = self.events[now].at.div_euclid(DAY_MS);
        self.cash_where(now, |n, at| at.div_euclid(DAY_MS) == today && n >= first)
    }

    /// Cash of those events up to `now` that count.
    fn cash_where(&self, now: usize, counts: impl Fn(usize, i64) -> bool) -> Decimal {
        let (mut size, mut cost, mut cash) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
        for (n, event) in self.events[..=now].iter().enumerate() {
            let mut earned = Decimal::ZERO;
            match event.what {
                What::Bought {
                    qty, price, fee, ..
                } => {
                    size += qty;
                    cost += qty * price;
                    earned = -fee;
                }
                What::Sold { qty, price, fee } => {
                    let part = cost * qty / size;
                    earned = qty * price - part - fee;
                    size -= qty;
                    cost -= part;
                }
                What::Funding(paid) => earned = -paid,
                _ => {}
            }
            if counts(n, event.at) {
                cash += earned;
            }
        }
        cash
    }

    /// The last read of the wallet.
    fn read(&self, now: usize) -> Option<(Decimal, Decimal)> {
        self.events[..=now]
            .iter()
            .rev()
            .find_map(|event| match event.what {
                What::Read { equity, balance } => Some((equity, balance)),
                _ => None,
            })
    }

    fn day_open(&self, now: usize) -> Option<Decimal> {
        // The balance of now is the one last read and what was earned and paid since.
        let last = |event: &Event| matches!(event.what, What::Read { .. });
        let last = self.events[..=now].iter().rposition(last)?;
        let since = self.cash_where(now, |n, _| n > last);
        Some(self.read(now)?.1 + since - self.cash(0, now))
    }

    /// The day's loss over the balance at its open, since the last reset of today.
    fn loss(&self, now: usize) -> Option<Decimal> {
        let today = self.events[now].at.div_euclid(DAY_MS);
        let reset = self.events[..=now].iter().rposition(|event| {
            event.what == What::ResetDay && event.at.div_euclid(DAY_MS) == today
        });
        let open = self.day_open(now)?;
        let lost = -self.cash(reset.map_or(0, |n| n + 1), now);
        (open > Decimal::ZERO).then(|| lost / open)
    }

    /// The highest equity, since the last rebase.
    fn peak(&self, now: usize) -> Option<Decimal> {
        let mut peak = None;
        for n in 0..=now {
            match self.events[n].what {
                What::Read { equity, .. } => peak = peak.max(Some(equity)),
                What::ResetDrawdown { rebase: true } => {
                    peak = self.read(n).map(|(equity, _)| equity);
                }
                _ => {}
            }
        }
        peak
    }

    fn fall(&self, now: usize) -> Option<Decimal> {
        let (peak, (equity, _)) = (self.peak(now)?, self.read(now)?);
        Some((peak - equity).max(Decimal::ZERO) / peak)
    }

    fn session_first(&self, now: usize) -> usize {
        let newest = self.events[..=now]
            .iter()
            .rposition(|e| e.what == What::NewSession);
        newest.map_or(0, |n| n + 1)
    }

    fn session_began(&self, now: usize) -> i64 {
        match self.session_first(now) {
            0 => self.began,
            n => self.events[n - 1].at,
        }
    }

    fn first_execution(&self, intent: u64, now: usize) -> Option<usize> {
        self.events[..=now]
            .iter()
            .position(|e| matches!(e.what, What::Bought { intent: one, .. } if one == intent))
    }

    /// Opening intents whose first execution was in this session.
    fn trades(&self, now: usize) -> u64 {
        let session = self.session_first(now);
        let first = |n: &usize| match self.events[*n].what {
            What::Bought { intent, .. } => self.first_execution(intent, now) == Some(*n),
            _ => false,
        };
        (session..=now).filter(first).count() as u64
    }

    /// Opening intents that may still execute for the first time, whatever session they are of.
    fn live(&self, now: usize) -> u64 {
        let gone = |intent: u64| {
            self.events[..=now]
                .iter()
                .any(|e| e.what == What::Gone(intent))
        };
        let waiting = self.events[..=now].iter().filter(|event| match event.what {
            What::Approved(intent) => self.first_execution(intent, now).is_none() && !gone(intent),
            _ => false,
        });
        waiting.count() as u64
    }

    /// What is held.
    pub fn size(&self) -> Decimal {
        let bought = |event: &Event| match event.what {
            What::Bought { qty, .. } => qty,
            What::Sold { qty, .. } => -qty,
            _ => Decimal::ZERO,
        };
        self.events.iter().map(bought).sum()
    }

    /// The cash result of today.
    pub fn realised_today(&self) -> Decimal {
        self.cash(0, self.events.len() - 1)
    }

    /// What is the case after everything so far.
    pub fn picture(&self) -> Picture {
        let now = self.events.len() - 1;
        Picture {
            blocks: self.blocks(),
            streak: self.streak(now),
            realised_today: self.realised_today(),
            day_open: self.day_open(now),
            peak: self.peak(now),
            trades: self.trades(now),
            live: self.live(now),
            size: self.size(),
        }
    }
}
