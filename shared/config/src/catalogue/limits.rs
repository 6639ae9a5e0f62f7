//! The limits of the guard.

use protocol::Process::{Gateway, RiskGuard};

use super::Absent::{Is, Off};
use super::Kind::{Flag, Number, Symbols, Whole, Word};
use super::Tighter::{Fewer, Higher, LaterWord, Lower, Neither, OneSide, True};
use super::{Key, Kind, Range, Unit};

const FRACTION: Kind = Number(Unit::Fraction, Range::above("0", "1"));
const MONEY: Kind = Number(Unit::SettleCoin, Range::above("0", "1000000000000"));
const COUNT: Kind = Whole(Unit::Count, Range::from("1", "1000000"));

pub(super) const KEYS: &[Key] = &[
    Key::limit(
        "trading.max_daily_risk",
        FRACTION,
        Is("0.05"),
        Lower,
        "How much of the day's opening balance may be lost before entries stop until the next UTC day.",
    ),
    Key::limit(
        "trading.daily_loss_basis",
        Word(&["opening_balance", "current_equity"]),
        Is("opening_balance"),
        Neither,
        "What the day's loss is measured against: `opening_balance` takes the cash result of the day's executions, fees and funding over the balance at the day's open; `current_equity` takes closed-PnL rows over the equity of now.",
    ),
    Key::limit(
        "trading.daily_loss_cooldown_minutes",
        Number(Unit::Minutes, Range::from("0", "10080")),
        Is("0"),
        Higher,
        "A daily-loss trip lasts at least this long, even across midnight.",
    ),
    Key::limit(
        "risk_management.crisis_mode.drawdown_threshold",
        FRACTION,
        Is("0.10"),
        Lower,
        "How far equity may fall below its peak before entries stop.",
    ),
    Key::limit(
        "risk_management.crisis_mode.hysteresis",
        Number(Unit::Fraction, Range::from("0", "0.99")),
        Is("0.10"),
        Higher,
        "A drawdown trip ends when the drawdown is back at the threshold less this fraction of it.",
    ),
    Key::limit(
        "risk_management.crisis_mode.latch",
        Flag,
        Is("false"),
        True,
        "With `true`, only an operator's reset ends a drawdown trip.",
    ),
    Key::limit(
        "perps.consecutiveLossLimit",
        COUNT,
        Off,
        Lower,
        "Losing closes in a row that stop entries until a reset or a winning close.",
    ),
    Key::limit(
        "perps.maxMarginRatio",
        FRACTION,
        Is("0.8"),
        Lower,
        "The highest initial margin over equity, projected with the order and with what is reserved.",
    ),
    Key::limit(
        "perps.sessionMaxTrades",
        COUNT,
        Off,
        Lower,
        "Opening orders that may execute in one session.",
    ),
    Key::limit(
        "perps.sessionMaxRuntimeMinutes",
        Number(Unit::Minutes, Range::above("0", "525600")),
        Off,
        Lower,
        "How old a session may grow; down time counts.",
    ),
    Key::limit(
        "perps.maxOrderQty",
        Number(Unit::BaseCoin, Range::above("0", "1000000000000")),
        Off,
        Lower,
        "The largest quantity of one order.",
    ),
    Key::limit("perps.maxOrderNotional", MONEY, Off, Lower, "The largest value of one order."),
    Key::limit(
        "perps.maxPositionNotional",
        MONEY,
        Off,
        Lower,
        "The largest value of one symbol's position, with resting and reserved orders.",
    ),
    Key::limit(
        "perps.maxGrossExposure",
        MONEY,
        Off,
        Lower,
        "The largest value of all positions together, with resting and reserved orders.",
    ),
    Key::limit(
        "perps.priceCollar",
        FRACTION,
        Off,
        Lower,
        "How far a limit price may lie from the mark price.",
    ),
    Key::limit(
        "perps.maxOrdersPerMinute",
        COUNT,
        Off,
        Lower,
        "Opening orders allowed in any 60 seconds.",
    ),
    Key::limit(
        "perps.maxOpenOrders",
        COUNT,
        Off,
        Lower,
        "Resting orders of ours over all symbols, the new one included.",
    ),
    Key::limit("perps.allowedSymbols", Symbols, Off, Fewer, "Nothing else may be opened."),
    Key::limit(
        "perps.maxLeverage",
        Number(Unit::Times, Range::from("1", "500")),
        Off,
        Lower,
        "The highest leverage of a symbol, as the venue last reported it, at which it may be opened.",
    ),
    Key::limit(
        "perps.requireStopLoss",
        Flag,
        Is("false"),
        True,
        "With `true`, an opening order must carry a stop loss.",
    ),
    Key::limit(
        "perps.supportedSides",
        Word(&["both", "long", "short"]),
        Is("long"),
        OneSide,
        "Which positions may be opened, and taken over when found at start.",
    ),
    Key::limit(
        "perps.onTrip",
        Word(&["block", "cancel", "flatten"]),
        Is("block"),
        LaterWord,
        "What a trip does: `block` stops entries; `cancel` also cancels our resting opening orders; `flatten` also closes the positions.",
    ),
    Key::limit(
        "perps.flattenMaxSlippage",
        Number(Unit::Fraction, Range::above("0", "0.5")),
        Is("0.01"),
        Neither,
        "How far from the mark price a flattening order may fill.",
    ),
    Key::limit(
        "perps.leaseMs",
        Number(Unit::Milliseconds, Range::from("500", "60000")),
        Is("3000"),
        Lower,
        "How long the gateway may open orders without a word from the guard.",
    )
    .by(&[RiskGuard, Gateway]),
    Key::limit(
        "perps.venueLagMs",
        Number(Unit::Milliseconds, Range::from("0", "60000")),
        Is("3000"),
        Higher,
        "How late the venue's order history may show what it accepted; an order is given up only after two look-ups spaced further apart.",
    )
    .by(&[RiskGuard, Gateway]),
    Key::limit(
        "perps.recvWindowMs",
        Number(Unit::Milliseconds, Range::from("1000", "60000")),
        Is("5000"),
        Neither,
        "How long after signing the venue still accepts a request.",
    )
    .by(&[RiskGuard, Gateway]),
    Key::limit(
        "perps.maxDataStalenessSeconds",
        Number(Unit::Seconds, Range::from("1", "3600")),
        Is("30"),
        Lower,
        "Entries stop while equity, positions or mark price were read longer ago than this.",
    ),
    Key::limit(
        "perps.timeSyncMaxSkewMs",
        Number(Unit::Milliseconds, Range::from("1", "60000")),
        Is("1000"),
        Lower,
        "Entries stop while the clock differs from the venue's by more than this.",
    )
    .by(&[RiskGuard, Gateway]),
    Key::limit(
        "alerts.reminderMinutes",
        Number(Unit::Minutes, Range::above("0", "1440")),
        Is("30"),
        Lower,
        "How often a condition that lasts is told again.",
    ),
];
