//! Arbitrary bytes to every decoder of the venue's JSON: none panics, and what is said of them could
//! stand in a log line.
#![no_main]

use exchange::decoders::decode;
use libfuzzer_sys::fuzz_target;
use protocol::Symbol;

fuzz_target!(|bytes: &[u8]| {
    let (Ok(coin), Ok(symbol)) = (Symbol::new("USDT"), Symbol::new("SOLUSDT")) else {
        return;
    };
    for said in decode(bytes, coin, symbol) {
        assert!(!said.contains(['\n', '\r', '\u{1b}']), "{said:?}");
    }
});
