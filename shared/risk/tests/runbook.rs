//! The engine against an independent script (`runbook.py`, Python's standard library) that does the
//! runbook's arithmetic over the same random trades, with `daily_loss_basis: current_equity`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use money::{Amount, Decimal};
use protocol::guard::{Observation, ResetTarget, Verb};
use protocol::venue::Wallet;
use protocol::{Intent, Side};
use risk::{DailyLossBasis, Limits};
use serde_json::{Value, json};
use support::{World, amount, ratio, symbol, wide};

/// Random numbers, always the same for a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }

    fn cents(&mut self, from: i64, to: i64) -> Decimal {
        Decimal::new(from + self.below(to - from), 2)
    }
}

/// A guard, and the story of its day as the script reads it.
struct Told {
    world: World,
    balance: Decimal,
    story: Vec<Value>,
    ours: Vec<Value>,
}

impl Told {
    fn new() -> Self {
        let limits = Limits {
            daily_loss_basis: DailyLossBasis::CurrentEquity,
            max_daily_risk: ratio("900"),
            drawdown_threshold: ratio("0.9999"),
            max_margin_ratio: ratio("900"),
            max_data_staleness_ms: 1_000_000_000_000,
            ..wide()
        };
        let mut told = Self {
            world: World::ready(limits),
            balance: Decimal::from(10_000),
            story: Vec::new(),
            ours: Vec::new(),
        };
        told.equity(Decimal::ZERO);
        told
    }

    /// The story goes on, and the engine says how things stand.
    fn note(&mut self, what: &str, key: &str, value: &str) {
        let at = self.world.venue_now().0;
        self.story
            .push(json!({ "at": at, "what": what, key: value }));
        let status = self.world.status();
        let used = |key: &str| {
            let limit = status.limits.iter().find(|limit| limit.key == key).unwrap();
            limit.used.clone()
        };
        let rounded = |text: Option<String>| {
            text.map(|text| {
                let number = Amount::parse(&text).unwrap().get();
                format!("{number:.12}")
            })
        };
        self.ours.push(json!({
            "daily_loss": rounded(used("trading.max_daily_risk")),
            "drawdown": rounded(used("risk_management.crisis_mode.drawdown_threshold")),
            "losses": status.account.loss_streak,
            "trades": status.session.trades,
        }));
    }

    fn equity(&mut self, open: Decimal) {
        self.world.wait(3_000);
        let equity = self.balance + open;
        self.world.see(Observation::Wallet(Wallet {
            coin: symbol("USDT"),
            equity: Amount::new(equity).unwrap(),
            balance: Amount::new(self.balance).unwrap(),
            position_margin: Some(Amount::ZERO),
            order_margin: Some(Amount::ZERO),
            account_margin_rate: None,
            unrealised: None,
        }));
        self.world.wait(3_000);
        let now = self.world.venue_now();
        self.world.see(Observation::ExecutionsComplete(now));
        self.note("equity", "equity", &equity.to_string());
    }

    /// A whole trade: opened, closed by a stop, its row told.
    fn trade(&mut self, pnl: Decimal) {
        self.world.price("100");
        let buy = self.world.intent(Side::Buy, "1");
        let approval = self.world.approved(&buy);
        let order = self.world.accept(&approval);
        self.world.execute(order, Side::Buy, "1", "100", "0");
        self.note("opened", "by", "bot");
        let sell = Intent {
            reduce_only: true,
            ..self.world.intent(Side::Sell, "1")
        };
        let approval = self.world.approved(&sell);
        let order = self.world.accept(&approval);
        let fee = (-pnl).to_string();
        self.world.execute(order, Side::Sell, "1", "100", &fee);
        self.balance += pnl;
        self.world.closed_by(order, "1", &pnl.to_string());
        self.note("closed", "pnl", &pnl.to_string());
    }

    fn step(&mut self, dice: &mut Dice) {
        match dice.below(12) {
            0..=4 => {
                let pnl = dice.cents(-6_000, 5_000);
                self.trade(pnl);
            }
            5 => self.trade(Decimal::ZERO),
            6 | 7 => {
                let open = dice.cents(-30_000, 30_000);
                self.equity(open);
            }
            8 => {
                let seconds = u64::try_from(dice.below(40_000)).unwrap();
                self.world.wait(seconds * 1_000);
                self.equity(Decimal::ZERO);
            }
            9 => self.say(ResetTarget::CircuitBreaker, "reset_streak"),
            10 => self.say(ResetTarget::DailyLoss, "reset_daily_loss"),
            _ if dice.below(2) == 0 => {
                self.say(ResetTarget::Drawdown { rebase: true }, "rebase_peak");
            }
            _ => {
                self.world.operate(Verb::SessionNew);
                self.note("new_session", "by", "me");
            }
        }
    }

    fn say(&mut self, what: ResetTarget, word: &str) {
        self.world.operate(Verb::Reset { what });
        self.note(word, "by", "me");
    }
}

/// What the script says to a story; `None` if there is no Python here.
#[allow(clippy::disallowed_methods, reason = "the independent script")]
fn script(story: &[Value]) -> Option<Vec<Value>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runbook.py");
    let mut child = Command::new("python3")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut lines = String::new();
    for event in story {
        lines.push_str(&event.to_string());
        lines.push('\n');
    }
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the script failed");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

#[test]
fn the_runbooks_arithmetic_agrees() {
    let mut told = Told::new();
    let mut dice = Dice(0x5eed_2026);
    for _ in 0..1_500 {
        told.step(&mut dice);
        told.world.inputs.clear();
    }
    let Some(theirs) = script(&told.story) else {
        println!("SKIPPED: python3 is not here, so the runbook's script could not run");
        return;
    };
    assert_eq!(theirs.len(), told.ours.len());
    let number = |value: &Value| value.as_str().map(|text| amount(text).get());
    let mut compared = 0;
    for (n, (theirs, ours)) in theirs.iter().zip(&told.ours).enumerate() {
        let event = &told.story[n];
        assert_eq!(
            (&theirs["losses"], &theirs["trades"]),
            (&ours["losses"], &ours["trades"]),
            "{event}"
        );
        for key in ["daily_loss", "drawdown"] {
            // A day that has won shows as no loss.
            let script = number(&theirs[key]).map(|loss| loss.max(Decimal::ZERO));
            let engine = number(&ours[key]);
            let near = script
                .zip(engine)
                .is_some_and(|(a, b)| (a - b).abs() <= Decimal::new(2, 12));
            assert!(
                near,
                "{key} after {event}: the script {script:?}, the engine {engine:?}"
            );
            compared += 1;
        }
    }
    println!("{compared} ratios and {} counts agree", told.ours.len() * 2);
    assert!(compared > 2_000);
}
