//! A simulated exchange of one's own, and its admin interface.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use money::{Amount, Price, Qty, Ratio};
use protocol::{Side, Symbol};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Binaries, PlayError};

/// How the simulator is started.
#[derive(Debug, Clone)]
pub struct SimSpec {
    /// Seed of its prices.
    pub seed: u64,
    /// How fast the market moves; `0` freezes it, `1` is real time.
    pub speed: &'static str,
    /// The wallet's balance in USDT.
    pub balance: u32,
    /// `unified` or `classic`.
    pub account: &'static str,
    /// Ctrl-C in the terminal does not reach it; whoever started it sees the signal and ends it last.
    pub outlives_ctrl_c: bool,
    /// How many instruments there are.
    pub symbols: u32,
}

impl Default for SimSpec {
    fn default() -> Self {
        Self {
            seed: 1,
            speed: "0",
            balance: 10_000,
            account: "unified",
            outlives_ctrl_c: false,
            symbols: 3,
        }
    }
}

/// A running simulator; ends when dropped.
#[derive(Debug)]
pub struct Sim {
    child: Child,
    url: String,
}

/// Something the simulator does wrong on purpose.
#[derive(Debug, Clone)]
pub struct Fault {
    /// `latency`, `http_500`, `timeout_after_accept`, `reset`, `clock_skew`, `ban_403`, `ret_code`,
    /// `partial_fill`, `drop_ws`, `mute_ws`.
    pub kind: &'static str,
    /// End of the path of the calls it befalls; all if absent.
    pub path: Option<&'static str>,
    /// How many calls.
    pub count: u32,
    /// Milliseconds, for kinds that take them.
    pub ms: Option<i64>,
    /// Return code, for `ret_code`.
    pub code: Option<i64>,
    /// Whether the call is carried out before its answer is spoilt.
    pub executed: bool,
}

/// Everything the simulator ever accepted: the truth of every test.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Every order, oldest first.
    pub orders: Vec<LedgerOrder>,
    /// Every execution, oldest first.
    pub executions: Vec<Value>,
    /// Every closed-PnL row, oldest first.
    pub closed_pnl: Vec<Value>,
    /// Every funding fee, oldest first.
    pub funding: Vec<Value>,
}

/// One order of the ledger, as far as judging it needs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerOrder {
    /// The venue's id.
    pub order_id: String,
    /// Its link id; empty for orders that the venue made.
    pub order_link_id: String,
    /// Which instrument.
    pub symbol: String,
    /// `Buy` or `Sell`.
    pub side: String,
    /// Only shrinks a position.
    pub reduce_only: bool,
    /// Only closes a position.
    pub close_on_trigger: bool,
    /// Where it stands.
    pub status: String,
    /// When that last changed, venue ms.
    pub updated_time: i64,
}

impl LedgerOrder {
    /// Whether it could open or enlarge a position.
    pub fn opens(&self) -> bool {
        !self.reduce_only && !self.close_on_trigger
    }
}

