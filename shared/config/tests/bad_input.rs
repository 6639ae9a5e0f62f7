//! What bad input gets: one line for each mistake, at its place, with what was probably meant.
#![allow(clippy::panic, reason = "a test may fail loudly")]

/// A file, and the lines it is refused with.
type Case<'a> = (&'a str, &'a [&'a str]);

fn hold(cases: &[Case<'_>]) {
    for (text, expected) in cases {
        let message = match config::parse(text, "f.yaml") {
            Ok(_) => panic!("accepted:\n{text}"),
            Err(error) => error.to_string(),
        };
        let expected: Vec<_> = expected
            .iter()
            .map(|line| format!("f.yaml:{line}"))
            .collect();
        assert_eq!(message, expected.join("\n"), "for:\n{text}");
    }
}

#[test]
fn nothing_in_it() {
    let empty = "1:1: the file is empty; start from configs/zoomex_example.yaml";
    let other = "1:1: the file holds no sections; it should begin like `trading:`; was it cut short, or is it another file?";
    hold(&[
        ("", &[empty]),
        ("\n \n", &[empty]),
        ("# only words\n", &[empty]),
        ("---\n", &[empty]),
        ("null\n", &[other]),
        ("per", &[other]),
        ("- a\n", &[other]),
        (
            "trading:\n  max_daily_risk: 0.02\n",
            &[
                "1:1: there is no `perps:` section; was the file cut short? A profile without limits of its own begins like `perps:` and, below it, `  useTestnet: true`",
            ],
        ),
    ]);
}

#[test]
fn cut_short() {
    let key = "every key takes the form `key: value`; was the file cut short here?";
    let cut = |place: &str| format!("{place}: this is not YAML: simple key expected ':'; {key}");
    let (top, inside) = (cut("3:1"), cut("3:3"));
    hold(&[
        ("trading:\n  max_daily_risk: 0.02\nper", &[&top]),
        ("perps:\n  sessionMaxTrades: 1\n  maxMar", &[&inside]),
        (
            "perps:\n  sessionMax",
            &[
                "2:3: perps: sessionMax stands where keys should stand below it; was the file cut short?",
            ],
        ),
        (
            "perps:\n  sessionMaxTrades:",
            &[
                "2:3: perps.sessionMaxTrades: has no value; write `null` to switch it off; was the file cut short?",
            ],
        ),
        (
            "perps:\n  maxMarginRatio:\n  useTestnet: true\n",
            &[
                "2:3: perps.maxMarginRatio: has no value; write a number (fraction of 1) above 0, at most 1, or leave the key out; was the file cut short?",
            ],
        ),
        (
            "perps:",
            &[
                "1:1: perps: the section is empty; remove it, or fill it in; was the file cut short?",
            ],
        ),
        (
            "perps: {}",
            &["1:8: perps: the section is empty; remove it, or fill it in"],
        ),
        (
            "perps:\n  maxMarginRatio: 0.",
            &[
                "2:19: perps.maxMarginRatio: 0. is not a number; digits are missing behind the point; was the file cut short?",
            ],
        ),
        (
            "perps:\n  allowedSymbols: [A, ",
            &[
                "2:19: this is not YAML: unclosed bracket '['; a bracket is never closed; was the file cut short?",
            ],
        ),
        (
            "perps:\n  symbol: \"SOL",
            &[
                "2:11: this is not YAML: unclosed quote; a quote is never closed; was the file cut short?",
            ],
        ),
    ]);
}

#[test]
fn unknown_keys() {
    hold(&[
        (
            "perps:\n  sessionMaxTrade: 10\n  maxmarginratio: 0.5\n  max_margin_ratio: 0.5\n  zzz: 1\n",
            &[
                "2:3: perps.sessionMaxTrade: there is no such key; did you mean sessionMaxTrades?",
                "3:3: perps.maxmarginratio: there is no such key; did you mean maxMarginRatio?",
                "4:3: perps.max_margin_ratio: there is no such key; did you mean maxMarginRatio?",
                "5:3: perps.zzz: there is no such key; docs/config.md lists every key",
            ],
        ),
        (
            "perp:\n  sessionMaxTrades: 10\nfoo:\n  a: 1\n",
            &[
                "1:1: perp: there is no such section; did you mean perps?",
                "3:1: foo: there is no such section; docs/config.md lists every key",
            ],
        ),
        (
            "perps:\n  max_daily_risk: 0.1\nmaxMarginRatio: 0.1\nperps.maxMarginRatio: 0.1\n",
            &[
                "2:3: perps.max_daily_risk: there is no such key; did you mean trading.max_daily_risk? It stands in another section",
                "3:1: maxMarginRatio: there is no such key; did you mean perps.maxMarginRatio? It stands in another section",
                "4:1: perps.maxMarginRatio: there is no such key; write `maxMarginRatio:` below `perps:`",
            ],
        ),
        (
            "exchange:\n  api_secret: abc\n",
            &[
                "2:3: exchange.api_secret: there is no such key; secrets never stand in the config: put them into the environment (ZOOMEX_TESTNET_API_KEY, ZOOMEX_TESTNET_API_SECRET)",
            ],
        ),
        (
            "perps:\n  sessionMaxTrades: 10\n  sessionMaxTrades: 1000\n  sesionMaxTrades: 1\n",
            &[
                "3:3: sessionMaxTrades: stands here twice: first at line 2; keep one of the two",
                "4:3: perps.sesionMaxTrades: there is no such key; did you mean sessionMaxTrades?",
            ],
        ),
        (
            "perps:\n  leverage: 1\nperps:\n  leverage: 2\n",
            &["3:1: perps: stands here twice: first at line 1; keep one of the two"],
        ),
    ]);
}

#[test]
fn wrong_numbers() {
    hold(&[
        (
            "perps:\n  maxMarginRatio: -0.8\n  sessionMaxTrades: -1\n  consecutiveLossLimit: 0\n  maxMarginRatioo: 1\n",
            &[
                "2:19: perps.maxMarginRatio: -0.8 is out of range: it must be above 0, at most 1",
                "3:21: perps.sessionMaxTrades: -1 is out of range: it must be from 1 to 1000000",
                "4:25: perps.consecutiveLossLimit: 0 is out of range: it must be from 1 to 1000000; to switch an optional limit off, write `null`; to stop entries, `perpsctl halt`",
                "5:3: perps.maxMarginRatioo: there is no such key; did you mean maxMarginRatio?",
            ],
        ),
        (
            "perps:\n  maxMarginRatio: .nan\n  sessionMaxTrades: .inf\n  priceCollar: NaN\n  leverage: -.INF\n",
            &[
                "2:19: perps.maxMarginRatio: .nan is not a number",
                "3:21: perps.sessionMaxTrades: .inf is not a number",
                "4:16: perps.priceCollar: NaN is not a number",
                "5:13: perps.leverage: -.INF is not a number",
            ],
        ),
        (
            "trading:\n  max_daily_risk: 5\nperps:\n  maxMarginRatio: 80%\n  priceCollar: 0,05\n  riskPct: 1e-3\n  maxOrderNotional: 1_000\n  maxOrderQty: 010\n  maxGrossExposure: 1,000\n",
            &[
                "2:19: trading.max_daily_risk: 5 is out of range: it must be above 0, at most 1; 5 per cent is written 0.05",
                "4:19: perps.maxMarginRatio: 80% is not a number; a fraction is wanted: write 0.8",
                "5:16: perps.priceCollar: 0,05 is not a number; write 0.05",
                "6:12: perps.riskPct: 1e-3 is not a number; write it in plain digits, like 0.05",
                "7:21: perps.maxOrderNotional: 1_000 is not a number; write 1000",
                "8:16: perps.maxOrderQty: 010 is not a number; write 10",
                "9:21: perps.maxGrossExposure: 1,000 is not a number; write 1.000 or 1000",
            ],
        ),
        (
            "perps:\n  consecutiveLossLimit: 3.5\n  sessionMaxTrades: 3.0\n  cashDeployCap: 0.1234567890123456789012345678901234567890\n  sessionMaxRuntimeMinutes: 0.000001\n",
            &[
                "2:25: perps.consecutiveLossLimit: 3.5 is not a whole number; write it without a point",
                "3:21: perps.sessionMaxTrades: 3.0 is not a whole number; write it without a point",
                "4:18: perps.cashDeployCap: 0.12345678901234567890123456789012345678... has too many digits",
            ],
        ),
        (
            "perps:\n  sessionMaxRuntimeMinutes: 0.000001\n",
            &["2:3: perps.sessionMaxRuntimeMinutes: is not a whole number of milliseconds"],
        ),
    ]);
}

#[test]
fn wrong_types() {
    hold(&[
        (
            "perps:\n  maxMarginRatio: \"0.8\"\n  sessionMaxTrades: ten\n  useTestnet: yes\n  requireStopLoss: \"true\"\n  maxOrderQty: [1]\n  leverage: {a: 1}\n  allowedSymbols: SOLUSDT\n",
            &[
                "2:19: perps.maxMarginRatio: 0.8 in quotes is a text, not a number; write 0.8 without quotes",
                "3:21: perps.sessionMaxTrades: ten is not a number",
                "4:15: perps.useTestnet: yes is neither true nor false; write true or false",
                "5:20: perps.requireStopLoss: \"true\" in quotes is a text; write true without quotes",
                "6:16: perps.maxOrderQty: is a list; write a number (base coin) above 0, at most 1000000000000",
                "7:13: perps.leverage: is a section with keys below it; write a number (times) from 1 to 500",
                "8:19: perps.allowedSymbols: is the single text SOLUSDT; write a list like [BTCUSDT, SOLUSDT]",
            ],
        ),
        (
            "perps:\n  mode: hedge\n  positionIdx: 1\n  onTrip: flaten\n  interval: 7\n  symbol: sol/usdt\n  allowedSymbols: []\n  maxMarginRatio: off\n",
            &[
                "2:9: perps.mode: hedge mode is refused; the guard counts one position a symbol: write oneway",
                "3:16: perps.positionIdx: 1 is out of range: it must be 0 alone",
                "4:11: perps.onTrip: flaten is not one of: block, cancel, flatten; did you mean flatten?",
                "5:13: perps.interval: 7 is not a candle interval; write one of 1, 3, 5, 15, 30, 60, 120, 240, 360, 720, D, W",
                "6:11: perps.symbol: sol/usdt is not a symbol; did you mean SOLUSDT?",
                "7:19: perps.allowedSymbols: an empty list would refuse every order; name a symbol, or leave the key out",
                "8:19: perps.maxMarginRatio: cannot be switched off with `off`; write a number (fraction of 1) above 0, at most 1, or leave the key out for 0.8",
            ],
        ),
        (
            "exchange:\n  name: binance\n  testnet: ~\n  base_url: http://127.0.0.1@example.com\nlogging:\n  level: LOUD\n  max_size: 1\n  file: \"a\\nb\"\nbot:\n  command: sh -c 'x'\n  environment:\n    ZOOMEX_TESTNET_API_KEY: x\n",
            &[
                "2:9: exchange.name: binance is not one of: zoomex, bybit",
                "3:12: exchange.testnet: cannot be `~`; leave the key out to follow `--mode`",
                "4:13: exchange.base_url: http://127.0.0.1@example.com holds \"@\"; write scheme, host and port alone: https://host:port",
                "6:10: logging.level: LOUD is not one of: TRACE, DEBUG, INFO, WARN, WARNING, ERROR, CRITICAL",
                "7:13: logging.max_size: 1 is out of range: it must be 4KB to 1024GB",
                "8:9: logging.file: \"a\\nb\" is not one short line of text",
                "10:12: bot.command: \"sh -c 'x'\" needs a shell, and none is used; write a list: [program, first argument, second argument]",
                "12:5: bot.environment: ZOOMEX_TESTNET_API_KEY would hand the bot an exchange key; only the gateway holds keys: set it in the service's own environment",
            ],
        ),
    ]);
}

#[test]
fn keys_that_contradict_one_another() {
    hold(&[(
        "exchange:\n  name: bybit\nperps:\n  exchange: zoomex\n",
        &[
            "4:3: perps.exchange: zoomex is not exchange.name, bybit; name one venue, or leave this key out",
        ],
    )]);
    hold(&[(
        "perps:\n  symbol: BTCUSDT\n  allowedSymbols: [SOLUSDT]\n  leverage: 9\n  maxLeverage: 5\nsupervisor:\n  backoffMinMs: 5000\n  backoffMaxSeconds: 1\nbot:\n  args: [a]\n",
        &[
            "3:3: perps.allowedSymbols: does not hold perps.symbol, BTCUSDT; every entry would be refused: add it",
            "4:3: perps.leverage: 9 is above perps.maxLeverage, 5; every entry would be refused: lower it",
            "8:3: supervisor.backoffMaxSeconds: is shorter than supervisor.backoffMinMs; raise it",
            "10:3: bot.args: stands without bot.command; name the program in bot.command",
        ],
    )]);
}

#[test]
fn yaml_beyond_the_plain_part() {
    let indent = "check the indentation: keys of one section start in the same column";
    let anchors = "anchors and aliases (`&name`, `*name`) are not taken; write the value out";
    let a = format!("1:8: {anchors}");
    let b =
        format!("3:19: this is not YAML: mapping values are not allowed in this context; {indent}");
    hold(&[
        ("perps: &a\n  leverage: 1\n", &[&a]),
        (
            "perps:\n  sessionMaxTrades: 10\n    maxMarginRatio: 0.5\n",
            &[&b],
        ),
        (
            "perps:\n\tsessionMaxTrades: 10\n",
            &[
                "2:2: this is not YAML: tabs disallowed within this context (block indentation); indent with spaces, never with tabs",
            ],
        ),
        (
            "perps:\n  leverage: *a\n",
            &[
                "2:13: this is not YAML: while parsing node, found unknown anchor; anchors and aliases are not taken: write the value out",
            ],
        ),
        (
            "perps:\n  <<: {leverage: 1}\n",
            &["2:3: merge keys (`<<`) are not taken; write the keys out"],
        ),
        (
            "perps:\n  leverage: !!float 1\n",
            &["2:13: tags (`!name`) are not taken; write the bare value"],
        ),
        (
            "perps:\n  leverage: 1\n---\nperps:\n  leverage: 2\n",
            &["3:1: a second document begins here; a config is one document: remove the `---`"],
        ),
        (
            "perps:\n  ? [a]\n  : 1\n",
            &["2:5: a list or section cannot be a key"],
        ),
        (
            "%YAML 1.2\n---\nperps: {leverage: 1}\n",
            &[
                "1:1: this is not YAML: YAML directives are disallowed; leave out lines that begin with %",
            ],
        ),
        (
            "perps:\r\n  leverage: 1\r\n  sessionMaxTrade: 1\r\n",
            &["3:3: perps.sessionMaxTrade: there is no such key; did you mean sessionMaxTrades?"],
        ),
    ]);
}

#[test]
fn too_deep_too_large_not_text() {
    let said = |bytes: &[u8]| match config::parse_bytes(bytes, "f.yaml") {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    let deep =
        "this is not YAML: recursion limit exceeded; it is nested far deeper than any config";
    assert_eq!(
        said("[".repeat(100_000).as_bytes()),
        format!("f.yaml:1:17: {deep}")
    );
    let stairs: Vec<_> = (0..200).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    let stairs = stairs.concat();
    assert_eq!(said(stairs.as_bytes()), format!("f.yaml:17:17: {deep}"));
    assert_eq!(
        said(&vec![b'#'; 300_000]),
        "f.yaml:1:1: the file has 300000 bytes; at most 262144 are read; is this the right file?"
    );
    let utf8 = "this byte is not UTF-8 text; save the file as UTF-8";
    assert_eq!(
        said(b"perps:\n  symbol: \xff\n"),
        format!("f.yaml:2:11: {utf8}")
    );
    assert_eq!(said(b"\xff\xfep\0e\0"), format!("f.yaml:1:1: {utf8}"));
    assert!(said(b"perps:\n  symbol: A\0B\n").starts_with("f.yaml:2:12: this is not YAML:"));
}

#[test]
fn many_problems_stay_readable() {
    let keys: Vec<_> = (0..100).map(|i| format!("  key{i}: 1\n")).collect();
    let keys = keys.concat();
    let error = config::parse(&format!("perps:\n{keys}"), "f.yaml").map(|_| ());
    let message = error.map_err(|e| e.to_string()).err().unwrap_or_default();
    assert_eq!(message.lines().count(), 21);
    assert!(message.ends_with("and 80 more"));
}
