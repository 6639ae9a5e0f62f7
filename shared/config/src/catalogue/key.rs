//! What there is to know about one key.

use protocol::Process;

/// One key of the config.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its full path, such as `perps.sessionMaxTrades`.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds when it is absent.
    pub absent: Absent,
    /// The processes that use it. Empty: known from existing files, and without effect here.
    pub used_by: &'static [Process],
    /// When an edit takes effect.
    pub takes_effect: TakesEffect,
    /// Which direction is the safer one.
    pub tighter: Tighter,
    /// What it means, in one or two sentences.
    pub doc: &'static str,
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A plain decimal number.
    Number(Unit, Range),
    /// A plain whole number.
    Whole(Unit, Range),
    /// `true` or `false`.
    Flag,
    /// One of these words, the loosest first where there is an order.
    Word(&'static [&'static str]),
    /// Any text on one line.
    Text,
    /// A candle interval: minutes, or `D`, `W`.
    Interval,
    /// `http(s)://host[:port]`.
    Url,
    /// Bytes, with `KB`, `MB` or `GB` if wanted.
    Size,
    /// One instrument.
    Symbol,
    /// A list of instruments.
    Symbols,
    /// A program with its arguments: a list, or a text without quoting.
    Command,
    /// A list of texts.
    Texts,
    /// Names and values of environment variables.
    Environment,
    /// Whatever stands there; only for keys that are not used.
    Anything,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A fraction of one: 0.05 is five per cent.
    Fraction,
    /// A factor, such as leverage.
    Times,
    /// Base coin.
    BaseCoin,
    /// Settle coin.
    SettleCoin,
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
}

impl Unit {
    /// The unit in words; empty for a bare count.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fraction => "fraction of 1",
            Self::Times => "times",
            Self::BaseCoin => "base coin",
            Self::SettleCoin => "settle coin",
            Self::Count => "",
            Self::Milliseconds => "ms",
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
        }
    }
}

/// What a number may be. The bounds are plain decimal text, and a test reads each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The lower bound.
    pub low: &'static str,
    /// Whether the lower bound itself is allowed.
    pub low_allowed: bool,
    /// The upper bound, always allowed.
    pub high: &'static str,
}

impl Range {
    /// Above one bound, up to another.
    pub(crate) const fn above(low: &'static str, high: &'static str) -> Self {
        Self {
            low,
            low_allowed: false,
            high,
        }
    }

    /// From one bound to another, both allowed.
    pub(crate) const fn from(low: &'static str, high: &'static str) -> Self {
        Self {
            low,
            low_allowed: true,
            high,
        }
    }

    /// The range in words.
    pub fn words(self) -> String {
        match self.low_allowed {
            true if self.low == self.high => format!("{} alone", self.low),
            true => format!("from {} to {}", self.low, self.high),
            false => format!("above {}, at most {}", self.low, self.high),
        }
    }
}

/// What holds when a key is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Nothing holds: the limit or feature is off, and shown as off.
    Off,
    /// This value, in the words of the file.
    Is(&'static str),
    /// Something that follows from elsewhere, in words.
    Follows(&'static str),
}

/// When an edit of a key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakesEffect {
    /// At the next config generation.
    AtOnce,
    /// When the processes that use it start again.
    AtRestart,
}

/// Which direction of a change is the safer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tighter {
    /// Neither.
    Neither,
    /// A smaller number; off is the loosest.
    Lower,
    /// A larger number.
    Higher,
    /// `true`.
    True,
    /// `false`.
    False,
    /// A smaller set; off is the loosest.
    Fewer,
    /// A word that stands later in its list.
    LaterWord,
    /// One side instead of `both`; the other side is never tighter.
    OneSide,
}

impl Key {
    /// Whether any process uses it.
    pub const fn is_used(&self) -> bool {
        !self.used_by.is_empty()
    }

    /// The key's own name, without its section.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// A limit of the guard: takes effect at once.
    pub(crate) const fn limit(
        path: &'static str,
        kind: Kind,
        absent: Absent,
        tighter: Tighter,
        doc: &'static str,
    ) -> Self {
        let used_by = &[Process::RiskGuard];
        Self {
            path,
            kind,
            absent,
            used_by,
            takes_effect: TakesEffect::AtOnce,
            tighter,
            doc,
        }
    }

    /// A setting: takes effect when its processes start again, neither direction is tighter.
    pub(crate) const fn setting(
        path: &'static str,
        kind: Kind,
        absent: Absent,
        used_by: &'static [Process],
        doc: &'static str,
    ) -> Self {
        let (takes_effect, tighter) = (TakesEffect::AtRestart, Tighter::Neither);
        Self {
            path,
            kind,
            absent,
            used_by,
            takes_effect,
            tighter,
            doc,
        }
    }

    /// A key of existing files that has no effect here.
    pub(crate) const fn unused(path: &'static str) -> Self {
        let doc = "Known from existing files, not used here.";
        Self::setting(path, Kind::Anything, Absent::Off, &[], doc)
    }

    pub(crate) const fn at_once(mut self) -> Self {
        self.takes_effect = TakesEffect::AtOnce;
        self
    }

    pub(crate) const fn by(mut self, used_by: &'static [Process]) -> Self {
        self.used_by = used_by;
        self
    }

    pub(crate) const fn tighter(mut self, tighter: Tighter) -> Self {
        self.tighter = tighter;
        self
    }
}
