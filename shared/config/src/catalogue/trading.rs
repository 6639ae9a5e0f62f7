//! Where and what to trade: the venue, the gateway's caps, the reference bot's strategy.

use protocol::Process::{self, Bot, Gateway, RiskGuard, Supervisor};

use super::Absent::{Follows, Is};
use super::Kind::{Flag, Interval, Number, Symbol, Text, Url, Whole, Word};
use super::Tighter::{Lower, True};
use super::{Key, Kind, Range, Unit};

const FRACTION: Kind = Number(Unit::Fraction, Range::above("0", "1"));
const STATE_WRITER: &[Process] = &[RiskGuard];
const GATEWAY: &[Process] = &[Gateway];
const BOT: &[Process] = &[Bot];

pub(super) const KEYS: &[Key] = &[
    Key::setting(
        "exchange.name",
        Word(&["zoomex", "bybit"]),
        Is("zoomex"),
        GATEWAY,
        "The venue: its hosts, its paths, its keys. Everything else is shared.",
    ),
    Key::setting(
        "exchange.testnet",
        Flag,
        Follows("`--mode`"),
        &[Supervisor, Gateway],
        "Whether this config is for the testnet; must agree with `--mode`.",
    )
    .tighter(True),
    Key::setting(
        "exchange.base_url",
        Url,
        Follows("`--mode`"),
        &[Supervisor, Gateway],
        "The venue's REST address; the streams follow it. Testnet mode takes the testnet's own host and loopback only.",
    ),
    Key::setting(
        "exchange.account_type",
        Word(&["auto", "unified", "classic"]),
        Is("auto"),
        GATEWAY,
        "Which wallet to read: the trading account (`unified`), the `classic` contract account, or whichever answers (`auto`).",
    ),
    Key::setting(
        "perps.enabled",
        Flag,
        Is("true"),
        &[Supervisor],
        "With `false`, the supervisor starts no bot.",
    ),
    Key::setting(
        "perps.exchange",
        Word(&["zoomex", "bybit"]),
        Follows("`exchange.name`"),
        GATEWAY,
        "The venue, again; must agree with `exchange.name`.",
    ),
    Key::setting(
        "perps.useTestnet",
        Flag,
        Follows("`--mode`"),
        &[Supervisor, Gateway],
        "Whether this config is for the testnet; must agree with `--mode`. Mainnet mode wants it written out as `false`.",
    )
    .tighter(True),
    Key::setting(
        "perps.symbol",
        Symbol,
        Is("SOLUSDT"),
        &[Gateway, Bot],
        "The instrument that is traded.",
    ),
    Key::setting(
        "perps.interval",
        Interval,
        Is("5"),
        &[Gateway, Bot],
        "The candles the bot decides on: 1, 3, 5, 15, 30, 60, 120, 240, 360 or 720 minutes, `D` or `W`.",
    ),
    Key::setting(
        "perps.leverage",
        Number(Unit::Times, Range::from("1", "500")),
        Is("1"),
        GATEWAY,
        "The leverage that the gateway sets for the symbol before the first entry.",
    )
    .tighter(Lower),
    Key::setting(
        "perps.mode",
        Word(&["oneway", "one_way", "one-way"]),
        Is("oneway"),
        GATEWAY,
        "One position a symbol. `hedge` is refused.",
    ),
    Key::setting(
        "perps.positionIdx",
        Whole(Unit::Count, Range::from("0", "0")),
        Is("0"),
        GATEWAY,
        "The position index of one-way mode; 1 and 2 are hedge mode and refused.",
    ),
    Key::setting(
        "perps.triggerBy",
        Word(&["LastPrice", "MarkPrice", "IndexPrice"]),
        Is("LastPrice"),
        GATEWAY,
        "Which price sets off stop loss and take profit.",
    ),
    Key::setting(
        "perps.stateFile",
        Text,
        Is("data/perps_state.json"),
        STATE_WRITER,
        "The guard's state; a relative path is below the deployment's directory.",
    ),
    Key::setting(
        "perps.maxRequestsPerSecond",
        Whole(Unit::Count, Range::from("1", "100")),
        Is("5"),
        GATEWAY,
        "Reads and opening orders over REST in any second. Exits and cancels neither wait for it nor count.",
    )
    .at_once()
    .tighter(Lower),
    Key::setting(
        "perps.maxRequestsPerMinute",
        Whole(Unit::Count, Range::from("10", "6000")),
        Is("60"),
        GATEWAY,
        "The same in any minute. Polling stretches to fit.",
    )
    .at_once()
    .tighter(Lower),
    Key::setting(
        "perps.timeSyncIntervalSeconds",
        Number(Unit::Seconds, Range::from("10", "86400")),
        Is("60"),
        GATEWAY,
        "How often the venue's time is read.",
    )
    .at_once(),
    Key::setting(
        "perps.maxDataGapMultiplier",
        Number(Unit::Times, Range::from("1", "1000")),
        Is("2"),
        GATEWAY,
        "Entries stop while two candles of a followed series begin further apart than this many intervals.",
    )
    .at_once()
    .tighter(Lower),
    Key::setting(
        "perps.riskPct",
        FRACTION,
        Is("0.005"),
        BOT,
        "How much of equity one trade may lose at its stop.",
    )
    .tighter(Lower),
    Key::setting(
        "perps.stopLossPct",
        FRACTION,
        Is("0.01"),
        BOT,
        "How far below the entry the stop loss lies at least.",
    ),
    Key::setting(
        "perps.takeProfitPct",
        Number(Unit::Fraction, Range::above("0", "10")),
        Is("0.03"),
        BOT,
        "How far above the entry the take profit lies.",
    ),
    Key::setting(
        "perps.cashDeployCap",
        FRACTION,
        Is("0.20"),
        BOT,
        "How much of equity one position may tie up as margin.",
    )
    .tighter(Lower),
    Key::setting(
        "perps.earlyExitOnCross",
        Flag,
        Is("false"),
        BOT,
        "With `true`, the bot leaves when the trend turns, before stop or target.",
    ),
];
