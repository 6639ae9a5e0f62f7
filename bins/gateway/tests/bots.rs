//! What bots see and say: candles as they close, bad lines, and the bot of `docs/bot.py`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and starts the Python bot"
)]

mod player;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use player::{Bot, Guard, House, PATIENCE, Sim, Spec};
use protocol::frame::Empty;
use protocol::gateway::{
    CandleQuery, CandleTopic, GatewayPush, GatewayReply, GatewayRequest, Subscribe,
};
use protocol::guard::{GuardReply, GuardRequest, Observation};
use protocol::venue::Interval;
use protocol::{Decision, Symbol};

fn topic() -> CandleTopic {
    CandleTopic {
        symbol: Symbol::new("SOLUSDT").unwrap(),
        interval: Interval::M1,
    }
}

#[test]
fn history_and_pushes_join_without_a_hole() {
    // A minute candle lasts half a second.
    let Some(sim) = Sim::at_speed("120") else {
        return;
    };
    let house = House::ready(&Spec::at(&sim.url));
    let guard = house.synced_guard();
    let mut bot = Bot::connect(&house.socket());
    let wants = Subscribe {
        candles: vec![topic()],
        tickers: vec![topic().symbol],
    };
    assert_eq!(
        bot.ask(&GatewayRequest::Subscribe(wants)),
        GatewayReply::Done(Empty {})
    );
    let CandleTopic { symbol, interval } = topic();
    let query = CandleQuery {
        symbol,
        interval,
        limit: 50,
    };
    let GatewayReply::Candles(past) = bot.ask(&GatewayRequest::Candles(query)) else {
        panic!()
    };
    assert_eq!(past.candles.len(), 50);
    let mut starts: BTreeSet<i64> = past.candles.iter().map(|c| c.start.0).collect();
    starts.pop_last();
    let (mut closed, mut prices) = (Vec::new(), 0);
    while closed.len() < 8 || prices < 3 {
        match bot
            .client
            .next_push::<GatewayPush>(PATIENCE)
            .unwrap()
            .expect("a push")
        {
            GatewayPush::Candle(news) if news.closed => closed.push(news.candle.start.0),
            GatewayPush::Ticker(_) => prices += 1,
            _ => {}
        }
    }
    assert!(
        closed.is_sorted_by(|a, b| a < b),
        "each once, in order: {closed:?}"
    );
    starts.extend(closed);
    let all: Vec<i64> = starts.into_iter().collect();
    let steps: BTreeSet<i64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps, BTreeSet::from([500]), "{all:?}");
    drop(guard);
}

#[test]
fn bad_lines_get_typed_errors_and_nobody_else_notices() {
    let Some(sim) = Sim::start() else { return };
    let house = House::ready(&Spec::at(&sim.url));
    let guard = house.synced_guard();
    let mut sound = Bot::connect(&house.socket());
    let ask = |line: &str| -> String {
        let mut stream = UnixStream::connect(house.socket()).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    };
    let hello = r#"{"v":1,"id":1,"type":"hello","deadline_ms":99999999999,"body":{"name":"b"}}"#;
    let place = hello.replace("hello", "place");
    let table = [
        ("hello\n".to_owned(), "malformed"),
        (format!("{}\n", "x".repeat(70_000)), "too_long"),
        (hello.replace("\"v\":1", "\"v\":9") + "\n", "version"),
        (hello.replace("99999999999", "1") + "\n", "expired"),
        (hello.replace("hello", "sing") + "\n", "unknown_type"),
        (place + "\n", "bad_body"),
        (
            hello
                .replace("hello", "positions")
                .replace(r#"{"name":"b"}"#, "{}")
                + "\n",
            "forbidden",
        ),
    ];
    for (line, code) in table {
        let answer = ask(&line);
        assert!(answer.contains(code), "{code}: {answer}");
    }
    assert!(matches!(
        sound.ask(&GatewayRequest::Wallet(Empty {})),
        GatewayReply::Wallet(_)
    ));
    let strange = Symbol::new("NOSUCHUSDT").unwrap();
    let wants = Subscribe {
        candles: Vec::new(),
        tickers: vec![strange],
    };
    let GatewayReply::Error(error) = sound.ask(&GatewayRequest::Subscribe(wants)) else {
        panic!()
    };
    assert!(error.message.contains("NOSUCHUSDT"), "{error}");
    drop(guard);
}

#[test]
fn the_bot_of_the_docs_buys_with_a_stop() {
    let Some(sim) = Sim::at_speed("300") else {
        return;
    };
    let house = House::ready(&Spec::at(&sim.url));
    let mut guard = house.synced_guard();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bot.py");
    let spawned = Command::new("python3")
        .arg(script)
        .env("PERPS_GATEWAY_SOCKET", house.socket())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut python) = spawned else {
        println!("SKIPPED: there is no python3");
        return;
    };
    let first = approve_next(&mut guard, 1);
    assert_eq!(
        (first.side, first.reduce_only),
        (protocol::Side::Buy, false)
    );
    assert!(first.stop_loss.is_some());
    guard.observed(|what| match what {
        Observation::Positions(rows) => (!rows.is_empty()).then_some(()),
        _ => None,
    });
    let mut said = String::new();
    let mut output = BufReader::new(python.stdout.take().unwrap());
    // Streams are faster than the answer: it may still be on its way.
    while !said.contains("-> {\"accepted\"") {
        assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
    }
    drop(python.kill());
    drop(python.wait());
    assert_eq!(sim.orders("pg-test-1").len(), 1);
}

/// Says yes to the next order.
fn approve_next(guard: &mut Guard, number: u64) -> protocol::Intent {
    let (id, intent) = guard.asked(|id, request| match request {
        GuardRequest::Authorize(intent) => Some((id, intent.clone())),
        _ => None,
    });
    let approval = player::approval(number, &intent);
    guard.answer(id, &GuardReply::Decision(Decision::Approved(approval)));
    intent
}