impl Sim {
    /// Starts a simulator on a port of its own and waits until it listens.
    #[expect(clippy::disallowed_methods, reason = "this room spawns the simulator")]
    pub fn start(binaries: &Binaries, spec: &SimSpec) -> Result<Self, PlayError> {
        let mut command = Command::new(binaries.path("zoomex-sim")?);
        if spec.outlives_ctrl_c {
            command.process_group(0);
        }
        let mut child = command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--speed",
                spec.speed,
                "--account",
                spec.account,
            ])
            .args([
                "--seed",
                &spec.seed.to_string(),
                "--balance",
                &spec.balance.to_string(),
                "--symbols",
                &spec.symbols.to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(PlayError::io("start zoomex-sim"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let read = BufReader::new(stdout).read_line(&mut line);
            read.map_err(PlayError::io("read zoomex-sim's first line"))?;
        }
        let Some(address) = line.trim().strip_prefix("listening on ") else {
            stop(&mut child);
            return Err(PlayError::Ended {
                what: format!("zoomex-sim said {line:?} first"),
            });
        };
        Ok(Self {
            url: format!("http://{address}"),
            child,
        })
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it ever accepted.
    pub fn ledger(&self) -> Result<Ledger, PlayError> {
        let path = "/sim/ledger";
        let problem = |why: String| PlayError::Sim {
            path: path.to_owned(),
            why,
        };
        let mut answer = ureq::get(format!("{}{path}", self.url))
            .call()
            .map_err(|e| problem(e.to_string()))?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string();
        serde_json::from_str(&text.map_err(|e| problem(e.to_string()))?)
            .map_err(|e| problem(e.to_string()))
    }

    /// How many orders it has ever accepted.
    pub fn orders(&self) -> Result<u64, PlayError> {
        self.health("/orders")
    }

    /// How many calls are still to suffer a fault.
    pub fn faults_pending(&self) -> Result<u64, PlayError> {
        self.health("/faultsPending")
    }

    /// How often closed PnL has been asked for.
    pub fn closed_pnl_reads(&self) -> Result<u64, PlayError> {
        self.health("/requests/~1position~1closed-pnl")
    }

    fn health(&self, count: &str) -> Result<u64, PlayError> {
        let path = "/sim/health";
        let problem = |why: String| PlayError::Sim {
            path: path.to_owned(),
            why,
        };
        let answer = ureq::get(format!("{}{path}", self.url)).call();
        let text = answer
            .map_err(|e| problem(e.to_string()))?
            .body_mut()
            .read_to_string()
            .map_err(|e| problem(e.to_string()))?;
        let health: Value = serde_json::from_str(&text).map_err(|e| problem(e.to_string()))?;
        let found = health.pointer(count).and_then(Value::as_u64);
        found.ok_or_else(|| problem(format!("no {count} in {text}")))
    }

    /// Pins the price of a symbol, or releases it.
    pub fn price(&self, symbol: Symbol, price: Option<Price>) -> Result<(), PlayError> {
        self.post("/sim/price", &json!({ "symbol": symbol, "price": price }))
    }

    /// Shows no candle of a symbol that began in the last so many milliseconds, nor any that is to
    /// come; but those of the last `show_ms`, if that is not zero.
    pub fn hide_candles(
        &self,
        symbol: Symbol,
        hide_ms: u32,
        show_ms: u32,
    ) -> Result<(), PlayError> {
        let body = json!({ "symbol": symbol, "hideMs": hide_ms, "showMs": show_ms });
        self.post("/sim/candles", &body)
    }

    /// Shows all candles of a symbol again.
    pub fn show_candles(&self, symbol: Symbol) -> Result<(), PlayError> {
        self.post("/sim/candles", &json!({ "symbol": symbol }))
    }

    /// Makes a position from nowhere.
    pub fn position(
        &self,
        symbol: Symbol,
        side: Side,
        size: Qty,
        entry: Price,
    ) -> Result<(), PlayError> {
        self.place(symbol, side, size, entry, 0)
    }

    /// Makes a leg of hedge mode from nowhere: the long one or the short one.
    pub fn leg(
        &self,
        symbol: Symbol,
        side: Side,
        size: Qty,
        entry: Price,
    ) -> Result<(), PlayError> {
        let slot = match side {
            Side::Buy => 1,
            Side::Sell => 2,
        };
        self.place(symbol, side, size, entry, slot)
    }

    /// Charges funding on the positions of a symbol; at a positive rate longs pay.
    pub fn funding(&self, symbol: Symbol, rate: Ratio) -> Result<(), PlayError> {
        self.post("/sim/funding", &json!({ "symbol": symbol, "rate": rate }))
    }

    /// Takes so much of a position (all of it if absent) by auto-deleveraging.
    pub fn deleverage(&self, symbol: Symbol, size: Option<Qty>) -> Result<(), PlayError> {
        self.post("/sim/adl", &json!({ "symbol": symbol, "size": size }))
    }

    /// Resets the streams whose path ends so (all if absent), and refuses new ones for so many ms.
    pub fn drop_streams(
        &self,
        path: Option<&'static str>,
        refuse_ms: i64,
    ) -> Result<(), PlayError> {
        self.fault_streams("drop_ws", path, refuse_ms)
    }

    /// Leaves those streams open, but silent for good.
    pub fn mute_streams(&self, path: Option<&'static str>) -> Result<(), PlayError> {
        self.fault_streams("mute_ws", path, 0)
    }

    /// Shows every row of closed PnL with so much too much from now on; zero: right again.
    pub fn misstate_closed_pnl(&self, by: Amount) -> Result<(), PlayError> {
        let body = json!({ "kind": "wrong_closed_pnl", "amount": by });
        self.post("/sim/fault", &body)
    }

    /// Shows rows of closed PnL so many ms late from now on; zero: at once again.
    pub fn delay_closed_pnl(&self, ms: i64) -> Result<(), PlayError> {
        let body = json!({ "kind": "late_closed_pnl", "ms": ms });
        self.post("/sim/fault", &body)
    }

    /// Moves money in or out.
    pub fn transfer(&self, amount: Amount) -> Result<(), PlayError> {
        self.post("/sim/transfer", &json!({ "amount": amount }))
    }

    /// Makes the next calls go wrong.
    pub fn fault(&self, fault: &Fault) -> Result<(), PlayError> {
        let mut body = json!({
            "kind": fault.kind,
            "count": fault.count,
            "executed": fault.executed,
        });
        let optional = [
            ("path", fault.path.map(Value::from)),
            ("ms", fault.ms.map(Value::from)),
            ("code", fault.code.map(Value::from)),
        ];
        for (key, value) in optional {
            if let (Some(value), Some(map)) = (value, body.as_object_mut()) {
                map.insert(key.to_owned(), value);
            }
        }
        self.post("/sim/fault", &body)
    }

    fn place(
        &self,
        symbol: Symbol,
        side: Side,
        size: Qty,
        entry: Price,
        slot: u8,
    ) -> Result<(), PlayError> {
        let side = match side {
            Side::Buy => "Buy",
            Side::Sell => "Sell",
        };
        let body = json!({
            "symbol": symbol,
            "side": side,
            "size": size,
            "avgPrice": entry,
            "positionIdx": slot,
        });
        self.post("/sim/position", &body)
    }

    fn fault_streams(
        &self,
        kind: &'static str,
        path: Option<&'static str>,
        ms: i64,
    ) -> Result<(), PlayError> {
        self.fault(&Fault {
            kind,
            path,
            count: 1,
            ms: Some(ms),
            code: None,
            executed: false,
        })
    }

    fn post(&self, path: &str, body: &Value) -> Result<(), PlayError> {
        let sent = ureq::post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .send(body.to_string());
        sent.map(drop).map_err(|e| PlayError::Sim {
            path: path.to_owned(),
            why: format!("{body}: {e}"),
        })
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

fn stop(child: &mut Child) {
    // It may have ended already; what matters is that it is gone and reaped.
    drop(child.kill());
    drop(child.wait());
}
