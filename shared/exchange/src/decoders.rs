//! Every decoder behind one door, for whoever feeds them bytes that no sane venue sends: the fuzz
//! target (`fuzz/`) and a test that goes over its corpus.

use protocol::{BootMs, Symbol, VenueMs};
use serde::de::DeserializeOwned;

use crate::answer::Answer;
use crate::error::ExchangeError;
use crate::number::{FieldError, Text};
use crate::stream::session::{Act, Session};
use crate::stream::{Feed, StreamEvent, Topic};
use crate::wire::envelope::Page;
use crate::wire::executions::{ClosedRow, ExecutionRow};
use crate::wire::market::{InstrumentRow, Klines, TickerRow, TimeResult};
use crate::wire::orders::{OrderIds, OrderRow};
use crate::wire::positions::PositionRow;
use crate::wire::wallet::AccountRow;

/// Reads the bytes in every way there is: as the answer to each call, and line by line as messages
/// of both streams. What came of it, one text for each thing read and each thing refused; what is
/// said of hostile bytes must itself be harmless, and that is for the caller to look at.
pub fn decode(bytes: &[u8], coin: Symbol, symbol: Symbol) -> Vec<String> {
    let mut said = Vec::new();
    answers(bytes, coin, &mut said);
    if let Ok(text) = std::str::from_utf8(bytes) {
        for feed in [Feed::Account, Feed::Market] {
            messages(text, feed, (coin, symbol), &mut said);
        }
    }
    said
}

fn answers(bytes: &[u8], coin: Symbol, said: &mut Vec<String>) {
    let answer = Answer {
        body: bytes.to_vec(),
        call: "any/call",
    };
    tell(said, answer.made());
    let at = VenueMs(1_763_980_000_000);
    rows(&answer, said, |row: &InstrumentRow| {
        // Its name is shown in a log line whether the rest of it can be read or not.
        row.instrument().map(|read| (row.name(), read))
    });
    rows(&answer, said, |row: &TickerRow| row.ticker(at));
    rows(&answer, said, |row: &AccountRow| row.wallet(coin));
    rows(&answer, said, PositionRow::position);
    rows(&answer, said, OrderRow::order);
    rows(&answer, said, ExecutionRow::execution);
    rows(&answer, said, ClosedRow::trade);
    one(&answer, said, Klines::candles);
    one(&answer, said, TimeResult::venue_now);
    one(&answer, said, OrderIds::order_id);
    if let Ok(text) = serde_json::from_slice::<Text>(bytes) {
        let field = ExchangeError::field("any/call");
        tell(said, text.nonzero::<money::Price>("price").map_err(&field));
        tell(
            said,
            text.required::<money::Amount>("amount").map_err(&field),
        );
        tell(said, text.time("time").map_err(&field));
    }
}

fn one<T, R>(answer: &Answer, said: &mut Vec<String>, read: fn(&T) -> Result<R, FieldError>)
where
    T: DeserializeOwned,
    R: std::fmt::Debug,
{
    let result = answer.result::<T>();
    tell(
        said,
        result.and_then(|result| read(&result).map_err(ExchangeError::field("any/call"))),
    );
}

fn rows<T, R>(answer: &Answer, said: &mut Vec<String>, read: impl Fn(&T) -> Result<R, FieldError>)
where
    T: DeserializeOwned,
    R: std::fmt::Debug,
{
    match answer.result::<Page<T>>() {
        Ok(page) => {
            for row in &page.list {
                tell(said, read(row).map_err(ExchangeError::field("any/call")));
            }
        }
        Err(error) => said.push(error.to_string()),
    }
}

fn tell<R: std::fmt::Debug>(said: &mut Vec<String>, read: Result<R, ExchangeError>) {
    said.push(match read {
        Ok(read) => format!("{read:?}"),
        Err(error) => error.to_string(),
    });
}

/// Plays the lines to a connection on which everything of the symbol is subscribed to.
fn messages(text: &str, feed: Feed, (coin, symbol): (Symbol, Symbol), said: &mut Vec<String>) {
    let now = BootMs(1_000_000);
    let mut session = Session::new(feed, coin, now);
    let wanted = [
        Topic::Tickers(symbol),
        Topic::Quotes(symbol),
        Topic::Candles(symbol, protocol::venue::Interval::M1),
    ];
    session.want(&wanted.into(), now);
    session.wake(now);
    match feed {
        Feed::Account => {
            session.opened(now, Some(String::new()));
            session.heard(now, r#"{"op":"auth","success":true}"#);
        }
        Feed::Market => drop(session.opened(now, None)),
    }
    for (n, line) in (0..).zip(text.lines().take(64)) {
        for act in session.heard(now.after(n), line) {
            said.push(match act {
                Act::Tell(StreamEvent::Unreadable(error)) => error.to_string(),
                Act::Tell(event) => format!("{event:?}"),
                Act::Hang(why) => why,
                Act::Send(text) => text,
                Act::Connect => continue,
            });
        }
    }
}
