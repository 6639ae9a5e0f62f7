//! The venue's streams: what it tells of its own accord.
//!
//! ```text
//!  gateway -- topics --> Stream::run (socket) --> Session (pure) --> StreamEvent --> gateway
//!                          wss://.../private       |  account: position, execution, order, wallet
//!                          wss://.../public        |  market: tickers, kline, orderbook.1
//! ```
//! [`session`] decides what is sent and when, [`account`] and [`market`] read what is heard,
//! `socket` moves bytes. What this room does not do: remember what was missed while it was away
//! (whoever hears [`StreamEvent::Up`] asks REST for it), thin ticks, or decide what any of it means.

mod account;
mod event;
mod frame;
mod market;
pub mod session;
mod socket;
mod topic;

pub use event::{News, StreamError, StreamEvent};
pub use socket::Stream;
pub use topic::{Feed, Topic};
