//! The WebSocket streams: who listens to what, and what they are told.
//!
//! What this room is for: authentication, subscriptions, turning news of the books and of prices
//! into messages, and cutting connections when a fault wants it. What it does not do: decide what
//! happens at the venue, or what a row looks like (`rows`).
//!
//! ```text
//! connection task -> Hub::hear  -> answer       (one line in, one line out)
//! whoever changes the books -> Hub::tell        (order, execution, position, wallet)
//! the beat of the clock     -> Hub::beat        (tickers, kline, orderbook, publicTrade)
//!                                  `-> each listener's own bounded queue -> its socket
//! ```
//!
//! A message is written once and shared by all who listen. A listener that does not keep up is
//! disconnected, as the venue would.

mod book;
mod dialogue;
mod feed;
mod hub;
mod news;
mod socket;
mod topic;

pub(crate) use feed::ListenerId;
pub(crate) use hub::Hub;
pub(crate) use socket::routes;
