//! The harness itself: logs, supervisor, bot.

use protocol::Process::{self, AlertForwarder, Bot, Gateway, RiskGuard, Supervisor};

use super::Absent::{Is, Off};
use super::Kind::{Command, Environment, Flag, Number, Size, Text, Texts, Whole, Word};
use super::{Key, Range, Tighter, Unit};

const SUPERVISOR: &[Process] = &[Supervisor];
const EVERY: &[Process] = &[Supervisor, AlertForwarder, RiskGuard, Gateway, Bot];

pub(super) const KEYS: &[Key] = &[
    Key::setting(
        "logging.level",
        Word(&[
            "TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL",
        ]),
        Is("INFO"),
        EVERY,
        "The least severe lines that are written. Safety lines and alerts are written at every level.",
    ),
    Key::setting(
        "logging.file",
        Text,
        Is("logs/trading.log"),
        SUPERVISOR,
        "The file that tells the whole story: safety lines, alerts, order life cycles. Each process's own log lies beside it.",
    )
    .at_once(),
    Key::setting(
        "logging.max_size",
        Size,
        Is("10MB"),
        SUPERVISOR,
        "A log file that would grow beyond this is rotated.",
    )
    .at_once(),
    Key::setting(
        "logging.backup_count",
        Whole(Unit::Count, Range::from("1", "1000")),
        Is("5"),
        SUPERVISOR,
        "How many rotated files of each log are kept.",
    )
    .at_once(),
    Key::setting(
        "logging.json",
        Flag,
        Is("false"),
        SUPERVISOR,
        "With `true`, log lines are JSON objects.",
    )
    .at_once(),
    Key::setting(
        "supervisor.operatorGroup",
        Text,
        Off,
        SUPERVISOR,
        "A Unix group whose members may use the operator's commands, beside root and the service's own user.",
    )
    .at_once(),
    Key::setting(
        "supervisor.restartBudget",
        Whole(Unit::Count, Range::from("1", "1000")),
        Is("5"),
        SUPERVISOR,
        "How often a process may die in one window before it is left down and entries stay blocked.",
    )
    .at_once(),
    Key::setting(
        "supervisor.restartWindowMinutes",
        Number(Unit::Minutes, Range::above("0", "1440")),
        Is("10"),
        SUPERVISOR,
        "The window of the restart budget.",
    )
    .at_once(),
    Key::setting(
        "supervisor.backoffMinMs",
        Number(Unit::Milliseconds, Range::from("1", "60000")),
        Is("200"),
        SUPERVISOR,
        "The wait before the first restart; it doubles, with jitter.",
    )
    .at_once(),
    Key::setting(
        "supervisor.backoffMaxSeconds",
        Number(Unit::Seconds, Range::above("0", "3600")),
        Is("30"),
        SUPERVISOR,
        "The longest wait before a restart.",
    )
    .at_once(),
    Key::setting(
        "supervisor.steadyAfterSeconds",
        Number(Unit::Seconds, Range::above("0", "3600")),
        Is("60"),
        SUPERVISOR,
        "A process that was ready for this long starts with a fresh backoff.",
    )
    .at_once(),
    Key::setting(
        "supervisor.readyTimeoutSeconds",
        Number(Unit::Seconds, Range::above("0", "3600")),
        Is("20"),
        SUPERVISOR,
        "A process that is not ready by then is ended and started again.",
    )
    .at_once(),
    Key::setting(
        "supervisor.heartbeatTimeoutSeconds",
        Number(Unit::Seconds, Range::from("1", "3600")),
        Is("10"),
        SUPERVISOR,
        "A process whose main loop is silent for this long is ended and started again.",
    )
    .at_once(),
    Key::setting(
        "supervisor.stopTimeoutSeconds",
        Number(Unit::Seconds, Range::from("1", "600")),
        Is("10"),
        SUPERVISOR,
        "How long a process may take to stop before it is killed.",
    )
    .at_once(),
    Key::setting(
        "supervisor.reloadDebounceMs",
        Number(Unit::Milliseconds, Range::from("10", "60000")),
        Is("300"),
        SUPERVISOR,
        "An edit is read once the file was quiet for this long.",
    )
    .at_once(),
    Key::setting(
        "supervisor.reloadPollSeconds",
        Number(Unit::Seconds, Range::above("0", "3600")),
        Is("5"),
        SUPERVISOR,
        "How often the file's content is compared, in case no change was announced.",
    )
    .at_once(),
    Key::setting(
        "supervisor.confirmLoosening",
        Flag,
        Is("false"),
        SUPERVISOR,
        "With `true`, an edit that loosens any limit is held until `perpsctl config confirm`.",
    )
    .at_once()
    .tighter(Tighter::True),
    Key::setting(
        "bot.enabled",
        Flag,
        Is("true"),
        SUPERVISOR,
        "With `false`, the supervisor starts no bot.",
    ),
    Key::setting(
        "bot.command",
        Command,
        Off,
        SUPERVISOR,
        "The bot: a program with its arguments, as a list, or as a text that is split at blanks. Absent: no bot is started.",
    ),
    Key::setting(
        "bot.args",
        Texts,
        Off,
        SUPERVISOR,
        "More arguments for the bot's command.",
    ),
    Key::setting(
        "bot.user",
        Text,
        Off,
        SUPERVISOR,
        "The Unix user that the bot runs as; it then reaches gateway.sock and nothing else of the harness. Takes root, or the capabilities that systemd/README.md names. Absent: the service's own user, which trusts the bot.",
    ),
    Key::setting(
        "bot.environment",
        Environment,
        Off,
        SUPERVISOR,
        "Environment variables for the bot. Names that begin with ZOOMEX_ or BYBIT_ are refused: a bot never holds an exchange key.",
    ),
];
